package live

import (
	"context"
	"fmt"
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

type store interface {
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
	ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error)
}

// An Announcer tells the members of conversations who comes and goes, and makes
// up for a $disconnect that never came. What it tells is a convenience: each
// connection is tried once, and a failure is logged and nothing else.
type Announcer struct {
	presence presence
	cast     deliverer
	store    store // nil: who is found gone is left to others
}

// NewAnnouncer returns an Announcer. One without a store prunes nobody, and cannot
// tell Presence.
func NewAnnouncer(p presence, d deliverer, s store) *Announcer {
	return &Announcer{presence: p, cast: d, store: s}
}

// Presence tells the members of p's conversations whether p is there, as it was
// decided at a time; each connection hears it once. It fails where it is not known
// which conversations they are. One round trip to MongoDB, one to Redis, and the
// fan-out.
func (a *Announcer) Presence(ctx context.Context, p chat.Principal, online bool, at time.Time) error {
	in, err := a.store.ConversationsOf(ctx, p, protocol.MaxPresenceConversations)
	if err != nil {
		return fmt.Errorf("find the conversations to announce in: %w", err)
	}
	a.notice(ctx, a.union(ctx, in).Without(p), protocol.EventPresence, protocol.PresenceOf(online, at, p))
	return nil
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
	a.tell(ctx, c, frame)
}

// tell is Tell, and returns whom it told.
func (a *Announcer) tell(ctx context.Context, c chat.Conversation, frame []byte) []chat.Connection {
	rooms, err := a.presence.Rooms(ctx, c.ID)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "conversation", c.ID, "err", err)
		return nil
	}
	to := c.Entitled(rooms[0])
	a.Forget(ctx, a.cast.Broadcast(ctx, to, frame, delivery.Once).Gone, c.ID)
	return to
}

// Forget makes up for the $disconnect of connections that were found gone, in a
// room or in none: they are pruned, the agents among them set offline, and those
// who are left are told, once, in one frame of each kind and room. Who is found
// gone in that is left to the next: the posts stay linear in the connections.
// Three round trips to Redis, those of Offline, for an agent one to MongoDB, and the
// fan-out.
func (a *Announcer) Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID) {
	if len(gone) == 0 || a.store == nil {
		return
	}
	departure, err := a.presence.Prune(ctx, gone, in)
	if err != nil {
		slog.WarnContext(ctx, "prune connections that are gone", "conversation", in, "err", err)
	}
	a.departed(ctx, departure)
}

// Bury is Forget for a connection that never opened.
func (a *Announcer) Bury(ctx context.Context, c chat.Connection) error {
	departure, err := a.presence.Bury(ctx, c)
	a.departed(ctx, departure)
	return err
}

// asking is how many are asked about at the same time.
const asking = 16

// departed does and tells what follows from an end, as a $disconnect would have.
func (a *Announcer) departed(ctx context.Context, d chat.Departure) {
	var g errgroup.Group
	g.SetLimit(asking)
	for _, absent := range d.Offline {
		if agent := absent.Principal; agent.Type == chat.Agent {
			g.Go(func() error {
				if err := a.store.SetAgentStatus(ctx, agent, false, absent.At); err != nil {
					slog.WarnContext(ctx, "set agent status", "agent", agent.ID, "err", err)
				}
				return nil
			})
		}
	}
	g.Wait() //nolint:errcheck // there is none
	a.offline(ctx, d.Offline, d.Partings)
	quiet := &Announcer{presence: a.presence, cast: a.cast}
	quiet.Parted(ctx, d.Partings)
}

// named is how many one frame names at most, so that it stays a frame.
const named = 100

// Offline tells who is there no more: to those in a room of its conversations, who
// were told that it came, and to each of those in one frame for a hundred. For each
// one round trip to MongoDB, one to Redis, and the fan-out.
func (a *Announcer) Offline(ctx context.Context, who []chat.Absence) {
	a.offline(ctx, who, nil)
}

// offline is Offline, and also for those who shared a room. A frame has one time: of
// whom it is another, as after a clock that was ahead, are told of apart.
func (a *Announcer) offline(ctx context.Context, all []chat.Absence, partings []chat.Parting) {
	var times []time.Time // in the order of the principals
	together := map[time.Time][]chat.Principal{}
	for _, one := range all {
		if together[one.At] == nil {
			times = append(times, one.At)
		}
		together[one.At] = append(together[one.At], one.Principal)
	}
	for _, t := range times {
		for who := range slices.Chunk(together[t], named) {
			a.absent(ctx, who, partings, t)
		}
	}
}

func (a *Announcer) absent(ctx context.Context, who []chat.Principal, partings []chat.Parting, at time.Time) {
	var to chat.Room
	of := map[chat.ConnectionID][]chat.Principal{}
	tell := func(room chat.Room, p chat.Principal) {
		for _, c := range room.Without(p) {
			known := of[c.ID]
			if slices.Contains(known, p) {
				continue
			}
			if len(known) == 0 {
				to = append(to, c)
			}
			of[c.ID] = append(known, p)
		}
	}
	for _, l := range losses(partings) {
		for _, p := range l.who {
			if slices.Contains(who, p) {
				tell(l.left, p)
			}
		}
	}
	ids, members := a.conversations(ctx, who)
	for i, room := range a.rooms(ctx, ids) {
		if room.Quiet() {
			continue
		}
		for _, p := range members[ids[i]] {
			tell(room, p)
		}
	}
	posts := make([]delivery.Post, len(to))
	for i, c := range to {
		posts[i] = delivery.Post{To: c, Frame: protocol.Frame(protocol.EventPresence, "", protocol.PresenceOf(false, at, of[c.ID]...), time.Now())}
	}
	a.cast.Deliver(ctx, posts, delivery.Once)
}

// conversations returns those of some principals, each once, and whose it is. Of
// whom that is not to be had only those hear who shared a room.
func (a *Announcer) conversations(ctx context.Context, who []chat.Principal) (ids []chat.ConversationID, members map[chat.ConversationID][]chat.Principal) {
	each := make([][]chat.ConversationID, len(who))
	var g errgroup.Group
	g.SetLimit(asking)
	for i, p := range who {
		g.Go(func() (err error) {
			if each[i], err = a.store.ConversationsOf(ctx, p, protocol.MaxPresenceConversations); err != nil {
				slog.WarnContext(ctx, "find conversations to announce in", "principal", p.String(), "err", err)
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each is logged
	members = map[chat.ConversationID][]chat.Principal{}
	for i, in := range each {
		for _, id := range in {
			if len(members[id]) == 0 {
				ids = append(ids, id)
			}
			members[id] = append(members[id], who[i])
		}
	}
	return ids, members
}

// rooms returns the rooms of conversations, in their order, or none.
func (a *Announcer) rooms(ctx context.Context, ids []chat.ConversationID) []chat.Room {
	if len(ids) == 0 {
		return nil
	}
	rooms, err := a.presence.Rooms(ctx, ids...)
	if err != nil {
		slog.WarnContext(ctx, "find the members to tell", "err", err)
		return nil
	}
	return rooms
}

// union returns the connections in the rooms that are small enough for notices,
// each once.
func (a *Announcer) union(ctx context.Context, ids []chat.ConversationID) chat.Room {
	var all chat.Room
	seen := map[chat.ConnectionID]bool{}
	for _, room := range a.rooms(ctx, ids) {
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
