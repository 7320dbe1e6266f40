package wsapi

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRouteSelection(t *testing.T) {
	s, err := newSelector("$request.body.action")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ fact, body, want string }{
		{"[D] JSONPath on the body", `{"id":"1","action":"send","content":"x"}`, "send"},
		{"[D] result stringified: number", `{"action":5.50}`, "5.50"},
		{"[D] result stringified: bool", `{"action": true }`, "true"},
		{"[D] arrays stringify", `{"action":["item1", "item2"]}`, "[item1, item2]"},
		{"[D] objects stringify", `{"action":{"a":1,"b":{"c":"d"}}}`, "{a=1, b={c=d}}"},
		{"[D] null is nothing", `{"action":null}`, ""},
		{"[D] expression missing", `{"other":"send"}`, ""},
		{"[D] non-JSON", `hello`, ""},
		{"[D] non-JSON: array", `["action","send"]`, ""},
		{"[D] non-JSON: unfinished object", `{"action":"send"`, ""},
		{"[D] non-JSON: unfinished string", `{"action":"send`, ""},
		{"[D] non-JSON: empty", ``, ""},
		{"[R] unquoted key was routed", `{"action":"sendMessage", body:"hello"}`, "sendMessage"},
		{"lenient: unquoted action", `{action: send}`, "send"},
		{"lenient: single quotes", `{'action':'send','x':'it}s'}`, "send"},
		{"lenient: trailing comma", `{"action":"send",}`, "send"},
		{"lenient: trailing text", `{"action":"send"} thanks`, "send"},
		{"the last duplicate counts", `{"action":"a","action":"b"}`, "b"},
		{"exact case", `{"Action":"send"}`, ""},
		{"only at the top", `{"data":{"action":"send"}}`, ""},
		{"not inside a string", `{"data":"{\"action\":\"x\"}","action":"send"}`, "send"},
		{"brackets inside strings", `{"data":["}]\"",'}'],"action":"send"}`, "send"},
		{"apostrophe in a nested bare word", `{data:{say:it's},"action":"send"}`, "send"},
		{"escaped name", `{"\u0061ction":"send"}`, "send"},
		{"escaped value", `{"action":"s\u0065nd\n"}`, "send\n"},
		{"empty value", `{"action":""}`, ""},
	} {
		t.Run(c.fact, func(t *testing.T) {
			if got := string(s.key([]byte(c.body))); got != c.want {
				t.Errorf("%s selects %q, want %q", c.body, got, c.want)
			}
		})
	}
	t.Run("nested path", func(t *testing.T) {
		s, err := newSelector("$request.body.data.kind")
		if err != nil {
			t.Fatal(err)
		}
		if got := string(s.key([]byte(`{"data":{"kind":"x"}}`))); got != "x" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("deep nesting is cut, not recursed into", func(t *testing.T) {
		body := `{"action":` + strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000) + `}`
		if got := string(s.key([]byte(body))); !strings.HasPrefix(got, "[[[") {
			t.Errorf("got %.20q", got)
		}
	})
	for _, expression := range []string{"", "$request.header.x", "$request.body.", "$request.body.a..b", "${request.body.a}", "$request.body.a[0]"} {
		if _, err := newSelector(expression); err == nil {
			t.Errorf("expression %q was accepted", expression)
		}
	}
}

// TestReservedRoutes shows that no message reaches $connect or $disconnect.
func TestReservedRoutes(t *testing.T) {
	a, err := New(Options{APIID: "a", Stage: "s", RouteSelectionExpression: "$request.body.action",
		Routes: []Route{{Key: "$connect"}, {Key: "$disconnect"}, {Key: "$default"}, {Key: "send"}}}, functions{})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"action":"$connect"}`: "$default", `{"action":"$disconnect"}`: "$default", `{"action":"$default"}`: "$default", `{"action":"send"}`: "send", `{"action":"SEND"}`: "$default",
	} {
		if got := a.route([]byte(body)); got.Key != want {
			t.Errorf("%s goes to %s, want %s", body, got.Key, want)
		}
	}
}

// FuzzSelector: no input breaks the scanner, and for real JSON it agrees with
// encoding/json.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{`{"action":"send"}`, `{"a":[1,{"action":2}],"action":"x\u0041"}`, `{action:b}`, `{"action":{"a":["b",'c']}}`, `{'`, `{"action":1e3,}`, "{\"action\" :\t-0.1 }"} {
		f.Add([]byte(seed))
	}
	s, err := newSelector("$request.body.action")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := string(s.key(body))
		var m map[string]json.RawMessage
		if !utf8.Valid(body) || json.Unmarshal(body, &m) != nil {
			return
		}
		value, want := m["action"], ""
		switch {
		case len(value) == 0 || string(value) == "null":
		case value[0] == '[' || value[0] == '{':
			return // its text is our own choice
		case value[0] == '"':
			if err := json.Unmarshal(value, &want); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(want, "\uFFFD") {
				return // lone surrogates
			}
		default:
			want = string(value)
		}
		if got != want {
			t.Errorf("%q selects %q, encoding/json says %q", body, got, want)
		}
	})
}
