package handler

import (
	"context"
	"fmt"
	"testing"

	"aiwm-chat/shared/chat"
)

// Whoever dies before any step of anybody, once: in the end there is one answer, each call
// was made at most once, and no run is open.
func TestDeaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		managed chat.Managed
		calls   []string
		act     func(t *testing.T, w *world)
		person  func(t *testing.T, w *world) // what somebody does while a call waits: again, if it was lost
		refunds int                          // at most
	}{
		"an answer": {chat.Managed{}, nil, func(t *testing.T, w *world) { w.say(t, user, "Hi") }, nil, 0},
		"two calls": {allowing("*"), []string{`get_order {"order":"1042"}`, `refund_order {"order":"1042"}`}, func(t *testing.T, w *world) { w.say(t, user, "Refund 1042") }, nil, 1},
		"approved": {asking("refund_order"), []string{`refund_order {"order":"1042"}`}, func(t *testing.T, w *world) { w.say(t, user, "Refund 1042") },
			func(t *testing.T, w *world) {
				w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).ID.Call(0, 1)})
			}, 1},
		"denied": {asking("refund_order"), []string{`refund_order {"order":"1042"}`}, func(t *testing.T, w *world) { w.say(t, user, "Refund 1042") },
			func(t *testing.T, w *world) {
				w.decide(t, chat.VerdictDenied, chat.Decision{CallID: w.last(t).ID.Call(0, 1), Reason: "no"})
			}, 0},
		"superseded": {asking("refund_order"), []string{`refund_order {"order":"1042"}`}, func(t *testing.T, w *world) { w.say(t, user, "Refund 1042") },
			func(t *testing.T, w *world) {
				w.calls = nil
				w.say(t, user, "No, tell me a joke")
			}, 0},
		"two questions": {chat.Managed{}, nil, func(t *testing.T, w *world) { w.say(t, user, "One"); w.say(t, another, "Two") }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			died := 0
			for lives := 1; ; lives++ { // with none there is no question
				w := newWorld(t, c.managed)
				w.join(t, another)
				w.shopping(c.calls...)
				w.mortal, w.lives = true, lives
				c.act(t, w)
				_ = w.work(context.Background())
				if c.person != nil && !w.isDead() {
					c.person(t, w)
					_ = w.work(context.Background())
				}
				dead := w.isDead()
				w.recover(t)
				if c.person != nil && w.last(t).Status == chat.RunWaiting {
					c.person(t, w)
					w.recover(t)
				}
				w.check(t)
				if n := w.shop.Refunds("1042"); n > c.refunds {
					t.Errorf("%d lives: refunded %d times", lives, n)
				}
				if t.Failed() {
					t.Fatalf("%d lives, steps %q:\n%s", lives, w.steps, w.told(t))
				}
				if !dead {
					break
				}
				died++
			}
			if died < 5 {
				t.Errorf("only %d steps", died)
			}
		})
	}
}

// Jobs come twice, and two invocations work at the same time.
func TestJobsTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, allowing("*"))
	w.shopping(`refund_order {"order":"1042"}`)
	w.say(t, user, "Refund 1042")
	job := w.queue[0]
	done := make(chan error)
	for range 3 {
		go func() { done <- w.handler().Handle(context.Background(), job) }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.check(t)
	if n := w.shop.Refunds("1042"); n != 1 || len(w.messages(t)) != 4 {
		t.Errorf("%d refunds\n%s", n, w.told(t))
	}
}

// A holder that lost its lease goes on: at each step another attempt takes the run over, and
// does all of it, before the first goes on.
func TestZombies(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"Append tool_call", "BeginCall", "Append tool_result", "Append text", "EndRun", "WaitRun"} {
		for _, ask := range []bool{false, true} {
			t.Run(fmt.Sprint(step, ask), func(t *testing.T) {
				t.Parallel()
				m := allowing("*")
				if ask {
					m = asking("refund_order")
				}
				w := newWorld(t, m)
				w.shopping(`refund_order {"order":"1042"}`)
				q := w.say(t, user, "Refund 1042")
				taken := false
				w.before = func(name string) {
					if name != step || taken {
						return
					}
					taken = true
					w.lapse(t)
					job := w.queue
					w.queue = nil
					_ = job
					if err := w.handler().Handle(context.Background(), w.job(q)); err != nil {
						t.Error(err)
					}
				}
				if err := w.work(t.Context()); err != nil {
					t.Error(err)
				}
				if ask {
					w.decide(t, chat.VerdictApproved, chat.Decision{CallID: chat.NewRunID(bot, q.ID, 0).Call(0, 1)})
					if err := w.work(t.Context()); err != nil {
						t.Error(err)
					}
				}
				w.recover(t)
				w.check(t)
				if n := w.shop.Refunds("1042"); n > 1 {
					t.Errorf("%d refunds", n)
				}
				if t.Failed() {
					t.Logf("%q\n%s", w.steps, w.told(t))
				}
			})
		}
	}
}
