package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"aiwm-chat/functions/join/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown = errors.New("no route to host")
	user    = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	agent   = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
)

// A world is a conversation of a user and an agent, its log and its room; it
// is also the connection of the caller.
type world struct {
	mu      sync.Mutex
	steps   []string
	fail    map[string]error
	log     []chat.Message
	total   int64
	newHere bool
	slow    time.Duration // the announcement takes this long
	query   chat.MessageQuery
	frames  []frame
}

type frame struct {
	Event, ID string
	Data      struct {
		LastSeq     int64
		Members     []protocol.Identity
		AgentOnline bool
		Messages    []json.RawMessage
		HasMore     bool
	}
	Error struct{ Code chat.Code }
}

func (w *world) step(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, name)
	return w.fail[name]
}

func (w *world) Conversation(context.Context, chat.Principal, chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{
		ID: "c1", OrgID: "acme", AgentID: agent.ID, TotalMessages: w.total,
		Participants: []chat.Participant{{Type: user.Type, ID: user.ID}, {Type: agent.Type, ID: agent.ID}},
	}, w.step("Conversation")
}

func (w *world) Messages(_ context.Context, _ chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	w.query = q
	return w.log, false, w.step("Messages")
}

func (w *world) Join(context.Context, chat.Connection, chat.ConversationID) (bool, []chat.Principal, error) {
	removed := chat.Principal{Type: chat.User, ID: "removed", OrgID: "acme"}
	return w.newHere, []chat.Principal{user, removed}, w.step("Join")
}

func (w *world) Online(context.Context, ...chat.Principal) ([]bool, error) {
	return []bool{true}, w.step("Online")
}

func (w *world) Joined(ctx context.Context, c chat.Connection, id chat.ConversationID) {
	time.Sleep(w.slow)
	if err := ctx.Err(); err != nil || c.Principal != user || id != "c1" {
		panic(fmt.Sprint("announced ", c, id, err))
	}
	w.step("user:joined")
}

func (w *world) Post(_ context.Context, _ chat.Connection, b []byte) error {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	w.frames = append(w.frames, f)
	return w.step(f.Event)
}

func (w *world) Close(context.Context, chat.Connection) {}

func (w *world) join(t *testing.T, more string) {
	t.Helper()
	_, err := gateway.Action(w, handler.New(w, w, w).Handle)(t.Context(), events.APIGatewayWebsocketProxyRequest{
		Body: `{"action":"join","id":"f1","conversationId":"c1"` + more + `}`,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			ConnectionID: "A=", RouteKey: "join", Authorizer: gateway.AuthorizerContext(user, time.Now().Add(time.Hour)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func messages(from, n int) (log []chat.Message) {
	for i := range n {
		log = append(log, chat.Message{Seq: int64(from + i), Draft: chat.Draft{Content: strings.Repeat("x", 5000)}})
	}
	return log
}

func TestJoin(t *testing.T) {
	w := &world{log: messages(1, 12), total: 10, newHere: true}
	w.join(t, "")
	at := func(step string) int { return slices.Index(w.steps, step) }
	if order := []int{at("Conversation"), at("Join"), at("Messages"), at("conversation:joined"), at("messages:history")}; !slices.IsSorted(order) || order[0] < 0 {
		t.Errorf("the order is %v", w.steps)
	}
	if at("user:joined") < at("Join") {
		t.Errorf("the others do not hear of it: %v", w.steps)
	}
	joined := w.frames[0]
	if joined.Event != "conversation:joined" || joined.ID != "f1" || !joined.Data.AgentOnline {
		t.Errorf("the reply is %+v", joined)
	}
	if joined.Data.LastSeq != 12 { // the projection lags behind the log
		t.Errorf("the last seq is %d", joined.Data.LastSeq)
	}
	if !slices.Equal(joined.Data.Members, []protocol.Identity{{Type: "user", ID: "u1"}}) {
		t.Errorf("the members are %v", joined.Data.Members)
	}
	got := 0
	for i, f := range w.frames[1:] {
		if f.Event != "messages:history" || f.ID != "f1" || f.Data.HasMore != (i < len(w.frames)-2) {
			t.Errorf("frame %d is %+v", i, f)
		}
		got += len(f.Data.Messages)
	}
	if got != 12 || len(w.frames) < 4 {
		t.Errorf("%d messages in %d frames", got, len(w.frames)-1)
	}
	if w.query.Limit != 50 || w.query.AfterSeq != nil {
		t.Errorf("asked for %+v", w.query)
	}
}

func TestResume(t *testing.T) {
	w := &world{total: 7}
	w.join(t, `,"afterSeq":7`)
	if w.query.AfterSeq == nil || *w.query.AfterSeq != 7 || w.query.Limit != 500 {
		t.Errorf("asked for %+v", w.query)
	}
	if len(w.frames) != 2 || w.frames[0].Data.LastSeq != 7 || w.frames[1].Event != "messages:history" || len(w.frames[1].Data.Messages) != 0 {
		t.Errorf("got %+v", w.frames)
	}
	if slices.Contains(w.steps, "user:joined") {
		t.Error("a second device was announced")
	}
}

func TestFailures(t *testing.T) {
	notFound := chat.Errorf(chat.NotFound, "there is no such conversation")
	tests := []struct {
		step      string
		err       error
		want      chat.Code
		entered   bool
		announced bool
	}{
		{"Conversation", notFound, chat.NotFound, false, false},
		{"Conversation", errDown, chat.Internal, false, false},
		{"Join", errDown, chat.Internal, true, false},
		{"Messages", errDown, chat.Internal, true, true}, // the member is in the room already
		{"Online", errDown, chat.Internal, true, true},
	}
	for _, tt := range tests {
		// The announcement outlasts the failure, and is not cut off by it.
		w := &world{log: messages(1, 1), newHere: true, slow: time.Second, fail: map[string]error{tt.step: tt.err}}
		synctest.Test(t, func(t *testing.T) { w.join(t, "") })
		if len(w.frames) != 1 || w.frames[0].Error.Code != tt.want || w.frames[0].ID != "f1" {
			t.Errorf("%s: got %+v", tt.step, w.frames)
		}
		if slices.Contains(w.steps, "Join") != tt.entered || slices.Contains(w.steps, "user:joined") != tt.announced {
			t.Errorf("%s: the steps were %v", tt.step, w.steps)
		}
	}
}
