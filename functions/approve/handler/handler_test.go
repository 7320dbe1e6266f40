package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/approve/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	alice = chat.Principal{Type: chat.User, ID: "alice", OrgID: "acme"}
	bob   = chat.Principal{Type: chat.User, ID: "bob", OrgID: "acme"}
	eve   = chat.Principal{Type: chat.User, ID: "eve", OrgID: "acme"} // takes no part
	bot   = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
	cast  = map[string]chat.Principal{"alice": alice, "bob": bob, "eve": eve, "bot": bot}
)

// A world is a conversation with a run that waits for the first of its two calls, whose log
// has the unique index of the store.
type world struct {
	mu     sync.Mutex
	run    chat.Run
	log    []chat.Message
	closed bool
	answer struct {
		Event string
		Data  protocol.Sent
		Error *struct {
			Code    chat.Code
			Details map[string]any
		}
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	run := chat.NewRun(chat.AgentProfile{OrgID: "acme", ID: bot.ID}, chat.Message{ID: "65a1b2c3d4e5f60718293a4b", ConversationID: "c1", Seq: 1}, 0, alice.ID, 1, time.Now())
	run.Status = chat.RunWaiting
	d := chat.Draft{Type: chat.TypeToolCall, Approval: &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: time.Now().Add(time.Hour)}}
	for n, approval := range []bool{true, false} {
		raw, err := json.Marshal(runlog.Ask{ID: run.ID.Call(0, n+1), Name: "refund", Arguments: json.RawMessage(`{}`), Approval: approval})
		if err != nil {
			t.Fatal(err)
		}
		d.ToolCalls = append(d.ToolCalls, raw)
	}
	m, err := runlog.Message(run, run.ID.Step(0), d, chat.StatusSent)
	if err != nil {
		t.Fatal(err)
	}
	return &world{run: run, log: []chat.Message{m}}
}

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	if id != "c1" || p == eve {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return chat.Conversation{ID: id}, nil
}

func (w *world) Run(_ context.Context, org chat.OrgID, id chat.RunID) (chat.Run, error) {
	if id != w.run.ID || org != w.run.OrgID {
		return chat.Run{}, chat.Errorf(chat.NotFound, "there is no such run")
	}
	return w.run, nil
}

func (w *world) Sent(_ context.Context, _ chat.ConversationID, sender chat.Principal, id chat.ClientMessageID) (chat.Message, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.log {
		if m.Sender == sender && m.ClientMessageID == id {
			return m, true, nil
		}
	}
	return chat.Message{}, false, nil
}

func (w *world) Place(ctx context.Context, m chat.Message) (chat.Message, bool, error) {
	if w.closed {
		return m, false, chat.Errorf(chat.ConversationClosed, "closed")
	}
	if other, found, _ := w.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID); found {
		return other, false, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.Seq = int64(len(w.log) + 1)
	w.log = append(w.log, m)
	return m, true, nil
}

func (w *world) Verify(_ context.Context, token string) (chat.Bearer, error) {
	p, ok := cast[token]
	if !ok {
		return chat.Bearer{}, chat.Refused(errors.New("nobody's"))
	}
	return chat.Bearer{Principal: p, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (w *world) Allow(context.Context, chat.Principal, chat.Use) (*chat.Quota, error) {
	return nil, nil
}

func (w *world) Post(_ context.Context, _ chat.Connection, frame []byte) error {
	w.answer.Error = nil
	return json.Unmarshal(frame, &w.answer)
}

func (w *world) Close(context.Context, chat.Connection) {}

// socket decides over WebSocket, and returns the code of the refusal, "" for none.
func (w *world) socket(t *testing.T, by chat.Principal, call chat.CallID, rest string) chat.Code {
	t.Helper()
	body := fmt.Sprintf(`{"action":"approve","id":"f","conversationId":"c1","toolCallId":%q,%s}`, call, rest)
	_, err := gateway.Frames(w, gateway.Decoded(handler.New(w, w).Handle))(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body: body,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			ConnectionID: "x=", RouteKey: protocol.ActionApprove, Authorizer: gateway.AuthorizerContext(by, time.Now().Add(time.Hour), chat.Lean),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.answer.Error != nil {
		return w.answer.Error.Code
	}
	return ""
}

// rest decides over REST.
func (w *world) rest(t *testing.T, by string, call chat.CallID, body string) (int, string) {
	t.Helper()
	const route = "POST /conversations/{id}/approvals/{toolCallId}"
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: route, Body: body, PathParameters: map[string]string{"id": "c1", "toolCallId": string(call)},
		Headers: map[string]string{"authorization": "Bearer " + by, "content-type": "application/json"},
	}
	event.RequestContext.HTTP.Method = "POST"
	got, err := gateway.HTTP(w, w, handler.New(w, w).Routes())(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, got.Body
}

func TestApprove(t *testing.T) {
	t.Parallel()
	yes := `"approved":true`
	for name, c := range map[string]struct {
		by     chat.Principal
		call   func(r chat.Run) chat.CallID
		body   string
		change func(w *world)
		code   chat.Code
		status int // over REST
	}{
		"approved":             {alice, nil, yes, nil, "", 201},
		"by another":           {bob, nil, `"approved":false,"reason":"no"`, nil, "", 201},
		"with arguments":       {alice, nil, yes + `,"arguments":{"order":"2"}`, nil, "", 201},
		"arguments of a no":    {alice, nil, `"approved":false,"arguments":{}`, nil, chat.ValidationFailed, 400},
		"arguments, no object": {alice, nil, yes + `,"arguments":[1]`, nil, chat.ValidationFailed, 400},
		"long reason":          {alice, nil, yes + `,"reason":"` + strings.Repeat("x", 2001) + `"`, nil, chat.ValidationFailed, 400},
		"neither":              {alice, nil, `"reason":"x"`, nil, chat.ValidationFailed, 400},
		"an agent":             {bot, nil, yes, nil, chat.Forbidden, 403},
		"a stranger":           {eve, nil, yes, nil, chat.NotFound, 404},
		"no id of a call":      {alice, func(chat.Run) chat.CallID { return "call_0" }, yes, nil, chat.ValidationFailed, 400},
		"no such run":          {alice, func(chat.Run) chat.CallID { return chat.NewRunID(bot, "x", 0).Call(0, 1) }, yes, nil, chat.NotFound, 404},
		"no such step":         {alice, func(r chat.Run) chat.CallID { return r.ID.Call(1, 1) }, yes, nil, chat.NotFound, 404},
		"no such call":         {alice, func(r chat.Run) chat.CallID { return r.ID.Call(0, 3) }, yes, nil, chat.NotFound, 404},
		"one that is allowed":  {alice, func(r chat.Run) chat.CallID { return r.ID.Call(0, 2) }, yes, nil, chat.NotFound, 404},
		"of elsewhere":         {alice, nil, yes, func(w *world) { w.run.ConversationID = "c2" }, chat.NotFound, 404},
		"before it waits":      {alice, nil, yes, func(w *world) { w.run.Status = chat.RunActive }, "", 201},
		"the run is over":      {alice, nil, yes, func(w *world) { w.run.Status = chat.RunCancelled }, chat.Conflict, 409},
		"too late":             {alice, nil, yes, func(w *world) { w.log[0].Approval.ExpiresAt = time.Now() }, chat.Conflict, 409},
		"closed":               {alice, nil, yes, func(w *world) { w.closed = true }, chat.ConversationClosed, 409},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, rest := range []bool{false, true} {
				w := newWorld(t)
				if c.change != nil {
					c.change(w)
				}
				call := w.run.ID.Call(0, 1)
				if c.call != nil {
					call = c.call(w.run)
				}
				if rest {
					if status, body := w.rest(t, string(c.by.ID), call, "{"+c.body+"}"); status != c.status {
						t.Errorf("%d %s, want %d", status, body, c.status)
					}
				} else if code := w.socket(t, c.by, call, c.body); code != c.code {
					t.Errorf("%q, want %q: %+v", code, c.code, w.answer.Error)
				}
				if decided := len(w.log) > 1; decided != (c.code == "") {
					t.Errorf("decided: %v", decided)
				}
			}
		})
	}
}

// The first decision counts: who decides the same again is told so, who comes second learns
// what the first decided, also when the run is over.
func TestFirstDecisionCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.run.ID.Call(0, 1)
	if code := w.socket(t, alice, call, `"approved":true`); code != "" {
		t.Fatal(code)
	}
	if code := w.socket(t, alice, call, `"approved":true`); code != "" || !w.answer.Data.Duplicate {
		t.Errorf("again: %q, %+v", code, w.answer.Data)
	}
	if status, body := w.rest(t, "alice", call, `{"approved":true}`); status != 200 {
		t.Errorf("again: %d %s", status, body)
	}
	for _, is := range []chat.RunStatus{chat.RunActive, chat.RunComplete} {
		w.run.Status = is
		if code := w.socket(t, bob, call, `"approved":false`); code != chat.Conflict {
			t.Errorf("second: %q", code)
		}
		if d := w.answer.Error.Details; d["status"] != "approved" || d["by"] != "alice" {
			t.Errorf("second: %v", d)
		}
		if code := w.socket(t, alice, call, `"approved":true`); code != "" || !w.answer.Data.Duplicate {
			t.Errorf("again, of a run that is %s: %q, %+v", is, code, w.answer.Data)
		}
	}
	if len(w.log) != 2 {
		t.Errorf("%d messages", len(w.log))
	}
}
