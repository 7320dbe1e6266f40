package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// EndStream adds the message that the agent's stream becomes, and calls ack once it
// is durable: as Handle does, with as much content as a stream may have.
func (h *Handler) EndStream(ctx context.Context, caller chat.Connection, in protocol.MessageInput, status chat.MessageStatus, ack func(protocol.Sent)) error {
	w := way{maxContent: chat.MaxContentStream, passes: delivery.Patient, status: status, streamed: true}
	return h.send(ctx, caller, in, w, ack)
}

// Ended returns the message that a stream became.
func (h *Handler) Ended(ctx context.Context, id chat.ConversationID, agent chat.Principal, stream chat.ClientMessageID) (chat.Message, bool, error) {
	return h.store.Sent(ctx, id, agent, stream)
}

// Enforce adds the message that a stream becomes whose agent does not end it, under
// that agent. It is not counted against the agent's limits. Where the conversation
// refuses the message it is chat.NotFound or chat.ConversationClosed; where another
// message has the stream's id already it is that one.
func (h *Handler) Enforce(ctx context.Context, agent chat.Principal, in protocol.MessageInput, status chat.MessageStatus) (chat.Message, error) {
	w := way{maxContent: chat.MaxContentStream, passes: delivery.Once, status: status, streamed: true}
	m, err := newMessage(agent, in, w)
	if err != nil {
		return chat.Message{}, err
	}
	c, err := h.store.Conversation(ctx, agent, in.ConversationID)
	if err != nil {
		return chat.Message{}, err
	}
	if c.Status != chat.Active {
		return chat.Message{}, chat.Errorf(chat.ConversationClosed, "the conversation takes no messages until it is active again")
	}
	stored, _, err := h.store.Append(ctx, c.Head(), m)
	if chat.CodeOf(err) == chat.Conflict {
		if other, found, readErr := h.store.Sent(ctx, in.ConversationID, agent, in.ClientMessageID); readErr != nil || found {
			return other, readErr
		}
	}
	if err != nil || stored.Due == nil {
		return stored, err
	}
	h.finish(ctx, chat.Connection{Principal: agent}, c, stored, w.passes, func() {})
	return stored, nil
}
