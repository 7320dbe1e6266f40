// Package handler calls webhooks. A job names a webhook and a message, and nothing of what that
// says: it is read when it is posted, so that what was deleted or edited out meanwhile is not
// told. Calls may come twice, and in any order.
//
//	W1 read the webhook    W3 read the message and its conversation
//	W2 wait, or reserve    W4 post    W5 note what came of it    W6 enqueue the next try
//
// What may go wrong:
//
//   - It dies between any two: the queue brings the job again, and at worst it is posted twice.
//     A reservation (W2) ends by itself. After W5 without W6 the failure is counted twice.
//   - A read or W5 fails: the job is enqueued once more, later, with the same tries.
//   - SQS does not take W6: the queue brings this job again.
//   - Two jobs of a webhook that fails: one of them reserves it, the other one waits. So one that
//     hangs takes one call at a time, and the calls of others go on.
//   - It was switched off or deleted, or the message's conversation was: nobody is told.
//
// A wait is longer than what SQS delays: a job that comes early is enqueued once more.
package handler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Webhook(ctx context.Context, org chat.OrgID, id chat.WebhookID) (chat.Webhook, error)
	TryWebhook(ctx context.Context, w chat.Webhook, until time.Time) (bool, error)
	WebhookTook(ctx context.Context, w chat.Webhook) error
	WebhookFailed(ctx context.Context, w chat.Webhook, why string, now time.Time) (chat.Webhook, error)
	DisableWebhook(ctx context.Context, w chat.Webhook, why string, now time.Time) error
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
}

type jobs interface {
	EnqueueWebhook(ctx context.Context, job protocol.WebhookJob, delay time.Duration) error
}

// Handler handles the jobs of the webhook queue.
type Handler struct {
	store  store
	jobs   jobs
	client *http.Client
}

// New returns a Handler that connects as t does.
func New(s store, j jobs, t http.RoundTripper) *Handler {
	return &Handler{store: s, jobs: j, client: newClient(t)}
}

const (
	// reserved is how long a webhook that fails is left to one call: longer than that takes.
	reserved = 2 * posting
	// unread is how long a job waits where the database does not answer.
	unread = 30 * time.Second
	// longest is how long a job waits at once, so that chance has its part of what SQS delays.
	longest = 11 * time.Minute
)

// Handle calls a webhook. Three round trips to MongoDB and the call; one more before and after
// it where calls failed, and one to SQS where it fails or waits.
func (h *Handler) Handle(ctx context.Context, job protocol.WebhookJob) error {
	err := h.call(ctx, job)
	switch {
	case err == nil:
		return nil
	case chat.CodeOf(err) == chat.NotFound:
		return nil // it was deleted, or what it was to be told of
	case chat.CodeOf(err) == chat.Unavailable && !h.isOld(job):
		slog.WarnContext(ctx, "call a webhook", "webhook", job.WebhookID, "err", err)
		return h.later(ctx, job, time.Now().Add(unread))
	}
	return err
}

func (h *Handler) call(ctx context.Context, job protocol.WebhookJob) error {
	w, err := h.store.Webhook(ctx, job.OrgID, job.WebhookID)
	if err != nil || w.Disabled != nil {
		return err
	}
	now := time.Now()
	if at := wakes(job, w); at.After(now) {
		return h.later(ctx, job, at)
	}
	if w.Failing != nil {
		mine, err := h.store.TryWebhook(ctx, w, now.Add(reserved))
		if err != nil {
			return err
		}
		if !mine {
			return h.later(ctx, job, now.Add(reserved))
		}
	}
	if _, err := h.store.AnyConversation(ctx, job.OrgID, job.ConversationID); err != nil {
		return err
	}
	m, err := h.store.Message(ctx, job.OrgID, job.MessageID)
	if err != nil {
		return err
	}
	refusal := h.post(ctx, w, callID(job), protocol.WebhookCallOf(job.Event, m))
	if refusal == nil {
		if w.Failing != nil {
			return h.store.WebhookTook(ctx, w)
		}
		return nil
	}
	return h.failed(ctx, job, w, refusal)
}

// failed notes that a call was not taken, and has it made again: until its webhook has taken
// nothing for a day, which is switched off then, or the call itself is a day old.
func (h *Handler) failed(ctx context.Context, job protocol.WebhookJob, w chat.Webhook, refusal *refused) error {
	now := time.Now()
	if refusal.gone {
		return h.store.DisableWebhook(ctx, w, refusal.why, now)
	}
	w, err := h.store.WebhookFailed(ctx, w, refusal.why, now)
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "a webhook did not take a call", "webhook", w.ID, "why", refusal.why, "calls", w.Failing.Count)
	if now.Sub(w.Failing.Since) >= chat.WebhookPatience {
		slog.WarnContext(ctx, "a webhook is switched off", "webhook", w.ID, "why", refusal.why)
		return h.store.DisableWebhook(ctx, w, refusal.why, now)
	}
	if h.isOld(job) {
		slog.ErrorContext(ctx, "a call of a webhook is given up", "webhook", w.ID, "message", job.MessageID, "event", job.Event, "why", refusal.why)
		return nil
	}
	job.Attempts++
	job.NotBefore = now.Add(chat.WebhookWait(job.Attempts)).UnixMilli()
	return h.later(ctx, job, wakes(job, w))
}

// isOld reports whether a call has been tried for as long as calls are.
func (h *Handler) isOld(job protocol.WebhookJob) bool {
	return time.Since(time.UnixMilli(job.At)) >= chat.WebhookPatience
}

// wakes is when a job may be done: neither its own wait nor that of its webhook goes on.
func wakes(job protocol.WebhookJob, w chat.Webhook) time.Time {
	at := time.UnixMilli(job.NotBefore)
	if w.Failing != nil && w.Failing.Retry.After(at) {
		at = w.Failing.Retry
	}
	return at
}

// later enqueues a job once more. Jobs that wait for the same come one after the other, and by
// chance: a call that is never taken is not always the one that is tried, before all others.
func (h *Handler) later(ctx context.Context, job protocol.WebhookJob, at time.Time) error {
	wait := min(max(time.Until(at), time.Second), longest)
	return h.jobs.EnqueueWebhook(ctx, job, wait+rand.N(wait/4+time.Second))
}

// refused is why a call was not taken.
type refused struct {
	why  string
	gone bool // the receiver says that it is not to be called any more
}
