// Package handler registers a new WebSocket connection.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Connect(ctx context.Context, c chat.Connection) (chat.Arrival, error)
}

type store interface {
	ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

type jobs interface {
	EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error
}

// closer tells a connection why it is closed, and closes it.
type closer interface {
	Post(ctx context.Context, c chat.Connection, frame []byte) error
	Close(ctx context.Context, c chat.Connection)
}

type announcer interface {
	Presence(ctx context.Context, p chat.Principal, online bool, at time.Time, in []chat.ConversationID)
	Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID)
}

// Handler handles $connect.
type Handler struct {
	presence presence
	store    store
	jobs     jobs
	closer   closer
	announce announcer
}

// New returns a Handler.
func New(p presence, s store, j jobs, c closer, a announcer) *Handler {
	return &Handler{presence: p, store: s, jobs: j, closer: c, announce: a}
}

// Handle asks welcome to greet the connection, to which nothing can be posted
// before this function has returned, and then registers it: in this order, so
// that welcome buries what never opens, also where this function dies or refuses.
// Any device of a user costs one round trip to SQS and one to Redis; the first
// one also one to MongoDB and the announcement, and each of an agent one to
// MongoDB.
func (h *Handler) Handle(ctx context.Context, c chat.Connection) error {
	if err := h.jobs.EnqueueWelcome(ctx, protocol.WelcomeJobOf(c)); err != nil {
		return chat.Unavailablef(fmt.Errorf("enqueue the welcome: %w", err), "the connection cannot be welcomed now; try again")
	}
	arrival, err := h.presence.Connect(ctx, c)
	if err != nil {
		return err
	}
	// After Redis decided, and in the next millisecond, which is as fine as times
	// are told: a disconnect that it decided before is earlier.
	h.arrive(ctx, c.Principal, arrival, time.Now().Add(time.Millisecond))
	return nil
}

// arriving is how long what follows may hold up the handshake. It is shorter
// than what welcome, which is waiting, and a prune allow a connection to open.
const arriving = 1500 * time.Millisecond

// saying is how much of it may go to say why a connection ends, so that one that
// hangs is closed all the same.
const saying = arriving / 2

// arrive does what follows, together. The principal is connected already: what
// fails here is logged, and healed by the next connect.
func (h *Handler) arrive(ctx context.Context, p chat.Principal, arrival chat.Arrival, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, arriving)
	defer cancel()
	var g errgroup.Group
	for _, c := range arrival.Excess {
		g.Go(func() error { h.close(ctx, c); return nil })
	}
	if p.Type == chat.Agent {
		g.Go(func() error {
			if err := h.store.SetAgentStatus(ctx, p, true, at); err != nil {
				slog.WarnContext(ctx, "set agent status", "agent", p.ID, "err", err)
			}
			return nil
		})
	}
	if arrival.First {
		h.tell(ctx, p, at)
	}
	g.Wait() //nolint:errcheck // there is none
}

// tell tells those who share a conversation.
func (h *Handler) tell(ctx context.Context, p chat.Principal, at time.Time) {
	in, err := h.store.ConversationsOf(ctx, p, protocol.MaxPresenceConversations)
	if err != nil {
		slog.WarnContext(ctx, "find conversations to announce in", "principal", p.String(), "err", err)
		return
	}
	h.announce.Presence(ctx, p, true, at, in)
}

var tooMany = chat.Errorf(chat.TooManyConnections, "you have connected elsewhere too often; this, the oldest connection, ends")

// close ends a connection over the limit. The error is not retryable: its client
// does not come back by itself.
func (h *Handler) close(ctx context.Context, c chat.Connection) {
	at := time.Now()
	if errors.Is(h.say(ctx, c), delivery.ErrGone) { // its $disconnect never came: it must not count against others
		h.announce.Forget(ctx, []chat.Gone{{Connection: c, At: at}}, "")
		return
	}
	h.closer.Close(ctx, c)
}

func (h *Handler) say(ctx context.Context, c chat.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, saying)
	defer cancel()
	err := h.closer.Post(ctx, c, protocol.ErrorFrame("", tooMany, time.Now()))
	if err != nil {
		slog.WarnContext(ctx, "say why a connection ends", "connection", c.ID, "err", err)
	}
	return err
}
