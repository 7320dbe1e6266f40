// Package handler registers a new WebSocket connection.
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
	Connect(ctx context.Context, c chat.Connection) (first bool, err error)
	Disconnect(ctx context.Context, c chat.Connection) (chat.Departure, error)
}

type store interface {
	ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, now time.Time) error
}

type jobs interface {
	EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error
}

type announcer interface {
	Presence(ctx context.Context, p chat.Principal, online bool, in []chat.ConversationID)
}

// Handler handles $connect.
type Handler struct {
	presence presence
	store    store
	jobs     jobs
	announce announcer
}

// New returns a Handler.
func New(p presence, s store, j jobs, a announcer) *Handler {
	return &Handler{presence: p, store: s, jobs: j, announce: a}
}

// Handle registers the connection and asks welcome to greet it: nothing can be
// posted to it before this function has returned. Any device of a principal
// costs one round trip to Redis and one to SQS; the first one also one or two
// to MongoDB and the announcement.
func (h *Handler) Handle(ctx context.Context, c chat.Connection) error {
	first, err := h.presence.Connect(ctx, c)
	if err != nil {
		return fmt.Errorf("register the connection: %w", err)
	}
	if err := h.jobs.EnqueueWelcome(ctx, protocol.WelcomeJobOf(c)); err != nil {
		h.undo(ctx, c)
		return chat.Unavailablef(err, "the connection cannot be welcomed now; try again")
	}
	if first {
		h.arrive(ctx, c.Principal)
	}
	return nil
}

// arrival is how long the announcement may hold up the handshake. It is shorter
// than what welcome, which is waiting, and a prune allow a connection to open.
const arrival = 1500 * time.Millisecond

// arrive tells those who share a conversation. The principal is connected
// already: what fails here is logged, and healed by the next connect.
func (h *Handler) arrive(ctx context.Context, p chat.Principal) {
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	if p.Type == chat.Agent {
		if err := h.store.SetAgentStatus(ctx, p, true, time.Now()); err != nil {
			slog.WarnContext(ctx, "set agent status", "agent", p.ID, "err", err)
		}
	}
	in, err := h.store.ConversationsOf(ctx, p, protocol.MaxPresenceConversations)
	if err != nil {
		slog.WarnContext(ctx, "find conversations to announce in", "principal", p.String(), "err", err)
		return
	}
	h.announce.Presence(ctx, p, true, in)
}

// undo takes back the registration of a connection that will not be opened.
func (h *Handler) undo(ctx context.Context, c chat.Connection) {
	if _, err := h.presence.Disconnect(ctx, c); err != nil {
		slog.WarnContext(ctx, "take back a registration", "connection", c.ID, "err", err)
	}
}
