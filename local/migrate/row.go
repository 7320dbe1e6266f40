package migrate

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// A row is a document of the old data. Nobody checked it: whatever is read of it may
// be missing or of another type.
type row struct {
	raw   bson.Raw
	notes []string // what of it is not taken over as it is
}

// note says what becomes different: where in the row, and not what was there. The
// notes are kept, and what they said would be there when the message is erased.
func (r *row) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// has reports whether a member is there and not null.
func (r *row) has(name string) bool {
	v, err := r.raw.LookupErr(name)
	return err == nil && v.Type != bson.TypeNull && v.Type != bson.TypeUndefined
}

// text returns the first of the members that is a text or an id, "" for none.
func (r *row) text(names ...string) string {
	for _, name := range names {
		if s := textOf(r.raw.Lookup(name)); s != "" {
			return s
		}
	}
	return ""
}

// textOf is a string without the white space around it, or the digits of an
// ObjectID.
func textOf(v bson.RawValue) string {
	if s, ok := v.StringValueOK(); ok {
		return strings.TrimSpace(s)
	}
	if id, ok := v.ObjectIDOK(); ok {
		return id.Hex()
	}
	return ""
}

// nameOf is what a row is called by others: a text, an id or a number.
func nameOf(v bson.RawValue) string {
	if v.IsNumber() {
		return plain(v)
	}
	return textOf(v)
}

// plain is a number as people write it.
func plain(v bson.RawValue) string {
	if n, ok := v.AsInt64OK(); ok {
		return strconv.FormatInt(n, 10)
	}
	return v.String()
}

// number returns the first of the members that is one, 0 for none.
func (r *row) number(names ...string) int64 {
	for _, name := range names {
		if n, ok := r.raw.Lookup(name).AsInt64OK(); ok {
			return n
		}
	}
	return 0
}

func (r *row) flag(names ...string) (value, given bool) {
	for _, name := range names {
		if b, ok := r.raw.Lookup(name).BooleanOK(); ok {
			return b, true
		}
	}
	return false, false
}

// time returns the first of the members that says one: a date, a text of RFC
// 3339, seconds or milliseconds since 1970. It is zero for none.
func (r *row) time(names ...string) time.Time {
	for _, name := range names {
		if t, ok := timeOf(r.raw.Lookup(name)); ok {
			return t
		}
	}
	return time.Time{}
}

// The years that a time of the old data may be of.
var earliest, latest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

func timeOf(v bson.RawValue) (t time.Time, ok bool) {
	if ms, is := v.DateTimeOK(); is {
		t = time.UnixMilli(ms)
	} else if s, is := v.StringValueOK(); is {
		t, _ = time.Parse(time.RFC3339, s)
	} else if n, is := v.AsInt64OK(); is {
		if t = time.UnixMilli(n); t.Before(earliest) {
			t = time.Unix(n, 0)
		}
	}
	return t.UTC(), t.After(earliest) && t.Before(latest)
}

// created is when the row was made, by what it says or else by its ObjectID.
func (r *row) created() (t time.Time, ok bool) {
	if t = r.time("createdAt", "created_at", "timestamp"); !t.IsZero() {
		return t, true
	}
	if id, ok := r.raw.Lookup("_id").ObjectIDOK(); ok {
		return id.Timestamp().UTC(), true
	}
	return t, false
}

// below returns the document of a member, nil if it is none.
func (r *row) below(name string) *row {
	if d, ok := r.raw.Lookup(name).DocumentOK(); ok {
		return &row{raw: d}
	}
	return nil
}

// list returns the elements of an array, none if it is no array.
func (r *row) list(name string) []bson.RawValue {
	a, ok := r.raw.Lookup(name).ArrayOK()
	if !ok {
		return nil
	}
	values, err := a.Values()
	if err != nil {
		return nil
	}
	return values
}

// id is the _id of a row for people.
func (r *row) id() string { return shownID(r.raw.Lookup("_id")) }

func shownID(v bson.RawValue) string {
	if s := textOf(v); s != "" {
		return s
	}
	return v.String()
}

// newID is the id that a row has from now on: its own, or else its _id.
func (r *row) newID(own string) string {
	if s := r.text(own); chat.ValidID(s) {
		return s
	}
	if s := r.text("_id"); chat.ValidID(s) {
		return s
	}
	if v := r.raw.Lookup("_id"); v.IsNumber() && chat.ValidID(plain(v)) {
		return plain(v)
	}
	return ""
}

// keyOf tells the _ids of rows apart, whatever type they have.
func keyOf(v bson.RawValue) string { return string(v.Type) + string(v.Value) }

func compareIDs(a, b bson.RawValue) int {
	if a.Type != b.Type {
		return int(a.Type) - int(b.Type)
	}
	return bytes.Compare(a.Value, b.Value)
}
