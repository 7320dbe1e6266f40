package live

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type rooms interface {
	Room(ctx context.Context, ids ...chat.ConversationID) ([]chat.Connection, error)
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte) delivery.Result
}

// An Announcer tells the members of conversations who comes and goes. What it
// tells is a convenience: a failure is logged and nothing else.
type Announcer struct {
	rooms rooms
	cast  broadcaster
}

// NewAnnouncer returns an Announcer.
func NewAnnouncer(r rooms, b broadcaster) *Announcer { return &Announcer{rooms: r, cast: b} }

// Presence tells the members of conversations that p is there, or no longer.
// One round trip to Redis and the fan-out; each connection hears it once.
func (a *Announcer) Presence(ctx context.Context, p chat.Principal, online bool, in []chat.ConversationID) {
	if len(in) == 0 {
		return
	}
	a.tellOthers(ctx, p, protocol.EventPresence, protocol.PresenceOf(p, online), in...)
}

// Joined tells the other members of a conversation that c's principal is a
// member now. One round trip to Redis and the fan-out.
func (a *Announcer) Joined(ctx context.Context, c chat.Connection, id chat.ConversationID) {
	a.tellOthers(ctx, c.Principal, protocol.EventUserJoined, membership(c.Principal, id), id)
}

// Left tells the members of rooms that p is a member no more. One round trip
// to Redis and a fan-out for each room.
func (a *Announcer) Left(ctx context.Context, p chat.Principal, rooms []chat.ConversationID) {
	for _, id := range rooms {
		a.tellOthers(ctx, p, protocol.EventUserLeft, membership(p, id), id)
	}
}

// Tell posts a frame to the members of c who are participants: of a change that
// is saved already, so that whoever misses the frame sees it on the next read.
// One round trip to Redis and the fan-out.
func (a *Announcer) Tell(ctx context.Context, c chat.Conversation, frame []byte) {
	room, err := a.rooms.Room(ctx, c.ID)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "conversation", c.ID, "err", err)
		return
	}
	a.cast.Broadcast(ctx, c.Entitled(room), frame)
}

// departed makes up for a $disconnect that never came: delivery found the
// connection gone.
func (a *Announcer) departed(ctx context.Context, c chat.Connection, d chat.Departure) {
	a.Left(ctx, c.Principal, d.Rooms)
	if d.Last {
		a.Presence(ctx, c.Principal, false, d.Joined)
	}
}

func (a *Announcer) tellOthers(ctx context.Context, p chat.Principal, event string, data any, ids ...chat.ConversationID) {
	room, err := a.rooms.Room(ctx, ids...)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "event", event, "principal", p.String(), "err", err)
		return
	}
	others := slices.DeleteFunc(room, func(c chat.Connection) bool { return c.Principal == p })
	a.cast.Broadcast(ctx, others, protocol.Frame(event, "", data, time.Now()))
}

func membership(p chat.Principal, id chat.ConversationID) protocol.Membership {
	return protocol.Membership{ConversationID: id, Identity: protocol.IdentityOf(p)}
}
