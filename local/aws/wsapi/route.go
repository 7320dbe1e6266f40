package wsapi

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds how deep a selected array or object is written out; what lies
// deeper is copied as it stands.
const maxDepth = 32

// A route is a Route with what every event of it repeats.
type route struct {
	Route
	quotedKey []byte // JSON
}

func newRoute(r Route) *route { return &route{Route: r, quotedKey: quote(r.Key)} }

// route returns the route for a message: the exact match of the selected value,
// else $default, else nil.
func (a *API) route(body []byte) *route {
	if r := a.routes[string(a.selector.key(body))]; r != nil {
		return r
	}
	return a.routes["$default"]
}

// A selector evaluates "$request.body.<path>".
//
// API Gateway's parser is lenient: a body with an unquoted member name was seen
// routed, so a strict decoder here would hide what a function must expect.
// Names and strings may lack quotes or have single ones, commas may be missing
// a value, anything may follow the object, and the last of duplicate members
// counts.
type selector struct{ path []string }

func newSelector(expression string) (selector, error) {
	path, ok := strings.CutPrefix(expression, "$request.body.")
	names := strings.Split(path, ".")
	for _, name := range names {
		ok = ok && name != "" && !strings.ContainsAny(name, "$[]{}()*'\" ")
	}
	if !ok {
		return selector{}, fmt.Errorf("unsupported route selection expression %q", expression)
	}
	return selector{path: names}, nil
}

// key returns the selected value as text, empty if there is none. The result
// may share memory with body.
func (s selector) key(body []byte) []byte {
	value := body
	for _, name := range s.path {
		if value = member(value, name); value == nil {
			return nil
		}
	}
	if string(value) == "null" {
		return nil
	}
	return text(value, 0)
}

// member returns the raw value of an object's member, nil if the text is no
// object or has no such member. Of duplicates it is the last.
func member(object []byte, name string) (found []byte) {
	eachMember(object, func(key, value []byte) {
		if string(unquote(key)) == name {
			found = value
		}
	}, func() { found = nil })
	return found
}

// eachMember calls visit for each member of an object, with its name and its
// value as they stand. If the text turns out to be no object it calls invalid,
// at last.
func eachMember(p []byte, visit func(key, value []byte), invalid func()) {
	p = skipSpace(p)
	if len(p) == 0 || p[0] != '{' {
		invalid()
		return
	}
	for p = p[1:]; ; {
		p = skipSpace(p)
		switch {
		case len(p) == 0:
			invalid()
			return
		case p[0] == '}':
			return
		case p[0] == ',':
			p = p[1:]
			continue
		}
		key, rest := next(p, true)
		rest = skipSpace(rest)
		if key == nil || len(rest) == 0 || rest[0] != ':' {
			invalid()
			return
		}
		value, rest := next(skipSpace(rest[1:]), false)
		if value == nil {
			invalid()
			return
		}
		visit(key, value)
		p = rest
	}
}

// next splits the value at the start of p, which has no space before it, from
// what follows; the value is nil if there is none. A name ends at a colon.
func next(p []byte, name bool) (value, rest []byte) {
	if len(p) == 0 {
		return nil, nil
	}
	end := -1
	switch c := p[0]; {
	case c == '"' || c == '\'':
		end = stringEnd(p)
	case !name && (c == '{' || c == '['):
		end = nestedEnd(p)
	default:
		stops := ",]}"
		if name {
			stops = ":,]}"
		}
		if end = bytes.IndexAny(p, stops); end < 0 {
			return nil, nil
		}
		if value = bytes.TrimRight(p[:end], " \t\r\n"); len(value) == 0 {
			return nil, nil
		}
		return value, p[end:]
	}
	if end < 0 {
		return nil, nil
	}
	return p[:end], p[end:]
}

// stringEnd returns the index after the string at the start of p, -1 if it does
// not end.
func stringEnd(p []byte) int {
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case p[0]:
			return i + 1
		}
	}
	return -1
}

// nestedEnd returns the index after the array or object at the start of p, -1
// if it does not end. Brackets are counted, not matched.
func nestedEnd(p []byte) int {
	depth, previous := 0, byte(0)
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case ' ', '\t', '\r', '\n':
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if c == '\'' && !bytes.ContainsRune([]byte("{[,:"), rune(previous)) {
				break // an apostrophe inside an unquoted string
			}
			n := stringEnd(p[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		}
		previous = p[i]
	}
	return -1
}

// text writes a value as API Gateway turns it into a string: strings without
// quotes, [item1, item2], {name=value}.
func text(value []byte, depth int) []byte {
	if depth == maxDepth {
		return value
	}
	switch value[0] {
	case '{':
		out := []byte{'{'}
		eachMember(value, func(key, value []byte) {
			if len(out) > 1 {
				out = append(out, ", "...)
			}
			out = append(append(append(out, unquote(key)...), '='), text(value, depth+1)...)
		}, func() {})
		return append(out, '}')
	case '[':
		out := []byte{'['}
		for p := skipSpace(value[1:]); len(p) > 0 && p[0] != ']'; p = skipSpace(p) {
			if p[0] == ',' {
				p = p[1:]
				continue
			}
			item, rest := next(p, false)
			if item == nil {
				break
			}
			if len(out) > 1 {
				out = append(out, ", "...)
			}
			out = append(out, text(item, depth+1)...)
			p = rest
		}
		return append(out, ']')
	}
	return unquote(value)
}

// unquote returns the content of a string and anything else as it stands.
func unquote(s []byte) []byte {
	if len(s) < 2 || s[0] != '"' && s[0] != '\'' {
		return s
	}
	if s[0] == '"' && bytes.IndexByte(s, '\\') >= 0 {
		if plain, err := jsontext.AppendUnquote(nil, s); err == nil {
			return plain
		}
	}
	return s[1 : len(s)-1]
}

func skipSpace(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t' || p[0] == '\r' || p[0] == '\n') {
		p = p[1:]
	}
	return p
}
