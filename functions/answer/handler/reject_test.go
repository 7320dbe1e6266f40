package handler

import (
	"context"
	"fmt"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// together has two questions be asked at once: each has seen no run of the other when both are
// about to queue theirs, the second first where swapped says so. between happens after the first
// insert, and after the second its job is there too.
func (w *world) together(t *testing.T, swapped bool, between func()) (questions [2]chat.Message) {
	t.Helper()
	arrived, goOn := [2]chan bool{make(chan bool), make(chan bool)}, [2]chan bool{make(chan bool), make(chan bool)}
	done := [2]chan chat.Message{make(chan chat.Message, 1), make(chan chat.Message, 1)}
	for i, text := range []string{"One", "Two"} {
		w.before = func(step string) {
			if step == "QueueRun" {
				arrived[i] <- true
				<-goOn[i]
			}
		}
		go func() { done[i] <- w.say(t, user, text) }()
		<-arrived[i]
	}
	w.before = func(string) {}
	order := []int{0, 1}
	if swapped {
		order = []int{1, 0}
	}
	for n, i := range order {
		if n == 1 {
			between()
		}
		close(goOn[i])
		questions[i] = <-done[i]
	}
	return questions
}

// Under reject one of two questions that come at once is answered, and the other is not,
// whichever of their runs is queued first, and however far the other's is then. Under enqueue
// both are.
func TestRejectedAtOnce(t *testing.T) {
	t.Parallel()
	work := func(t *testing.T, w *world) {
		t.Helper()
		if err := w.work(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for name, between := range map[string]func(t *testing.T, w *world){
		"both are queued":         func(*testing.T, *world) {},
		"the first is over":       work,
		"the first was taken up":  func(*testing.T, *world) {},
		"the job of one was lost": func(_ *testing.T, w *world) { w.queue = nil },
	} {
		for _, swapped := range []bool{false, true} {
			for policy, answers := range map[chat.BusyPolicy]int{chat.BusyReject: 1, chat.BusyEnqueue: 2} {
				t.Run(fmt.Sprintf("%s, %s, swapped %t", name, policy, swapped), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, chat.Managed{Busy: policy})
					questions := w.together(t, swapped, func() { between(t, w) })
					if name == "the first was taken up" { // the other's job comes while the model writes
						inner := w.model
						first := true
						w.model = func(ctx context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
							if first {
								first = false
								w.now(t)
								if open, err := w.OpenRuns(ctx, w.id, bot.ID); err != nil || len(open) != answers {
									t.Errorf("while one is answered there are %d runs, %v", len(open), err)
								}
							}
							return inner(ctx, r, on)
						}
						w.mu.Lock()
						job := w.queue[0]
						w.queue = w.queue[1:]
						w.mu.Unlock()
						if err := w.handler().Handle(t.Context(), job); err != nil {
							t.Error(err)
						}
					}
					work(t, w)
					w.check(t)
					states := map[chat.RunStatus]int{}
					for _, q := range questions {
						r, err := w.Run(t.Context(), user.OrgID, chat.NewRunID(bot, q.ID, 0))
						if err != nil || r.Status == chat.RunCancelled && (r.Error != chat.Conflict || r.Usage.TotalTokens != 0) {
							t.Errorf("%+v, %v", r, err)
						}
						states[r.Status]++
					}
					if len(w.asked) != answers || states[chat.RunComplete] != answers || states[chat.RunCancelled] != 2-answers || len(w.messages(t)) != 2+answers {
						t.Errorf("asked %d times, %v\n%s", len(w.asked), states, w.told(t))
					}
				})
			}
		}
	}
}

// Whoever dies while it works on two questions that came at once: one is answered in the end.
func TestRejectedAtOnceWhoeverDies(t *testing.T) {
	t.Parallel()
	for lives := range 12 {
		w := newWorld(t, chat.Managed{Busy: chat.BusyReject})
		w.together(t, false, func() {})
		w.mu.Lock()
		w.mortal, w.lives = true, lives
		w.mu.Unlock()
		_ = w.work(t.Context())
		w.recover(t)
		w.check(t)
		answers := 0
		for _, m := range w.messages(t) {
			if m.Sender == bot {
				answers++
			}
		}
		if answers != 1 {
			t.Errorf("after %d steps: %d answers\n%s", lives, answers, w.told(t))
		}
	}
}

// A question that comes while the agent waits for approval is answered, also where the call that
// waits ends before the question is taken up: the agent was not busy.
func TestWaitingIsNotBusy(t *testing.T) {
	t.Parallel()
	m := asking("refund_order")
	m.Busy = chat.BusyReject
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1042"}`)
	q := w.say(t, user, "Refund 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.calls = nil
	w.say(t, user, "Tell me a joke")
	jobs := w.queue
	w.queue = nil
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: chat.NewRunID(bot, q.ID, 0).Call(0, 1)})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.queue = jobs
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	if r := w.last(t); r.Status != chat.RunComplete || w.shop.Refunds("1042") != 1 {
		t.Errorf("%s %s, %d refunds\n%s", r.Status, r.Error, w.shop.Refunds("1042"), w.told(t))
	}
}
