package mongostore_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func webhookOf(org chat.OrgID, url string) chat.Webhook {
	return chat.Webhook{OrgID: org, URL: url, Events: []chat.WebhookEvent{chat.MessageCreated}, AgentID: "a1", Secret: []byte("s"), CreatedBy: alice.ID, CreatedAt: start}
}

func TestWebhooks(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	made, err := f.CreateWebhook(ctx, webhookOf(alice.OrgID, "https://a"))
	if err != nil || made.ID == "" {
		t.Fatal(made, err)
	}
	found, err := f.Webhook(ctx, alice.OrgID, made.ID)
	if err != nil || found.URL != "https://a" || found.AgentID != "a1" || string(found.Secret) != "s" || found.CreatedBy != alice.ID || !slices.Equal(found.Events, made.Events) || found.Failing != nil {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = f.Webhook(ctx, "other", made.ID)
	wantCode(t, err, chat.NotFound)
	wantCode(t, f.DeleteWebhook(ctx, "other", made.ID), chat.NotFound)

	// Failures are counted since the first one, and one call at a time tries again.
	for i := range 3 {
		now := start.Add(time.Duration(i) * time.Minute)
		if found, err = f.WebhookFailed(ctx, found, fmt.Sprint("status ", 500+i), now); err != nil {
			t.Fatal(err)
		}
		if w := found.Failing; w.Count != i+1 || !w.Since.Equal(start.Truncate(time.Millisecond)) || w.Why != fmt.Sprint("status ", 500+i) || !w.Retry.Equal(now.Add(chat.WebhookWait(i+1)).Truncate(time.Millisecond)) {
			t.Errorf("failing %+v", w)
		}
	}
	mine := 0
	for range 2 {
		ok, err := f.TryWebhook(ctx, found, start.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("%d try at once", mine)
	}
	if err := f.WebhookTook(ctx, found); err != nil {
		t.Fatal(err)
	}
	if again, err := f.Webhook(ctx, alice.OrgID, made.ID); err != nil || again.Failing != nil {
		t.Errorf("%+v, %v", again.Failing, err)
	}
	for _, why := range []string{"first", "second"} {
		if err := f.DisableWebhook(ctx, found, why, start); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := f.Webhooks(ctx, alice.OrgID); err != nil || len(all) != 1 || all[0].Disabled == nil || all[0].Disabled.Why != "first" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := f.DeleteWebhook(ctx, alice.OrgID, made.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.DeleteWebhook(ctx, alice.OrgID, made.ID), chat.NotFound)
	if err := f.WebhookTook(ctx, found); err != nil {
		t.Error(err)
	}
	_, err = f.WebhookFailed(ctx, found, "x", start)
	wantCode(t, err, chat.NotFound)
}

// Of those who make webhooks at once no more than there are places get one.
func TestWebhooksAtOnce(t *testing.T) {
	f := open(t)
	var g sync.WaitGroup
	codes := make([]chat.Code, 2*chat.MaxWebhooks)
	for i := range codes {
		g.Go(func() {
			_, err := f.CreateWebhook(t.Context(), webhookOf(alice.OrgID, fmt.Sprint("https://", i)))
			if codes[i] = ""; err != nil {
				codes[i] = chat.CodeOf(err)
			}
		})
	}
	g.Wait()
	all, err := f.Webhooks(t.Context(), alice.OrgID)
	made := 0
	for _, code := range codes {
		if code == "" {
			made++
		} else if code != chat.Conflict {
			t.Errorf("%s", code)
		}
	}
	if err != nil || len(all) != chat.MaxWebhooks || made != chat.MaxWebhooks {
		t.Errorf("%d webhooks, %d were made, %v", len(all), made, err)
	}
	if err := f.DeleteWebhook(t.Context(), alice.OrgID, all[3].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateWebhook(t.Context(), webhookOf(alice.OrgID, "https://new")); err != nil {
		t.Error(err)
	}
}
