// Package handler takes a closed WebSocket connection out of everything.
package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Disconnect(ctx context.Context, c chat.Connection) (chat.Departure, error)
}

type store interface {
	ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, now time.Time) error
}

type announcer interface {
	Presence(ctx context.Context, p chat.Principal, online bool, in []chat.ConversationID)
	Left(ctx context.Context, p chat.Principal, rooms []chat.ConversationID)
}

// Handler handles $disconnect.
type Handler struct {
	presence presence
	store    store
	announce announcer
}

// New returns a Handler.
func New(p presence, s store, a announcer) *Handler {
	return &Handler{presence: p, store: s, announce: a}
}

// Handle removes the connection. API Gateway calls it at best: one that never
// comes is made up for by the first post that finds the connection gone, or by
// the keys' time to live. Two round trips to Redis; for the last connection of
// a principal also one to MongoDB (two for an agent) and the announcement.
func (h *Handler) Handle(ctx context.Context, c chat.Connection) error {
	now := time.Now() // before Redis decides: a connect that follows is later
	departure, err := h.presence.Disconnect(ctx, c)
	if err != nil {
		return fmt.Errorf("remove the connection: %w", err)
	}
	h.announce.Left(ctx, c.Principal, departure.Rooms)
	if !departure.Last {
		return nil
	}
	if c.Principal.Type == chat.Agent {
		if err := h.store.SetAgentStatus(ctx, c.Principal, false, now); err != nil {
			slog.WarnContext(ctx, "set agent status", "agent", c.Principal.ID, "err", err)
		}
	}
	in, err := h.store.ConversationsOf(ctx, c.Principal, protocol.MaxPresenceConversations)
	if err != nil {
		return fmt.Errorf("find conversations to announce in: %w", err)
	}
	h.announce.Presence(ctx, c.Principal, false, in)
	return nil
}
