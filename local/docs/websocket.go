package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"aiwm-chat/local/contract"
)

var webSocketTemplate = template.Must(template.New("websocket.html").Funcs(template.FuncMap{"prose": prose}).ParseFS(own, "websocket.html"))

var code = regexp.MustCompile("`([^`]*)`")

// prose shows what stands between backquotes as code.
func prose(s string) template.HTML {
	return template.HTML(code.ReplaceAllString(template.HTMLEscapeString(s), "<code>$1</code>")) //nolint:gosec // it is escaped
}

// An asyncDocument is what the page shows of the AsyncAPI document.
type asyncDocument struct {
	Info     struct{ Version, Description string }
	Channels map[string]struct {
		Description string
		Bindings    struct {
			WS struct{ Query, Headers schema }
		}
	}
	Operations map[string]struct {
		Action, Description string
		Messages            []struct {
			Ref string `json:"$ref"`
		}
		Codes []struct {
			Code, Description string
			Retryable         bool
		} `json:"x-error-codes"`
	}
	Components struct {
		Messages map[string]asyncMessage
		Schemas  map[string]schema
	}
}

type asyncMessage struct {
	Name, Summary, Description string
	Payload                    schema
	Examples                   []struct{ Payload json.RawMessage }
	Tags                       []struct{ Name string }
	Dialects                   []string `json:"x-dialects"`
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        string
	Description string
	Format      string
	Const       any
	Enum        []any
	Items       *schema
	Not         any
	Required    []string
	Properties  map[string]json.RawMessage // one that is false says that it is not there
	Minimum     *float64
	Maximum     *float64
	MaxLength   int
	MaxItems    int
}

// A view is what websocket.html is given.
type view struct {
	Version, Description, Handshake, URL string
	Given                                []member
	Actions                              []actionView
	Events                               []messageView
	Types                                []typeView
}

type actionView struct {
	Name, Description string
	Messages          []messageView
	Codes             any
}

type messageView struct {
	Key, Name, Summary, Description, Only string
	Members                               []member
	Examples                              []string
}

type typeView struct {
	Name, Description, Type string
	Members                 []member
}

type member struct {
	Name, Type, Ref, Description string
	Required                     bool
}

func webSocketPage(w http.ResponseWriter, r *http.Request) {
	at := here(r)
	d, err := contract.New(at)
	if err != nil {
		fail(w, r, err)
		return
	}
	v, err := viewOf(d.AsyncAPI)
	if err != nil {
		fail(w, r, err)
		return
	}
	v.URL = at.WebSocket
	var b bytes.Buffer
	if err := webSocketTemplate.Execute(&b, v); err != nil {
		fail(w, r, err)
		return
	}
	secure(w, media[".html"])
	_, _ = w.Write(b.Bytes())
}

func viewOf(text []byte) (view, error) {
	var d asyncDocument
	if err := json.Unmarshal(text, &d); err != nil {
		return view{}, fmt.Errorf("read the AsyncAPI document: %w", err)
	}
	v := view{Version: d.Info.Version, Description: d.Info.Description}
	for _, c := range d.Channels {
		v.Handshake = c.Description
		v.Given = append(membersOf(c.Bindings.WS.Headers), membersOf(c.Bindings.WS.Query)...)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Operations)) {
		o := d.Operations[name]
		if o.Action != "receive" {
			continue
		}
		a := actionView{Name: name, Description: o.Description, Codes: o.Codes}
		for _, m := range o.Messages {
			v := d.message(typeName(m.Ref))
			if strings.HasPrefix(o.Description, v.Description) {
				v.Description = "" // said already
			}
			a.Messages = append(a.Messages, v)
		}
		v.Actions = append(v.Actions, a)
	}
	shown := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(d.Components.Messages)) {
		m := d.Components.Messages[key]
		shown[typeName(m.Payload.Ref)] = true
		if len(m.Tags) == 0 || m.Tags[0].Name == "event" {
			v.Events = append(v.Events, d.message(key))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		if s := d.Components.Schemas[name]; !shown[name] {
			v.Types = append(v.Types, typeView{name, s.Description, s.text(), membersOf(s)})
		}
	}
	return v, nil
}

func (d *asyncDocument) message(key string) messageView {
	m := d.Components.Messages[key]
	v := messageView{Key: key, Name: m.Name, Summary: m.Summary, Description: m.Description, Members: membersOf(d.Components.Schemas[typeName(m.Payload.Ref)])}
	if len(m.Dialects) == 1 {
		v.Only = m.Dialects[0]
	}
	for _, e := range m.Examples {
		var b bytes.Buffer
		if json.Indent(&b, e.Payload, "", "  ") == nil {
			v.Examples = append(v.Examples, b.String())
		}
	}
	return v
}

func typeName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func membersOf(s schema) (all []member) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		var p schema
		if json.Unmarshal(s.Properties[name], &p) != nil {
			continue
		}
		if name == "data" && p.Ref == "" { // that of an AIWM frame
			for _, inner := range membersOf(p) {
				inner.Name = "data." + inner.Name
				all = append(all, inner)
			}
			continue
		}
		m := member{Name: name, Type: p.text(), Ref: typeName(p.Ref), Description: p.Description, Required: slices.Contains(s.Required, name)}
		if p.Items != nil && p.Items.Ref != "" {
			m.Ref = typeName(p.Items.Ref)
		}
		all = append(all, m)
	}
	return all
}

// text says what a schema allows, for people.
func (s *schema) text() string {
	switch {
	case s.Ref != "":
		return typeName(s.Ref)
	case s.Const != nil:
		return fmt.Sprintf("%q", s.Const)
	case s.Enum != nil:
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("%q", v))
		}
		return strings.Join(values, " | ")
	case s.Items != nil:
		return "list of " + s.Items.text() + upTo(s.MaxItems, "")
	case s.Format == "date-time":
		return "time"
	}
	return s.Type + upTo(s.MaxLength, " characters")
}

func upTo(n int, of string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", at most %d%s", n, of)
}
