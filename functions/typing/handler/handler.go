// Package handler tells the members of a conversation who is typing.
package handler

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Typing(ctx context.Context, c chat.Connection, id chat.ConversationID) (chat.Room, error)
	NoteTyping(ctx context.Context, p chat.Principal, id chat.ConversationID, typing bool) error
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

// Handler handles typing.
type Handler struct {
	presence presence
	cast     broadcaster
}

// New returns a Handler.
func New(p presence, b broadcaster) *Handler { return &Handler{presence: p, cast: b} }

// Handle tells the other members; the caller gets no reply unless it fails.
// Only a member may type: that is known to Redis, so MongoDB is not asked. In a
// large room nobody is told. Two round trips to Redis, the second beside the
// fan-out.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Typing) error {
	who := f.Connection.Principal
	room, err := h.presence.Typing(ctx, f.Connection, in.ConversationID)
	if err != nil || room.Quiet() {
		return err
	}
	var g errgroup.Group
	g.Go(func() error {
		if err := h.presence.NoteTyping(ctx, who, in.ConversationID, in.State == protocol.TypingStart); err != nil {
			slog.WarnContext(ctx, "note who types", "conversation", in.ConversationID, "err", err)
		}
		return nil
	})
	h.cast.Broadcast(ctx, room.Without(who), notice(in, who), delivery.Once)
	return g.Wait()
}

func notice(in protocol.Typing, who chat.Principal) []byte {
	data := protocol.TypingNotice{ConversationID: in.ConversationID, Identity: protocol.IdentityOf(who)}
	event := protocol.EventTypingStop
	if in.State == protocol.TypingStart {
		event, data.ExpiresIn = protocol.EventTypingStart, chat.TypingExpiry.Milliseconds()
	}
	return protocol.Frame(event, "", data, time.Now())
}
