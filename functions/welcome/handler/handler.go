// Package handler greets a new connection, once it can be posted to.
package handler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Unanswered(ctx context.Context, agent chat.Principal, limit int) ([]chat.Message, error)
}

type poster interface {
	Post(ctx context.Context, id chat.ConnectionID, frame []byte) error
}

// maxUnanswered is how many waiting messages an agent gets on connecting, one
// for each conversation, the newest.
const maxUnanswered = 50

// A connection becomes reachable a moment after $connect has returned. One
// that is not by the end of the patience has been closed again. A post that
// hangs, as to a client that has lost its network, fails the job: the queue
// tries again.
const (
	firstWait   = 10 * time.Millisecond
	longestWait = 320 * time.Millisecond
	patience    = 3 * time.Second
	postTimeout = 2 * time.Second
)

// Handler handles the jobs of the welcome queue.
type Handler struct {
	store  store
	poster poster
}

// New returns a Handler. The poster is a bare one: a connection that is gone
// is not pruned here, for it may not have come yet.
func New(s store, p poster) *Handler { return &Handler{store: s, poster: p} }

// Handle posts connected and, to an agent, the messages of users that it has
// not answered, so that nothing said to an offline agent is lost. At most two
// round trips to MongoDB, for agents only.
func (h *Handler) Handle(ctx context.Context, job protocol.WelcomeJob) error {
	c := job.Connection()
	frame := protocol.Frame(protocol.EventConnected, "", protocol.ConnectedOf(c), time.Now())
	err := h.greet(ctx, c.ID, frame)
	if errors.Is(err, delivery.ErrGone) {
		return nil // closed again before it was greeted
	}
	if err != nil {
		return fmt.Errorf("post connected: %w", err)
	}
	if c.Principal.Type != chat.Agent {
		return nil
	}
	waiting, err := h.store.Unanswered(ctx, c.Principal, maxUnanswered)
	if err != nil {
		return fmt.Errorf("read unanswered messages: %w", err)
	}
	for _, m := range waiting {
		err := h.post(ctx, c.ID, protocol.MessageFrame(protocol.EventMessageFromUser, m, time.Now()))
		if errors.Is(err, delivery.ErrGone) {
			return nil // the next connection of the agent gets them
		}
		if err != nil {
			return fmt.Errorf("post an unanswered message: %w", err)
		}
	}
	return nil
}

// greet posts to a connection that may not be reachable yet.
func (h *Handler) greet(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	start := time.Now()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := h.post(ctx, id, frame)
		if !errors.Is(err, delivery.ErrGone) || time.Since(start)+wait > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (h *Handler) post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	return h.poster.Post(ctx, id, frame)
}
