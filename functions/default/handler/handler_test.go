package handler_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/default/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// A world keeps what the actions get, and what the caller gets; it records the
// steps of a ping and fails those it is told to.
type world struct {
	called string
	frames []map[string]any
	size   int // of the largest frame
	who    chat.PrincipalType
	rooms  []chat.ConversationID
	heads  map[chat.ConversationID]int64
	known  bool
	fail   map[string]error
	steps  []string
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	return w.fail[name]
}

func (w *world) Ping(_ context.Context, c chat.Connection) (entries []chat.Entry, _ chat.Loss, _ error) {
	loss := chat.Loss("of today")
	if w.known {
		loss = ""
	}
	for _, id := range w.rooms {
		entries = append(entries, chat.Entry{Connection: c, ConversationID: id, Generation: "of " + string(id)})
	}
	return entries, loss, w.step("ping", " ", c.ID)
}

func (w *world) Heads(_ context.Context, p chat.Principal, ids []chat.ConversationID) (map[chat.ConversationID]int64, error) {
	return w.heads, w.step("heads", " ", p, " ", len(ids))
}

// decided is when Redis says that it decided, whatever the clock is here.
var decided = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)

func (w *world) Stamp(_ context.Context, ps ...chat.Principal) ([]time.Time, error) {
	return []time.Time{decided}, w.fail["stamp"]
}

// dated panics where what is told has another date.
func (w *world) dated(at time.Time) {
	if !at.Equal(decided) {
		panic(fmt.Sprint("dated ", at))
	}
}

func (w *world) Told(_ context.Context, c chat.Connection, of chat.Loss) error {
	if of != "of today" {
		panic("another loss: " + of)
	}
	return w.step("told", " ", c.ID)
}

func (w *world) PutOut(_ context.Context, entries []chat.Entry) error {
	var ids []chat.ConversationID
	for _, e := range entries {
		if e.Generation != "of "+string(e.ConversationID) {
			panic("put out of another generation: " + e.Generation)
		}
		ids = append(ids, e.ConversationID)
	}
	w.steps = append(w.steps, fmt.Sprint("out of ", ids, " ", entries[0].Connection.ID))
	return w.fail["out"]
}

func (w *world) Presence(_ context.Context, p chat.Principal, online bool, at time.Time) error {
	w.dated(at)
	return w.step("tell", " ", p, " ", online)
}

func (w *world) SetAgentStatus(_ context.Context, p chat.Principal, online bool, at time.Time) error {
	w.dated(at)
	return w.step("status", " ", p, " ", online)
}

func (w *world) Backlog(_ context.Context, c chat.Connection) error {
	return w.step("backlog", " ", c.ID)
}

func (w *world) Post(_ context.Context, _ chat.Connection, b []byte) error {
	var f map[string]any
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	w.frames, w.size = append(w.frames, f), max(w.size, len(b))
	return w.step("reply", " ", f["event"])
}

func (w *world) Close(context.Context, chat.Connection) {}

// action records what reaches an action, as its handler would see it.
func action[In interface {
	FrameID() string
	Check() error
}](w *world) gateway.FrameHandler {
	return gateway.Decoded(func(_ context.Context, f *gateway.ClientFrame, in In) error {
		b, err := json.Marshal(in)
		w.called = fmt.Sprintf("%s %s", f.FrameID, b)
		return err
	})
}

func (w *world) frame(t testing.TB, body string) {
	t.Helper()
	h := handler.New(w, w, w, w, handler.Actions{
		protocol.ActionJoin: action[protocol.Join](w), protocol.ActionLeave: action[protocol.Leave](w),
		protocol.ActionSend: action[protocol.Send](w), protocol.ActionTyping: action[protocol.Typing](w),
	})
	_, err := gateway.Frames(w, h.Handle)(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body: body,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			ConnectionID: "A=", RouteKey: "$default",
			Authorizer: gateway.AuthorizerContext(chat.Principal{Type: cmp.Or(w.who, chat.User), ID: "p1", OrgID: "acme"}, time.Now().Add(time.Hour), chat.AIWM),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTranslate(t *testing.T) {
	tests := []struct{ body, want string }{
		// The names of the AIWM clients, as event and as action.
		{`{"event":"conversation:join","data":{"conversationId":"c1"},"id":"f1"}`, `f1 {"action":"join","id":"f1","conversationId":"c1"}`},
		{`{"event":"conversation:join","data":{"conversationId":"c1","afterSeq":3}}`, ` {"action":"join","conversationId":"c1","afterSeq":3}`},
		{`{"event":"conversation:leave","data":{"conversationId":"c1"}}`, ` {"action":"leave","conversationId":"c1"}`},
		{`{"event":"message:send","data":{"conversationId":"c1","content":"hi"},"id":"f1"}`, `f1 {"action":"send","id":"f1","conversationId":"c1","content":"hi"}`},
		{`{"event":"typing:start","data":{"conversationId":"c1"}}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		{`{"event":"typing:stop","data":{"conversationId":"c1"}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
		{`{"event":"message:typing","data":{"conversationId":"c1","isTyping":true}}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		{`{"event":"message:typing","data":{"conversationId":"c1","isTyping":false}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
		{`{"action":"conversation:join","conversationId":"c1","id":"f1"}`, `f1 {"action":"join","id":"f1","conversationId":"c1"}`},
		{`{"action":"message:send","conversationId":"c1","content":"hi"}`, ` {"action":"send","conversationId":"c1","content":"hi"}`},
		{`{"action":"message:typing","conversationId":"c1","isTyping":true}`, ` {"action":"typing","conversationId":"c1","state":"start"}`},
		// Our own names, as event too.
		{`{"event":"join","data":{"conversationId":"c1"}}`, ` {"action":"join","conversationId":"c1"}`},
		{`{"action":"leave","conversationId":"c1"}`, ` {"action":"leave","conversationId":"c1"}`},
		{`{"event":"typing","data":{"conversationId":"c1","state":"stop"}}`, ` {"action":"typing","conversationId":"c1","state":"stop"}`},
	}
	for _, tt := range tests {
		w := &world{}
		w.frame(t, tt.body)
		if w.called != tt.want || len(w.frames) != 0 {
			t.Errorf("%s\ncalled %s\nwant   %s\nposted %v", tt.body, w.called, tt.want, w.frames)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		body, id string
		code     chat.Code
		field    string
	}{
		{``, "", chat.BadRequest, ""},
		{`hello`, "", chat.BadRequest, ""},
		{`[]`, "", chat.BadRequest, ""},
		{`{}`, "", chat.ValidationFailed, "action"},
		{`{"id":"f1"}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","action":7}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","action":null}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":null}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":null}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","action":"dance"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"$connect"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"$disconnect"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","action":"JOIN","conversationId":"c1"}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","event":"message:new","data":{}}`, "f1", chat.BadRequest, ""},
		{`{"id":"f1","event":"join"}`, "f1", chat.ValidationFailed, "conversationId"},
		{`{"id":"f1","event":"join","data":null}`, "f1", chat.ValidationFailed, "data"},
		{`{"id":"f1","event":"join","data":"c1"}`, "f1", chat.ValidationFailed, "data"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1"},"conversationId":"c2"}`, "f1", chat.ValidationFailed, "conversationId"},
		{`{"id":"f1","event":"join","action":"leave","data":{"conversationId":"c1"}}`, "f1", chat.ValidationFailed, "action"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1","action":"leave"}}`, "f1", chat.ValidationFailed, "data.action"},
		{`{"id":"f1","event":"join","data":{"conversationId":"c1","id":"f2"}}`, "f1", chat.ValidationFailed, "data.id"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1"}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":"yes"}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:typing","data":{"conversationId":"c1","isTyping":true,"state":"stop"}}`, "f1", chat.ValidationFailed, "state"},
		{`{"id":"f1","event":"typing:start","data":{"conversationId":"c1","state":"stop"}}`, "f1", chat.ValidationFailed, "state"},
		{`{"id":"f1","event":"typing:start","data":{"conversationId":"c1","isTyping":true}}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","action":"typing","conversationId":"c1","isTyping":true}`, "f1", chat.ValidationFailed, "isTyping"},
		{`{"id":"f1","event":"message:send","data":{"content":"hi","seq":4}}`, "f1", chat.ValidationFailed, "seq"},
		{`{"id":"f1","event":"join","event":"leave","data":{}}`, "f1", chat.BadRequest, ""},
	}
	for _, tt := range tests {
		w := &world{}
		w.frame(t, tt.body)
		if w.called != "" || len(w.frames) != 1 {
			t.Errorf("%s: called %q, posted %v", tt.body, w.called, w.frames)
			continue
		}
		f := w.frames[0]
		e, _ := f["error"].(map[string]any)
		details, _ := e["details"].(map[string]any)
		if id, _ := f["id"].(string); id != tt.id || e["code"] != string(tt.code) {
			t.Errorf("%s: got %v", tt.body, f)
		}
		if _, named := details[tt.field]; tt.field != "" && !named {
			t.Errorf("%s: the details %v do not name %s", tt.body, details, tt.field)
		}
	}
}

// The actions that there are: each reaches its own handler and no other, and is
// named to who asks for another one.
func TestDispatch(t *testing.T) {
	w := &world{}
	w.frame(t, `{"action":"dance","id":"f1"}`)
	e, _ := w.frames[0]["error"].(map[string]any)
	if want := "the action must be one of join, leave, ping, send, typing"; e["message"] != want {
		t.Errorf("the refusal is %v, want %s", e, want)
	}
	for _, name := range []string{"join", "leave", "send", "typing"} {
		w := &world{}
		actions := handler.Actions{}
		for _, other := range []string{"join", "leave", "send", "typing"} {
			actions[other] = func(context.Context, *gateway.ClientFrame, []byte) error { w.called += other; return nil }
		}
		h := handler.New(w, w, w, w, actions)
		if err := h.Handle(t.Context(), &gateway.ClientFrame{}, []byte(`{"action":"`+name+`"}`)); err != nil || w.called != name {
			t.Errorf("%s: called %q, %v", name, w.called, err)
		}
		if len(actions) != 4 {
			t.Error("the caller's actions were changed")
		}
	}
}

func TestPing(t *testing.T) {
	rooms := []chat.ConversationID{"c1", "c2", "c3"}
	heads := map[chat.ConversationID]int64{"c3": 0, "c1": 7} // no participant of c2
	own := []chat.ConversationID{"c1", "c3"}
	const out = "out of [c2] A="
	pong := []string{"ping A=", "reply pong"}
	again := []string{"status agent:p1 true", "backlog A=", "tell agent:p1 true"}
	const nothing = `{"resync":true,"rooms":[]}`
	const named = `{"rooms":[{"conversationId":"c1","lastSeq":7},{"conversationId":"c3","lastSeq":0}]}`
	const resync = `{"resync":true,"rooms":[{"conversationId":"c1","lastSeq":7},{"conversationId":"c3","lastSeq":0}]}`
	failing := func(step string) map[string]error { return map[string]error{step: errors.New("no route to host")} }
	tests := []struct {
		name  string
		world world
		data  string // of the pong; "" is an error
		want  []string
	}{
		{"a user", world{rooms: rooms, heads: heads, known: true}, named, []string{"ping A=", "heads user:p1 3", "reply pong", out}},
		{"an agent", world{who: chat.Agent, rooms: rooms, heads: heads, known: true}, named, []string{"ping A=", "heads agent:p1 3", "reply pong", out}},
		{"in its own rooms only", world{rooms: own, heads: heads, known: true}, named, []string{"ping A=", "heads user:p1 2", "reply pong"}},
		{"in rooms of others only", world{rooms: rooms, known: true}, `{"rooms":[]}`, []string{"ping A=", "heads user:p1 3", "reply pong", "out of [c1 c2 c3] A="}},
		{"not to be put out", world{rooms: rooms, heads: heads, known: true, fail: failing("out")}, named, []string{"ping A=", "heads user:p1 3", "reply pong", out}},
		{"in no room", world{known: true}, `{"rooms":[]}`, []string{"ping A=", "reply pong"}},
		// Of one that was lost: what it missed, and only then that it was told.
		{"a user that was lost", world{rooms: own, heads: heads}, resync, []string{"ping A=", "heads user:p1 2", "reply pong", "tell user:p1 true", "told A="}},
		{"an agent that was lost", world{who: chat.Agent, rooms: rooms, heads: heads}, resync, slices.Concat([]string{"ping A=", "heads agent:p1 3", "reply pong", out}, again, []string{"told A="})},
		{"and its rooms", world{who: chat.Agent}, nothing, slices.Concat(pong, again, []string{"told A="})},
		{"lost, and not to be put out", world{who: chat.Agent, rooms: rooms, heads: heads, fail: failing("out")}, resync, slices.Concat([]string{"ping A=", "heads agent:p1 3", "reply pong", out}, again, []string{"told A="})},
		{"no status", world{who: chat.Agent, fail: failing("status")}, nothing, slices.Concat(pong, again)},
		{"no backlog", world{who: chat.Agent, fail: failing("backlog")}, nothing, slices.Concat(pong, again)},
		{"nobody to tell", world{who: chat.Agent, fail: failing("tell")}, nothing, slices.Concat(pong, again)},
		{"nobody to tell of a user", world{fail: failing("tell")}, nothing, slices.Concat(pong, []string{"tell user:p1 true"})},
		{"not noted", world{who: chat.Agent, fail: failing("told")}, nothing, slices.Concat(pong, again, []string{"told A="})},
		{"no Redis", world{who: chat.Agent, fail: failing("ping")}, "", []string{"ping A=", "reply error"}},
		{"no MongoDB", world{who: chat.Agent, rooms: rooms, fail: failing("heads")}, "", []string{"ping A=", "heads agent:p1 3", "reply error"}},
	}
	for _, body := range []string{`{"action":"ping","id":"f1"}`, `{"event":"ping","id":"f1"}`} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := tt.world
					w.frame(t, body)
					if !slices.Equal(w.steps, tt.want) {
						t.Errorf("the steps were %q, want %q", w.steps, tt.want)
					}
					if len(w.frames) != 1 || w.frames[0]["id"] != "f1" {
						t.Fatalf("got %v", w.frames)
					}
					if data, err := json.Marshal(w.frames[0]["data"]); tt.data != "" && (err != nil || string(data) != tt.data) {
						t.Errorf("got %s, %v, want %s", data, err, tt.data)
					}
				})
			})
		}
	}
}

// What a lost connection missed is made up for by each ping until all of it has
// succeeded, and by none after that.
func TestLostIsMadeUpForUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{who: chat.Agent, fail: map[string]error{}}
		for _, failing := range []string{"status", "backlog", "tell", "told", "", "over"} {
			clear(w.fail)
			w.fail[failing] = errors.New("no route to host")
			w.steps = nil
			w.frame(t, `{"action":"ping"}`)
			tried := slices.Contains(w.steps, "backlog A=")
			if told := slices.Contains(w.steps, "told A="); tried == (failing == "over") || told != (failing == "told" || failing == "") {
				t.Errorf("%q fails: the steps were %q", failing, w.steps)
			}
			if failing == "" {
				w.known = true // as the real Told makes it
			}
		}
	})
}

// A pong fits a frame, however many rooms there are and however long their ids.
func TestPongIsBounded(t *testing.T) {
	for _, n := range []int{150, 151, 1000} {
		w := &world{known: true, heads: map[chat.ConversationID]int64{}}
		for i := range n {
			id := chat.ConversationID(fmt.Sprintf("%0*d", chat.MaxID, i))
			w.rooms, w.heads[id] = append(w.rooms, id), math.MaxInt64
		}
		w.frame(t, `{"action":"ping"}`)
		data, _ := w.frames[0]["data"].(map[string]any)
		named, _ := data["rooms"].([]any)
		if len(named) != 150 || (data["truncated"] == true) != (n > 150) || w.size > protocol.MaxFrame {
			t.Errorf("of %d rooms %d are named, truncated %v, in %d bytes", n, len(named), data["truncated"], w.size)
		}
	}
}
