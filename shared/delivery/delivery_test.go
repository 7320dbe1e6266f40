package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// hang gives up as a Poster has to.
func hang(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	<-ctx.Done()
	return passing{ctx.Err()}
}

// connect never gets an HTTP connection.
func connect(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// throttledFor answers 429 until the time has passed.
func throttledFor(d time.Duration) func(context.Context) error {
	until := time.Now().Add(d)
	return func(ctx context.Context) error {
		if time.Now().Before(until) {
			return throttled(ctx)
		}
		return nil
	}
}

var (
	ok        = answer(nil)
	lost      = answer(fmt.Errorf("post: %w", ErrGone))
	throttled = answer(fmt.Errorf("post: %w", passing{errors.New("429")}))
	forbidden = answer(errors.New("403"))
	crash     = func(context.Context) error { panic("a bug") }
)

// A network plays the Management API.
type network struct {
	mu       sync.Mutex
	scripts  map[chat.ConnectionID]script
	posts    map[chat.ConnectionID]int
	at       map[chat.ConnectionID]time.Time // of the frame
	closed   map[chat.ConnectionID]int
	shut     func(context.Context) error // what Close does
	now, max int                         // posts under way
}

func newNetwork(scripts map[chat.ConnectionID]script) *network {
	return &network{
		scripts: scripts, posts: map[chat.ConnectionID]int{}, at: map[chat.ConnectionID]time.Time{},
		closed: map[chat.ConnectionID]int{}, shut: ok,
	}
}

func (n *network) Post(ctx context.Context, id chat.ConnectionID, _ []byte) (err error) {
	n.mu.Lock()
	s, i := n.scripts[id], n.posts[id]
	n.posts[id]++
	n.now++
	n.max = max(n.max, n.now)
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.now--
		if err == nil {
			n.at[id] = time.Now()
		}
	}()
	if len(s) == 0 {
		return nil
	}
	return s[min(i, len(s)-1)](ctx)
}

func (n *network) Close(ctx context.Context, id chat.ConnectionID) error {
	n.mu.Lock()
	n.closed[id]++
	n.mu.Unlock()
	return n.shut(ctx)
}

func (n *network) attempts() (all int) {
	for _, posts := range n.posts {
		all += posts
	}
	return all
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

// logged returns what is logged from now on.
func logged(t *testing.T) *bytes.Buffer {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

// counts are a Result without names.
type counts struct{ posted, expired, refused, gone, failed int }

func count(r Result) counts {
	return counts{r.Posted, r.Expired, len(r.Refused), len(r.Gone), len(r.Failed)}
}

func TestOutcomes(t *testing.T) {
	many := -1 // as many as the patience allows
	for _, row := range []struct {
		name   string
		passes Passes
		script script
		want   counts
		posts  int
	}{
		{"posted", Patient, script{ok}, counts{posted: 1}, 1},
		{"gone", Patient, script{lost}, counts{gone: 1}, 1},
		{"throttled once", Patient, script{throttled, ok}, counts{posted: 1}, 2},
		{"throttled once, once", Once, script{throttled, ok}, counts{failed: 1}, 1},
		{"throttled, then gone", Patient, script{throttled, throttled, lost}, counts{gone: 1}, 3},
		{"throttled, then refused", Patient, script{throttled, forbidden}, counts{refused: 1}, 2},
		{"throttled for ever", Patient, script{throttled}, counts{failed: 1}, many},
		{"hangs once", Patient, script{hang, ok}, counts{posted: 1}, 2},
		{"hangs for ever", Patient, script{hang}, counts{failed: 1}, many},
		{"never connects", Patient, script{connect}, counts{failed: 1}, 2},
		{"never connects, once", Once, script{connect}, counts{failed: 1}, 1},
		{"refused", Patient, script{forbidden}, counts{refused: 1}, 1},
		{"panics", Patient, script{crash}, counts{refused: 1}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := logged(t)
				n := newNetwork(map[chat.ConnectionID]script{"c1": row.script})
				to := connections(4)
				r := New(n).Broadcast(t.Context(), to, []byte("secret"), row.passes)
				got := count(r)
				got.posted -= 3 // the others get theirs whatever happens to c1
				if got != row.want {
					t.Errorf("%+v, want %+v", got, row.want)
				}
				if posts := n.posts["c1"]; posts != row.posts && (row.posts != many || posts < 3) {
					t.Errorf("%d posts, want %d", posts, row.posts)
				}
				for _, c := range r.Failed {
					if c != to[1] {
						t.Errorf("%v failed", c)
					}
				}
				lines := row.want.refused + row.want.failed
				if strings.Count(log.String(), "\n") != lines || strings.Contains(log.String(), "secret") {
					t.Errorf("logged %s, want %d lines", log, lines)
				}
			})
		})
	}
}

func TestTheHealthyWaitForOneAttemptAtMost(t *testing.T) {
	for _, passes := range []Passes{Once, Patient} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(map[chat.ConnectionID]script{})
			to := connections(97)
			for _, c := range to[:96] {
				n.scripts[c.ID] = script{hang}
			}
			begun := time.Now()
			r := New(n).Broadcast(t.Context(), to, []byte("x"), passes)
			if r.Posted != 1 || !slices.Equal(r.Failed, to[:96]) {
				t.Errorf("%+v", count(r))
			}
			if took := n.at["c96"].Sub(begun); took > AttemptTime {
				t.Errorf("the healthy one had its frame after %v", took)
			}
			if took, most := time.Since(begun), []time.Duration{2 * AttemptTime, patience + AttemptTime}[passes]; took > most {
				t.Errorf("returned after %v", took)
			}
			for _, c := range to[:96] {
				if passes == Patient && n.posts[c.ID] < 2 {
					t.Errorf("%s was not tried again", c.ID)
				}
			}
		})
	}
}

func TestOneHangingMember(t *testing.T) {
	for passes, most := range []time.Duration{AttemptTime, patience + AttemptTime} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(map[chat.ConnectionID]script{"c1": {hang}})
			begun := time.Now()
			r := New(n).Broadcast(t.Context(), connections(3), []byte("x"), Passes(passes))
			if took := time.Since(begun); took > most || r.Posted != 2 || len(r.Failed) != 1 {
				t.Errorf("%+v after %v", count(r), took)
			}
			if n.at["c0"] != begun || n.at["c2"] != begun {
				t.Error("held up the others")
			}
		})
	}
}

// Who is throttled is tried again while others hang.
func TestThrottledAmongHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := connections(150)
		n := newNetwork(map[chat.ConnectionID]script{})
		for _, c := range to[:40] {
			n.scripts[c.ID] = script{hang}
		}
		for _, c := range to[40:] {
			n.scripts[c.ID] = script{throttled, throttled, ok}
		}
		begun := time.Now()
		r := New(n).Broadcast(t.Context(), to, []byte("x"), Patient)
		if !slices.Equal(r.Failed, to[:40]) || r.Posted != 110 {
			t.Errorf("%+v", count(r))
		}
		for _, c := range to[40:] {
			if took := n.at[c.ID].Sub(begun); took > 2*firstWait+firstWait+AttemptTime {
				t.Errorf("%s had its frame after %v", c.ID, took)
			}
		}
	})
}

func TestFailedAreThoseWhoStayThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := connections(200)
		n := newNetwork(map[chat.ConnectionID]script{})
		var never []chat.Connection
		for i, c := range to {
			switch i % 3 {
			case 0:
				n.scripts[c.ID] = script{throttledFor(patience)}
			case 1:
				n.scripts[c.ID] = script{throttled}
				never = append(never, c)
			}
		}
		begun := time.Now()
		r := New(n).Broadcast(t.Context(), to, []byte("x"), Patient)
		if !slices.Equal(r.Failed, never) || r.Posted != len(to)-len(never) {
			t.Errorf("%+v", count(r))
		}
		if took := time.Since(begun); took != patience {
			t.Errorf("took %v", took)
		}
		for _, c := range never {
			if n.posts[c.ID] > 25 {
				t.Errorf("%d posts to %s", n.posts[c.ID], c.ID)
			}
		}
	})
}

func TestTheGoneCostOnePostEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := connections(121)
		n := newNetwork(map[chat.ConnectionID]script{})
		for _, c := range to[:60] {
			n.scripts[c.ID] = script{func(ctx context.Context) error {
				time.Sleep(100 * time.Millisecond)
				return lost(ctx)
			}}
		}
		begun := time.Now()
		r := New(n).Broadcast(t.Context(), to, []byte("x"), Patient)
		if r.Posted != 61 || len(r.Gone) != 60 || n.attempts() != 121 || len(n.closed) != 0 {
			t.Errorf("%+v after %d posts", count(r), n.attempts())
		}
		for i, g := range r.Gone {
			if g.Connection != to[i] || g.At.Sub(begun) != 100*time.Millisecond {
				t.Errorf("%+v", g)
			}
		}
	})
}

func TestExpiredConnectionsGetNothing(t *testing.T) {
	for name, row := range map[string]struct {
		shut  func(context.Context) error
		want  counts
		lines int
	}{
		"closed":         {ok, counts{posted: 1, expired: 1}, 0},
		"gone before it": {lost, counts{posted: 1, gone: 1}, 0},
		"throttled":      {throttled, counts{posted: 1, expired: 1}, 1},
		"panics":         {crash, counts{posted: 1, refused: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := logged(t)
				n := newNetwork(nil)
				n.shut = row.shut
				to := connections(2)
				to[0].ExpiresAt = time.Now()
				if got := count(New(n).Broadcast(t.Context(), to, []byte("x"), Patient)); got != row.want {
					t.Errorf("%+v, want %+v", got, row.want)
				}
				if n.posts["c0"] != 0 || n.closed["c0"] != 1 || len(n.closed) != 1 || strings.Count(log.String(), "\n") != row.lines {
					t.Errorf("posts %v, closed %v, logged %s", n.posts, n.closed, log)
				}
			})
		})
	}
}

func TestAPanicIsOneConnections(t *testing.T) {
	log := logged(t)
	to := connections(100)
	n := newNetwork(map[chat.ConnectionID]script{"c0": {crash}, "c7": {forbidden}, "c9": {crash}})
	if got := count(New(n).Broadcast(t.Context(), to, []byte("x"), Patient)); got != (counts{posted: 97, refused: 3}) {
		t.Errorf("%+v", got)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "delivery_test.go") {
		t.Errorf("logged %s, want one line with a stack", log)
	}
	if err := New(n).Post(t.Context(), to[0], []byte("x")); err == nil || !strings.Contains(err.Error(), "delivery_test.go") {
		t.Errorf("post: %v", err)
	}
	n.shut = crash
	New(n).Close(t.Context(), to[0])
}

func TestWhenTheCallEndsTheRestHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(map[chat.ConnectionID]script{"c0": {throttled}, "c1": {lost}, "c2": {hang}, "c3": {connect}})
		to := connections(4)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begun := time.Now()
		r := New(n).Broadcast(ctx, to, []byte("x"), Patient)
		if took := time.Since(begun); took != 200*time.Millisecond || len(r.Gone) != 1 || !slices.Equal(r.Failed, []chat.Connection{to[0], to[2], to[3]}) {
			t.Errorf("%+v after %v", r, took)
		}
		if err := New(n).Post(ctx, to[0], []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("post: %v", err)
		}
		posts := n.attempts()
		r = New(n).Broadcast(ctx, connections(1000), []byte("x"), Patient)
		if len(r.Failed) != 1000 || n.attempts() != posts {
			t.Errorf("%+v, %d posts after the end", count(r), n.attempts()-posts)
		}
	})
}

func TestDeliverPostsToEachItsOwn(t *testing.T) {
	var mu sync.Mutex
	got := map[chat.ConnectionID]string{}
	d := New(poster(func(id chat.ConnectionID, frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		got[id] += string(frame)
	}))
	var posts []Post
	for _, c := range connections(200) {
		posts = append(posts, Post{c, []byte("for " + c.ID)})
	}
	if r := d.Deliver(t.Context(), posts, Once); r.Posted != 200 {
		t.Errorf("%+v", r)
	}
	for id, frame := range got {
		if frame != "for "+string(id) {
			t.Errorf("%s got %q", id, frame)
		}
	}
	if r := d.Deliver(t.Context(), nil, Patient); count(r) != (counts{}) {
		t.Errorf("to nobody: %+v", r)
	}
}

func TestPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(map[chat.ConnectionID]script{"gone": {lost}, "later": {throttled, hang, ok}, "hangs": {hang}, "never": {forbidden}})
		d := New(n)
		// The answer token_expired has to reach the connection whose token expired.
		expired := connection("c0")
		expired.ExpiresAt = time.Now()
		if err := d.Post(t.Context(), expired, []byte("x")); err != nil || n.posts["c0"] != 1 {
			t.Errorf("expired: %v", err)
		}
		if err := d.Post(t.Context(), connection("gone"), []byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("gone: %v", err)
		}
		if err := d.Post(t.Context(), connection("later"), []byte("x")); err != nil || n.posts["later"] != 3 {
			t.Errorf("later: %v", err)
		}
		if err := d.Post(t.Context(), connection("never"), []byte("x")); err == nil || n.posts["never"] != 1 {
			t.Errorf("never: %v", err)
		}
		begun := time.Now()
		if err := d.Post(t.Context(), connection("hangs"), []byte("x")); !Retryable(err) || time.Since(begun) > patience+AttemptTime {
			t.Errorf("hangs: %v after %v", err, time.Since(begun))
		}
		if len(n.closed) != 0 {
			t.Errorf("closed %v", n.closed)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for shut, lines := range map[*func(context.Context) error]int{&ok: 0, &lost: 0, &forbidden: 1, new(connect): 1, &crash: 1} {
			log := logged(t)
			n := newNetwork(nil)
			n.shut = *shut
			begun := time.Now()
			New(n).Close(t.Context(), connection("c0"))
			if n.closed["c0"] != 1 || time.Since(begun) > AttemptTime+connectTime || strings.Count(log.String(), "\n") != lines {
				t.Errorf("closed %v after %v, logged %s", n.closed, time.Since(begun), log)
			}
		}
	})
}

func TestParallelPostsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(map[chat.ConnectionID]script{})
		to := connections(10 * parallel)
		for _, c := range to {
			n.scripts[c.ID] = script{func(ctx context.Context) error { time.Sleep(time.Millisecond); return throttled(ctx) }}
		}
		if r := New(n).Broadcast(t.Context(), to, []byte("x"), Patient); len(r.Failed) != len(to) {
			t.Errorf("%+v", count(r))
		}
		if n.max != parallel {
			t.Errorf("%d posts at the same time, want %d", n.max, parallel)
		}
	})
}

type poster func(id chat.ConnectionID, frame []byte)

func (p poster) Post(_ context.Context, id chat.ConnectionID, frame []byte) error {
	p(id, frame)
	return nil
}
func (poster) Close(context.Context, chat.ConnectionID) error { return nil }

// What delivery itself adds to the posts.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1, 2, 3, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d, to, frame := New(poster(func(chat.ConnectionID, []byte) {})), connections(n), []byte("x")
			b.ReportAllocs()
			for b.Loop() {
				d.Broadcast(b.Context(), to, frame, Patient)
			}
		})
	}
}
