package handler_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// long ago no lease is left: a job of one finds its agent dead.
const dead = time.Hour

// an op is what somebody does to the stream s1.
type op struct {
	name string
	do   func(ctx context.Context, w *world, seen *seen)
}

// seen is what was said of s1 to whom it matters.
type seen struct {
	sent    bool // the agent's end was acknowledged
	came    bool // and its append
	stopped bool // a stop was accepted
	refuses bool // the conversation takes the message no more
	lost    bool // the conversation's slot was lost
}

var ops = []op{
	{"end with pieces", func(ctx context.Context, w *world, s *seen) {
		s.sent = w.stream(ctx, first, "end", `,"pieces":{"content":2}`).Event == protocol.EventMessageSent || s.sent
	}},
	{"end with content", func(ctx context.Context, w *world, s *seen) {
		s.sent = w.stream(ctx, first, "end", `,"content":"abc"`).Event == protocol.EventMessageSent || s.sent
	}},
	{"abort", func(ctx context.Context, w *world, s *seen) { w.stream(ctx, first, "abort", "") }},
	{"append", func(ctx context.Context, w *world, s *seen) {
		s.came = w.append(ctx, first, 0, "a").code() == "" || s.came
	}},
	{"stop", func(ctx context.Context, w *world, s *seen) {
		s.stopped = slices.Contains(w.frame(ctx, reader, "stop", `,"streamId":"s1"`).Data.StreamIDs, "s1") || s.stopped
	}},
	{"stop of all", func(ctx context.Context, w *world, s *seen) {
		s.stopped = slices.Contains(w.frame(ctx, reader, "stop", "").Data.StreamIDs, "s1") || s.stopped
	}},
	{"stop of the question", func(ctx context.Context, w *world, s *seen) {
		s.stopped = slices.Contains(w.frame(ctx, reader, "stop", `,"messageId":"q1"`).Data.StreamIDs, "s1") || s.stopped
	}},
	{"lease", func(ctx context.Context, w *world, s *seen) { w.run(ctx, false) }},
	{"enforcement", func(ctx context.Context, w *world, s *seen) { w.run(ctx, true); s.stopped = true }},
	{"start again", func(ctx context.Context, w *world, s *seen) { w.stream(ctx, first, "start", `,"parentId":"q1"`) }},
	{"take-over", func(ctx context.Context, w *world, s *seen) {
		w.stream(ctx, second, "start", `,"parentId":"q1"`)
	}},
	{"removal", func(ctx context.Context, w *world, s *seen) {
		w.refuse(ctx, s, agent, func(c *chat.Conversation) { c.Participants = c.Participants[:1] })
	}},
	{"closing", func(ctx context.Context, w *world, s *seen) {
		w.refuse(ctx, s, chat.Principal{}, func(c *chat.Conversation) { c.Status = chat.Closed })
	}},
	{"loss of the slot", func(ctx context.Context, w *world, s *seen) {
		_ = w.step(ctx, "loss", true, func() error {
			s.lost = true
			for _, key := range w.mini.Keys() {
				if strings.Contains(key, "{"+string(w.id)+"}") {
					w.mini.Del(key)
				}
			}
			return nil
		})
	}},
}

// run runs a job of the stream, which the queue brings again where it fails.
func (w *world) run(ctx context.Context, stop bool) {
	if w.expire(ctx, w.job(stop)) != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queue = append(w.queue, w.job(stop))
	}
}

// refuse is a removal or a closing: MongoDB first, and then the streams are dropped.
func (w *world) refuse(ctx context.Context, s *seen, of chat.Principal, how func(c *chat.Conversation)) {
	if w.step(ctx, "refuse", true, func() error { s.refuses = true; w.memory().change(how); return nil }) != nil {
		return
	}
	err := w.step(ctx, "DropStreams", true, func() error { _, err := w.DropStreams(ctx, w.id, of, "removed"); return err })
	if err != nil { // it is repeated until it succeeds
		_, _ = w.DropStreams(context.Background(), w.id, of, "removed")
	}
}

// states are where a stream may be when things begin to happen to it.
var states = []struct {
	name, text string
	begin      func(t *testing.T, w *world)
}{
	{"two pieces", "ab", func(t *testing.T, w *world) {
		w.begin(t)
		w.append(t.Context(), first, 0, "a")
		w.append(t.Context(), first, 1, "b")
	}},
	{"nothing written", "", func(t *testing.T, w *world) { w.begin(t) }},
	{"not begun", "", func(t *testing.T, w *world) {}},
	{"on trial", "", func(t *testing.T, w *world) {
		w.fail["ConfirmStream"] = errDead
		w.stream(t.Context(), first, "start", `,"parentId":"q1"`)
		delete(w.fail, "ConfirmStream")
	}},
}

func (w *world) begin(t *testing.T) {
	t.Helper()
	if f := w.stream(t.Context(), first, "start", `,"parentId":"q1"`); f.Event != protocol.EventStreamStarted {
		t.Fatalf("start: %+v %+v", f, f.Error)
	}
}

// check checks G10 and G11: exactly one message, which says what had come, or none
// where that is right; and nothing stays open.
func (w *world) check(t *testing.T, text string, s *seen) {
	t.Helper()
	st, err := w.Store.Stream(t.Context(), w.id, "s1")
	ids, listErr := w.Store.Streams(t.Context(), w.id)
	if err != nil || listErr != nil || st.State != chat.StreamNone && st.State != chat.StreamEnded || slices.Contains(ids, "s1") && !s.lost {
		t.Errorf("the stream stays %q, of %v, %v, %v", st.State, ids, err, listErr)
	}
	messages := w.memory().messages
	if len(messages) > 1 {
		t.Errorf("%d messages", len(messages))
	}
	if len(messages) == 0 {
		switch {
		case s.sent:
			t.Error("an end was acknowledged, and there is no message")
		case s.refuses:
		case s.stopped:
			t.Error("a stop was accepted, and there is no message")
		case !s.lost && (text != "" || s.came):
			t.Error("text had come, and there is no message")
		}
		return
	}
	m := messages[0]
	switch {
	case !m.Streamed || m.Sender != agent || m.ClientMessageID != "s1":
		t.Errorf("the message is %+v", m)
	case m.Status == chat.StatusSent && m.Content != "ab" && m.Content != "abc":
		t.Errorf("sent is %q", m.Content)
	case !strings.HasPrefix("abc", m.Content) || !s.lost && len(m.Content) < len(text):
		t.Errorf("%s is %q of %q", m.Status, m.Content, text)
	}
	if st.State == chat.StreamEnded && st.End.MessageID != m.ID && !s.refuses {
		t.Errorf("it ended as %+v, with the message %s", st.End, m.ID)
	}
}

// schedules is how many orders of their steps are tried of each two things that happen
// at once: one before the other, the other before the one, and others by chance; with
// -short, as under the race detector, which is slow and learns little from one more, a single
// one of those.
func schedules() int {
	if testing.Short() {
		return 3
	}
	return 5
}

// Whatever two of all things happen to a stream at once, and in whichever order their
// steps are taken, it ends as it should when the jobs have run.
func TestEachPairAtOnce(t *testing.T) {
	t.Parallel()
	for _, from := range states {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			r := newRedis(t, dead)
			for i, a := range ops {
				for _, b := range ops[i:] {
					for n := range schedules() {
						w := newWorld(r)
						from.begin(t, w)
						var s seen
						taken := w.together(n, func(ctx context.Context) { a.do(ctx, w, &s) }, func(ctx context.Context) { b.do(ctx, w, &s) })
						w.drain(t)
						w.check(t, from.text, &s)
						if t.Failed() {
							t.Fatalf("%s, %s: schedule %d, %v of %v", a.name, b.name, n, taken, w.steps)
						}
					}
				}
			}
		})
	}
}

// together lets actors take their steps one at a time, in the n-th order, which it
// returns.
func (w *world) together(n int, acts ...func(ctx context.Context)) (taken []int) {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	var waiting []*actor
	for _, act := range acts {
		a := &actor{arrived: make(chan bool), turn: make(chan struct{}), waits: make(chan struct{}, 1)}
		go func() {
			act(context.WithValue(context.Background(), actorKey{}, a))
			a.arrived <- false
		}()
		if <-a.arrived {
			waiting = append(waiting, a)
		}
	}
	for len(waiting) > 0 {
		next := 0
		switch n {
		case 0:
		case 1:
			next = len(waiting) - 1
		default:
			next = random.IntN(len(waiting))
		}
		taken = append(taken, next)
		waiting[next].turn <- struct{}{}
		if !<-waiting[next].arrived {
			waiting = slices.Delete(waiting, next, next+1)
		}
	}
	return taken
}

// Whoever dies before any of its steps, the stream ends as it should when the jobs
// have run, also where what died is tried again.
func TestDeathBetweenAnySteps(t *testing.T) {
	t.Parallel()
	r := newRedis(t, dead)
	for _, from := range states {
		for _, o := range ops {
			for _, again := range []bool{false, true} {
				for lives := 0; ; lives++ {
					w := newWorld(r)
					from.begin(t, w)
					w.steps, w.mortal, w.lives = nil, true, lives
					var s seen
					o.do(t.Context(), w, &s)
					died := len(w.steps) == lives
					w.mortal = false
					if again {
						o.do(t.Context(), w, &s)
					}
					w.drain(t)
					w.check(t, from.text, &s)
					if t.Failed() {
						t.Fatalf("%s: %s died after %d steps, again %v: %v", from.name, o.name, lives, again, w.steps)
					}
					if !died {
						break
					}
				}
			}
		}
	}
}
