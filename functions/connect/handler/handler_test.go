package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/connect/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var (
	errDown = errors.New("no route to host")
	expires = time.Unix(4102444800, 0)
)

// A world records the steps of a connect that have time, and fails those it is
// told to.
type world struct {
	arrival chat.Arrival
	fail    map[string]error
	hangs   string // this step does not come back before its time is up
	start   time.Time
	mu      sync.Mutex
	steps   []string
}

func (w *world) step(ctx context.Context, name string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	w.steps = append(w.steps, fmt.Sprint(append([]any{name}, args...)...))
	w.mu.Unlock()
	if w.hangs == name {
		<-ctx.Done()
		return ctx.Err()
	}
	return w.fail[name]
}

// when tells a step that was decided before Redis was asked from a later one.
func (w *world) when(at time.Time) string {
	if at.Equal(w.start) {
		return ""
	}
	return fmt.Sprint(" decided after ", at.Sub(w.start))
}

func (w *world) Connect(ctx context.Context, _ chat.Connection) (chat.Arrival, error) {
	err := w.step(ctx, "register")
	time.Sleep(10 * time.Millisecond) // by the clock of the test
	return w.arrival, err
}

func (w *world) Disconnect(ctx context.Context, _ chat.Connection) (bool, error) {
	return false, w.step(ctx, "take back")
}

func (w *world) EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error {
	want := protocol.WelcomeJob{ConnectionID: "A=", Type: job.Type, ID: "p1", OrgID: "acme", ExpiresAt: expires.Unix(), Dialect: chat.Lean}
	if job != want {
		panic(fmt.Sprint("welcome ", job))
	}
	return w.step(ctx, "welcome")
}

func (w *world) SetAgentStatus(ctx context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step(ctx, "status", " ", p, " ", online, w.when(at))
}

func (w *world) ConversationsOf(ctx context.Context, _ chat.Principal, limit int) ([]chat.ConversationID, error) {
	if limit != protocol.MaxPresenceConversations {
		panic(fmt.Sprint("conversations up to ", limit))
	}
	return []chat.ConversationID{"c1", "c2"}, w.step(ctx, "conversations")
}

func (w *world) Presence(ctx context.Context, p chat.Principal, online bool, at time.Time, in []chat.ConversationID) {
	w.step(ctx, "tell", " ", p, " ", online, " ", in, w.when(at))
}

func (w *world) Post(ctx context.Context, c chat.Connection, b []byte) error {
	var f struct {
		Event string
		Error struct {
			Code      chat.Code
			Retryable bool
		}
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	return w.step(ctx, "say", " ", c.ID, " ", f.Event, " ", f.Error.Code, " ", f.Error.Retryable)
}

func (w *world) Close(ctx context.Context, c chat.Connection) { w.step(ctx, "close", " ", c.ID) }

func TestConnect(t *testing.T) {
	const told, toldAgent, status = "tell user:p1 true [c1 c2]", "tell agent:p1 true [c1 c2]", "status agent:p1 true"
	const say1, say2 = "say O1= error too_many_connections false", "say O2= error too_many_connections false"
	first := chat.Arrival{First: true}
	full := chat.Arrival{Excess: []chat.Connection{{ID: "O1="}, {ID: "O2="}}}
	firstAndFull := chat.Arrival{First: true, Excess: full.Excess[:1]}
	failing := func(steps ...string) map[string]error {
		fail := map[string]error{}
		for _, s := range steps {
			fail[s] = errDown
		}
		return fail
	}
	refused := map[string]error{"register": chat.Errorf(chat.TooManyConnections, "no")}
	tests := []struct {
		name    string
		who     chat.PrincipalType
		arrival chat.Arrival
		fail    map[string]error
		hangs   string
		code    chat.Code
		want    []string // what follows the welcome goes on together: in any order
	}{
		{"a user", chat.User, first, nil, "", "", []string{"register", "welcome", "conversations", told}},
		{"a user's other device", chat.User, chat.Arrival{}, nil, "", "", []string{"register", "welcome"}},
		{"an agent", chat.Agent, first, nil, "", "", []string{"register", "welcome", status, "conversations", toldAgent}},
		{"another of the agent", chat.Agent, chat.Arrival{}, nil, "", "", []string{"register", "welcome", status}},
		{"one too many of a user", chat.User, full, nil, "", "", []string{"register", "welcome", say1, "close O1=", say2, "close O2="}},
		{"those are gone", chat.User, full, failing("say"), "", "", []string{"register", "welcome", say1, "close O1=", say2, "close O2="}},
		{"one too many of an agent", chat.Agent, first, refused, "", chat.TooManyConnections, []string{"register"}},
		{"not registered", chat.User, first, failing("register"), "", chat.Internal, []string{"register"}},
		{"not to be welcomed", chat.Agent, firstAndFull, failing("welcome"), "", chat.Unavailable, []string{"register", "welcome", "take back"}},
		{"not even taken back", chat.User, first, failing("welcome", "take back"), "", chat.Unavailable, []string{"register", "welcome", "take back"}},
		{"no status", chat.Agent, first, failing("status"), "", "", []string{"register", "welcome", status, "conversations", toldAgent}},
		{"nobody to tell", chat.User, first, failing("conversations"), "", "", []string{"register", "welcome", "conversations"}},
		// What hangs keeps nothing else from being done, and the client not for long.
		{"the status hangs", chat.Agent, first, nil, "status", "", []string{"register", "welcome", status, "conversations", toldAgent}},
		{"the conversations hang", chat.Agent, first, nil, "conversations", "", []string{"register", "welcome", status, "conversations"}},
		{"the telling hangs", chat.User, firstAndFull, nil, "tell", "", []string{"register", "welcome", "conversations", told, say1, "close O1="}},
		{"the old one hangs", chat.User, firstAndFull, nil, "say", "", []string{"register", "welcome", "conversations", told, say1, "close O1="}},
		{"the closing hangs", chat.User, full, nil, "close", "", []string{"register", "welcome", say1, "close O1=", say2, "close O2="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{arrival: tt.arrival, fail: tt.fail, hangs: tt.hangs, start: time.Now()}
				c := chat.Connection{ID: "A=", Principal: chat.Principal{Type: tt.who, ID: "p1", OrgID: "acme"}, ExpiresAt: expires, Dialect: chat.Lean}
				err := handler.New(w, w, w, w, w).Handle(t.Context(), c)
				if (err != nil) != (tt.code != "") || err != nil && chat.CodeOf(err) != tt.code {
					t.Errorf("got %v, want %q", err, tt.code)
				}
				if !slices.Equal(arranged(w.steps), arranged(tt.want)) {
					t.Errorf("the steps were %q, want %q", w.steps, tt.want)
				}
				took := time.Since(w.start) - 10*time.Millisecond
				if took > 1500*time.Millisecond || (took > 0) != (tt.hangs != "") {
					t.Errorf("what follows took %v", took)
				}
			})
		})
	}
}

// arranged sorts the steps after the first two, which have no order.
func arranged(steps []string) []string {
	steps = slices.Clone(steps)
	slices.Sort(steps[min(2, len(steps)):])
	return steps
}
