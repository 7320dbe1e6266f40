package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	defaulthandler "aiwm-chat/functions/default/handler"
	"aiwm-chat/shared/protocol"
)

// A message is one of AsyncAPI's: a frame, in or out.
type message struct {
	Name        string             `json:"name"`
	Title       string             `json:"title"`
	Summary     string             `json:"summary"`
	Description string             `json:"description,omitempty"`
	ContentType string             `json:"contentType"`
	Tags        []map[string]any   `json:"tags,omitempty"`
	Payload     *jsonschema.Schema `json:"payload"`
	Examples    []example          `json:"examples"`
	Dialects    []string           `json:"x-dialects,omitempty"` // of an event
}

type example struct {
	Name    string          `json:"name"`
	Summary string          `json:"summary"`
	Payload json.RawMessage `json:"payload"`
}

func examplesOf[T any](values map[string]T) (all []example) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, example{strings.ReplaceAll(name, " ", "-"), name, encode(values[name])})
	}
	return all
}

// key is a name as AsyncAPI wants those of components.
func key(name string) string { return strings.NewReplacer(":", ".").Replace(name) }

// componentOf turns "message:from-user" into "MessageFromUser".
func componentOf(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == ':' || r == '-' || r == '.' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// actionMessage is the frame that asks for an action.
func (b *builder) actionMessage(a action) message {
	schema := b.schema(a.frame, input)
	schema.Title = a.frame.Name()
	a.form.narrow(schema)
	schema.Properties["action"] = constant(a.name)
	schema.Properties["action"].Type = "string"
	schema.Properties["action"].Description = sentence(b.facts.Docs["protocol.Envelope.Action"])
	if content := schema.Properties["content"]; content != nil {
		content.MaxLength = &maxContentFrame
	}
	b.schemas[schema.Title] = schema
	return message{
		Name: a.name, Title: schema.Title, Summary: "Ask for `" + a.name + "`" + a.form.says, Description: schema.Description,
		ContentType: "application/json", Tags: tagged("action"),
		Payload: &jsonschema.Schema{Ref: inComponents + schema.Title}, Examples: examplesOf(a.examples),
	}
}

// narrow leaves of the members of an action those of one of its forms.
func (f form) narrow(s *jsonschema.Schema) {
	if f.name == "" {
		return
	}
	s.Title += componentOf(f.name)
	of := slices.Concat([]string{"action", "id", "conversationId", "state", "streamId"}, f.needs, f.may)
	other := func(member string) bool { return !slices.Contains(of, member) }
	maps.DeleteFunc(s.Properties, func(member string, _ *jsonschema.Schema) bool { return other(member) })
	s.PropertyOrder = slices.DeleteFunc(s.PropertyOrder, other)
	s.Required = append([]string{"action", "conversationId", "state", "streamId"}, f.needs...)
	state := constant(f.state)
	state.Type, state.Description = "string", s.Properties["state"].Description
	s.Properties["state"] = state
}

func tagged(name string) []map[string]any { return []map[string]any{{"name": name}} }

// aiwmMessage is the frame of an AIWM client for an action: {"event", "data", "id"}.
func (b *builder) aiwmMessage(name string, a action) message {
	data := b.schema(a.frame, input)
	data.Description = ""
	own := map[string]bool{"action": true, "id": true, "state": a.name == protocol.ActionTyping}
	maps.DeleteFunc(data.Properties, func(member string, _ *jsonschema.Schema) bool { return own[member] })
	data.Required = slices.DeleteFunc(data.Required, func(member string) bool { return own[member] })
	data.PropertyOrder = slices.DeleteFunc(data.PropertyOrder, func(member string) bool { return own[member] })
	if content := data.Properties["content"]; content != nil {
		content.MaxLength = &maxContentFrame
	}
	asked := map[string]any{"event": name, "id": "1", "data": aiwmData(name, a)}
	if name == "message:typing" {
		data.Properties["isTyping"] = &jsonschema.Schema{Type: "boolean", Description: "True is start, false is stop."}
		data.Required = append(data.Required, "isTyping")
	}
	title := "Aiwm" + componentOf(name)
	b.schemas[title] = &jsonschema.Schema{
		Title: title, Type: "object", Required: []string{"event", "data"}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
		PropertyOrder: []string{"event", "id", "data"},
		Properties: map[string]*jsonschema.Schema{
			"event": constant(name), "data": data,
			"id": {Type: "string", MaxLength: new(protocol.MaxFrameID), Description: sentence(b.facts.Docs["protocol.Envelope.ID"])},
		},
	}
	return message{
		Name: name, Title: title, Summary: "Ask for `" + a.name + "` by the name of the AIWM clients",
		Description: fmt.Sprintf("The same name may also be the `action` of a flat frame, beside the members of `data`. It is `%s` in all else.", a.name),
		ContentType: "application/json", Tags: tagged("aiwm name"),
		Payload: &jsonschema.Schema{Ref: inComponents + title}, Examples: examplesOf(map[string]any{name: asked}),
	}
}

// aiwmData is an example of an action without what the frame says by itself.
func aiwmData(name string, a action) map[string]json.RawMessage {
	var data map[string]json.RawMessage
	first := slices.Sorted(maps.Keys(a.examples))[0]
	if err := json.Unmarshal(encode(a.examples[first]), &data); err != nil {
		panic("contract: an example: " + err.Error()) // a mistake in the program
	}
	delete(data, "action")
	delete(data, "id")
	if a.name == protocol.ActionTyping {
		delete(data, "state")
	}
	if name == "message:typing" {
		data["isTyping"] = json.RawMessage("true")
	}
	return data
}

// eventMessage is the frame of an event.
func (b *builder) eventMessage(e event) (component string, m message) {
	title := componentOf(e.name) + "Frame"
	component = key(e.name)
	dialects := e.dialects
	if dialects == nil {
		dialects = []string{aiwm, lean}
	} else if dialects[0] == lean {
		title, component = title+"Lean", component+".lean"
	}
	doc := sentence(b.facts.Events[e.name])
	schema := &jsonschema.Schema{
		Title: title, Type: "object", Description: doc, Required: []string{"event", "timestamp"},
		Properties: map[string]*jsonschema.Schema{
			"event":     constant(e.name),
			"id":        {Type: "string", Description: "That of the frame which it answers; not where it answers none."},
			"timestamp": {Type: "string", Format: "date-time", Description: "When the frame was made."},
		},
		PropertyOrder: []string{"event", "id", "data", "error", "timestamp"},
	}
	part := "data"
	if e.data == nil {
		part = "error"
		schema.Properties[part] = b.ref(reflect.TypeFor[protocol.ErrorBody](), output)
	} else {
		data := b.ref(e.data, output)
		data.Required = e.needs
		for _, member := range e.lacks {
			if data.Properties == nil {
				data.Properties = map[string]*jsonschema.Schema{}
			}
			data.Properties[member] = &jsonschema.Schema{Not: &jsonschema.Schema{}}
		}
		schema.Properties[part] = data
	}
	schema.Required = append(schema.Required, part)
	b.schemas[title] = schema
	m = message{
		Name: e.name, Title: title, Summary: doc, ContentType: "application/json", Tags: tagged("event"), Dialects: dialects,
		Payload: &jsonschema.Schema{Ref: inComponents + title}, Examples: examplesOf(e.frames),
	}
	if e.data != nil {
		m.Description = b.typeDoc(e.data)
	}
	return component, m
}

// aiwmNames are the names of the AIWM clients, sorted, each with its action.
func aiwmNames() (names []string, actionOf map[string]string) {
	actionOf = defaulthandler.AIWMActions()
	return slices.Sorted(maps.Keys(actionOf)), actionOf
}
