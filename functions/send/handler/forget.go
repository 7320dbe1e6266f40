package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// forget does what follows where a message says something else than before, or nothing: what
// it said goes from the conversation's last message and summary, the members hear of that,
// and the summary is made again. Three or four round trips to MongoDB, and where there is a
// summary to make one to Redis with the fan-out, and one to SQS.
func (h *Handler) forget(ctx context.Context, c chat.Conversation, m chat.Message) error {
	c, dropped, err := h.store.ForgetMessage(ctx, c, m)
	if err != nil {
		return err
	}
	if dropped {
		h.announce.Tell(ctx, c, protocol.ConversationFrame(protocol.EventConversationUpdated, c, time.Now()))
	}
	// Whoever dropped it may have died before the job: a log that is long enough
	// for a summary and has none gets one.
	tenth := c.TotalMessages - c.TotalMessages%chat.SummaryEvery
	if c.Summary == nil && (dropped || tenth > 0) {
		err = h.jobs.EnqueueSummary(ctx, protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: max(m.Seq, tenth)})
	}
	return err
}
