package contract

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/contract/verify"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func documents(t *testing.T) (Documents, *verify.Contract) {
	t.Helper()
	d, err := New(Local)
	if err != nil {
		t.Fatal(err)
	}
	c, err := verify.New(d.OpenAPI, d.AsyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

// Everything that there is is documented, and nothing else.
func TestEverythingIsDocumented(t *testing.T) {
	_, c := documents(t)
	f, err := readFacts()
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := template.Load("../../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var deployed, keys []string
	for _, r := range tpl.HTTPAPIs[0].Routes {
		deployed = append(deployed, r.Method+" "+r.Path)
	}
	slices.Sort(deployed)
	for _, r := range tpl.WebSocketAPIs[0].Routes {
		if !strings.HasPrefix(r.Key, "$") {
			keys = append(keys, r.Key)
		}
	}
	_, actionOf := aiwmNames()
	for what, is := range map[string][2][]string{
		"routes of template.yaml":            {deployed, c.Routes()},
		"actions of shared/protocol":         {slices.Sorted(maps.Keys(f.Actions)), c.Actions()},
		"events of shared/protocol":          {slices.Sorted(maps.Keys(f.Events)), c.Events()},
		"names of the AIWM clients":          {slices.Sorted(maps.Keys(actionOf)), c.AIWMNames()},
		"actions with a route of their own":  {slices.Sorted(slices.Values(append(keys, protocol.ActionPing))), c.Actions()},
		"codes of shared/chat with examples": {slices.Sorted(slices.Values(codesOf(f))), slices.Sorted(maps.Keys(named(codeExamples)))},
		"dialects of shared/chat":            {{string(chat.AIWM), string(chat.Lean)}, valuesOf(f, "chat.Dialect")},
	} {
		if len(is[0]) == 0 || !slices.Equal(is[0], is[1]) {
			t.Errorf("the %s are\n%v\ndocumented are\n%v", what, is[0], is[1])
		}
	}
}

func codesOf(f facts) []string { return valuesOf(f, "chat.Code") }

func valuesOf(f facts, name string) (all []string) {
	for _, v := range f.Values[name] {
		all = append(all, v.Value)
	}
	return all
}

func named(m map[chat.Code]error) map[string]error {
	out := map[string]error{}
	for c, err := range m {
		out[string(c)] = err
	}
	return out
}

// Each member of each schema is described, by itself or by what it refers to.
func TestEverythingIsDescribed(t *testing.T) {
	d, _ := documents(t)
	for name, text := range map[string][]byte{OpenAPIName: d.OpenAPI, AsyncAPIName: d.AsyncAPI} {
		var doc struct {
			Components struct {
				Schemas map[string]struct {
					Description string
					Title       string
					Properties  map[string]struct {
						Description string
						Ref         string `json:"$ref"`
						Const       any
						Not         any
					}
				}
			}
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Components.Schemas) < 20 {
			t.Errorf("%s has %d schemas", name, len(doc.Components.Schemas))
		}
		for schema, s := range doc.Components.Schemas {
			if s.Description == "" && s.Title == "" {
				t.Errorf("%s: %s has no description: give its Go type a comment", name, schema)
			}
			for member, p := range s.Properties {
				if p.Description == "" && p.Ref == "" && p.Const == nil && (member != "data" || !strings.HasPrefix(s.Title, "Aiwm")) {
					t.Errorf("%s: %s.%s has no description: give its Go field a comment", name, schema, member)
				}
			}
		}
	}
}

// What the examples show is what the product makes, and their schemas have it.
func TestExamplesOfWhatIsAnswered(t *testing.T) {
	_, c := documents(t)
	n := 0
	for _, r := range routes() {
		header := http.Header{"Content-Type": {"application/json"}, "Location": {"/x"}, "Etag": {`"x"`}}
		for _, a := range r.answers {
			for _, f := range a.files {
				n++
				header := http.Header{"Content-Type": {f.media}, "Content-Disposition": {"attachment"}}
				if err := c.Answer(r.method, r.path, a.status, header, []byte(f.example)); err != nil {
					t.Error(err)
				}
			}
			if a.files != nil {
				continue
			}
			var body []byte
			if a.body != nil {
				body = encode(a.example)
				n++
			}
			if err := c.Answer(r.method, r.path, a.status, header, body); err != nil {
				t.Error(err)
			}
		}
	}
	header := http.Header{"Content-Type": {"application/problem+json"}}
	for code, err := range codeExamples {
		p := protocol.ProblemOf(err)
		if p.Code != code {
			t.Errorf("the example of %s is %s", code, p.Code)
		}
		if code == chat.TooManyConnections || code == chat.TooManyRooms || code == chat.SwitchedOff {
			continue // of connections only
		}
		found := false
		for _, r := range routes() {
			if slices.Contains(slices.Concat(alwaysREST, r.codes, ofBodies), code) && r.body != nil || slices.Contains(r.codes, code) {
				found = true
				if err := c.Answer(r.method, r.path, p.Status, header, encode(p)); err != nil {
					t.Error(err)
				}
			}
		}
		if !found {
			t.Errorf("no route is refused with %s", code)
		}
	}
	for _, e := range events() {
		for name, frame := range e.frames {
			for _, dialect := range []string{aiwm, lean} {
				if e.dialects != nil && !slices.Contains(e.dialects, dialect) {
					continue
				}
				n++
				if err := c.Frame(dialect, frame); err != nil {
					t.Errorf("%s, in %s: %v", name, dialect, err)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d examples", n)
	}
}

// What is not as the contract has it is found.
func TestVerifyFinds(t *testing.T) {
	_, c := documents(t)
	stamp := `"timestamp":"2026-11-25T04:51:00.036Z"`
	for text, dialect := range map[string]string{
		`{"event":"nothing","data":{},` + stamp + `}`:                                                                 "",
		`{"event":"pong","data":{"rooms":[]}}`:                                                                        "",
		`{"event":"pong",` + stamp + `}`:                                                                              "",
		`{"event":"pong","data":{"rooms":[],"more":1},` + stamp + `}`:                                                 "",
		`{"event":"pong","data":{"rooms":null},` + stamp + `}`:                                                        "",
		`{"event":"pong","data":{"rooms":[]},"extra":1,` + stamp + `}`:                                                "",
		`{"event":"error","error":{"code":"oops","message":"","retryable":false},` + stamp + `}`:                      "",
		string(protocol.Frame(protocol.EventMessageSent, "1", protocol.SentOf(question, false), answered)):            aiwm,
		string(protocol.Frame(protocol.EventMessageSent, "1", sentExample(), answered)):                               lean,
		string(protocol.MessageForYouFrame(question, answered)):                                                       aiwm,
		strings.Replace(string(protocol.MessageForYouFrame(question, answered)), `"role":"user"`, `"role":"boss"`, 1): lean,
		strings.Replace(string(protocol.MessageForYouFrame(question, answered)), `"id":"6b0`, `"id":"{}`, 1):          lean,
		`{"message":"Internal server error"}`:                                                                         "",
		`not JSON`:                                                                                                    "",
	} {
		if err := c.Frame(dialect, []byte(text)); err == nil {
			t.Errorf("in %q, this is as the contract has it: %s", dialect, text)
		}
	}
	problem := func(err error) []byte { return encode(protocol.ProblemOf(err)) }
	for _, tt := range []struct {
		name, method, path string
		status             int
		media              string
		body               []byte
	}{
		{"an undocumented status", "GET", "/messages/x", 418, "application/problem+json", nil},
		{"a code of another route", "GET", "/messages/x", 409, "application/problem+json", problem(codeExamples[chat.Conflict])},
		{"a code of another status", "GET", "/messages/x", 404, "application/problem+json", problem(codeExamples[chat.Forbidden])},
		{"another type", "GET", "/messages/x", 200, "text/html", encode(protocol.MessageOf(question))},
		{"no body", "GET", "/messages/x", 200, "application/json", nil},
		{"another body", "GET", "/messages/x", 200, "application/json", []byte(`{}`)},
		{"a body where there is none", "DELETE", "/messages/x", 204, "application/json", []byte(`{}`)},
		{"no ETag", "GET", "/presence", 200, "application/json", encode(protocol.PresencePage{ConversationID: "c", Data: []protocol.Presence{}})},
	} {
		header := http.Header{"Content-Type": {tt.media}}
		if tt.name != "no ETag" {
			header.Set("ETag", `"x"`)
		}
		if err := c.Answer(tt.method, tt.path, tt.status, header, tt.body); err == nil {
			t.Errorf("%s is as the contract has it", tt.name)
		}
	}
	if c.Code("join", "conflict") == nil || c.Code("send", "conflict") != nil {
		t.Error("the codes of actions are not told apart")
	}
}

// Codes have the status that the product gives them, in the documents too.
func TestStatusOfCodes(t *testing.T) {
	d, _ := documents(t)
	for _, text := range [][]byte{d.OpenAPI, d.AsyncAPI} {
		var all struct {
			Paths map[string]map[string]struct {
				Codes     []errorCode `json:"x-error-codes"`
				Responses map[string]any
			}
			Operations map[string]struct {
				Codes []errorCode `json:"x-error-codes"`
			}
		}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		n := 0
		check := func(codes []errorCode) {
			n += len(codes)
			for _, c := range codes {
				if c.Status != protocol.ProblemOf(chat.Errorf(c.Code, "")).Status || c.Retryable != c.Code.Retryable() || c.Description == "" {
					t.Errorf("%+v", c)
				}
			}
		}
		for path, item := range all.Paths {
			for method, o := range item {
				check(o.Codes)
				for _, c := range o.Codes {
					if o.Responses[strconv.Itoa(c.Status)] == nil {
						t.Errorf("%s %s: no answer with %d for %s", method, path, c.Status, c.Code)
					}
				}
			}
		}
		for _, o := range all.Operations {
			check(o.Codes)
		}
		if n < 30 {
			t.Errorf("only %d codes", n)
		}
	}
}

// The command writes what New makes.
func TestCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var out strings.Builder
	args := []string{"-dir", dir, "-rest", "https://api.example.org", "-websocket", "wss://ws.example.org/prod"}
	if err := Command(t.Context(), args, &out, nil); err != nil || !strings.Contains(out.String(), AsyncAPIName) {
		t.Fatalf("%v: %s", err, &out)
	}
	want, err := New(Addresses{REST: "https://api.example.org", WebSocket: "wss://ws.example.org/prod"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{OpenAPIName: want.OpenAPI, AsyncAPIName: want.AsyncAPI} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != string(text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range [][]string{{"-rest", "api.example.org"}, {"-websocket", "https://x"}, {"-dir", filepath.Join(dir, OpenAPIName)}, {"more"}, {"-x"}} {
		if err := Command(t.Context(), bad, &out, nil); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestAddresses(t *testing.T) {
	d, err := New(Addresses{REST: "https://api.example.org/v1/", WebSocket: "wss://ws.example.org/prod"})
	if err != nil || !strings.Contains(string(d.OpenAPI), `"https://api.example.org/v1"`) || !strings.Contains(string(d.AsyncAPI), `"ws.example.org"`) ||
		!strings.Contains(string(d.AsyncAPI), `"default": "prod"`) || !strings.Contains(string(d.AsyncAPI), `"protocol": "wss"`) {
		t.Errorf("got %v\n%s", err, d.AsyncAPI[:min(len(d.AsyncAPI), 2000)])
	}
	for _, bad := range []Addresses{{REST: "ftp://x", WebSocket: "ws://x"}, {REST: "http://x", WebSocket: "http://x"}, {REST: "http://", WebSocket: "ws://x"}, {REST: "http://x"}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
