// Package handler keeps a conversation's summary up to date.
package handler

import (
	"context"
	"fmt"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

type store interface {
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	SaveSummary(ctx context.Context, id chat.ConversationID, text string, s chat.Summary) (c chat.Conversation, saved bool, err error)
}

type summariser interface {
	Summarize(ctx context.Context, in summary.Input) (summary.Result, error)
}

type announcer interface {
	Tell(ctx context.Context, c chat.Conversation, frame []byte)
}

// Handler handles the jobs of the summary queue, and summaries on demand.
type Handler struct {
	store      store
	summariser summariser
	announce   announcer
}

// New returns a Handler.
func New(s store, sum summariser, a announcer) *Handler {
	return &Handler{store: s, summariser: sum, announce: a}
}

// Handle brings the summary up to a message at least. Where it covers the
// message already, or the conversation is gone, there is nothing to do. An
// error sends the job back to the queue and leaves the old summary. Three
// round trips to MongoDB, one to the model, one to Redis and the fan-out.
func (h *Handler) Handle(ctx context.Context, job protocol.SummaryJob) error {
	c, err := h.store.AnyConversation(ctx, job.OrgID, job.ConversationID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the conversation: %w", err)
	}
	if covered(c) >= job.Seq {
		return nil
	}
	_, err = h.Summarize(ctx, c)
	return err
}

// Summarize extends the summary of c by the messages since it, saves it and
// tells the members. It returns the conversation's summary as it then is: that
// of a faster round, if there was one.
func (h *Handler) Summarize(ctx context.Context, c chat.Conversation) (string, error) {
	from := covered(c)
	messages, _, err := h.store.Messages(ctx, c.ID, chat.MessageQuery{Limit: summary.MaxMessages})
	if err != nil {
		return "", fmt.Errorf("read the messages: %w", err)
	}
	messages = after(from, messages)
	if len(messages) == 0 {
		return c.ContextSummary, nil
	}
	result, err := h.summariser.Summarize(ctx, summary.Input{Previous: c.ContextSummary, Messages: messages})
	if err != nil {
		return "", chat.Unavailablef(err, "the summary cannot be written now; try again")
	}
	s := chat.Summary{FromSeq: messages[0].Seq, ToSeq: messages[len(messages)-1].Seq, Model: result.Model, At: time.Now()}
	if c.Summary != nil {
		s.FromSeq = c.Summary.FromSeq
	}
	updated, saved, err := h.store.SaveSummary(ctx, c.ID, result.Text, s)
	if err != nil {
		return "", fmt.Errorf("save the summary: %w", err)
	}
	if saved {
		h.announce.Tell(ctx, updated, protocol.ConversationFrame(protocol.EventConversationUpdated, updated, s.At))
	}
	return updated.ContextSummary, nil
}

func covered(c chat.Conversation) int64 {
	if c.Summary == nil {
		return 0
	}
	return c.Summary.ToSeq
}

func after(seq int64, messages []chat.Message) []chat.Message {
	for i, m := range messages {
		if m.Seq > seq {
			return messages[i:]
		}
	}
	return nil
}
