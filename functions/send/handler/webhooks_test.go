package handler_test

import (
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
)

func hooked(events ...chat.WebhookEvent) *world {
	w := newWorld()
	w.webhooks = []chat.Webhook{
		{ID: "w1", OrgID: "acme", Events: events}, {ID: "w2", OrgID: "acme", Events: events, AgentID: agent.ID},
		{ID: "other", OrgID: "acme", Events: events, AgentID: "nobody"}, {ID: "off", OrgID: "acme", Events: events, Disabled: &chat.WebhookEnd{}},
	}
	return w
}

// calls are the webhooks that are to be called, each with the event.
func (w *world) calls() (all []string) {
	for _, j := range w.webhookJobs {
		all = append(all, string(j.WebhookID)+" "+string(j.Event)+" "+string(j.MessageID))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestWebhooksOfAMessage(t *testing.T) {
	w := hooked(chat.MessageCreated)
	if err := w.send(t.Context(), "k1", "hello"); err != nil {
		t.Fatal(err)
	}
	if got, want := w.calls(), []string{"w1 message.created m1", "w2 message.created m1"}; !slices.Equal(got, want) || len(w.webhookJobs) != 2 || w.due() != "" {
		t.Errorf("asked for %v, want %v; due %q", got, want, w.due())
	}
	if j := w.webhookJobs[0]; j.OrgID != "acme" || j.ConversationID != "c1" || j.At == 0 {
		t.Errorf("the job is %+v", j)
	}
	w = hooked(chat.MessageUpdated)
	if err := w.send(t.Context(), "k1", "hello"); err != nil || len(w.webhookJobs) > 0 {
		t.Errorf("%v, asked for %v", err, w.calls())
	}
	w = newWorld()
	h := w.handler()
	for _, id := range []chat.ClientMessageID{"k1", "k2"} { // once it is known that there are none, none is left to call
		m, _ := chat.NewMessage("c1", user, id, chat.Draft{Content: "x"}, 9, time.Now())
		if _, _, err := h.Place(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if w.appended.Due.Has(chat.EffectWebhook) {
		t.Errorf("due are %v", w.appended.Due.Left)
	}
}

func TestWebhooksOfAChange(t *testing.T) {
	for deleted, want := range map[bool]string{false: "w1 message.updated m1", true: "w1 message.deleted m1"} {
		w := hooked(chat.WebhookEvents()...)
		w.fill(1, time.Now())
		m := w.log[0]
		m.ConversationID, m.Deleted, m.Version, m.Due = "c1", deleted, 3, &chat.Due{At: time.Now(), Left: []chat.Effect{chat.EffectWebhookChange}}
		w.handler().Changed(t.Context(), chat.Connection{Principal: user}, w.conversation, m, delivery.Once, "", func() {})
		if got := w.calls(); len(got) != 2 || got[0] != want || w.webhookJobs[0].Version != 3 {
			t.Errorf("asked for %v", got)
		}
	}
}

// Whoever dies after any step, and whatever does not answer: each webhook is called.
func TestWebhooksAreCalledWhoeverDies(t *testing.T) {
	for lives := range 20 {
		w := hooked(chat.MessageCreated)
		w.mortal, w.lives = true, lives
		_ = w.send(t.Context(), "k1", "hello")
		w.mortal = false
		if len(w.log) == 0 {
			continue
		}
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.calls(); len(got) != 2 || w.due() != "" {
			t.Errorf("dead after %d steps: %v, due %q", lives, got, w.due())
		}
	}
	for _, step := range []string{"EnqueueWebhook", "Webhooks"} {
		w := hooked(chat.MessageCreated)
		w.fail[step] = down
		if err := w.send(t.Context(), "k1", "hello"); err != nil || !w.log[0].Due.Has(chat.EffectWebhook) || len(w.log[0].Due.Left) != 1 {
			t.Errorf("without %s: %v, due %+v", step, err, w.log[0].Due)
		}
		delete(w.fail, step)
		if err := w.sweep(t.Context()); err != nil || len(w.calls()) != 2 || w.log[0].Due != nil {
			t.Errorf("after %s: %v, %v", step, err, w.calls())
		}
	}
}
