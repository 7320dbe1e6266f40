package presence

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

func (s *Store) confirmedIn(fields []string) chat.Room {
	var room chat.Room
	for _, e := range entries(fields, s.now()) {
		if e.confirmed {
			room = append(room, e.Connection)
		}
	}
	return room
}

// watchersIn returns those of a room's hash who see streams grow.
func (s *Store) watchersIn(fields []string) chat.Room {
	var room chat.Room
	for _, e := range entries(fields, s.now()) {
		if e.confirmed && !e.final {
			room = append(room, e.Connection)
		}
	}
	return room
}

// sweepScript deletes entries that are still the ones that were read: a join may
// have put another one in the place of one that was over.
//
// KEYS: the room. ARGV: connections, each with its entry.
const sweepScript = `
for i = 1, #ARGV, 2 do
	if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 0`

// sweepRoom deletes what counts no more among the entries of a room: joins that
// died. What it misses the next join finds.
func (s *Store) sweepRoom(ctx context.Context, id chat.ConversationID, fields []string, now time.Time) {
	var over []any
	for i := 0; i+1 < len(fields); i += 2 {
		if e, ok := parseEntry(fields[i], fields[i+1]); !ok || e.over(now) {
			over = append(over, fields[i], fields[i+1])
		}
	}
	if len(over) > 0 {
		_ = s.pipelined(ctx, func(p redis.Pipeliner) { p.Eval(ctx, sweepScript, []string{roomKey(id)}, over...) })
	}
}

// Rooms returns who is confirmed in each conversation. Connections whose token
// has expired are among them, which delivery closes. One round trip.
func (s *Store) Rooms(ctx context.Context, ids ...chat.ConversationID) ([]chat.Room, error) {
	hashes := make([]*redis.StringSliceCmd, len(ids))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range ids {
			hashes[i] = hash(ctx, p, roomKey(id))
		}
	})
	if err != nil {
		return nil, failed("read rooms", err)
	}
	rooms := make([]chat.Room, len(ids))
	for i := range ids {
		rooms[i] = s.confirmedIn(hashes[i].Val())
	}
	return rooms, nil
}

// Watchers returns who is confirmed in a conversation and sees streams grow there. One
// round trip.
func (s *Store) Watchers(ctx context.Context, id chat.ConversationID) (chat.Room, error) {
	var fields *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { fields = hash(ctx, p, roomKey(id)) })
	if err != nil {
		return nil, failed("read who sees streams", err)
	}
	return s.watchersIn(fields.Val()), nil
}

// Leave takes a connection out of rooms. It returns those in which that ended
// its principal's membership. Over its limit a connection is chat.RateLimited.
// Two round trips.
func (s *Store) Leave(ctx context.Context, c chat.Connection, ids ...chat.ConversationID) ([]chat.Parting, error) {
	var rate *redis.Cmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		rate = s.queueRate(ctx, p, connectionRateKey(c, "join"), s.limits.Joins)
	})
	if err == nil {
		err = refusal(rate)
	} else {
		err = failed("limit leaving", err)
	}
	if err != nil {
		return nil, err
	}
	return s.TakeOut(ctx, []chat.Stay{{Connection: c, Conversations: ids}})
}

// takeOutScript takes connections out, and returns the confirmed entries among them.
// Done twice, because the first answer was lost, it returns them again.
//
// KEYS: the room, what this call took out. ARGV: how long that is kept, in seconds,
// the connections.
const takeOutScript = `
for i = 2, #ARGV do
	local v = redis.call('HGET', KEYS[1], ARGV[i])
	if v then redis.call('HDEL', KEYS[1], ARGV[i]) end
	if v and string.sub(v, 1, 2) == 'c ' then
		redis.call('RPUSH', KEYS[2], v)
		redis.call('EXPIRE', KEYS[2], ARGV[1])
	end
end
return redis.call('LRANGE', KEYS[2], 0, -1)`

// TakeOut takes connections out of rooms, and returns in which of them that
// ended a principal's membership: it was confirmed there, and has no other
// connection in the room. Each room is read once, however many go. One round
// trip.
func (s *Store) TakeOut(ctx context.Context, stays []chat.Stay) ([]chat.Parting, error) {
	outs, call := outsOf(stays), rand.Text()
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, o := range outs {
			o.were = p.Eval(ctx, takeOutScript, []string{roomKey(o.id), roomDoneKey(o.id, call)}, o.args...)
			o.rest = hash(ctx, p, roomKey(o.id))
		}
		for _, stay := range stays {
			for _, id := range stay.Conversations {
				p.SRem(ctx, roomsKey(stay.Connection.ID), string(id))
			}
		}
	})
	if err != nil {
		return nil, failed("take connections out of rooms", err)
	}
	var partings []chat.Parting
	for _, o := range outs {
		left := s.confirmedIn(o.rest.Val())
		for _, p := range o.parted(left) {
			partings = append(partings, chat.Parting{ConversationID: o.id, Principal: p, Left: left})
		}
	}
	return partings, nil
}

// An out is who is taken out of one room.
type out struct {
	id   chat.ConversationID
	args []any // of takeOutScript
	were *redis.Cmd
	rest *redis.StringSliceCmd
}

func outsOf(stays []chat.Stay) (outs []*out) {
	byRoom := map[chat.ConversationID]*out{}
	for _, stay := range stays {
		for _, id := range stay.Conversations {
			o := byRoom[id]
			if o == nil {
				o = &out{id: id, args: []any{int(twice.Seconds())}}
				byRoom[id], outs = o, append(outs, o)
			}
			o.args = append(o.args, string(stay.Connection.ID))
		}
	}
	return outs
}

// parted are the principals that were confirmed in the room and are not left
// there.
func (o *out) parted(left chat.Room) (ps []chat.Principal) {
	known := make(map[chat.Principal]bool, len(left))
	for _, c := range left {
		known[c.Principal] = true
	}
	were, _ := o.were.StringSlice()
	for _, text := range were {
		was, ok := parseEntry("", text)
		if ok && !known[was.Principal] {
			known[was.Principal] = true
			ps = append(ps, was.Principal)
		}
	}
	return ps
}

// Evict takes a principal out of a room and returns its connections that were
// in it. To be repeated until it succeeds. A join that is under way finds
// itself out: it looks at MongoDB after it entered, and confirms only what is
// still there. Two round trips.
func (s *Store) Evict(ctx context.Context, p chat.Principal, id chat.ConversationID) ([]chat.Connection, error) {
	return s.empty(ctx, id, func(e entry) bool { return e.Principal == p })
}

// Clear takes everyone out of a room. To be repeated until it succeeds. Two
// round trips.
func (s *Store) Clear(ctx context.Context, id chat.ConversationID) error {
	_, err := s.empty(ctx, id, func(entry) bool { return true })
	return err
}

func (s *Store) empty(ctx context.Context, id chat.ConversationID, out func(entry) bool) ([]chat.Connection, error) {
	var fields *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) { fields = hash(ctx, p, roomKey(id)) })
	if err != nil {
		return nil, failed("read a room to empty", err)
	}
	var evicted []chat.Connection
	all := fields.Val()
	for i := 0; i+1 < len(all); i += 2 {
		if e, ok := parseEntry(all[i], all[i+1]); ok && out(e) { // also what counts no more
			evicted = append(evicted, e.Connection)
		}
	}
	if len(evicted) == 0 {
		return nil, nil
	}
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for _, c := range evicted {
			p.HDel(ctx, roomKey(id), string(c.ID))
			p.SRem(ctx, roomsKey(c.ID), string(id))
		}
	})
	return evicted, failed("empty a room", err)
}
