package handler

import (
	"context"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// once does something before the first step of a name, and nothing else.
func (w *world) once(step string, do func()) {
	var once sync.Once
	w.before = func(name string) {
		if name == step {
			once.Do(do)
		}
	}
}

// now does the jobs of the queue, in the middle of something else.
func (w *world) now(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	jobs := w.queue
	w.queue = nil
	w.mu.Unlock()
	for _, job := range jobs {
		if err := w.handler().Handle(context.Background(), job); err != nil {
			t.Error(err)
		}
	}
}

// A decision that comes before the run waits has its job in vain: whoever sets it waiting
// looks for it afterwards.
func TestDecidedBeforeItWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping(`refund_order {"order":"1042"}`)
	q := w.say(t, user, "Refund 1042")
	w.once("WaitRun", func() {
		w.decide(t, chat.VerdictApproved, chat.Decision{CallID: chat.NewRunID(bot, q.ID, 0).Call(0, 1)})
		w.now(t)
	})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	if w.shop.Refunds("1042") != 1 {
		t.Errorf("%d refunds", w.shop.Refunds("1042"))
	}
}

// A question whose job came while another run was busy is taken up by whoever ends that
// run, has it wait, or ends one that waited; nothing needs sweep.
func TestWhoEndsTakesTheNext(t *testing.T) {
	t.Parallel()
	for step, m := range map[string]chat.Managed{"EndRun": {}, "WaitRun": asking("refund_order")} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, m)
			if step == "WaitRun" {
				w.shopping(`refund_order {"order":"1042"}`)
			}
			w.say(t, user, "One")
			w.once(step, func() {
				w.calls = nil
				w.say(t, user, "Two")
				w.now(t)
			})
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.check(t)
			if n := len(w.asked); n != 2 {
				t.Errorf("asked %d times\n%s", n, w.told(t))
			}
		})
	}
	t.Run("of one that waited", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, asking("refund_order"))
		w.shopping(`refund_order {"order":"1042"}`)
		q := w.say(t, user, "Refund 1042")
		if err := w.work(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.calls = nil
		w.say(t, user, "Two")
		w.queue = nil // lost
		r := w.job(q)
		if _, err := w.StopRun(t.Context(), r.OrgID, r.RunID, user.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := w.handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.check(t)
	})
}

// Nothing is called, and nothing waits, once somebody wants the run to end.
func TestStoppedBeforeAStep(t *testing.T) {
	t.Parallel()
	for step, m := range map[string]chat.Managed{"BeginCall": allowing("*"), "WaitRun": asking("refund_order")} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, m)
			w.shopping(`refund_order {"order":"1042"}`)
			q := w.say(t, user, "Refund 1042")
			w.once(step, func() {
				if _, err := w.StopRun(context.Background(), "acme", chat.NewRunID(bot, q.ID, 0), user.ID, time.Now()); err != nil {
					t.Error(err)
				}
			})
			if err := w.work(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.check(t)
			if w.shop.Refunds("1042") != 0 || w.last(t).Status != chat.RunCancelled {
				t.Errorf("%d refunds, %s", w.shop.Refunds("1042"), w.last(t).Status)
			}
		})
	}
}

// A newer question supersedes what an older one wanted to be approved: nobody can approve
// it after that, and its run ends.
func TestSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asking("refund_order"))
	w.shopping(`refund_order {"order":"1042"}`)
	q := w.say(t, user, "Refund 1042")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.calls = nil
	w.say(t, user, "Tell me a joke")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	id := chat.NewRunID(bot, q.ID, 0)
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: id.Call(0, 1)})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, _, err := w.Sent(t.Context(), w.id, chat.Backend("acme"), chat.DecisionID(id.Call(0, 1)))
	first, err2 := w.Run(t.Context(), "acme", id)
	if a, _ := d.Decided(); err != nil || err2 != nil || a.Verdict != chat.VerdictSuperseded || first.Status != chat.RunCancelled || w.shop.Refunds("1042") != 0 {
		t.Errorf("%+v, %s, %d refunds", a, first.Status, w.shop.Refunds("1042"))
	}
	if n := len(w.asked); n != 2 {
		t.Errorf("asked %d times", n)
	}
}
