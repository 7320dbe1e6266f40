// Package handler answers the frames that have no route of their own: ping,
// the event names of the AIWM clients, and everything that is not understood.
package handler

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Ping(ctx context.Context, c chat.Connection) (rooms []chat.ConversationID, known bool, err error)
}

type store interface {
	Heads(ctx context.Context, p chat.Principal, ids []chat.ConversationID) (map[chat.ConversationID]int64, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

// greeter sends an agent what waits for it.
type greeter interface {
	Backlog(ctx context.Context, c chat.Connection) error
}

// Actions are what frames may ask for, by the name of the action.
type Actions map[string]gateway.FrameHandler

// Handler handles $default.
type Handler struct {
	presence presence
	store    store
	greeter  greeter
	actions  Actions
	refusal  error // of any other action
}

// New returns a Handler of the given actions and of ping.
func New(p presence, s store, g greeter, actions Actions) *Handler {
	h := &Handler{presence: p, store: s, greeter: g, actions: maps.Clone(actions)}
	h.actions[protocol.ActionPing] = gateway.Decoded(h.ping)
	names := slices.Sorted(maps.Keys(h.actions))
	h.refusal = chat.Errorf(chat.BadRequest, "the action must be one of %s", strings.Join(names, ", "))
	return h
}

// Handle understands a frame by its action or, as the AIWM clients send it, by
// its event. The round trips are those of the action; ping has two to Redis and
// one to MongoDB.
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

// ping keeps the connection open and registered, and tells what the server knows
// of it: its rooms, and the ends of their logs. So whatever Redis lost, whole or
// in part, and even the last message of a conversation, is found by the next
// ping. An agent that was lost hears again what waits for it.
func (h *Handler) ping(ctx context.Context, f *gateway.ClientFrame, _ protocol.Ping) error {
	c, at := f.Connection, time.Now()
	rooms, known, err := h.presence.Ping(ctx, c)
	if err != nil {
		return err
	}
	var heads map[chat.ConversationID]int64
	if len(rooms) > 0 {
		if heads, err = h.store.Heads(ctx, c.Principal, rooms); err != nil {
			return err
		}
	}
	f.Reply(ctx, protocol.EventPong, protocol.PongOf(rooms, heads, !known))
	if known || c.Principal.Type != chat.Agent {
		return nil
	}
	if err := h.store.SetAgentStatus(ctx, c.Principal, true, at); err != nil {
		slog.WarnContext(ctx, "set agent status", "agent", c.Principal.ID, "err", err)
	}
	if err := h.greeter.Backlog(ctx, c); err != nil {
		slog.WarnContext(ctx, "send the backlog again", "agent", c.Principal.ID, "err", err)
	}
	return nil
}
