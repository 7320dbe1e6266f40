package handler

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
)

// What a run was active for before it waited counts against its time; what it waited does not.
func TestTimeOverApprovals(t *testing.T) {
	t.Parallel()
	const seconds, took, waited = 60, 300 * time.Millisecond, 200 * time.Millisecond
	m := asking("refund_order")
	m.MaxSeconds = seconds
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1042"}`, `refund_order {"order":"1043"}`)
	answer := w.model
	var had []time.Duration // each time that it was asked
	w.model = func(ctx context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		end, _ := ctx.Deadline()
		had = append(had, time.Until(end))
		time.Sleep(took)
		return answer(ctx, r, on)
	}
	w.say(t, user, "Refund them")
	began := time.Now()
	for range 2 {
		if err := w.work(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(waited)
		w.decide(t, chat.VerdictApproved, chat.Decision{CallID: w.last(t).WaitsFor})
	}
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	if len(had) != 3 || had[1] > seconds*time.Second-took || had[2] > seconds*time.Second-2*took {
		t.Errorf("it had %v", had)
	}
	if active := w.last(t).Active; active < 2*took || active > time.Since(began)-2*waited {
		t.Errorf("before it waited last it was active for %v", active)
	}
}

// What is used up is not there after another approval: nothing is called.
func TestTimeIsUpAfterApproval(t *testing.T) {
	t.Parallel()
	m := asking("refund_order")
	m.MaxSeconds = 60
	w := newWorld(t, m)
	w.shopping(`refund_order {"order":"1044"}`)
	w.say(t, user, "Refund 1044")
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.last(t)
	if _, err := w.db.Collection("runs").UpdateByID(t.Context(), r.ID, bson.M{"$set": bson.M{"activeMs": 60_000}}); err != nil {
		t.Fatal(err)
	}
	w.decide(t, chat.VerdictApproved, chat.Decision{CallID: r.WaitsFor})
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.check(t)
	if r := w.last(t); r.Status != chat.RunFailed || w.shop.Refunds("1044") != 0 || !strings.Contains(w.told(t), "too long") {
		t.Errorf("%s, %d refunds\n%s", r.Status, w.shop.Refunds("1044"), w.told(t))
	}
}
