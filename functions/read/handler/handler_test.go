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

	"aiwm-chat/functions/read/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	errDown  = errors.New("no route to host")
	caller   = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	other    = chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}
	stranger = chat.Principal{Type: chat.User, ID: "x", OrgID: "acme"}
)

// A world is one conversation, whose log has ten messages, and who is connected. It is also
// the caller's connection.
type world struct {
	mu      sync.Mutex
	steps   []string
	fail    map[string]error
	status  chat.ConversationStatus
	wait    time.Duration
	answers []string
}

func (w *world) step(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, name)
	return w.fail[name]
}

func (w *world) conversation() chat.Conversation {
	return chat.Conversation{ID: "c1", OrgID: "acme", Status: w.status, TotalMessages: 10, Participants: []chat.Participant{
		{Type: caller.Type, ID: caller.ID}, {Type: other.Type, ID: other.ID},
	}}
}

func (w *world) Conversation(context.Context, chat.Principal, chat.ConversationID) (chat.Conversation, error) {
	return w.conversation(), w.step("conversation")
}

func (w *world) Allow(_ context.Context, _ chat.Principal, u chat.Use) (*chat.Quota, error) {
	return nil, w.step("allow " + string(u))
}

func (w *world) Read(_ context.Context, p chat.Principal, c chat.Conversation, seq int64, private bool, _ time.Time) (chat.Mark, error) {
	m := chat.Mark{ConversationID: c.ID, By: p, Seq: seq, PublicSeq: 9, Version: 3}
	if private {
		m.PublicSeq = 2
	}
	return m, w.step("read")
}

func (w *world) MarkUnread(_ context.Context, p chat.Principal, c chat.Conversation, from int64) (chat.Mark, error) {
	return chat.Mark{ConversationID: c.ID, By: p, Seq: from - 1, PublicSeq: 9, Version: 4}, w.step("unread")
}

func (w *world) Readers(_ context.Context, _ chat.Principal, _ chat.ConversationID, public bool) (r chat.Readers, err error) {
	r.Own = []chat.Connection{{ID: "A=", Principal: caller}, {ID: "B=", Principal: caller}}
	if r.Wait = w.wait; public && w.wait == 0 {
		r.Room = chat.Room{r.Own[0], {ID: "O=", Principal: other}, {ID: "X=", Principal: stranger}}
	}
	if public {
		return r, w.step("readers, public")
	}
	return r, w.step("readers")
}

func (w *world) Deliver(_ context.Context, posts []delivery.Post, passes delivery.Passes) delivery.Result {
	for _, p := range posts {
		var f struct {
			Event string
			ID    string
			Data  protocol.ReadUpdate
		}
		if json.Unmarshal(p.Frame, &f) != nil || f.Event != protocol.EventReadUpdate || f.ID != "" || f.Data.ID != caller.ID || passes != delivery.Once {
			panic("it tells " + string(p.Frame))
		}
		line, _ := json.Marshal([]any{p.To.ID, f.Data.Seq, f.Data.Version, f.Data.RetryAfterMs})
		_ = w.step(string(line))
	}
	return delivery.Result{Gone: []chat.Gone{{Connection: posts[0].To}}}
}

func (w *world) Forget(_ context.Context, gone []chat.Gone, in chat.ConversationID) {
	if len(gone) != 1 || in != "" {
		panic("who is gone is others")
	}
}

func (w *world) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	w.answers = append(w.answers, string(frame))
	return nil
}

func (w *world) Close(context.Context, chat.Connection) {}

func (w *world) ask(t *testing.T, route, body string) {
	t.Helper()
	h := handler.New(w, w, w, w)
	handle := gateway.Frames(w, gateway.Routed(map[string]gateway.FrameHandler{"read": gateway.Decoded(h.Read), "unread": gateway.Decoded(h.Unread)}))
	if _, err := handle(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body:           `{"action":"` + route + `","id":"f1","conversationId":"c1",` + body + `}`,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{ConnectionID: "A=", RouteKey: route, Authorizer: gateway.AuthorizerContext(caller, time.Now().Add(time.Hour), chat.AIWM)},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFrames(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	admitted := func(more ...string) []string { return append([]string{"allow mark", "conversation"}, more...) }
	own := func(seq, version string) string { return `["B=",` + seq + `,` + version + `,0]` }
	for name, tt := range map[string]struct {
		route, body string
		status      chat.ConversationStatus
		wait        time.Duration
		fail        map[string]error
		steps       []string
		answer      string
	}{
		"read":          {"read", `"seq":7`, chat.Active, 0, nil, admitted("read", "readers, public", own("7", "3"), `["O=",9,0,0]`), `"seq":7,"version":3}`},
		"privately":     {"read", `"seq":7,"private":true`, chat.Active, 0, nil, admitted("read", "readers", own("7", "3")), `"seq":7,"version":3}`},
		"unread":        {"unread", `"fromSeq":5`, chat.Active, 0, nil, admitted("unread", "readers", own("4", "4")), `"seq":4,"version":4}`},
		"again so soon": {"read", `"seq":7`, chat.Active, 1500 * time.Microsecond, nil, admitted("read", "readers, public", own("7", "3")), `"retryAfterMs":2}`},
		"closed":        {"read", `"seq":7`, chat.Closed, 0, nil, admitted("read", "readers, public", own("7", "3"), `["O=",9,0,0]`), `"seq":7`},
		"archived":      {"unread", `"fromSeq":5`, chat.Archived, 0, nil, admitted("unread", "readers", own("4", "4")), `"seq":4`},
		"nobody to be found": {"read", `"seq":7`, chat.Active, 0, map[string]error{"readers, public": chat.Unavailablef(errDown, "")},
			admitted("read", "readers, public"), `"seq":7,"version":3,"retryAfterMs":1000}`},
		"a stranger":            {"read", `"seq":7`, chat.Active, 0, map[string]error{"conversation": notFound}, admitted(), `"not_found"`},
		"too often":             {"unread", `"fromSeq":7`, chat.Active, 0, map[string]error{"allow mark": chat.LimitedFor(time.Second)}, admitted(), `"rate_limited"`},
		"a stranger, too often": {"read", `"seq":7`, chat.Active, 0, map[string]error{"allow mark": chat.LimitedFor(time.Second), "conversation": notFound}, admitted(), `"not_found"`},
		"not now":               {"read", `"seq":7`, chat.Active, 0, map[string]error{"read": chat.Unavailablef(errDown, "try again")}, admitted("read"), `"unavailable"`},
		"unread, not now":       {"unread", `"fromSeq":7`, chat.Active, 0, map[string]error{"unread": chat.Unavailablef(errDown, "try again")}, admitted("unread"), `"unavailable"`},
		"nothing":               {"read", `"private":true`, chat.Active, 0, nil, nil, `"seq"`},
	} {
		w := &world{status: tt.status, fail: tt.fail, wait: tt.wait}
		w.ask(t, tt.route, tt.body)
		slices.Sort(w.steps)
		slices.Sort(tt.steps)
		if !slices.Equal(w.steps, tt.steps) || len(w.answers) != 1 || !strings.Contains(w.answers[0], tt.answer) || !strings.Contains(w.answers[0], `"id":"f1"`) {
			t.Errorf("%s: the steps were %q, want %q; the answer %s", name, w.steps, tt.steps, w.answers)
		}
	}
}

// Over REST each device of the caller is another one.
func TestREST(t *testing.T) {
	w := &world{status: chat.Closed}
	h := handler.New(w, w, w, w)
	read, err := h.ReadREST(t.Context(), caller, w.conversation(), protocol.ReadBody{Seq: 7})
	if err != nil || read.Seq != 7 || read.Version != 3 {
		t.Errorf("%+v, %v", read, err)
	}
	if unread, err := h.UnreadREST(t.Context(), caller, w.conversation(), protocol.UnreadBody{FromSeq: 5}); err != nil || unread.Seq != 4 {
		t.Errorf("%+v, %v", unread, err)
	}
	want := []string{"read", "readers, public", `["A=",7,3,0]`, `["B=",7,3,0]`, `["O=",9,0,0]`, "unread", "readers", `["A=",4,4,0]`, `["B=",4,4,0]`}
	if !slices.Equal(w.steps, want) {
		t.Errorf("the steps were %q, want %q", w.steps, want)
	}
	w = &world{fail: map[string]error{"read": chat.Unavailablef(errDown, ""), "unread": chat.Unavailablef(errDown, "")}}
	h = handler.New(w, w, w, w)
	_, one := h.ReadREST(t.Context(), caller, w.conversation(), protocol.ReadBody{Seq: 7})
	_, two := h.UnreadREST(t.Context(), caller, w.conversation(), protocol.UnreadBody{FromSeq: 7})
	if chat.CodeOf(one) != chat.Unavailable || chat.CodeOf(two) != chat.Unavailable || len(w.steps) != 2 {
		t.Errorf("%v, %v, the steps were %q", one, two, w.steps)
	}
}
