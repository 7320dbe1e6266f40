package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errDown = errors.New("no route to host")
	now     = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a synctest bubble begins
)

// A world is messages of which something is due, the oldest first. It fails the
// steps it is told to.
type world struct {
	mu       sync.Mutex
	due      []*chat.Message
	byID     map[chat.MessageID]*chat.Message
	deleted  bool
	fail     map[string]error             // by step and message
	lost     map[chat.MessageID]bool      // to another sweep
	claims   map[chat.MessageID]time.Time // until when
	claimed  []chat.MessageID
	settled  []chat.MessageID // with nothing left
	finished []chat.MessageID
	looks    []int // what each found
	limit    int
	pruned   atomic.Int64
	finish   func(ctx context.Context, m chat.Message) // called without the lock

	online    map[chat.PrincipalID]time.Time // agents, as they are stored, since when
	connected map[chat.PrincipalID]bool      // as Redis knows them
	told      []string

	overdue  []chat.Stream
	runs     []chat.Run
	runJobs  []string
	putOff   []string
	enqueued []string
}

func newWorld(messages ...chat.Message) *world {
	w := &world{
		fail: map[string]error{}, lost: map[chat.MessageID]bool{}, claims: map[chat.MessageID]time.Time{}, byID: map[chat.MessageID]*chat.Message{},
		finish: func(context.Context, chat.Message) {},
	}
	for _, m := range messages {
		w.due = append(w.due, &m)
		w.byID[m.ID] = &m
	}
	return w
}

// message is one that was sent, and not finished, some time ago.
func message(id string, age time.Duration) chat.Message {
	return chat.Message{
		ID: chat.MessageID(id), ConversationID: "c1", Sender: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, CreatedAt: now.Add(-age),
		Due: &chat.Due{At: now.Add(-age + 20*time.Second), Left: []chat.Effect{chat.EffectDeliver}},
	}
}

func (w *world) step(name string, id chat.MessageID, do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail[name+" "+string(id)]; err != nil {
		return err
	}
	do()
	return nil
}

func (w *world) DueBefore(_ context.Context, at time.Time, limit int) (found []chat.Message, err error) {
	err = w.step("DueBefore", "", func() {
		w.limit = limit
		for _, m := range w.due {
			if m.Due != nil && !m.Due.At.After(at) {
				found = append(found, *m)
			}
		}
		slices.SortStableFunc(found, func(a, b chat.Message) int { return a.Due.At.Compare(b.Due.At) })
		found = found[:min(len(found), limit)]
		w.looks = append(w.looks, len(found))
	})
	return found, err
}

func (w *world) Claim(_ context.Context, m chat.Message, until time.Time) (now chat.Message, claimed bool, err error) {
	err = w.step("Claim", m.ID, func() {
		own := w.byID[m.ID]
		if w.lost[m.ID] || own.Due == nil || !own.Due.At.Equal(m.Due.At) {
			return
		}
		claimed = true
		w.claimed = append(w.claimed, m.ID)
		w.claims[m.ID] = until
		due := *own.Due
		due.At = until
		own.Due, now = &due, *own
		now.Due = &due
	})
	return now, claimed, err
}

func (w *world) Settle(_ context.Context, m chat.Message, left *chat.Due) error {
	return w.step("Settle", m.ID, func() {
		own := w.byID[m.ID]
		if own.Due == nil || !own.Due.At.Equal(m.Due.At) {
			return
		}
		own.Due = left
		if left == nil {
			w.settled = append(w.settled, m.ID)
		}
	})
}

func (w *world) AnyConversation(_ context.Context, org chat.OrgID, id chat.ConversationID) (c chat.Conversation, err error) {
	err = w.step("AnyConversation", "", func() { c = chat.Conversation{ID: id, OrgID: org} })
	if err == nil && w.deleted {
		err = chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return c, err
}

// Finish leaves what it was given where it is told to "leave" the message.
func (w *world) Finish(ctx context.Context, c chat.Conversation, m chat.Message) (left *chat.Due, err error) {
	w.finish(ctx, m)
	if err := ctx.Err(); err != nil {
		return m.Due, err
	}
	err = w.step("Finish", m.ID, func() {
		if c.ID != m.ConversationID || c.OrgID != m.Sender.OrgID {
			panic("another conversation")
		}
		w.finished = append(w.finished, m.ID)
		if w.fail["leave "+string(m.ID)] != nil {
			left = m.Due
		}
	})
	if err != nil {
		return m.Due, err
	}
	return left, w.Settle(ctx, m, left)
}

func (w *world) PruneOnline(context.Context) { w.pruned.Add(1) }

// decided is when Redis says that it decided, whatever the clock is here.
var decided = time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)

func (w *world) Stamp(_ context.Context, ps ...chat.Principal) ([]time.Time, error) {
	return slices.Repeat([]time.Time{decided}, len(ps)), w.step("Stamp", "", func() {})
}

func (w *world) Online(_ context.Context, ps ...chat.Principal) (online []bool, err error) {
	err = w.step("Online", "", func() {
		for _, p := range ps {
			online = append(online, w.connected[p.ID])
		}
	})
	return online, err
}

func (w *world) Overdue(_ context.Context, before time.Time, _ int) (all []chat.Stream, err error) {
	err = w.step("Overdue", "", func() {
		for _, st := range w.overdue {
			if st.StartedAt.Before(before) {
				all = append(all, st)
			}
		}
	})
	return all, err
}

func (w *world) EnqueueStream(_ context.Context, job protocol.StreamJob, delay time.Duration) error {
	return w.step("EnqueueStream", chat.MessageID(job.StreamID), func() {
		w.enqueued = append(w.enqueued, fmt.Sprint(job.ConversationID, " ", job.StreamID, " ", job.Agent(), " ", job.Stop, " ", delay))
	})
}

func (w *world) UncheckedAgents(_ context.Context, at time.Time, limit int) (ps []chat.Principal, err error) {
	err = w.step("UncheckedAgents", "", func() {
		for id, since := range w.online {
			if since.Before(at) && len(ps) < limit {
				ps = append(ps, chat.Principal{Type: chat.Agent, ID: id, OrgID: "acme"})
			}
		}
	})
	return ps, err
}

func (w *world) SetAgentStatus(_ context.Context, p chat.Principal, online bool, _ time.Time) error {
	return w.step("SetAgentStatus", "", func() {
		if online {
			panic("nobody comes")
		}
		delete(w.online, p.ID)
	})
}

func (w *world) Offline(_ context.Context, who []chat.Absence) {
	for _, one := range who {
		w.told = append(w.told, fmt.Sprint(one.Principal, " ", one.At.Equal(decided)))
	}
}

// run sweeps once.
func (w *world) run(ctx context.Context) error {
	return handler.New(w, w, w, w, w, w).Handle(ctx)
}

// inBubble is a test whose clock begins at now.
func inBubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// What becomes of one message, and that another never suffers for it.
func TestSettle(t *testing.T) {
	tests := []struct {
		name     string
		age      time.Duration
		set      func(w *world)
		claimed  bool
		finished bool
		due      bool // afterwards
		times    int  // that it is met, at most
	}{
		{"committed and left", time.Minute, nil, true, true, false, 1},
		{"not due yet", 19 * time.Second, nil, false, false, true, 1},
		{"due at this moment", 20 * time.Second, nil, true, true, false, 1},
		{"another sweep's", time.Hour, func(w *world) { w.lost["m1"] = true }, false, false, true, 1},
		{"not to be claimed", time.Hour, func(w *world) { w.fail["Claim m1"] = errDown }, false, false, true, 2},
		{"something is left", time.Hour, func(w *world) { w.fail["leave m1"] = errDown }, true, true, true, 1},
		{"not to be finished now", time.Hour, func(w *world) { w.fail["Finish m1"] = errDown }, true, false, true, 1},
		{"not to be settled", time.Hour, func(w *world) { w.fail["Settle m1"] = errDown }, true, true, true, 1},
		{"a panic", time.Hour, func(w *world) {
			w.finish = func(_ context.Context, m chat.Message) {
				if m.ID == "m1" {
					panic("a bug")
				}
			}
		}, true, false, true, 1},
		{"a day old", 24 * time.Hour, nil, true, true, false, 1},
		{"more than a day old", 24*time.Hour + 1, nil, false, false, false, 1},
		{"more than a day old, and not to be settled", 25 * time.Hour, func(w *world) { w.fail["Settle m1"] = errDown }, false, false, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, inBubble(func(t *testing.T) {
			w := newWorld(message("m1", tt.age), message("other", time.Minute))
			if tt.set != nil {
				tt.set(w)
			}
			log := logged(t)
			start := time.Now()
			if err := w.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(w.claimed, "m1") != tt.claimed || slices.Contains(w.finished, "m1") != tt.finished || (w.byID["m1"].Due != nil) != tt.due {
				t.Errorf("claimed %v, finished %v, due %v", w.claimed, w.finished, w.byID["m1"].Due)
			}
			if !slices.Contains(w.finished, "other") || w.byID["other"].Due != nil {
				t.Error("it holds up another")
			}
			if len(w.looks) > tt.times+1 || !time.Now().Equal(start) {
				t.Errorf("looked %v times", w.looks)
			}
			if n := count(w.claimed, "m1"); n > 1 {
				t.Errorf("met again %d times in the same run", n)
			}
			givenUp := strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "given up")
			if givenUp != (tt.age > 24*time.Hour) {
				t.Errorf("the log is %s", log)
			}
			if w.limit != 100 || w.pruned.Load() != 1 {
				t.Errorf("asked for %d, pruned %d times", w.limit, w.pruned.Load())
			}
		}))
	}
}

// logged is what is logged during a test.
func logged(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &b
}

func count(ids []chat.MessageID, id chat.MessageID) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

// What goes for all: the conversation, and the list.
func TestSettleAll(t *testing.T) {
	t.Run("deleted", inBubble(func(t *testing.T) {
		w := newWorld(message("m1", time.Minute), message("m2", time.Hour))
		w.deleted = true
		if err := w.run(t.Context()); err != nil || len(w.finished) > 0 || len(w.settled) != 2 {
			t.Errorf("%v, finished %v, settled %v", err, w.finished, w.settled)
		}
	}))
	t.Run("no conversation to be read", inBubble(func(t *testing.T) {
		w := newWorld(message("m1", time.Minute), message("m2", time.Hour))
		w.fail["AnyConversation "] = errDown
		if err := w.run(t.Context()); err != nil || len(w.finished)+len(w.settled) > 0 || len(w.claimed) != 2 {
			t.Errorf("%v, finished %v, settled %v, claimed %v", err, w.finished, w.settled, w.claimed)
		}
	}))
	t.Run("no list", inBubble(func(t *testing.T) {
		w := newWorld(message("m1", time.Minute))
		w.fail["DueBefore "] = errDown
		if err := w.run(t.Context()); !errors.Is(err, errDown) || len(w.claimed) > 0 {
			t.Errorf("%v, claimed %v", err, w.claimed)
		}
	}))
}

// What is claimed is tried again by the next run, however old it is, and what is
// left is due then.
func TestClaim(t *testing.T) {
	for _, age := range []time.Duration{20 * time.Second, time.Minute, 10 * time.Minute, 23 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(message("m1", age))
			w.fail["leave m1"] = errDown
			if err := w.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			const want = 30 * time.Second
			if got := w.claims["m1"].Sub(now); got != want || w.byID["m1"].Due == nil || !w.byID["m1"].Due.At.Equal(now.Add(want)) {
				t.Errorf("at the age of %v, claimed for %v, want %v; due %+v", age, got, want, w.byID["m1"].Due)
			}
		})
	}
}

func TestOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 500 {
			m := message(fmt.Sprint("m", i), time.Hour-time.Duration(i)*time.Second)
			w.due, w.byID[m.ID] = append(w.due, &m), &m
		}
		slices.Reverse(w.due)
		w.finish = func(context.Context, chat.Message) { time.Sleep(time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := w.run(ctx); err != nil {
			t.Fatal(err)
		}
		// A look of a hundred, sixteen a second, takes seven seconds, and there is one
		// for sixteen more. None begins later, not even the one that waits for its
		// turn.
		if len(w.finished) != 116 || !time.Now().Equal(now.Add(8*time.Second)) {
			t.Errorf("%d in %v", len(w.finished), time.Since(now))
		}
		for i := range 116 {
			if !slices.Contains(w.finished, chat.MessageID(fmt.Sprint("m", i))) {
				t.Errorf("the one of place %d is not among the first 116", i)
			}
		}
	})
}

// All that a fault of some minutes leaves is done in one run.
func TestTwoThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 2000 {
			m := message(fmt.Sprint("m", i), time.Minute)
			w.due, w.byID[m.ID] = append(w.due, &m), &m
		}
		w.finish = func(context.Context, chat.Message) { time.Sleep(100 * time.Millisecond) }
		ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
		defer cancel()
		if err := w.run(ctx); err != nil || len(w.settled) != 2000 {
			t.Errorf("%v, %d of 2000", err, len(w.settled))
		}
		if took := time.Since(now); took > 14*time.Second {
			t.Errorf("it took %v, at sixteen at once", took)
		}
	})
}

// A run without a deadline ends as well.
func TestNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 5000 {
			m := message(fmt.Sprint("m", i), time.Minute)
			w.due, w.byID[m.ID] = append(w.due, &m), &m
		}
		w.finish = func(context.Context, chat.Message) { time.Sleep(time.Second) }
		if err := w.run(context.WithoutCancel(t.Context())); err != nil || time.Since(now) != 50*time.Second || len(w.finished) != 7*100+16 {
			t.Errorf("%v: %d in %v", err, len(w.finished), time.Since(now))
		}
	})
}

// Those that hang hold up others for eight seconds, each its own, and are not
// met again in this run; all is over before the function's time is.
func TestSlow(t *testing.T) {
	for _, slow := range []int{8, 16, 32} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for i := range 300 {
				m := message(fmt.Sprint("m", i), time.Hour-time.Duration(i)*time.Second)
				w.due, w.byID[m.ID] = append(w.due, &m), &m
			}
			var hung []time.Duration
			w.finish = func(ctx context.Context, m chat.Message) {
				var i int
				fmt.Sscan(string(m.ID[1:]), &i)
				if i < slow { // the oldest
					begun := time.Now()
					<-ctx.Done()
					w.mu.Lock()
					hung = append(hung, time.Since(begun))
					w.mu.Unlock()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
			defer cancel()
			if err := w.run(ctx); err != nil || len(w.settled) != 300-slow {
				t.Errorf("%d slow ones: %v, settled %d of the others", slow, err, len(w.settled))
			}
			if len(hung) != slow || slices.Max(hung) != 7*time.Second || slices.Min(hung) != 7*time.Second {
				t.Errorf("%d slow ones hung for %v", slow, hung)
			}
		})
	}
}

// Two sweeps at once never meet at a message, and none is left.
func TestTwoSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 400 {
			m := message(fmt.Sprint("m", i), time.Minute)
			w.due, w.byID[m.ID] = append(w.due, &m), &m
		}
		w.finish = func(context.Context, chat.Message) { time.Sleep(time.Second) }
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := handler.New(w, w, w, w, w, w).Handle(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		slices.Sort(w.finished)
		if n := len(w.finished); n != 400 || len(slices.Compact(w.finished)) != 400 {
			t.Errorf("finished %d times, %d messages", n, len(slices.Compact(w.finished)))
		}
	})
}

// An erasure counts from when it was done, however old the message is, and is
// finished in a conversation that is deleted too, also of what is searched: nobody is told there.
func TestErasures(t *testing.T) {
	for name, tt := range map[string]struct {
		erased   time.Duration // ago
		deleted  bool
		finished bool
		left     []chat.Effect // what Finish was given
	}{
		"an old message":            {time.Minute, false, true, []chat.Effect{chat.EffectDeliver, chat.EffectForget, chat.EffectSearch, chat.EffectErase}},
		"in a deleted conversation": {time.Minute, true, true, []chat.Effect{chat.EffectForget, chat.EffectSearch, chat.EffectErase}},
		"given up":                  {25 * time.Hour, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := message("m1", 1000*time.Hour)
				m.Version, m.ChangedAt = 1, now.Add(-tt.erased)
				m.Due = &chat.Due{At: now.Add(-tt.erased / 2), Left: []chat.Effect{chat.EffectDeliver, chat.EffectForget, chat.EffectSearch, chat.EffectErase}}
				w := newWorld(m)
				w.deleted = tt.deleted
				var left []chat.Effect
				w.finish = func(_ context.Context, m chat.Message) { left = m.Due.Left }
				if err := w.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if (len(w.finished) == 1) != tt.finished || !slices.Equal(left, tt.left) || !slices.Equal(w.settled, []chat.MessageID{"m1"}) {
					t.Errorf("finished %v of %v, settled %v", w.finished, left, w.settled)
				}
			})
		})
	}
}
