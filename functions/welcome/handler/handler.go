// Package handler greets a new connection, once it can be posted to.
package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Backlog(ctx context.Context, agent chat.Principal, cursor string, limit int) (messages []chat.Message, next string, err error)
}

type poster interface {
	Post(ctx context.Context, c chat.Connection, frame []byte) error
	Close(ctx context.Context, c chat.Connection)
}

type burier interface {
	Bury(ctx context.Context, c chat.Connection) error
}

// maxBacklog is how many waiting messages an agent gets by itself.
const maxBacklog = 200

// A connection becomes reachable a moment after $connect has returned. One
// that is not by the end of the patience has been closed again. A post that is
// throttled or hangs is tried again, by the poster and then here: the queue, which
// does when the job fails, has to wait for two minutes, and a client will not.
const (
	firstWait   = 10 * time.Millisecond
	longestWait = 320 * time.Millisecond
	patience    = 3 * time.Second
	persistence = 10 * time.Second
)

// Handler handles the jobs of the welcome queue.
type Handler struct {
	store  store
	poster poster
	burier burier
}

// New returns a Handler.
func New(s store, p poster, b burier) *Handler { return &Handler{store: s, poster: p, burier: b} }

// Handle posts connected and, to an agent, its backlog; to one that is too many,
// why it is closed. A connection that is
// still gone at the end of the patience will not open any more, and no
// $disconnect may come for it: it is buried. For users no round trip but the
// post.
func (h *Handler) Handle(ctx context.Context, job protocol.WelcomeJob) error {
	c := job.Connection()
	if job.Excess {
		return h.end(ctx, c)
	}
	frame := protocol.Frame(protocol.EventConnected, "", protocol.ConnectedOf(c), time.Now())
	err := h.greet(ctx, c, frame)
	if errors.Is(err, delivery.ErrGone) {
		return h.burier.Bury(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("post connected: %w", err)
	}
	if c.Principal.Type != chat.Agent {
		return nil
	}
	return h.Backlog(ctx, c)
}

// end tells a connection that it is one too many, and closes it, also where it
// does not listen. The error is not retryable: its client does not come back by
// itself.
func (h *Handler) end(ctx context.Context, c chat.Connection) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := h.greet(limited, c, protocol.ErrorFrame("", chat.ErrOneTooMany, time.Now()))
	if errors.Is(err, delivery.ErrGone) {
		return h.burier.Bury(ctx, c)
	}
	if err != nil {
		slog.WarnContext(ctx, "say why a connection ends", "connection", c.ID, "err", err)
	}
	h.poster.Close(ctx, c)
	return nil
}

// Backlog posts to an agent the messages of users that it has not answered, so
// that nothing said to an offline agent is lost, and says where there are more.
func (h *Handler) Backlog(ctx context.Context, c chat.Connection) error {
	waiting, next, err := h.store.Backlog(ctx, c.Principal, "", maxBacklog)
	if err != nil {
		return fmt.Errorf("read the backlog: %w", err)
	}
	frames := make([][]byte, 0, len(waiting)+1)
	for _, m := range waiting {
		frames = append(frames, protocol.MessageFrame(protocol.EventMessageFromUser, m, time.Now()))
	}
	if next != "" {
		frames = append(frames, protocol.Frame(protocol.EventBacklog, "", protocol.Backlog{More: true, Cursor: next}, time.Now()))
	}
	for _, frame := range frames {
		err := h.poster.Post(ctx, c, frame)
		if errors.Is(err, delivery.ErrGone) {
			return nil // the next connection of the agent gets them
		}
		if err != nil {
			return fmt.Errorf("post the backlog: %w", err)
		}
	}
	return nil
}

// greet posts to a connection that may not be reachable yet, or not at the moment.
func (h *Handler) greet(ctx context.Context, c chat.Connection, frame []byte) error {
	start := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := h.poster.Post(ctx, c, frame)
		limit := persistence
		if errors.Is(err, delivery.ErrGone) {
			limit = patience
		} else if err == nil || !delivery.Retryable(err) {
			return err
		}
		if time.Since(start)+wait > limit {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
