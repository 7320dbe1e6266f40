package presence

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Connect registers a connection. Of any number of concurrent calls exactly
// one is told that its connection is the principal's first. One round trip,
// and one more when there are entries to prune.
func (s *Store) Connect(ctx context.Context, c chat.Connection) (first bool, err error) {
	others, _, err := s.register(ctx, c)
	return len(others) == 0, failed("register a connection", err)
}

// Touch registers a connection again and renews its lease. It reports whether
// Redis still knew the connection; if not, its rooms are lost too. Round trips
// as Connect.
func (s *Store) Touch(ctx context.Context, c chat.Connection) (known bool, err error) {
	_, known, err = s.register(ctx, c)
	return known, failed("renew a connection", err)
}

// register returns the principal's other connections, and whether c was there.
func (s *Store) register(ctx context.Context, c chat.Connection) (others []chat.Connection, known bool, err error) {
	now, key, online := s.now(), principalKey(c.Principal), onlineKey(c.Principal.Type)
	var before *redis.StringSliceCmd
	err = s.together(ctx, func(p redis.Pipeliner) {
		before = hash(ctx, p, key)
		p.HSet(ctx, key, string(c.ID), record(c, now))
		p.Expire(ctx, key, lifetime)
	}, func(p redis.Pipeliner) {
		p.ZAdd(ctx, online, redis.Z{Score: float64(now.Add(lifetime).Unix()), Member: qualifiedID(c.Principal)})
		p.ZRemRangeByScore(ctx, online, "-inf", "("+strconv.FormatInt(now.Unix(), 10))
		p.Expire(ctx, online, lifetime)
	})
	if err != nil {
		return nil, false, err
	}
	live, stale := connections(before.Val(), now)
	for _, other := range live {
		if other.ID == c.ID {
			known = true
		} else {
			others = append(others, other)
		}
	}
	return others, known, s.forget(ctx, key, c.ID, stale)
}

// forget removes stale entries from the hash of a principal.
func (s *Store) forget(ctx context.Context, key string, except chat.ConnectionID, stale []chat.Connection) error {
	var ids []string
	for _, c := range stale {
		if c.ID != except {
			ids = append(ids, string(c.ID))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return s.client.HDel(ctx, key, ids...).Err()
}

// Disconnect removes a connection from everything. Repeating it is harmless:
// Last is true only for the call that removed the principal's last connection,
// and a room is in Rooms only when this call ended the principal's membership;
// of two at the same time, one may get the first and the other the second.
// One round trip, and one more when it was in rooms or the last.
func (s *Store) Disconnect(ctx context.Context, c chat.Connection) (chat.Departure, error) {
	key := principalKey(c.Principal)
	var rooms, rest *redis.StringSliceCmd
	var removed *redis.IntCmd
	err := s.together(ctx, func(p redis.Pipeliner) {
		rooms = p.SMembers(ctx, joinedKey(c.ID))
	}, func(p redis.Pipeliner) {
		removed = p.HDel(ctx, key, string(c.ID))
		rest = hash(ctx, p, key)
	})
	if err != nil {
		return chat.Departure{}, failed("remove a connection", err)
	}
	live, _ := connections(rest.Val(), s.now())
	departure := chat.Departure{Last: removed.Val() == 1 && len(live) == 0}
	for _, id := range rooms.Val() {
		departure.Joined = append(departure.Joined, chat.ConversationID(id))
	}
	if len(rooms.Val()) == 0 && !departure.Last {
		return departure, nil
	}
	leaves := make([]*redis.Cmd, len(rooms.Val()))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, id := range rooms.Val() {
			leaves[i] = s.remove(ctx, p, chat.ConversationID(id), c.Principal, c.ID)
			p.SRem(ctx, joinedKey(c.ID), id)
		}
		if departure.Last {
			p.ZRem(ctx, onlineKey(c.Principal.Type), qualifiedID(c.Principal))
		}
	})
	for i, id := range rooms.Val() {
		if left, _ := removal(leaves[i]); left {
			departure.Rooms = append(departure.Rooms, chat.ConversationID(id))
		}
	}
	return departure, failed("leave the rooms of a connection", err)
}

// opening is how long a connection may be registered without being open: until
// $connect has returned, API Gateway answers a post to it with 410.
const opening = 3 * time.Second

// Prune is Disconnect for a connection that was found gone. One that was
// registered a moment ago stays, because it may be about to open. One round
// trip, and those of Disconnect.
func (s *Store) Prune(ctx context.Context, c chat.Connection) (chat.Departure, error) {
	value, err := s.client.HGet(ctx, principalKey(c.Principal), string(c.ID)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return chat.Departure{}, failed("prune a connection", err)
	}
	if _, registered, ok := parseRecord(string(c.ID), value); ok && s.now().Sub(registered) < opening {
		return chat.Departure{}, nil
	}
	return s.Disconnect(ctx, c)
}

// ConnectionsOf returns the connections of a principal. One round trip.
func (s *Store) ConnectionsOf(ctx context.Context, p chat.Principal) ([]chat.Connection, error) {
	var entries *redis.StringSliceCmd
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) { entries = hash(ctx, pipe, principalKey(p)) })
	live, _ := connections(entries.Val(), s.now())
	return live, failed("find the connections of a principal", err)
}

// Online reports of each principal whether it has a connection whose token has
// not expired. One round trip.
func (s *Store) Online(ctx context.Context, ps ...chat.Principal) ([]bool, error) {
	online := make([]bool, len(ps))
	if len(ps) == 0 {
		return online, nil
	}
	entries := make([]*redis.StringSliceCmd, len(ps))
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) {
		for i, p := range ps {
			entries[i] = hash(ctx, pipe, principalKey(p))
		}
	})
	if err != nil {
		return nil, failed("find who is online", err)
	}
	now := s.now()
	for i := range ps {
		online[i] = anyOnline(entries[i].Val(), now)
	}
	return online, nil
}

// anyOnline reports whether a principal's hash has a connection that counts.
func anyOnline(entries []string, now time.Time) bool {
	live, _ := connections(entries, now)
	return slices.ContainsFunc(live, func(c chat.Connection) bool { return !c.Expired(now) })
}
