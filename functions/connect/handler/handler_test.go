package handler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/functions/connect/handler"
	disconnect "aiwm-chat/functions/disconnect/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
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

	registered int // how often that was tried
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

// decided is when Redis says that it decided, whatever the clock is here.
var decided = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)

// when tells a step that has another date.
func (w *world) when(at time.Time) string {
	if at.Equal(decided) {
		return ""
	}
	return fmt.Sprint(" dated ", at.Sub(w.start))
}

// redisTime is what Redis takes, by the clock of the test.
const redisTime = 10 * time.Millisecond

func (w *world) Connect(ctx context.Context, _ chat.Connection) (chat.Arrival, error) {
	err := w.step(ctx, "register")
	time.Sleep(redisTime)
	w.registered++
	w.arrival.At = decided
	return w.arrival, err
}

func (w *world) Untold(ctx context.Context, c chat.Connection) error {
	return w.step(ctx, "untold", " ", c.ID)
}

// In this world connections whose id begins with G are gone, and of the others it
// is known unless asking fails. Whoever is refused is not when one was forgotten.
func (w *world) Gone(ctx context.Context, id chat.ConnectionID) (bool, error) {
	return id[0] == 'G', w.step(ctx, "ask", " ", id)
}

func (w *world) Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID) {
	for _, g := range gone {
		w.step(ctx, "forget", " ", g.Connection.ID, in)
	}
	delete(w.fail, "register")
}

func (w *world) EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error {
	if job.Excess {
		return w.step(ctx, "end", " ", job.Connection().ID, " of ", job.Connection().Principal)
	}
	want := protocol.WelcomeJob{ConnectionID: "A=", Type: job.Type, ID: "p1", OrgID: "acme", ExpiresAt: expires.Unix(), Dialect: chat.Lean}
	if job != want {
		panic(fmt.Sprint("welcome ", job))
	}
	return w.step(ctx, "welcome")
}

func (w *world) SetAgentStatus(ctx context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step(ctx, "status", " ", p, " ", online, w.when(at))
}

func (w *world) Presence(ctx context.Context, p chat.Principal, online bool, at time.Time) error {
	return w.step(ctx, "tell", " ", p, " ", online, w.when(at))
}

func TestConnect(t *testing.T) {
	const told, toldAgent, status = "tell user:p1 true", "tell agent:p1 true", "status agent:p1 true"
	const end1, end2 = "end O1= of user:p1", "end O2= of user:p1"
	old := func(id chat.ConnectionID) chat.Connection {
		return chat.Connection{ID: id, Principal: chat.Principal{Type: chat.User, ID: "p1", OrgID: "acme"}}
	}
	first := chat.Arrival{First: true}
	full := chat.Arrival{Excess: []chat.Connection{old("O1="), old("O2=")}}
	firstAndFull := chat.Arrival{First: true, Excess: full.Excess[:1]}
	failing := func(steps ...string) map[string]error {
		fail := map[string]error{}
		for _, s := range steps {
			fail[s] = errDown
		}
		return fail
	}
	others := func(ids ...chat.ConnectionID) (a chat.Arrival) {
		for _, id := range ids {
			a.Others = append(a.Others, old(id))
		}
		return a
	}
	refused := func() map[string]error {
		return map[string]error{"register": chat.Errorf(chat.TooManyConnections, "no")}
	}
	tests := []struct {
		name    string
		who     chat.PrincipalType
		arrival chat.Arrival
		fail    map[string]error
		hangs   string
		code    chat.Code
		want    []string // what follows the registration goes on together: in any order
	}{
		{"a user", chat.User, first, nil, "", "", []string{"welcome", "register", told}},
		{"a user's other device", chat.User, chat.Arrival{}, nil, "", "", []string{"welcome", "register"}},
		{"an agent", chat.Agent, first, nil, "", "", []string{"welcome", "register", status, toldAgent}},
		{"another of the agent", chat.Agent, chat.Arrival{}, nil, "", "", []string{"welcome", "register", status}},
		{"one too many of a user", chat.User, full, nil, "", "", []string{"welcome", "register", end1, end2}},
		{"those cannot be ended", chat.User, firstAndFull, failing("end"), "", "", []string{"welcome", "register", told, end1}},
		{"made room, and had to itself", chat.User, full, failing("register"), "", chat.Internal, []string{"welcome", "register", end1, end2}},
		{"one too many of an agent", chat.Agent, first, refused(), "", chat.TooManyConnections, []string{"welcome", "register"}},
		{"which are all there", chat.Agent, others("O1=", "O2="), refused(), "", chat.TooManyConnections, []string{"welcome", "register", "ask O1=", "ask O2="}},
		{"of which one is gone", chat.Agent, others("O1=", "G2="), refused(), "", "", []string{"welcome", "register", "ask O1=", "ask G2=", "forget G2=", "register", status}},
		{"not to be asked about", chat.Agent, others("O1="), map[string]error{"register": refused()["register"], "ask": errDown}, "", chat.TooManyConnections, []string{"welcome", "register", "ask O1="}},
		{"not registered", chat.User, first, failing("register"), "", chat.Internal, []string{"welcome", "register"}},
		{"not to be welcomed", chat.Agent, firstAndFull, failing("welcome"), "", chat.Unavailable, []string{"welcome"}},
		{"no status", chat.Agent, first, failing("status"), "", "", []string{"welcome", "register", status, toldAgent, "untold A="}},
		{"no status of another", chat.Agent, chat.Arrival{}, failing("status", "untold"), "", "", []string{"welcome", "register", status, "untold A="}},
		{"nobody to tell", chat.User, first, failing("tell"), "", "", []string{"welcome", "register", told, "untold A="}},
		// What hangs keeps nothing else from being done, and the client not for long.
		{"the status hangs", chat.Agent, first, nil, "status", "", []string{"welcome", "register", status, toldAgent, "untold A="}},
		{"the telling hangs", chat.Agent, firstAndFull, nil, "tell", "", []string{"welcome", "register", status, toldAgent, end1, "untold A="}},
		{"the queue hangs", chat.User, firstAndFull, nil, "end", "", []string{"welcome", "register", told, end1}},
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
				took := max(0, time.Since(w.start)-redisTime*time.Duration(w.registered))
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

// late is presence whose Redis is reached late, as by a cold function.
type late struct {
	*presence.Store
	meanwhile func()
}

func (l late) Connect(ctx context.Context, c chat.Connection) (chat.Arrival, error) {
	l.meanwhile()
	return l.Store.Connect(ctx, c)
}

// A ledger is agents.status under the rule of the store, and of clients for
// presence:update: what is older than what is known is dropped.
type ledger struct {
	online, told bool
	at, toldAt   time.Time
}

func (l *ledger) SetAgentStatus(_ context.Context, _ chat.Principal, online bool, at time.Time) error {
	if !l.at.After(at) {
		l.online, l.at = online, at
	}
	return nil
}

func (l *ledger) Presence(_ context.Context, _ chat.Principal, online bool, at time.Time) error {
	if !l.toldAt.After(at) {
		l.told, l.toldAt = online, at
	}
	return nil
}

func (*ledger) Gone(context.Context, chat.ConnectionID) (bool, error)     { return false, nil }
func (*ledger) Forget(context.Context, []chat.Gone, chat.ConversationID)  {}
func (*ledger) Parted(context.Context, []chat.Parting)                    {}
func (*ledger) EnqueueWelcome(context.Context, protocol.WelcomeJob) error { return nil }

// The old connection's end is dealt with by a warm function while a cold one is
// on its way to Redis with the new one: the agent is online, and said to be.
func TestAgentThatReconnectsIsOnline(t *testing.T) {
	store, err := presence.Open(presence.Options{Addrs: []string{miniredis.RunT(t).Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
	old := chat.Connection{ID: "old=", Principal: a, ExpiresAt: time.Now().Add(time.Hour)}
	young := chat.Connection{ID: "young=", Principal: a, ExpiresAt: old.ExpiresAt}
	l := &ledger{}
	if err := handler.New(store, l, l, l, l).Handle(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	meanwhile := func() {
		time.Sleep(5 * time.Millisecond) // so that the disconnect is later than the beginning of the connect
		if err := disconnect.New(store, l, l).Handle(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		if l.online || l.told {
			t.Fatal("the old connection was not the last one")
		}
	}
	if err := handler.New(late{store, meanwhile}, l, l, l, l).Handle(t.Context(), young); err != nil {
		t.Fatal(err)
	}
	online, err := store.Online(t.Context(), a)
	if err != nil || !online[0] || !l.online || !l.told {
		t.Errorf("in Redis the agent is online: %v, %v; agents.status says %v, peers were told %v", online, err, l.online, l.told)
	}
}
