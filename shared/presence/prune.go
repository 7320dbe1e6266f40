package presence

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Prune makes up for a $disconnect that never came, or died. A connection that had
// been registered for less than ten seconds when it was found gone stays: until
// $connect has returned, API Gateway answers a post to it with 410 as well. One
// that was closed less than ten seconds before stays too: its end is its
// $disconnect's to tell; what is still found of it after that has lost its
// $disconnect in the middle. Also names a room that they were found in, which
// their own sets may lack. No tombstone is left, and none taken out: the one would
// deafen a connection that opens after all, the other bring back one that is
// closed. Three round trips, however many there are.
func (s *Store) Prune(ctx context.Context, gone []chat.Gone, also chat.ConversationID) (chat.Departure, error) {
	return s.prune(ctx, gone, also, opening)
}

// Bury is Prune for a connection that is known not to open any more. Where it is
// not registered yet it leaves a tombstone: a $connect that is so late is refused,
// and does not leave a registration that nobody would ever find gone. One round
// trip more.
func (s *Store) Bury(ctx context.Context, c chat.Connection) (chat.Departure, error) {
	var buried *redis.BoolCmd
	key := principalKey(c.Principal)
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		buried = p.HSetNX(ctx, key, string(c.ID), tombstoneText(s.now()))
		p.Expire(ctx, key, lifetime)
	})
	if err != nil || buried.Val() {
		return chat.Departure{}, failed("bury a connection", err)
	}
	return s.prune(ctx, []chat.Gone{{Connection: c, At: s.now()}}, "", 0)
}

func (s *Store) prune(ctx context.Context, gone []chat.Gone, also chat.ConversationID, age time.Duration) (chat.Departure, error) {
	if len(gone) == 0 {
		return chat.Departure{}, nil
	}
	records := make([]*redis.StringCmd, len(gone))
	sets := make([]*redis.StringSliceCmd, len(gone))
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, g := range gone {
			records[i] = p.HGet(ctx, principalKey(g.Connection.Principal), string(g.Connection.ID))
			sets[i] = p.SMembers(ctx, roomsKey(g.Connection.ID))
		}
	})
	if err != nil {
		return chat.Departure{}, failed("look at connections that are gone", err)
	}
	var lost []registration
	var stays []chat.Stay
	for i, g := range gone {
		c := g.Connection
		r, known := parseRegistration(c.Principal, string(c.ID), records[i].Val())
		if known && g.At.Sub(r.since) < age {
			continue
		}
		stay := chat.Stay{Connection: c}
		for _, id := range sets[i].Val() {
			stay.Conversations = append(stay.Conversations, chat.ConversationID(id))
		}
		if also != "" && !slices.Contains(stay.Conversations, also) {
			stay.Conversations = append(stay.Conversations, also)
		}
		stays = append(stays, stay)
		r.Connection = c
		lost = append(lost, r)
	}
	var d chat.Departure
	if d.Offline, err = s.unregister(ctx, lost); err != nil {
		return d, err
	}
	d.Partings, err = s.TakeOut(ctx, stays)
	return d, err
}

// unregister removes registrations, but for tombstones, and returns whose last
// ones they were.
func (s *Store) unregister(ctx context.Context, lost []registration) (offline []chat.Principal, err error) {
	rest := make([]*redis.StringSliceCmd, len(lost))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, c := range lost {
			if !c.closed {
				p.HDel(ctx, principalKey(c.Principal), string(c.ID))
			}
			rest[i] = hash(ctx, p, principalKey(c.Principal))
		}
	})
	if err != nil {
		return nil, failed("remove connections that are gone", err)
	}
	for i, c := range lost {
		open, _ := registrations(c.Principal, rest[i].Val(), s.now())
		if len(open) == 0 && !slices.Contains(offline, c.Principal) {
			offline = append(offline, c.Principal)
		}
	}
	return offline, nil
}
