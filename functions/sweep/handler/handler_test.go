package handler_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world knows some sends and what has become of each.
type world struct {
	mu       sync.Mutex
	notes    map[chat.PendingSend]bool
	sent     map[chat.ClientMessageID]chat.Message
	deleted  bool
	fail     map[string]error // by step and client message id
	finished []chat.ClientMessageID
	before   time.Time
	limit    int
	finish   func() // called without the lock
}

func (w *world) step(name string, id chat.ClientMessageID, do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail[name+" "+string(id)]; err != nil {
		return err
	}
	do()
	return nil
}

func (w *world) PendingBefore(_ context.Context, t time.Time, limit int) (found []chat.PendingSend, err error) {
	err = w.step("PendingBefore", "", func() {
		w.before, w.limit, found = t, limit, slices.Collect(maps.Keys(w.notes))
	})
	return found, err
}

func (w *world) EndSend(_ context.Context, s chat.PendingSend) error {
	return w.step("EndSend", s.ClientMessageID, func() { delete(w.notes, s) })
}

func (w *world) Sent(_ context.Context, _ chat.ConversationID, _ chat.Principal, id chat.ClientMessageID) (m chat.Message, found bool, err error) {
	err = w.step("Sent", id, func() { m, found = w.sent[id] })
	return m, found, err
}

func (w *world) AnyConversation(_ context.Context, org chat.OrgID, id chat.ConversationID) (c chat.Conversation, err error) {
	err = w.step("AnyConversation", "", func() { c = chat.Conversation{ID: id, OrgID: org} })
	if err == nil && w.deleted {
		err = chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return c, err
}

func (w *world) Finish(_ context.Context, c chat.Conversation, m chat.Message, s chat.PendingSend) error {
	if w.finish != nil {
		w.finish()
	}
	return w.step("Finish", s.ClientMessageID, func() {
		if c.ID == s.ConversationID && c.OrgID == s.Sender.OrgID && m.ClientMessageID == s.ClientMessageID {
			w.finished = append(w.finished, s.ClientMessageID)
		}
		delete(w.notes, s)
	})
}

var now = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a synctest bubble begins

func note(id chat.ClientMessageID, age time.Duration) chat.PendingSend {
	return chat.PendingSend{
		Sender:         chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"},
		ConversationID: "c1", ClientMessageID: id, Since: now.Add(-age),
	}
}

func TestSettle(t *testing.T) {
	down := errors.New("no route to host")
	tests := []struct {
		name     string
		note     chat.PendingSend
		sent     bool
		deleted  bool
		fail     string
		finished bool
		stays    bool
		fails    bool
	}{
		{"committed and left", note("m1", 20*time.Second), true, false, "", true, false, false},
		{"not committed, maybe yet to be", note("m1", 59*time.Second), false, false, "", false, true, false},
		{"never committed", note("m1", time.Minute), false, false, "", false, false, false},
		{"never committed, and no end", note("m1", time.Minute), false, false, "EndSend m1", false, true, true},
		{"deleted", note("m1", 20*time.Second), true, true, "", false, false, false},
		{"not known", note("m1", time.Hour), true, false, "Sent m1", false, true, true},
		{"no conversation to be read", note("m1", time.Hour), true, false, "AnyConversation ", false, true, true},
		{"not to be finished now", note("m1", time.Hour), true, false, "Finish m1", false, true, true},
		{"no list", note("m1", time.Hour), true, false, "PendingBefore ", false, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, inBubble(func(t *testing.T) {
			other := note("other", time.Hour)
			w := &world{
				notes: map[chat.PendingSend]bool{tt.note: true, other: true}, deleted: tt.deleted,
				sent: map[chat.ClientMessageID]chat.Message{"other": {ClientMessageID: "other"}},
				fail: map[string]error{tt.fail: down},
			}
			if tt.sent {
				w.sent["m1"] = chat.Message{ClientMessageID: "m1"}
			}
			err := handler.New(w, w, w).Handle(t.Context())
			if (err != nil) != tt.fails || err != nil && !errors.Is(err, down) {
				t.Errorf("got %v", err)
			}
			if slices.Contains(w.finished, "m1") != tt.finished || w.notes[tt.note] != tt.stays {
				t.Errorf("finished %v, left %v", w.finished, w.notes)
			}
			if shared := tt.fail == "AnyConversation " || tt.fail == "PendingBefore "; !shared && w.notes[other] {
				t.Error("one that fails holds up another")
			}
			if tt.fail != "PendingBefore " && (!w.before.Equal(now.Add(-15*time.Second)) || w.limit != 500) {
				t.Errorf("asked for %d before %v", w.limit, w.before)
			}
		}))
	}
}

// inBubble is a test whose clock begins at now.
func inBubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

func TestParallelWithABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{notes: map[chat.PendingSend]bool{}, sent: map[chat.ClientMessageID]chat.Message{}}
		for i := range 40 {
			id := chat.ClientMessageID(fmt.Sprint("m", i))
			w.notes[note(id, time.Hour)] = true
			w.sent[id] = chat.Message{ClientMessageID: id}
		}
		w.finish = func() { time.Sleep(time.Second) }
		start := time.Now()
		if err := handler.New(w, w, w).Handle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); len(w.finished) != 40 || took != 5*time.Second {
			t.Errorf("%d of 40 took %v, at a second each and eight at once", len(w.finished), took)
		}
	})
}
