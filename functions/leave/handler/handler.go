// Package handler takes a connection out of a conversation.
package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Leave(ctx context.Context, c chat.Connection, id chat.ConversationID) (left bool, err error)
}

type announcer interface {
	Left(ctx context.Context, p chat.Principal, rooms []chat.ConversationID)
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
// the principal's last connection leaves. One round trip to Redis, and one
// more to find whom to tell.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Leave) error {
	left, err := h.presence.Leave(ctx, f.Connection, in.ConversationID)
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventLeft, protocol.Room{ConversationID: in.ConversationID})
	if left {
		h.announce.Left(ctx, f.Connection.Principal, []chat.ConversationID{in.ConversationID})
	}
	return nil
}
