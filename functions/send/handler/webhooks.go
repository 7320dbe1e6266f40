package handler

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// callWebhooks asks for the webhooks to be called that want to know of a message, or of what
// became of it. What is asked for has no content. Once in half a minute one round trip to
// MongoDB, and one to SQS for each webhook.
func (h *Handler) callWebhooks(ctx context.Context, c chat.Conversation, m chat.Message) error {
	all, err := h.webhooks.of(ctx, c.OrgID)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, e := range webhookEvents(m) {
		for _, w := range all {
			if w.Wants(e, c, m) {
				g.Go(func() error { return h.jobs.EnqueueWebhook(ctx, protocol.WebhookJobOf(w, e, m, time.Now()), 0) })
			}
		}
	}
	return g.Wait()
}

// webhookEvents are what is due to be told of m.
func webhookEvents(m chat.Message) (events []chat.WebhookEvent) {
	if m.Due.Has(chat.EffectWebhook) {
		events = append(events, chat.MessageCreated)
	}
	switch {
	case !m.Due.Has(chat.EffectWebhookChange):
	case m.Deleted:
		events = append(events, chat.MessageDeleted)
	default:
		events = append(events, chat.MessageUpdated)
	}
	return events
}

type webhookStore interface {
	Webhooks(ctx context.Context, org chat.OrgID) ([]chat.Webhook, error)
}

// What is known of the webhooks of an organisation is good for so long: whoever makes one
// waits so long at most for its first call.
const (
	webhookLife  = 30 * time.Second
	mostWebhooks = 1000 // organisations
)

// A webhookCache holds the webhooks of the organisations that this instance works for.
type webhookCache struct {
	store webhookStore
	mu    sync.Mutex
	known map[chat.OrgID]knownWebhooks
}

type knownWebhooks struct {
	all   []chat.Webhook
	until time.Time
}

func newWebhookCache(s webhookStore) *webhookCache {
	return &webhookCache{store: s, known: map[chat.OrgID]knownWebhooks{}}
}

func (c *webhookCache) now(org chat.OrgID) (all []chat.Webhook, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.known[org]
	return found.all, ok && time.Now().Before(found.until)
}

// may reports whether a webhook may have to be called for an organisation, without asking the
// store: what is not known is looked up once the message is safe.
func (c *webhookCache) may(org chat.OrgID) bool {
	all, known := c.now(org)
	return !known || len(all) > 0
}

// of returns the webhooks of an organisation. A miss is one round trip.
func (c *webhookCache) of(ctx context.Context, org chat.OrgID) ([]chat.Webhook, error) {
	all, known := c.now(org)
	if known {
		return all, nil
	}
	all, err := c.store.Webhooks(ctx, org)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= mostWebhooks {
		clear(c.known)
	}
	c.known[org] = knownWebhooks{all, time.Now().Add(webhookLife)}
	return all, nil
}
