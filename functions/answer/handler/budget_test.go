package handler

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// Who stops each answer before its last word has used up the budget all the same.
func TestBudgetOfStoppedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chat.Managed{Budget: chat.Budget{TokensPerDay: 1, TokensPerConversation: 1}})
	w.scripted(t, 5*time.Millisecond)
	for range 3 {
		w.say(t, user, "#tokens 3000 Hello")
		r := w.last(t)
		w.mu.Lock()
		w.deltas = nil
		w.mu.Unlock()
		done := w.working()
		for !w.telling() && !w.last(t).Status.Over() && len(done) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := w.StopRun(t.Context(), r.OrgID, r.ID, user.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if len(w.asked) > 1 {
		t.Errorf("the model was asked %d times with a budget of one token; usage is %+v", len(w.asked), w.last(t).Usage)
	}
}

// What a run has cost before it waited counts once afterwards.
func TestBudgetIsCountedOnce(t *testing.T) {
	t.Parallel()
	m := asking("refund_order")
	m.Budget.TokensPerConversation = 20 // the first question to the model costs 12
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1042"}`)
	w.say(t, user, "Refund it")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).WaitsFor})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.last(t); r.Status != chat.RunComplete {
		t.Errorf("12 of 20 tokens are used, and the run is %s %s\n%s", r.Status, r.Error, w.told(t))
	}
}
