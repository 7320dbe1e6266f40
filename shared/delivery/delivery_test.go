package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type passing struct{ error }

func (passing) Retryable() bool { return true }

// A script says what the Management API answers to the posts to a connection,
// one after the other; the last answer stays.
type script []func(ctx context.Context) error

func answer(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func hang(ctx context.Context) error { <-ctx.Done(); return passing{ctx.Err()} }

var (
	ok        = answer(nil)
	gone      = answer(fmt.Errorf("post: %w", ErrGone))
	throttled = answer(fmt.Errorf("post: %w", passing{errors.New("429")}))
	forbidden = answer(errors.New("403"))
)

// A network plays the Management API and the registry.
type network struct {
	mu       sync.Mutex
	scripts  map[chat.ConnectionID]script
	posts    map[chat.ConnectionID]int
	closed   map[chat.ConnectionID]int
	pruned   map[chat.ConnectionID]int // found gone
	shut     error                     // what Close returns
	forget   error
	now, max atomic.Int32 // posts under way
}

func newNetwork(scripts map[chat.ConnectionID]script) *network {
	return &network{scripts: scripts, posts: map[chat.ConnectionID]int{}, closed: map[chat.ConnectionID]int{}, pruned: map[chat.ConnectionID]int{}}
}

func (n *network) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	under := n.now.Add(1)
	defer n.now.Add(-1)
	for most := n.max.Load(); under > most && !n.max.CompareAndSwap(most, under); most = n.max.Load() {
	}
	n.mu.Lock()
	s, i := n.scripts[id], n.posts[id]
	n.posts[id]++
	n.mu.Unlock()
	if len(s) == 0 {
		return nil
	}
	return s[min(i, len(s)-1)](ctx)
}

func (n *network) Close(_ context.Context, id chat.ConnectionID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed[id]++
	return n.shut
}

func (n *network) Prune(_ context.Context, c chat.Connection) (chat.Departure, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pruned[c.ID]++
	return chat.Departure{Last: true}, n.forget
}

func connection(id chat.ConnectionID) chat.Connection {
	return chat.Connection{ID: id, Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}, ExpiresAt: time.Now().Add(time.Hour)}
}

func connections(n int) []chat.Connection {
	all := make([]chat.Connection, n)
	for i := range all {
		all[i] = connection(chat.ConnectionID(fmt.Sprint("c", i)))
	}
	return all
}

func TestOutcomes(t *testing.T) {
	for _, row := range []struct {
		name   string
		script script
		want   Result
		posts  int // 0: more than one, as many as the patience allows
		pruned int
	}{
		{"posted", script{ok}, Result{Posted: 1}, 1, 0},
		{"gone", script{gone}, Result{Gone: 1}, 1, 1},
		{"throttled once", script{throttled, ok}, Result{Posted: 1}, 2, 0},
		{"throttled, then gone", script{throttled, throttled, gone}, Result{Gone: 1}, 3, 1},
		{"throttled for ever", script{throttled}, Result{Failed: 1}, 0, 0},
		{"hangs once", script{hang, ok}, Result{Posted: 1}, 2, 0},
		{"hangs for ever", script{hang}, Result{Failed: 1}, 0, 0},
		{"refused", script{forbidden}, Result{Failed: 1}, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(map[chat.ConnectionID]script{"c0": row.script})
			d := New(n, n)
			d.postTimeout, d.patience = 300*time.Millisecond, time.Second
			// The others get theirs whatever happens to c0.
			got := d.Broadcast(t.Context(), connections(4), []byte("x"))
			got.Posted -= 3
			if got != row.want {
				t.Errorf("%+v, want %+v", got, row.want)
			}
			if posts := n.posts["c0"]; posts != row.posts && (row.posts != 0 || posts < 2) {
				t.Errorf("%d posts, want %d", posts, row.posts)
			}
			if n.pruned["c0"] != row.pruned || len(n.pruned) != row.pruned {
				t.Errorf("pruned %v, want c0 %d times", n.pruned, row.pruned)
			}
		})
	}
}

func TestExpiredConnectionsGetNothing(t *testing.T) {
	n := newNetwork(nil)
	to := connections(2)
	to[0].ExpiresAt = time.Now().Add(-time.Second)
	if got := New(n, n).Broadcast(t.Context(), to, []byte("x")); got != (Result{Posted: 1, Expired: 1}) {
		t.Errorf("%+v", got)
	}
	if n.posts["c0"] != 0 || n.closed["c0"] != 1 || len(n.closed)+len(n.pruned) != 1 { // $disconnect does the rest
		t.Errorf("posts %v, closed %v, pruned %v", n.posts, n.closed, n.pruned)
	}
	n.shut = ErrGone
	if got := New(n, n).Broadcast(t.Context(), to, []byte("x")); got != (Result{Posted: 1, Gone: 1}) || n.pruned["c0"] != 1 {
		t.Errorf("gone before it is closed: %+v, pruned %v", got, n.pruned)
	}
}

// The answer token_expired has to reach the connection whose token expired.
func TestPostIgnoresExpiry(t *testing.T) {
	n := newNetwork(nil)
	c := connection("c0")
	c.ExpiresAt = time.Now().Add(-time.Second)
	if err := New(n, n).Post(t.Context(), c, []byte("x")); err != nil || n.posts["c0"] != 1 {
		t.Errorf("%v, %d posts", err, n.posts["c0"])
	}
}

func TestPostAndCloseOfWhatIsGone(t *testing.T) {
	n := newNetwork(map[chat.ConnectionID]script{"c0": {gone}})
	d := New(n, n)
	if err := d.Post(t.Context(), connection("c0"), []byte("x")); !errors.Is(err, ErrGone) {
		t.Errorf("post: %v, want gone", err)
	}
	d.Close(t.Context(), connection("c1"))
	if n.pruned["c0"] != 1 || n.closed["c1"] != 1 || len(n.pruned) != 1 {
		t.Errorf("pruned %v, closed %v", n.pruned, n.closed)
	}
	n.shut = ErrGone
	d.Close(t.Context(), connection("c1"))
	if n.pruned["c1"] != 1 {
		t.Errorf("closing what is gone pruned %v", n.pruned)
	}
}

// A room that died together is pruned together before anyone is told, so that
// telling finds nobody gone a second time.
func TestDeparturesAreToldAfterAllArePruned(t *testing.T) {
	n := newNetwork(map[chat.ConnectionID]script{})
	to := connections(100)
	for _, c := range to {
		n.scripts[c.ID] = script{gone}
	}
	d := New(n, n)
	told := 0
	d.OnDeparture(func(_ context.Context, _ chat.Connection, departure chat.Departure) {
		if len(n.pruned) != len(to) || !departure.Last {
			t.Errorf("told of %+v when %d of %d were pruned", departure, len(n.pruned), len(to))
		}
		told++
	})
	if got := d.Broadcast(t.Context(), to, []byte("x")); got.Gone != len(to) || told != len(to) {
		t.Errorf("%+v, told of %d", got, told)
	}
}

func TestParallelPostsAreBounded(t *testing.T) {
	n := newNetwork(map[chat.ConnectionID]script{})
	to := connections(10 * parallel)
	for _, c := range to {
		n.scripts[c.ID] = script{func(context.Context) error { time.Sleep(time.Millisecond); return nil }}
	}
	if got := New(n, n).Broadcast(t.Context(), to, []byte("x")); got.Posted != len(to) {
		t.Errorf("%+v", got)
	}
	if most := n.max.Load(); most < 2 || most > parallel {
		t.Errorf("%d posts at the same time, want more than 1 and at most %d", most, parallel)
	}
}

func TestTheDeadlineEndsRetries(t *testing.T) {
	n := newNetwork(map[chat.ConnectionID]script{"c0": {throttled}})
	d := New(n, n)
	d.patience = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := d.Post(ctx, connection("c0"), []byte("x")); err == nil {
		t.Error("posted")
	}
}

func TestFramesThatWouldCloseTheConnection(t *testing.T) {
	n := newNetwork(nil)
	d := New(n, n)
	if got := d.Broadcast(t.Context(), connections(2), make([]byte, maxFrame+1)); got != (Result{Failed: 2}) || len(n.posts) != 0 {
		t.Errorf("too large: %+v, %d posts", got, len(n.posts))
	}
	if got := d.Broadcast(t.Context(), connections(2), make([]byte, maxFrame)); got != (Result{Posted: 2}) {
		t.Errorf("just not: %+v", got)
	}
	if got := d.Broadcast(t.Context(), nil, nil); got != (Result{}) {
		t.Errorf("to nobody: %+v", got)
	}
}

func TestAFailingRegistryChangesNothing(t *testing.T) {
	n := newNetwork(map[chat.ConnectionID]script{"c0": {gone}})
	n.forget = errors.New("redis is away")
	if got := New(n, n).Broadcast(t.Context(), connections(2), []byte("x")); got != (Result{Posted: 1, Gone: 1}) {
		t.Errorf("%+v", got)
	}
}

type nowhere struct{}

func (nowhere) Post(context.Context, chat.ConnectionID, []byte) error { return nil }
func (nowhere) Close(context.Context, chat.ConnectionID) error        { return nil }
func (nowhere) Prune(context.Context, chat.Connection) (chat.Departure, error) {
	return chat.Departure{}, nil
}

// What delivery itself adds to the posts.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1, 2, 3, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d, to, frame := New(nowhere{}, nowhere{}), connections(n), []byte("x")
			b.ReportAllocs()
			for b.Loop() {
				d.Broadcast(b.Context(), to, frame)
			}
		})
	}
}
