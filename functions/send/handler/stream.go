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

// Takes returns why a conversation takes no message of an agent, nil where it does. One
// round trip.
func (h *Handler) Takes(ctx context.Context, agent chat.Principal, id chat.ConversationID) error {
	_, err := h.placeIn(ctx, chat.Message{Sender: agent, ConversationID: id})
	return err
}

// Enforce adds the message that a stream becomes whose agent does not end it, under
// that agent, as Place does. Where it answers something: one round trip more.
func (h *Handler) Enforce(ctx context.Context, agent chat.Principal, in protocol.MessageInput, status chat.MessageStatus) (chat.Message, error) {
	m, err := newMessage(agent, in, way{maxContent: chat.MaxContentStream, status: status, streamed: true})
	if err != nil {
		return chat.Message{}, err
	}
	// What it answers was checked when it was begun, and may be gone: then it is in no thread.
	if m.ThreadID, err = h.threadOf(ctx, m); err != nil && chat.CodeOf(err) != chat.ValidationFailed {
		return chat.Message{}, err
	}
	stored, _, err := h.Place(ctx, m)
	return stored, err
}
