package handler

import (
	"context"
	"errors"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
)

// derived is what is left of the effects that bring what is made of messages up to one.
type derived struct {
	left []chat.Effect
	err  error
}

// derive does those that are due.
func (h *Handler) derive(ctx context.Context, c chat.Conversation, m chat.Message, passes delivery.Passes) (out derived) {
	do := func(e chat.Effect, f func() error) {
		if !m.Due.Has(e) {
			return
		}
		if err := guarded(f); err != nil {
			out.left, out.err = append(out.left, e), errors.Join(out.err, err)
		}
	}
	do(chat.EffectSearch, func() error { return h.store.IndexMessage(ctx, m) })
	do(chat.EffectReplies, func() error { return h.countReplies(ctx, c, m, passes) })
	return out
}

// countReplies has the root of a thread say what is in it, and does what follows from that
// change: a round trip to Redis, the fan-out, and one to MongoDB, after the two or three that
// it takes. See shared/mongostore/threads.go.
func (h *Handler) countReplies(ctx context.Context, c chat.Conversation, reply chat.Message, passes delivery.Passes) error {
	root, err := h.store.CountReplies(ctx, reply, time.Now().Add(patience))
	if err != nil || root == nil {
		return err
	}
	h.finish(ctx, party{until: sentUntil(*root)}, c, *root, passes, func() {})
	return nil
}
