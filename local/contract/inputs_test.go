package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	defaulthandler "aiwm-chat/functions/default/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// The decoders of the product, all that it looks at before it asks a database.

var errNothing = errors.New("nothing to change")

// bodyOf decodes the body of a route.
var bodyOf = map[string]func(body []byte) error{
	"POST /conversations": func(body []byte) error {
		in, err := protocol.Decode[protocol.CreateConversation](body)
		if err == nil {
			_, err = chat.NewConversation(user, in.Title, in.Description, in.AgentID, in.Tags, time.Now())
		}
		return err
	},
	"PUT /conversations/{id}": func(body []byte) error {
		in, err := protocol.Decode[protocol.UpdateConversation](body)
		if err == nil {
			err = in.Check()
		}
		if err == nil && in == (protocol.UpdateConversation{}) {
			err = errNothing
		}
		return err
	},
	"POST /conversations/{id}/participants": func(body []byte) error {
		in, err := protocol.Decode[protocol.AddParticipant](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"POST /agents": func(body []byte) error {
		in, err := protocol.Decode[protocol.CreateAgent](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"PUT /agents/{id}": func(body []byte) error {
		in, err := protocol.Decode[protocol.UpdateAgent](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"POST /conversations/{id}/approvals/{toolCallId}": func(body []byte) error {
		in, err := protocol.Decode[protocol.Decide](body)
		if err == nil {
			err = in.Check()
		}
		if err == nil {
			err = decide(call, in)
		}
		return err
	},
	"PUT /conversations/{id}/read": func(body []byte) error {
		in, err := protocol.Decode[protocol.ReadBody](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"PUT /conversations/{id}/unread": func(body []byte) error {
		in, err := protocol.Decode[protocol.UnreadBody](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"POST /webhooks": func(body []byte) error {
		in, err := protocol.Decode[protocol.CreateWebhook](body)
		if err != nil {
			return err
		}
		var f chat.Faults
		w := chat.Webhook{URL: in.URL, Events: in.Events, AgentID: in.AgentID}
		w.Check(&f, false)
		return f.Err()
	},
	"PUT /messages/{id}": func(body []byte) error {
		in, err := protocol.Decode[protocol.EditBody](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"POST /uploads": func(body []byte) error {
		in, err := protocol.Decode[protocol.CreateUpload](body)
		if err == nil {
			err = in.Check()
		}
		return err
	},
	"POST /messages": func(body []byte) error {
		in, err := protocol.Decode[protocol.MessageInput](body)
		if err != nil {
			return err
		}
		return written(in, chat.MaxContentREST)
	},
}

// written does what becomes of a message before it is stored.
func written(in protocol.MessageInput, maxContent int) error {
	sender := user
	if in.Thinking != nil || in.ToolCalls != nil || in.Latency != nil || in.Usage != nil || in.Error != "" || in.ToolResults != nil ||
		in.Role != "" && in.Role != chat.RoleUser || in.Type != "" && in.Type != chat.TypeText || in.ParticipantType == chat.Agent {
		sender = agent
	}
	if in.ParticipantID != "" {
		sender.ID = in.ParticipantID
	}
	if !chat.ValidID(sender.ID) {
		return errors.New("nobody has such an id")
	}
	if in.ConversationID == "" {
		in.ConversationID = conversation.ID // the only one that is joined
	}
	if in.ClientMessageID == "" {
		in.ClientMessageID = "c-1"
	}
	if in.ParticipantType == chat.User && sender == agent {
		return errors.New("a user has no such parts")
	}
	var f chat.Faults
	if chat.CheckOwnID(&f, "clientMessageId", in.ClientMessageID); f.Err() != nil {
		return f.Err()
	}
	d, err := in.Draft(sender)
	if err != nil {
		return err
	}
	if sender.Type == chat.Agent && d.Role == chat.RoleUser {
		d.Role = chat.RoleAgent
	}
	_, err = chat.NewMessage(in.ConversationID, sender, in.ClientMessageID, d, maxContent, time.Now())
	return err
}

// decide does what becomes of a decision before it is stored.
func decide(id chat.CallID, in protocol.Decide) error {
	verdict := chat.VerdictDenied
	if *in.Approved {
		verdict = chat.VerdictApproved
	}
	d := chat.Decision{CallID: id, By: user.ID, Reason: in.Reason, Arguments: json.RawMessage(in.Arguments)}
	_, err := chat.NewDecision(user.OrgID, conversation.ID, verdict, d, time.Now())
	return err
}

// ask takes a client's frame the way that $default takes it.
func ask(body []byte) (action string, err error) {
	took := func(name string) { action = name }
	h := defaulthandler.New(nil, nil, nil, nil, defaulthandler.Actions{
		protocol.ActionJoin:   gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Join) error { took("join"); return nil }),
		protocol.ActionLeave:  gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Leave) error { took("leave"); return nil }),
		protocol.ActionTyping: gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Typing) error { took("typing"); return nil }),
		protocol.ActionSend: gateway.Decoded(func(_ context.Context, _ *gateway.ClientFrame, in protocol.Send) error {
			took("send")
			return written(in.MessageInput, chat.MaxContentFrame)
		}),
		protocol.ActionStream: gateway.Decoded(func(_ context.Context, _ *gateway.ClientFrame, in protocol.Stream) error {
			took("stream")
			if in.State != protocol.StreamEnd || in.Pieces != nil {
				return nil
			}
			return written(in.MessageInput, chat.MaxContentFrame) // more has no room in a frame, and is appended
		}),
		protocol.ActionApprove: gateway.Decoded(func(_ context.Context, _ *gateway.ClientFrame, in protocol.Approve) error {
			took("approve")
			return decide(in.ToolCallID, in.Decide)
		}),
		protocol.ActionSignal: gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Signal) error { took("signal"); return nil }),
		protocol.ActionRead:   gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Read) error { took("read"); return nil }),
		protocol.ActionUnread: gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Unread) error { took("unread"); return nil }),
		protocol.ActionReact:  gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.React) error { took("react"); return nil }),
		protocol.ActionEdit:   gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Edit) error { took("edit"); return nil }),
		protocol.ActionStop:   gateway.Decoded(func(context.Context, *gateway.ClientFrame, protocol.Stop) error { took("stop"); return nil }),
	})
	var envelope protocol.Envelope
	if json.Unmarshal(body, &envelope) == nil && envelope.Action == protocol.ActionPing { // it would ask Redis
		in, err := protocol.Decode[protocol.Ping](body)
		if err == nil {
			err = in.Check()
		}
		return protocol.ActionPing, err
	}
	err = h.Handle(context.Background(), &gateway.ClientFrame{}, body)
	return action, err
}

// A specimen is an example of what a client writes, and both ways to judge it.
type specimen struct {
	name   string
	body   json.RawMessage
	schema *jsonschema.Schema
	all    map[string]*jsonschema.Schema // to which it refers
	valid  func(body []byte) error       // the contract
	taken  func(body []byte) error       // the product
}

// allAsked are the examples of all bodies and frames.
func allAsked(t *testing.T) (all []specimen) {
	t.Helper()
	_, c := documents(t)
	b, err := newBuilder()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes() {
		if r.body == nil {
			continue
		}
		for name, body := range r.bodies {
			all = append(all, specimen{
				r.method + " " + r.path + ", " + name, encode(body), b.schema(r.body, input), b.schemas,
				func(body []byte) error { return c.Request(r.method, r.path, body) }, bodyOf[r.method+" "+r.path],
			})
		}
	}
	add := func(key, action string, m message) {
		for _, e := range m.Examples {
			all = append(all, specimen{
				key + ", " + e.Name, e.Payload, b.schemas[m.Title], b.schemas,
				func(body []byte) error { return c.Ask(key, body) },
				func(body []byte) error {
					got, err := ask(body)
					if err == nil && got != action {
						err = fmt.Errorf("taken for %s", got)
					}
					return err
				},
			})
		}
	}
	names, actionOf := aiwmNames()
	for _, a := range actions() {
		for _, one := range a.each() {
			add(one.key(), a.name, b.actionMessage(one))
		}
		for _, name := range names {
			if actionOf[name] == a.name {
				add("aiwm."+key(name), a.name, b.aiwmMessage(name, a))
			}
		}
	}
	return all
}

// Every example is accepted, by the contract and by the product.
func TestExamplesOfWhatIsAsked(t *testing.T) {
	all := allAsked(t)
	if len(all) < 20 {
		t.Errorf("only %d examples", len(all))
	}
	for _, a := range all {
		if err := a.valid(a.body); err != nil {
			t.Errorf("%s is not as the contract has it: %v\n%s", a.name, err, a.body)
		}
		if err := a.taken(a.body); err != nil {
			t.Errorf("%s is refused: %v\n%s", a.name, err, a.body)
		}
	}
}

// What the contract allows of each member the product takes, to the limit, and what
// it forbids the product refuses.
func TestLimitsAreThoseOfTheProduct(t *testing.T) {
	n := map[bool]int{}
	for _, a := range allAsked(t) {
		for name, body := range variants(t, a) {
			valid, taken := a.valid(body), a.taken(body)
			n[valid == nil]++
			if (valid == nil) != (taken == nil) {
				t.Errorf("%s, %s:\nthe contract says %v\nthe product %v\n%.300s", a.name, name, valid, taken, body)
			}
		}
	}
	if n[true] < 50 || n[false] < 200 {
		t.Errorf("only %d variants were accepted and %d refused", n[true], n[false])
	}
}

// variants changes one member at a time.
func variants(t *testing.T, a specimen) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	put := func(name string, in map[string]json.RawMessage, member string, v any) {
		changed := maps.Clone(in)
		changed[member] = encode(v)
		all[name] = encode(changed)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &top); err != nil {
		t.Fatal(err)
	}
	put("an unknown member", top, "unknown", 1)
	for _, member := range a.schema.Required {
		left := maps.Clone(top)
		delete(left, member)
		all["without "+member] = encode(left)
	}
	for member, s := range a.schema.Properties {
		if member == "data" && s.Properties != nil { // of the AIWM clients
			var data map[string]json.RawMessage
			if err := json.Unmarshal(top["data"], &data); err != nil {
				t.Fatal(err)
			}
			inner := specimen{body: top["data"], schema: s}
			for name, body := range variants(t, inner) {
				put("data, "+name, top, "data", json.RawMessage(body))
			}
			continue
		}
		if within := a.within(top[member], s); within != nil {
			for name, body := range variants(t, *within) {
				if s.Type == "array" {
					put(member+", "+name, top, member, []json.RawMessage{body})
				} else {
					put(member+", "+name, top, member, json.RawMessage(body))
				}
			}
		}
		if named := a.all[strings.TrimPrefix(s.Ref, inComponents)]; named != nil && member != "participantType" { // which has to be the sender's
			for _, v := range named.Enum {
				put(member+" is "+fmt.Sprint(v), top, member, v)
			}
		}
		for name, v := range valuesFor(member, s, top) {
			put(member+" is "+name, top, member, v)
		}
	}
	return all
}

// within is a member that has members of its own, or the first of a list of such; nil of
// any other, and of what the specimen lacks.
func (a specimen) within(body json.RawMessage, s *jsonschema.Schema) *specimen {
	ref := s.Ref
	if s.Type == "array" && s.Items != nil {
		ref = s.Items.Ref
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil || len(list) == 0 {
			return nil
		}
		body = list[0]
	}
	inner := a.all[strings.TrimPrefix(ref, inComponents)]
	if ref == "" || inner == nil || inner.Type != "object" || body == nil {
		return nil
	}
	return &specimen{body: body, schema: inner, all: a.all}
}

// valuesFor are values within a schema and outside of it.
func valuesFor(member string, s *jsonschema.Schema, in map[string]json.RawMessage) map[string]any {
	all := map[string]any{"of another type": struct{}{}}
	long := func(n int) string { return strings.Repeat("x", n) }
	switch {
	case s.Ref != "":
		all["a number"], all["a list"] = 1, []int{}
		name := strings.TrimPrefix(s.Ref, inComponents)
		switch {
		case strings.HasSuffix(name, "ID"):
			all["the longest"], all["too long"], all["no id"] = long(128), long(129), "a b"
		case name == "ThinkingInput":
			all["of another type"] = 1
			all["an unknown member"] = map[string]any{"content": "x", "visible": true, "more": 1}
			for n, ok := range map[int64]string{int64(maxMillis): "a day", int64(maxMillis) + 1: "more than a day", -1: "negative"} {
				all[ok] = map[string]any{"content": "x", "visible": true, "duration": n}
			}
			all["long"], all["too long"] = protocol.Thinking{Content: long(chat.MaxThinking)}, protocol.Thinking{Content: long(chat.MaxThinking + 1)}
		case name == "UsageInput":
			all["of another type"] = 1
			all["the most"], all["too much"], all["negative"] = protocol.Usage{TotalTokens: chat.MaxTokens}, protocol.Usage{TotalTokens: chat.MaxTokens + 1}, protocol.Usage{PromptTokens: -1}
		default: // an enumeration
			all["unknown"] = "boss"
		}
	case s.Type == "string" && s.Const == nil:
		all["a number"] = 1
		if s.MaxLength != nil {
			all["the longest"], all["too long"] = long(*s.MaxLength), long(*s.MaxLength+1)
		}
		if s.Pattern == `\S` {
			all["empty"], all["blank"] = "", " \t"
		}
		for _, v := range s.Enum {
			all[fmt.Sprint(v)] = v
		}
		if s.Enum != nil {
			all["unknown"] = "boss"
		}
	case s.Type == "integer":
		all["a text"], all["a half"], all["negative"], all["zero"] = "1", 0.5, -1, 0
		if s.Maximum != nil {
			all["the most"], all["too much"] = int64(*s.Maximum), int64(*s.Maximum)+1
		}
	case s.Type == "number":
		all["a text"], all["negative"], all["zero"], all["a half"] = "1", -0.5, 0, 0.5
		if s.Maximum != nil {
			all["the most"], all["too much"] = *s.Maximum, *s.Maximum+0.5
		}
	case s.Type == "boolean":
		all["true"], all["false"], all["a text"] = true, false, "true"
	case s.Type == "array":
		all["a text"], all["a list of numbers"] = "x", []int{1}
		for n, name := range map[int]string{*s.MaxItems: "the most", *s.MaxItems + 1: "too many"} {
			all[name] = listOf(n, s)
		}
		if s.UniqueItems && s.Items.MaxLength == nil { // of an enumeration
			all["the same twice"], all["none"] = []any{listOf(1, s).([]any)[0], listOf(1, s).([]any)[0]}, []any{}
		} else if s.UniqueItems {
			all["the same twice"] = []string{"a", "a"}
			all["a long one"], all["one too long"], all["a blank one"] = []string{long(*s.Items.MaxLength)}, []string{long(*s.Items.MaxLength + 1)}, []string{" "}
		}
		if strings.HasSuffix(s.Items.Ref, "Attachment") {
			all["another scheme"], all["no URL"], all["a document"] = []string{"javascript:alert(1)"}, []string{"x"}, []string{"document:d"}
			all["another case"] = []string{"HTTPS://a.example/"}
		}
	}
	return all
}

func listOf(n int, s *jsonschema.Schema) any {
	var list []any
	for i := range n {
		switch {
		case s.Items.Type == "object":
			list = append(list, map[string]int{"n": i})
		case strings.HasSuffix(s.Items.Ref, "ToolSelectionInput"):
			list = append(list, protocol.ToolSelection{Server: fmt.Sprint("server-", i), Allow: []string{"*"}})
		case strings.HasSuffix(s.Items.Ref, "MentionInput"):
			list = append(list, protocol.Mention{Type: chat.MentionUser, ID: chat.PrincipalID(fmt.Sprint("u", i))})
		case strings.HasSuffix(s.Items.Ref, "WebhookEvent"):
			list = append(list, append(chat.WebhookEvents(), "message.read")[i])
		case s.Items.Ref != "":
			list = append(list, fmt.Sprintf("https://a.example/%d", i))
		default:
			list = append(list, fmt.Sprint("tag-", i))
		}
	}
	return slices.Clip(list)
}
