// Package handler registers a new WebSocket connection.
package handler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Connect(ctx context.Context, c chat.Connection) (chat.Arrival, error)
	Untold(ctx context.Context, c chat.Connection) error
}

type store interface {
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

type jobs interface {
	EnqueueWelcome(ctx context.Context, job protocol.WelcomeJob) error
}

// api knows which connections are no more.
type api interface {
	Gone(ctx context.Context, id chat.ConnectionID) (bool, error)
}

type announcer interface {
	Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID)
	Presence(ctx context.Context, p chat.Principal, online bool, at time.Time) error
}

// Handler handles $connect.
type Handler struct {
	presence presence
	store    store
	jobs     jobs
	api      api
	announce announcer
}

// New returns a Handler.
func New(p presence, s store, j jobs, g api, a announcer) *Handler {
	return &Handler{presence: p, store: s, jobs: j, api: g, announce: a}
}

// Handle asks welcome to greet the connection, to which nothing can be posted
// before this function has returned, and then registers it: in this order, so
// that welcome buries what never opens, also where this function dies or refuses.
// Any device of a user costs one round trip to SQS and one to Redis; the first
// one also one to MongoDB and the announcement, each of an agent one to MongoDB,
// and each for which another has to end one more to SQS. An agent at its limit
// has to ask the Management API, at the same time about sixteen others at most.
//
// What follows from the registration and fails is noted there, in one more round
// trip to Redis, for the next ping to make up for.
//
// A handshake that was so slow that welcome may have given it up is refused.
func (h *Handler) Handle(ctx context.Context, c chat.Connection) error {
	start := time.Now()
	if err := h.connect(ctx, c); err != nil {
		return err
	}
	if time.Since(start) > late {
		return chat.Errorf(chat.Unavailable, "the handshake took too long; try again")
	}
	return nil
}

// How long a handshake may take, from when its welcome begins to wait. That tries
// for the last time when three seconds are over, or a third of one before that,
// and then buries what is not open, which must not open any more.
const (
	handshake = 2300 * time.Millisecond // what is under way then is given up
	late      = 2600 * time.Millisecond
)

func (h *Handler) connect(whole context.Context, c chat.Connection) error {
	ctx, cancel := context.WithTimeout(whole, handshake)
	defer cancel()
	if err := h.jobs.EnqueueWelcome(ctx, protocol.WelcomeJobOf(c)); err != nil {
		return chat.Unavailablef(fmt.Errorf("enqueue the welcome: %w", err), "the connection cannot be welcomed now; try again")
	}
	arrival, err := h.presence.Connect(ctx, c)
	if chat.CodeOf(err) == chat.TooManyConnections && h.makeRoom(ctx, arrival.Others) {
		arrival, err = h.presence.Connect(ctx, c)
	}
	if err != nil {
		h.end(whole, arrival.Excess)
		return err
	}
	if !h.arrive(ctx, c.Principal, arrival) {
		h.untold(whole, c)
	}
	return nil
}

// noting is how long it may take to note what has not been done: it has to fit
// between handshake and late.
const noting = 200 * time.Millisecond

// untold leaves to the next ping what was not done here.
func (h *Handler) untold(ctx context.Context, c chat.Connection) {
	ctx, cancel := context.WithTimeout(ctx, noting)
	defer cancel()
	if err := h.presence.Untold(ctx, c); err != nil {
		slog.WarnContext(ctx, "leave to the next ping what was not done", "connection", c.ID, "err", err)
	}
}

// makeRoom prunes those connections that are gone, whose $disconnect never came:
// they must not keep out who is there. It reports whether there were any.
func (h *Handler) makeRoom(ctx context.Context, others []chat.Connection) bool {
	at := time.Now()
	found := make([]bool, len(others))
	var g errgroup.Group
	for i, c := range others {
		g.Go(func() (err error) {
			if found[i], err = h.api.Gone(ctx, c.ID); err != nil {
				slog.WarnContext(ctx, "look for a connection that counts", "connection", c.ID, "err", err)
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each is logged
	var gone []chat.Gone
	for i, c := range others {
		if found[i] {
			gone = append(gone, chat.Gone{Connection: c, At: at})
		}
	}
	if len(gone) > 0 {
		h.announce.Forget(ctx, gone, "")
	}
	return len(gone) > 0
}

// arriving is how long what follows may hold up the handshake.
const arriving = 1500 * time.Millisecond

// arrive does what follows, together. The principal is connected already: what
// fails here is logged, and the result is false: the next ping makes up for it.
func (h *Handler) arrive(ctx context.Context, p chat.Principal, arrival chat.Arrival) bool {
	ctx, cancel := context.WithTimeout(ctx, arriving)
	defer cancel()
	var stored, told error
	var g errgroup.Group
	if len(arrival.Excess) > 0 {
		g.Go(func() error { h.end(ctx, arrival.Excess); return nil })
	}
	if p.Type == chat.Agent {
		g.Go(func() error {
			if stored = h.store.SetAgentStatus(ctx, p, true, arrival.At); stored != nil {
				slog.WarnContext(ctx, "set agent status", "agent", p.ID, "err", stored)
			}
			return nil
		})
	}
	if arrival.First {
		if told = h.announce.Presence(ctx, p, true, arrival.At); told != nil {
			slog.WarnContext(ctx, "announce who connected", "principal", p.String(), "err", told)
		}
	}
	g.Wait() //nolint:errcheck // there is none
	return stored == nil && told == nil
}

// end has connections closed that are too many. They may be opening themselves, so
// welcome does it, which knows how to wait. Where that is not to be had, their next
// ping is refused, and closes them.
func (h *Handler) end(ctx context.Context, old []chat.Connection) {
	var g errgroup.Group
	g.SetLimit(ending)
	for _, c := range old {
		g.Go(func() error {
			if err := h.jobs.EnqueueWelcome(ctx, protocol.ExcessJobOf(c)); err != nil {
				slog.WarnContext(ctx, "have a connection closed", "connection", c.ID, "err", err)
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // there is none
}

// ending is how many are ended at the same time: there are many where the limit
// was lowered.
const ending = 16
