package presence

import (
	"context"

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

// TakeOut takes connections out of rooms, and returns in which of them that
// ended a principal's membership: it was confirmed there, and has no other
// connection in the room. One round trip.
func (s *Store) TakeOut(ctx context.Context, stays []chat.Stay) ([]chat.Parting, error) {
	type removal struct {
		chat.Stay
		id      chat.ConversationID
		was     *redis.StringCmd
		removed *redis.IntCmd
		rest    *redis.StringSliceCmd
	}
	var all []removal
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		all = nil
		for _, stay := range stays {
			for _, id := range stay.Conversations {
				r := removal{Stay: stay, id: id}
				r.was = p.HGet(ctx, roomKey(id), string(stay.Connection.ID))
				r.removed = p.HDel(ctx, roomKey(id), string(stay.Connection.ID))
				r.rest = hash(ctx, p, roomKey(id))
				p.SRem(ctx, roomsKey(stay.Connection.ID), string(id))
				all = append(all, r)
			}
		}
	})
	if err != nil {
		return nil, failed("take connections out of rooms", err)
	}
	var partings []chat.Parting
	for _, r := range all {
		was, ok := parseEntry(string(r.Connection.ID), r.was.Val())
		if !ok || !was.confirmed || r.removed.Val() != 1 {
			continue
		}
		rest := s.confirmedIn(r.rest.Val())
		if !rest.Has(r.Connection.Principal) {
			partings = append(partings, chat.Parting{ConversationID: r.id, Principal: r.Connection.Principal, Left: rest})
		}
	}
	return partings, nil
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
