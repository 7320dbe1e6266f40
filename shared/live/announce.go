package live

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type presence interface {
	Rooms(ctx context.Context, ids ...chat.ConversationID) ([]chat.Room, error)
	Connections(ctx context.Context, ps ...chat.Principal) ([]chat.Connection, error)
	Prune(ctx context.Context, gone []chat.Gone, also chat.ConversationID) (chat.Departure, error)
	Bury(ctx context.Context, c chat.Connection) (chat.Departure, error)
}

type deliverer interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
	Deliver(ctx context.Context, posts []delivery.Post, passes delivery.Passes) delivery.Result
}

type agents interface {
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

// An Announcer tells the members of conversations who comes and goes, and makes
// up for a $disconnect that never came. What it tells is a convenience: each
// connection is tried once, and a failure is logged and nothing else.
type Announcer struct {
	presence presence
	cast     deliverer
	agents   agents // nil: who is found gone is left to others
}

// NewAnnouncer returns an Announcer.
func NewAnnouncer(p presence, d deliverer, a agents) *Announcer {
	return &Announcer{presence: p, cast: d, agents: a}
}

// Presence tells the members of conversations whether p is there, as it was
// decided at a time; each connection hears it once. One round trip to Redis and
// the fan-out.
func (a *Announcer) Presence(ctx context.Context, p chat.Principal, online bool, at time.Time, in []chat.ConversationID) {
	a.notice(ctx, a.union(ctx, in).Without(p), protocol.EventPresence, protocol.PresenceOf(online, at, p))
}

// Joined tells the other members of a room that p is one now. The fan-out.
func (a *Announcer) Joined(ctx context.Context, p chat.Principal, id chat.ConversationID, room chat.Room) {
	if !room.Quiet() {
		a.notice(ctx, room.Without(p), protocol.EventUserJoined, protocol.MembershipOf(id, p))
	}
}

// Parted tells those who are left in rooms who is a member no more: in one frame
// for each room. The fan-out.
func (a *Announcer) Parted(ctx context.Context, partings []chat.Parting) {
	for _, l := range losses(partings) {
		a.notice(ctx, l.left, protocol.EventUserLeft, protocol.MembershipOf(l.id, l.who...))
	}
}

// A loss is who parted from a room, and who is left there.
type loss struct {
	id   chat.ConversationID
	who  []chat.Principal
	left chat.Room
}

// losses puts partings together by room. Rooms that are too large for notices
// are left out.
func losses(partings []chat.Parting) (all []loss) {
	for _, p := range partings {
		i := slices.IndexFunc(all, func(l loss) bool { return l.id == p.ConversationID })
		if i < 0 {
			i, all = len(all), append(all, loss{id: p.ConversationID})
		}
		all[i].who = append(all[i].who, p.Principal)
		all[i].left = p.Left // the last of a room lacks all before it
	}
	return slices.DeleteFunc(all, func(l loss) bool { return l.left.Quiet() })
}

// Tell posts a frame to the members of c who are participants: of a change that
// is saved already, so that whoever misses the frame sees it on the next read.
// One round trip to Redis and the fan-out.
func (a *Announcer) Tell(ctx context.Context, c chat.Conversation, frame []byte) {
	rooms, err := a.presence.Rooms(ctx, c.ID)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "conversation", c.ID, "err", err)
		return
	}
	a.Forget(ctx, a.cast.Broadcast(ctx, c.Entitled(rooms[0]), frame, delivery.Once).Gone, c.ID)
}

// Forget makes up for the $disconnect of connections that were found gone, in a
// room or in none: they are pruned, the agents among them set offline, and those
// who are left are told, once, in one frame of each kind and room. Who is found
// gone in that is left to the next: the posts stay linear in the connections.
// Three round trips to Redis, and the fan-out.
func (a *Announcer) Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID) {
	if len(gone) == 0 || a.agents == nil {
		return
	}
	at := time.Now()
	departure, err := a.presence.Prune(ctx, gone, in)
	if err != nil {
		slog.WarnContext(ctx, "prune connections that are gone", "conversation", in, "err", err)
	}
	a.departed(ctx, departure, at)
}

// Bury is Forget for a connection that never opened.
func (a *Announcer) Bury(ctx context.Context, c chat.Connection) error {
	at := time.Now()
	departure, err := a.presence.Bury(ctx, c)
	a.departed(ctx, departure, at)
	return err
}

func (a *Announcer) departed(ctx context.Context, d chat.Departure, at time.Time) {
	var g errgroup.Group
	for _, p := range d.Offline {
		if p.Type == chat.Agent {
			g.Go(func() error {
				if err := a.agents.SetAgentStatus(ctx, p, false, at); err != nil {
					slog.WarnContext(ctx, "set agent status", "agent", p.ID, "err", err)
				}
				return nil
			})
		}
	}
	g.Wait() //nolint:errcheck // there is none
	a.offline(ctx, d, at)
	quiet := &Announcer{presence: a.presence, cast: a.cast}
	quiet.Parted(ctx, d.Partings)
}

// offline tells who is there no more: each to those who shared a room with it,
// and nobody else, and to each of those in one frame.
func (a *Announcer) offline(ctx context.Context, d chat.Departure, at time.Time) {
	var to chat.Room
	of := map[chat.ConnectionID][]chat.Principal{}
	for _, l := range losses(d.Partings) {
		gone := slices.DeleteFunc(l.who, func(p chat.Principal) bool { return !slices.Contains(d.Offline, p) })
		for _, c := range l.left {
			known := of[c.ID]
			for _, p := range gone {
				if !slices.Contains(known, p) {
					of[c.ID] = append(of[c.ID], p)
				}
			}
			if len(known) == 0 && len(gone) > 0 {
				to = append(to, c)
			}
		}
	}
	posts := make([]delivery.Post, len(to))
	for i, c := range to {
		posts[i] = delivery.Post{To: c, Frame: protocol.Frame(protocol.EventPresence, "", protocol.PresenceOf(false, at, of[c.ID]...), time.Now())}
	}
	a.cast.Deliver(ctx, posts, delivery.Once)
}

// union returns the connections in the rooms that are small enough for notices,
// each once.
func (a *Announcer) union(ctx context.Context, ids []chat.ConversationID) chat.Room {
	if len(ids) == 0 {
		return nil
	}
	rooms, err := a.presence.Rooms(ctx, ids...)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "err", err)
		return nil
	}
	var all chat.Room
	seen := map[chat.ConnectionID]bool{}
	for _, room := range rooms {
		if room.Quiet() {
			continue
		}
		for _, c := range room {
			if !seen[c.ID] {
				seen[c.ID] = true
				all = append(all, c)
			}
		}
	}
	return all
}

func (a *Announcer) notice(ctx context.Context, to chat.Room, event string, data any) {
	if len(to) > 0 {
		frame := protocol.Frame(event, "", data, time.Now())
		a.Forget(ctx, a.cast.Broadcast(ctx, to, frame, delivery.Once).Gone, "")
	}
}
