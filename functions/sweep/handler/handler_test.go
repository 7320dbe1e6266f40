package handler_test

import (
	"bytes"
	"cmp"
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

	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
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

func (w *world) Claim(_ context.Context, m chat.Message, until time.Time) (claimed bool, err error) {
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
		own.Due = &due
	})
	return claimed, err
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

// run sweeps once.
func (w *world) run(ctx context.Context) error {
	return handler.New(w, w, w).Handle(ctx)
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

// What is claimed is tried again after half its age, between half a minute and a
// quarter of an hour, and what is left is due then.
func TestClaim(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{
		20 * time.Second: 30 * time.Second, time.Minute: 30 * time.Second, 62 * time.Second: 31 * time.Second, 10 * time.Minute: 5 * time.Minute,
		30 * time.Minute: 15 * time.Minute, 23 * time.Hour: 15 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(message("m1", age))
			w.fail["leave m1"] = errDown
			if err := w.run(t.Context()); err != nil {
				t.Fatal(err)
			}
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
			if len(hung) != slow || slices.Max(hung) != 8*time.Second || slices.Min(hung) != 8*time.Second {
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
				if err := handler.New(w, w, w).Handle(t.Context()); err != nil {
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

// What of send is not used to finish a message.
type unused interface {
	Conversation(context.Context, chat.Principal, chat.ConversationID) (chat.Conversation, error)
	Message(context.Context, chat.OrgID, chat.MessageID) (chat.Message, error)
	Append(context.Context, chat.Head, chat.Message) (chat.Message, bool, error)
	Sent(context.Context, chat.ConversationID, chat.Principal, chat.ClientMessageID) (chat.Message, bool, error)
	Admit(context.Context, chat.Connection, chat.ConversationID) (chat.Admission, error)
	AgentOnline(context.Context, chat.Principal) bool
	Entered(context.Context, chat.ConnectionID) ([]chat.ConversationID, error)
	TakeOut(context.Context, []chat.Stay) ([]chat.Parting, error)
	EnqueueSummary(context.Context, protocol.SummaryJob) error
}

// A flood is conversations with one connection each, which hangs where its
// conversation is "hung".
type flood struct {
	unused
	mu       sync.Mutex
	due      map[chat.MessageID]*chat.Message
	attempts map[chat.MessageID]int
	reached  map[chat.ConversationID]time.Time
}

func (f *flood) DueBefore(_ context.Context, at time.Time, limit int) (all []chat.Message, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.due {
		if !m.Due.At.After(at) {
			all = append(all, *m)
		}
	}
	slices.SortFunc(all, func(a, b chat.Message) int { return cmp.Or(a.Due.At.Compare(b.Due.At), cmp.Compare(a.ID, b.ID)) })
	return all[:min(len(all), limit)], nil
}

func (f *flood) Claim(_ context.Context, m chat.Message, until time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.due[m.ID]
	if own == nil || !own.Due.At.Equal(m.Due.At) {
		return false, nil
	}
	due := *own.Due
	due.At, own.Due = until, &due
	f.attempts[m.ID]++
	return true, nil
}

func (f *flood) Settle(_ context.Context, m chat.Message, left *chat.Due) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch own := f.due[m.ID]; {
	case own == nil || !own.Due.At.Equal(m.Due.At):
	case left == nil:
		delete(f.due, m.ID)
	default:
		own.Due = left
	}
	return nil
}

func (f *flood) AnyConversation(_ context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: id, OrgID: org, Participants: []chat.Participant{{Type: chat.User, ID: "u1"}}}, nil
}

func (f *flood) Audience(_ context.Context, id chat.ConversationID, _ chat.Principal) (chat.Audience, error) {
	c := chat.Connection{ID: chat.ConnectionID(id), Principal: chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, ExpiresAt: time.Now().Add(time.Hour)}
	return chat.Audience{Room: []chat.Connection{c}, Vouched: true}, nil
}

// Post is the Management API: it keeps the time of an attempt.
func (f *flood) Post(_ context.Context, id chat.ConnectionID, _ []byte) error {
	if id == "hung" {
		time.Sleep(delivery.AttemptTime)
		return context.DeadlineExceeded
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reached[chat.ConversationID(id)] = time.Now()
	return nil
}

func (f *flood) Close(context.Context, chat.ConnectionID) error { return nil }

func (f *flood) Activity(context.Context, chat.Conversation, int64, []chat.Connection) {}
func (f *flood) Project(context.Context, chat.Conversation, chat.Message) error        { return nil }

func (f *flood) Forget(context.Context, []chat.Gone, chat.ConversationID) {}

func (f *flood) PruneOnline(context.Context) {}

// add adds a message that a send has left: before it tried anything, or after.
func (f *flood) add(id chat.MessageID, in chat.ConversationID, tried bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	due := chat.NewDue(time.Now(), 20*time.Second)
	if tried {
		due.Left, due.To, due.Tries = []chat.Effect{chat.EffectDeliver}, []chat.ConnectionID{chat.ConnectionID(in)}, 1
	}
	sender := chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	f.due[id] = &chat.Message{ID: id, ConversationID: in, Sender: sender, CreatedAt: time.Now(), Due: due}
}

// One sender within its limit, into a room with a connection that does not read:
// the message of another conversation, whose function died, has its two minutes
// all the same, for nobody is tried for ever. With send's own finishing.
func TestHungConnectionDoesNotHoldUpOthers(t *testing.T) {
	for _, every := range []time.Duration{200 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			logged(t)
			f := &flood{due: map[chat.MessageID]*chat.Message{}, attempts: map[chat.MessageID]int{}, reached: map[chat.ConversationID]time.Time{}}
			h := handler.New(f, send.New(f, f, delivery.New(f), f, f), f)
			const minutes, death = 20, 10
			var sender sync.WaitGroup
			sender.Go(func() {
				for i := range int((minutes - 5) * time.Minute / every) {
					time.Sleep(every)
					f.add(chat.MessageID(fmt.Sprintf("m%06d", i)), "hung", true)
				}
			})
			var died time.Time
			most := 0
			for minute := range minutes {
				if minute == death {
					died = time.Now()
					f.add("victim", "other", false)
				}
				next := time.Now().Add(time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 49*time.Second)
				if err := h.Handle(ctx); err != nil {
					t.Fatal(err)
				}
				cancel()
				f.mu.Lock()
				most = max(most, len(f.due))
				f.mu.Unlock()
				time.Sleep(time.Until(next))
			}
			sender.Wait()
			at, reached := f.reached["other"]
			t.Logf("a message each %v: the victim waits %v, at most %d are due", every, at.Sub(died), most)
			if wait := at.Sub(died); !reached || wait > 2*time.Minute {
				t.Errorf("a message each %v to who hangs: another conversation's is delivered: %v, after %v", every, reached, wait)
			}
			for id, n := range f.attempts {
				if n > 2 {
					t.Errorf("%s was tried %d times by sweep", id, n)
				}
			}
			if len(f.due) != 0 {
				t.Errorf("when that is over, %d are still due", len(f.due))
			}
		})
	}
}
