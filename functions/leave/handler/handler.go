// Package handler takes a connection out of a conversation.
package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Leave(ctx context.Context, c chat.Connection, ids ...chat.ConversationID) ([]chat.Parting, error)
}

type announcer interface {
	Parted(ctx context.Context, partings []chat.Parting)
}

// Handler handles leave.
type Handler struct {
	presence presence
	announce announcer
}

// New returns a Handler.
func New(p presence, a announcer) *Handler { return &Handler{presence: p, announce: a} }

// Handle is as glad of a conversation that was never joined: the reply is the
// same, so that it tells nothing of what exists. The members hear of it when
// the principal's last connection leaves. Two round trips to Redis, and the
// fan-out.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Leave) error {
	partings, err := h.presence.Leave(ctx, f.Connection, in.ConversationID)
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventLeft, protocol.Room{ConversationID: in.ConversationID})
	h.announce.Parted(ctx, partings)
	return nil
}
