// Package handler finishes what a send had to leave: it runs by the clock.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

type presence interface {
	PendingBefore(ctx context.Context, t time.Time, limit int) ([]chat.PendingSend, error)
	EndSend(ctx context.Context, s chat.PendingSend) error
}

type store interface {
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
}

type finisher interface {
	Finish(ctx context.Context, c chat.Conversation, m chat.Message, note chat.PendingSend) error
}

const (
	// settled is after how long a send counts as left behind.
	settled = 15 * time.Second
	// abandoned is after how long a send that committed nothing never will:
	// no function runs longer than API Gateway waits, 29 s.
	abandoned = time.Minute
	// batch and parallel bound one run; the next is a minute away.
	batch    = 500
	parallel = 8
)

// Handler handles the schedule.
type Handler struct {
	presence presence
	store    store
	finisher finisher
}

// New returns a Handler.
func New(p presence, s store, f finisher) *Handler {
	return &Handler{presence: p, store: s, finisher: f}
}

// Handle finishes the effects of every send that was committed and left, and
// forgets those that never committed. One round trip to Redis to find them;
// for each, two to MongoDB and those of send's effects.
func (h *Handler) Handle(ctx context.Context) error {
	left, err := h.presence.PendingBefore(ctx, time.Now().Add(-settled), batch)
	if err != nil {
		return fmt.Errorf("find pending sends: %w", err)
	}
	errs := make([]error, len(left))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, note := range left {
		g.Go(func() error {
			errs[i] = h.settle(ctx, note)
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each error is in errs
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("some sends stay pending: %w", err)
	}
	if len(left) > 0 {
		slog.InfoContext(ctx, "swept", "sends", len(left))
	}
	return nil
}

func (h *Handler) settle(ctx context.Context, note chat.PendingSend) error {
	m, found, err := h.store.Sent(ctx, note.ConversationID, note.Sender, note.ClientMessageID)
	if err != nil {
		return fmt.Errorf("look up a pending send: %w", err)
	}
	if !found {
		if time.Since(note.Since) < abandoned {
			return nil
		}
		return h.presence.EndSend(ctx, note)
	}
	c, err := h.store.AnyConversation(ctx, note.Sender.OrgID, note.ConversationID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		return h.presence.EndSend(ctx, note) // deleted: nobody is to hear of it
	}
	if err != nil {
		return fmt.Errorf("read the conversation of a pending send: %w", err)
	}
	return h.finisher.Finish(ctx, c, m, note)
}
