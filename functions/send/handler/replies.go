package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
)

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
