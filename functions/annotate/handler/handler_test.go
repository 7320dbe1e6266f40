package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/annotate/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	errDown = errors.New("no route to host")
	caller  = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
)

// A world is one conversation with one message; it is also the caller's connection.
type world struct {
	mu       sync.Mutex
	steps    []string
	fail     map[string]error
	status   chat.ConversationStatus
	due      *chat.Due
	frames   []string
	answered []chat.Effect // by each change
}

func (w *world) step(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, name)
	return w.fail[name]
}

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: id, OrgID: p.OrgID, Status: w.status, Participants: []chat.Participant{{Type: p.Type, ID: p.ID}}}, w.step("conversation")
}

func (w *world) InBudget(_ context.Context, id chat.ConversationID) error { return w.step("budget") }

func (w *world) AllowIn(_ context.Context, p chat.Principal, u chat.Use, id chat.ConversationID) (*chat.Quota, error) {
	return nil, w.step("allow " + string(u))
}

func (w *world) message() chat.Message {
	return chat.Message{ID: "m1", ConversationID: "c1", Seq: 7, Sender: caller, Draft: chat.Draft{Content: "new"}, Edits: 1, Version: 1, Due: w.due}
}

func (w *world) React(_ context.Context, by chat.Principal, r chat.ReactionChange, now, due time.Time) (chat.Message, bool, error) {
	if due.Sub(now) != 20*time.Second || by != caller || r.ConversationID != "c1" || r.MessageID != "m1" {
		panic("the change is not what was asked for")
	}
	m := w.message()
	m.Reactions = []chat.Reaction{{Key: r.Key, By: by}}
	return m, true, w.step("react")
}

func (w *world) Attachable(_ context.Context, p chat.Principal, in chat.ConversationID, to chat.MessageID, ids []chat.UploadID, _ time.Time) ([]chat.Upload, error) {
	if p != caller || in != "c1" || to != "m1" || len(ids) != 1 {
		panic("the uploads are not those of the edit")
	}
	return nil, w.step("attachable")
}

func (w *world) EditMessage(_ context.Context, by chat.Principal, e chat.Edit, _ time.Time) (chat.Message, bool, error) {
	if by != caller || e.ConversationID != "c1" || e.MessageID != "m1" || e.Content != "new" || e.Edits != 3 {
		panic("the change is not what was asked for")
	}
	return w.message(), true, w.step("edit")
}

// Changed is the sender's.
func (w *world) Changed(_ context.Context, c chat.Connection, _ chat.Conversation, m chat.Message, passes delivery.Passes, answered chat.Effect, answer func()) {
	answer()
	w.answered = append(w.answered, answered)
	if m.Due != w.due || (passes == delivery.Patient) != (c.ID != "") {
		panic("what follows is not that of the change")
	}
	_ = w.step("changed")
}

func (w *world) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	w.frames = append(w.frames, string(frame))
	return nil
}

func (w *world) Close(context.Context, chat.Connection) {}

func (w *world) ask(t *testing.T, route, body string) {
	t.Helper()
	h := handler.New(w, w, w)
	handle := gateway.Frames(w, gateway.Routed(map[string]gateway.FrameHandler{"react": gateway.Decoded(h.React), "edit": gateway.Decoded(h.Edit)}))
	if _, err := handle(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body:           `{"action":"` + route + `","id":"f1","conversationId":"c1","messageId":"m1",` + body + `}`,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{ConnectionID: "A=", RouteKey: route, Authorizer: gateway.AuthorizerContext(caller, time.Now().Add(time.Hour), chat.AIWM)},
	}); err != nil {
		t.Fatal(err)
	}
}

const (
	reaction = `"key":"👍","on":true`
	edit     = `"content":"new","edits":3`
	attach   = edit + `,"attachments":["document:upl_0123456789abcdef0123456789abcdef","document:other"]`
)

func TestFrames(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	limited := chat.LimitedFor(time.Second)
	both := func(use string, more ...string) []string {
		return append([]string{"allow " + use, "conversation"}, more...)
	}
	for name, tt := range map[string]struct {
		route, body string
		status      chat.ConversationStatus
		fail        map[string]error
		steps       []string
		answer      string
	}{
		"react":                 {"react", reaction, chat.Active, nil, both("reaction", "changed", "react"), `"event":"message:reactions","id":"f1"`},
		"react, mine":           {"react", reaction, chat.Active, nil, both("reaction", "changed", "react"), `"mine":true`},
		"edit":                  {"edit", edit, chat.Active, nil, both("edit", "changed", "edit"), `"event":"message:updated","id":"f1"`},
		"react, archived":       {"react", reaction, chat.Archived, nil, both("reaction"), `"conversation_closed"`},
		"edit, closed":          {"edit", edit, chat.Closed, nil, both("edit"), `"conversation_closed"`},
		"react, a stranger":     {"react", reaction, chat.Active, map[string]error{"conversation": notFound}, both("reaction"), `"not_found"`},
		"react, too often":      {"react", reaction, chat.Active, map[string]error{"allow reaction": limited}, both("reaction"), `"rate_limited"`},
		"a stranger, too often": {"edit", edit, chat.Active, map[string]error{"allow edit": limited, "conversation": notFound}, both("edit"), `"not_found"`},
		"react, not now":        {"react", reaction, chat.Active, map[string]error{"react": chat.Unavailablef(errDown, "try again")}, both("reaction", "react"), `"unavailable"`},
		"attach":                {"edit", attach, chat.Active, nil, both("edit", "attachable", "changed", "edit"), `"event":"message:updated","id":"f1"`},
		"attach, refused":       {"edit", attach, chat.Active, map[string]error{"attachable": chat.ErrAttachments}, both("edit", "attachable"), `"attachments"`},
		"edit, refused":         {"edit", edit, chat.Active, map[string]error{"edit": chat.Errorf(chat.Conflict, "it was edited")}, both("edit", "edit"), `"conflict"`},
		"edit, of a stranger":   {"edit", edit + `,"mentions":[{"type":"all"},{"type":"user","id":"eve"}]`, chat.Active, nil, both("edit"), `"mentions[1]"`},
		"edit, of somebody":     {"edit", edit + `,"mentions":[{"type":"user","id":"u1"}]`, chat.Active, nil, both("edit", "changed", "edit"), `"event":"message:updated","id":"f1"`},
		"react, bad":            {"react", `"key":"no","on":true`, chat.Active, nil, nil, `"key"`},
	} {
		w := &world{status: tt.status, fail: tt.fail, due: &chat.Due{Left: []chat.Effect{chat.EffectTell}}}
		w.ask(t, tt.route, tt.body)
		slices.Sort(w.steps)
		slices.Sort(tt.steps)
		answered := map[string]chat.Effect{"react": chat.EffectTellReactions, "edit": chat.EffectTell}[tt.route]
		if slices.ContainsFunc(w.answered, func(e chat.Effect) bool { return e != answered }) {
			t.Errorf("%s: what follows is told that %v was heard", name, w.answered)
		}
		if !slices.Equal(w.steps, tt.steps) || len(w.frames) != 1 || !strings.Contains(w.frames[0], tt.answer) || !json.Valid([]byte(w.frames[0])) {
			t.Errorf("%s: the steps were %q, want %q; the answer %s", name, w.steps, tt.steps, w.frames)
		}
	}
}

func TestREST(t *testing.T) {
	for name, tt := range map[string]struct {
		status chat.ConversationStatus
		fail   map[string]error
		code   chat.Code
		steps  []string
	}{
		"done":    {chat.Active, nil, "", []string{"budget", "edit", "changed", "budget", "react", "changed"}},
		"closed":  {chat.Closed, nil, chat.ConversationClosed, nil},
		"not now": {chat.Active, map[string]error{"edit": chat.Unavailablef(errDown, ""), "react": chat.Unavailablef(errDown, "")}, chat.Unavailable, []string{"budget", "edit", "budget", "react"}},
		"crowded": {chat.Active, map[string]error{"budget": chat.LimitedFor(time.Second)}, chat.RateLimited, []string{"budget", "budget"}},
	} {
		w := &world{status: tt.status, fail: tt.fail}
		h, c := handler.New(w, w, w), chat.Conversation{ID: "c1", Status: tt.status}
		body := protocol.EditBody{Content: "new", Edits: new(int64(3))}
		_, edited := h.EditREST(t.Context(), caller, c, body.Of("c1", "m1"))
		_, reacted := h.ReactREST(t.Context(), caller, c, chat.ReactionChange{ConversationID: "c1", MessageID: "m1", Key: "👍", On: true})
		for _, err := range []error{edited, reacted} {
			if err == nil && tt.code != "" || err != nil && chat.CodeOf(err) != tt.code {
				t.Errorf("%s: %v, want %q", name, err, tt.code)
			}
		}
		if !slices.Equal(w.steps, tt.steps) {
			t.Errorf("%s: the steps were %q", name, w.steps)
		}
	}
}
