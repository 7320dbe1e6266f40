package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A route is a Route ready to be matched.
type route struct {
	key       string // "GET /messages/{id}", "$default"
	method    string // "ANY" for all
	segments  []segment
	greedy    bool // the last segment takes the rest of the path
	catchAll  bool // $default
	function  string
	timeout   time.Duration
	variables int
}

type segment struct {
	text     string // a literal, or the name of the variable
	variable bool
}

// compile parses routes and sorts them so that the first match is the one API
// Gateway selects: a full match before a greedy one before $default
// (http-api-develop-routes), literals before variables, and a method before
// ANY.
func compile(routes []Route) ([]route, error) {
	compiled := make([]route, 0, len(routes))
	seen := map[string]string{}
	for _, r := range routes {
		c, err := parseRoute(r)
		if err != nil {
			return nil, err
		}
		if other, ok := seen[c.shape()]; ok {
			return nil, fmt.Errorf("routes %q and %q match the same requests", other, c.key)
		}
		seen[c.shape()] = c.key
		compiled = append(compiled, c)
	}
	slices.SortStableFunc(compiled, func(a, b route) int {
		return cmp.Or(
			cmp.Compare(a.rank(), b.rank()),
			cmp.Compare(len(b.segments), len(a.segments)),
			slices.CompareFunc(a.segments, b.segments, func(x, y segment) int { return rank(x.variable) - rank(y.variable) }),
			rank(a.method == "ANY")-rank(b.method == "ANY"),
		)
	})
	return compiled, nil
}

func (r *route) rank() int { return rank(r.greedy) + 2*rank(r.catchAll) }

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// shape is equal for routes that match the same requests.
func (r *route) shape() string {
	var b strings.Builder
	b.WriteString(r.method)
	for _, s := range r.segments {
		b.WriteByte('/')
		if s.variable {
			b.WriteString("{}")
		} else {
			b.WriteString(s.text)
		}
	}
	if r.greedy {
		b.WriteByte('+')
	}
	return b.String()
}

func parseRoute(r Route) (route, error) {
	c := route{key: r.Method + " " + r.Path, method: r.Method, function: r.Function, timeout: r.Timeout}
	if r.Path == "$default" {
		c.key, c.method, c.catchAll = "$default", "ANY", true
		return c, nil
	}
	switch r.Method {
	case "ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		return c, fmt.Errorf("route %q: no such method", c.key)
	}
	rest, ok := strings.CutPrefix(r.Path, "/")
	if !ok {
		return c, fmt.Errorf("route %q: the path does not begin with /", c.key)
	}
	names := map[string]bool{}
	for text := range strings.SplitSeq(rest, "/") {
		s, greedy, err := parseSegment(text)
		if err != nil {
			return c, fmt.Errorf("route %q: %w", c.key, err)
		}
		if text == "" && rest != "" {
			return c, fmt.Errorf("route %q: the path has an empty segment", c.key)
		}
		if c.greedy {
			return c, fmt.Errorf("route %q: a greedy variable is not at the end", c.key)
		}
		if s.variable {
			if names[s.text] {
				return c, fmt.Errorf("route %q: the variable %q is there twice", c.key, s.text)
			}
			names[s.text] = true
			c.variables++
		}
		c.greedy = greedy
		c.segments = append(c.segments, s)
	}
	return c, nil
}

func parseSegment(text string) (s segment, greedy bool, err error) {
	if !strings.ContainsAny(text, "{}") {
		return segment{text: text}, false, nil
	}
	if len(text) < 3 || text[0] != '{' || text[len(text)-1] != '}' {
		return s, false, fmt.Errorf("the variable in %q is not the whole segment", text)
	}
	name, greedy := strings.CutSuffix(text[1:len(text)-1], "+")
	if name == "" || strings.ContainsAny(name, "{}+") {
		return s, false, fmt.Errorf("%q names no variable", text)
	}
	return segment{text: name, variable: true}, greedy, nil
}

// match finds the route of a request and its path variables; nil if there is
// none. The path is decoded and without the stage.
func match(routes []route, method, path string, u Unproven) (*route, map[string]string) {
	if u.IgnoreTrailingSlash && len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range routes {
		r := &routes[i]
		if (r.method == "ANY" || r.method == method) && r.matches(segments, u) {
			return r, r.values(segments)
		}
	}
	return nil, nil
}

func (r *route) matches(segments []string, u Unproven) bool {
	if r.catchAll {
		return true
	}
	if len(segments) < len(r.segments) || len(segments) > len(r.segments) && !r.greedy {
		return false
	}
	for i, s := range r.segments {
		switch {
		case r.greedy && i == len(r.segments)-1:
			if u.GreedyNeedsSegment && segments[i] == "" && len(segments) == len(r.segments) {
				return false
			}
		case s.variable && segments[i] == "":
			return false
		case !s.variable && s.text != segments[i]:
			return false
		}
	}
	return true
}

// values are the variables of a path that matches; nil if the route has none.
func (r *route) values(segments []string) map[string]string {
	if r.variables == 0 {
		return nil
	}
	values := make(map[string]string, r.variables)
	for i, s := range r.segments {
		if s.variable {
			values[s.text] = segments[i]
		}
	}
	if last := len(r.segments) - 1; r.greedy {
		values[r.segments[last].text] = strings.Join(segments[last:], "/")
	}
	return values
}
