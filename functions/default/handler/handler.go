// Package handler answers the frames that have no route of their own: ping,
// the event names of the AIWM clients, and everything that is not understood.
package handler

import (
	"context"
	"errors"
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
	Ping(ctx context.Context, c chat.Connection) (rooms []chat.Entry, loss chat.Loss, err error)
	Stamp(ctx context.Context, ps ...chat.Principal) ([]time.Time, error)
	Told(ctx context.Context, c chat.Connection, of chat.Loss) error
	PutOut(ctx context.Context, entries []chat.Entry) error
}

type store interface {
	Heads(ctx context.Context, p chat.Principal, ids []chat.ConversationID) (map[chat.ConversationID]int64, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

type announcer interface {
	Presence(ctx context.Context, p chat.Principal, online bool, at time.Time) error
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
	announce announcer
	actions  Actions
	refusal  error // of any other action
}

// New returns a Handler of the given actions and of ping.
func New(p presence, s store, g greeter, a announcer, actions Actions) *Handler {
	h := &Handler{presence: p, store: s, greeter: g, announce: a, actions: maps.Clone(actions)}
	h.actions[protocol.ActionPing] = gateway.Decoded(h.ping)
	names := slices.Sorted(maps.Keys(h.actions))
	h.refusal = chat.Errorf(chat.BadRequest, "the action must be one of %s", strings.Join(names, ", "))
	return h
}

// Handle understands a frame by its action or, as the AIWM clients send it, by
// its event. The round trips are those of the action; ping has two to Redis and
// one to MongoDB, two more to Redis to leave rooms, and after a loss those of
// coming back.
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
// ping. A room that is not its principal's any more is left: somebody died
// between a removal and the room.
func (h *Handler) ping(ctx context.Context, f *gateway.ClientFrame, _ protocol.Ping) error {
	entries, loss, err := h.presence.Ping(ctx, f.Connection)
	if err != nil {
		return err
	}
	rooms := make([]chat.ConversationID, len(entries))
	for i, e := range entries {
		rooms[i] = e.ConversationID
	}
	var heads map[chat.ConversationID]int64
	if len(rooms) > 0 {
		if heads, err = h.store.Heads(ctx, f.Connection.Principal, rooms); err != nil {
			return err
		}
	}
	f.Reply(ctx, protocol.EventPong, protocol.PongOf(rooms, heads, loss != ""))
	h.leave(ctx, entries, heads)
	if loss != "" {
		h.comeBack(ctx, f.Connection, loss)
	}
	return nil
}

// leave takes the connection out of rooms that are not its principal's any more.
// Nobody is told: as of an eviction, they see the participants change.
func (h *Handler) leave(ctx context.Context, entries []chat.Entry, heads map[chat.ConversationID]int64) {
	var others []chat.Entry
	for _, e := range entries {
		if _, participant := heads[e.ConversationID]; !participant {
			others = append(others, e)
		}
	}
	if len(others) == 0 {
		return
	}
	if err := h.presence.PutOut(ctx, others); err != nil {
		slog.WarnContext(ctx, "leave rooms of others", "connection", others[0].Connection.ID, "err", err)
	}
}

// comeBack makes up for what was missed while Redis did not know the connection:
// others may have been told that it is gone, and an agent was not asked. Only
// when all of that is done the next ping knows it.
func (h *Handler) comeBack(ctx context.Context, c chat.Connection, loss chat.Loss) {
	if err := h.madeUp(ctx, c, loss); err != nil {
		slog.WarnContext(ctx, "make up for what a connection missed", "connection", c.ID, "err", err) // the next ping does
	}
}

func (h *Handler) madeUp(ctx context.Context, c chat.Connection, loss chat.Loss) error {
	stamps, err := h.presence.Stamp(ctx, c.Principal)
	if err != nil {
		return err
	}
	at := stamps[0]
	var statusErr, backlogErr error
	if c.Principal.Type == chat.Agent {
		statusErr = h.store.SetAgentStatus(ctx, c.Principal, true, at)
		backlogErr = h.greeter.Backlog(ctx, c)
	}
	presenceErr := h.announce.Presence(ctx, c.Principal, true, at)
	if err := errors.Join(statusErr, backlogErr, presenceErr); err != nil {
		return err
	}
	return h.presence.Told(ctx, c, loss)
}
