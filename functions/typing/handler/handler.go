// Package handler tells the members of a conversation who is typing.
package handler

import (
	"context"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	StartTyping(ctx context.Context, c chat.Connection, id chat.ConversationID) (room []chat.Connection, err error)
	StopTyping(ctx context.Context, c chat.Connection, id chat.ConversationID) (room []chat.Connection, err error)
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte) delivery.Result
}

// Handler handles typing.
type Handler struct {
	presence presence
	cast     broadcaster
}

// New returns a Handler.
func New(p presence, b broadcaster) *Handler { return &Handler{presence: p, cast: b} }

// Handle tells the other members; the caller gets no reply unless it fails.
// Only a member may type: that is known to Redis, so MongoDB is not asked.
// One round trip to Redis.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Typing) error {
	act, event := h.presence.StartTyping, protocol.EventTypingStart
	notice := protocol.TypingNotice{
		ConversationID: in.ConversationID,
		Identity:       protocol.IdentityOf(f.Connection.Principal),
		ExpiresIn:      chat.TypingExpiry.Milliseconds(),
	}
	if in.State == protocol.TypingStop {
		act, event, notice.ExpiresIn = h.presence.StopTyping, protocol.EventTypingStop, 0
	}
	room, err := act(ctx, f.Connection, in.ConversationID)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(room, func(c chat.Connection) bool { return c.Principal == f.Connection.Principal })
	h.cast.Broadcast(ctx, others, protocol.Frame(event, "", notice, time.Now()))
	return nil
}
