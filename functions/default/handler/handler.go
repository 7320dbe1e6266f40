// Package handler answers the frames that have no route of their own: ping,
// the event names of the AIWM clients, and everything that is not understood.
package handler

import (
	"context"
	"maps"
	"slices"
	"strings"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Touch(ctx context.Context, c chat.Connection) (known bool, err error)
}

// Actions are what frames may ask for, by the name of the action.
type Actions map[string]gateway.FrameHandler

// Handler handles $default.
type Handler struct {
	presence presence
	actions  Actions
	refusal  error // of any other action
}

// New returns a Handler of the given actions and of ping.
func New(p presence, actions Actions) *Handler {
	h := &Handler{presence: p, actions: maps.Clone(actions)}
	h.actions[protocol.ActionPing] = gateway.Decoded(h.ping)
	names := slices.Sorted(maps.Keys(h.actions))
	h.refusal = chat.Errorf(chat.BadRequest, "the action must be one of %s", strings.Join(names, ", "))
	return h
}

// Handle understands a frame by its action or, as the AIWM clients send it, by
// its event. The round trips are those of the action; ping has one, to Redis.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, body []byte) error {
	name, flat, err := translate(body)
	if err != nil {
		return err
	}
	handle, known := h.actions[name]
	if !known {
		return h.refusal
	}
	return handle(ctx, f, flat)
}

// ping keeps the connection open, and registered: Redis may have been emptied.
func (h *Handler) ping(ctx context.Context, f *gateway.ClientFrame, _ protocol.Ping) error {
	known, err := h.presence.Touch(ctx, f.Connection)
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventPong, protocol.Pong{Resync: !known})
	return nil
}
