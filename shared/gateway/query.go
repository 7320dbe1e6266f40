package gateway

import (
	"net/url"
	"strconv"
	"strings"

	"aiwm-chat/shared/chat"
)

// A Query reads a query string strictly: every parameter once, every value in
// its bounds, nothing unknown. Read all parameters, then ask Err.
type Query struct {
	values url.Values
	known  map[string]bool
	faults chat.Faults
}

// Query returns the query string of r.
func (r *HTTPRequest) Query() *Query {
	q := &Query{known: map[string]bool{}}
	values, err := url.ParseQuery(r.event.RawQueryString)
	if err != nil {
		q.faults.Add("query", "is not a valid query string")
	}
	q.values = values
	return q
}

// Text returns a parameter, "" where it is not given.
func (q *Query) Text(name string) string {
	q.known[name] = true
	if len(q.values[name]) > 1 {
		q.faults.Add(name, "must be given once")
	}
	return q.values.Get(name)
}

// ID returns a parameter that must be an id where it is given.
func (q *Query) ID(name string) string {
	s := q.Text(name)
	if s != "" {
		chat.CheckID(&q.faults, name, s)
	}
	return s
}

// RequiredID returns a parameter that must be given and an id.
func (q *Query) RequiredID(name string) string {
	s := q.Text(name)
	chat.CheckID(&q.faults, name, s)
	return s
}

// Int returns a whole number from lowest to highest, or otherwise where the
// parameter is not given.
func (q *Query) Int(name string, otherwise, lowest, highest int64) int64 {
	if p := q.OptionalInt(name, lowest, highest); p != nil {
		return *p
	}
	return otherwise
}

// OptionalInt returns a whole number, nil where the parameter is not given.
func (q *Query) OptionalInt(name string, lowest, highest int64) *int64 {
	s := q.Text(name)
	if s == "" && !q.values.Has(name) {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lowest || n > highest {
		q.faults.Add(name, "must be a whole number from %d to %d", lowest, highest)
		return nil
	}
	return &n
}

// Refuse notes a fault that the caller found.
func (q *Query) Refuse(name, format string, args ...any) { q.faults.Add(name, format, args...) }

// Err returns what is wrong with the query string, unknown parameters included.
func (q *Query) Err() error {
	for name := range q.values {
		if !q.known[name] {
			shown := strings.ToValidUTF8(chat.TruncateUTF8(name, 64), "\uFFFD") // %ff is a valid escape, but not a name in JSON
			q.faults.Add(shown, "is not known here")
		}
	}
	return q.faults.Err()
}
