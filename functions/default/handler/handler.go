// Package handler answers the frames that have no route of their own: ping,
// the event names of the AIWM clients, and everything that is not understood.
package handler

import (
	"context"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type registry interface {
	Touch(ctx context.Context, c chat.Connection) (known bool, err error)
}

// An Action handles the frames of one action, as its own function does.
type Action[In any] func(ctx context.Context, r *gateway.Request, in In) error

// Actions are the functions that AIWM's event names lead to.
type Actions struct {
	Join   Action[protocol.Join]
	Leave  Action[protocol.Leave]
	Send   Action[protocol.Send]
	Typing Action[protocol.Typing]
}

// Handler handles $default.
type Handler struct {
	registry registry
	actions  Actions
}

// New returns a Handler.
func New(r registry, a Actions) *Handler { return &Handler{registry: r, actions: a} }

// Handle understands a frame by its action or, as the AIWM clients send it, by
// its event. The round trips are those of the action; ping has one, to Redis.
func (h *Handler) Handle(ctx context.Context, r *gateway.Request, body []byte) error {
	name, flat, err := translate(body)
	if err != nil {
		return err
	}
	switch name {
	case protocol.ActionPing:
		return gateway.HandleAction(ctx, r, flat, h.ping)
	case protocol.ActionJoin:
		return gateway.HandleAction(ctx, r, flat, h.actions.Join)
	case protocol.ActionLeave:
		return gateway.HandleAction(ctx, r, flat, h.actions.Leave)
	case protocol.ActionSend:
		return gateway.HandleAction(ctx, r, flat, h.actions.Send)
	case protocol.ActionTyping:
		return gateway.HandleAction(ctx, r, flat, h.actions.Typing)
	}
	return chat.Errorf(chat.BadRequest, "the action must be join, leave, send, typing or ping")
}

// ping keeps the connection open, and registered: Redis may have been emptied.
func (h *Handler) ping(ctx context.Context, r *gateway.Request, _ protocol.Ping) error {
	known, err := h.registry.Touch(ctx, r.Connection)
	if err != nil {
		return err
	}
	r.Reply(ctx, protocol.EventPong, protocol.Pong{Resync: !known})
	return nil
}
