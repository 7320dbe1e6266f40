// Package handler takes a closed WebSocket connection out of everything.
package handler

import (
	"context"
	"errors"
	"time"

	"aiwm-chat/shared/chat"
)

type presence interface {
	Disconnect(ctx context.Context, c chat.Connection) (last bool, at time.Time, err error)
	Departed(ctx context.Context, p chat.Principal, at time.Time) error
	Entered(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error)
	TakeOut(ctx context.Context, stays []chat.Stay) ([]chat.Parting, error)
}

type store interface {
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

type announcer interface {
	Presence(ctx context.Context, p chat.Principal, online bool, at time.Time) error
	Parted(ctx context.Context, partings []chat.Parting)
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

// Handle removes the connection: first its registration, which leaves a
// tombstone, and only when that is acknowledged it looks for its rooms, so that
// a join under way either sees the tombstone or is seen here. Status and
// presence come before the rooms, which may be many.
//
// API Gateway calls it at best: one that never comes, or dies, is made up for by the
// first post that finds the connection gone, or by the keys' time to live. Three round
// trips to Redis; for the last connection of a principal two more, one to MongoDB
// (two for an agent) and the announcement.
func (h *Handler) Handle(ctx context.Context, c chat.Connection) error {
	last, at, err := h.presence.Disconnect(ctx, c)
	if err != nil {
		return err
	}
	rooms, roomsErr := h.presence.Entered(ctx, c.ID)
	var lastErr error
	if last {
		lastErr = h.depart(ctx, c.Principal, at)
	}
	if len(rooms) > 0 {
		var partings []chat.Parting
		partings, roomsErr = h.presence.TakeOut(ctx, []chat.Stay{{Connection: c, Conversations: rooms}})
		h.announce.Parted(ctx, partings)
	}
	return errors.Join(roomsErr, lastErr)
}

// depart does what follows from the end of a principal's last connection. What fails
// is not noted as done: somebody else makes up for it.
func (h *Handler) depart(ctx context.Context, p chat.Principal, at time.Time) error {
	var statusErr error
	if p.Type == chat.Agent {
		statusErr = h.store.SetAgentStatus(ctx, p, false, at)
	}
	if err := errors.Join(statusErr, h.announce.Presence(ctx, p, false, at)); err != nil {
		return err
	}
	return h.presence.Departed(ctx, p, at)
}
