package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Forget does what follows from the erasure of a message: what it said goes from
// the conversation's last message and summary, and the summary is made again.
// It returns the conversation as it is then, and whether its summary was dropped.
// After an error it stays due, and sweep does it. Four or five round trips to
// MongoDB, and one to SQS where there is a summary to make.
func (h *Handler) Forget(ctx context.Context, c chat.Conversation, m chat.Message) (now chat.Conversation, dropped bool, err error) {
	if now, dropped, err = h.forget(ctx, c, m); err != nil {
		return now, dropped, err
	}
	return now, dropped, h.store.Settle(ctx, m, m.Due.Without(chat.EffectForget))
}

func (h *Handler) forget(ctx context.Context, c chat.Conversation, m chat.Message) (chat.Conversation, bool, error) {
	c, dropped, err := h.store.ForgetMessage(ctx, c, m)
	if err != nil {
		return c, dropped, err
	}
	// Whoever dropped it may have died before the job: a log that is long enough
	// for a summary and has none gets one.
	tenth := c.TotalMessages - c.TotalMessages%chat.SummaryEvery
	if c.Summary == nil && (dropped || tenth > 0) {
		err = h.jobs.EnqueueSummary(ctx, protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: max(m.Seq, tenth)})
	}
	return c, dropped, err
}
