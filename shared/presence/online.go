package presence

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Online reports of each principal whether it has a connection whose token has
// not expired. One round trip.
func (s *Store) Online(ctx context.Context, ps ...chat.Principal) ([]bool, error) {
	online := make([]bool, len(ps))
	hashes := make([]*redis.StringSliceCmd, len(ps))
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) {
		for i, p := range ps {
			hashes[i] = hash(ctx, pipe, principalKey(p))
		}
	})
	if err != nil {
		return nil, failed("find who is online", err)
	}
	now := s.now()
	for i, p := range ps {
		online[i] = anyOnline(p, hashes[i].Val(), now)
	}
	return online, nil
}

// anyOnline reports whether a principal's hash has a connection that counts.
func anyOnline(p chat.Principal, fields []string, now time.Time) bool {
	open, _ := registrations(p, fields, now)
	return slices.ContainsFunc(open, func(r registration) bool { return !r.Expired(now) })
}

// noteOnline is for operators: an error, as of a slot that is lost, is nobody's.
func (s *Store) noteOnline(ctx context.Context, who chat.Principal, now time.Time) {
	key := onlineKey(who.Type)
	_ = s.quickly(ctx, func(p redis.Pipeliner) {
		p.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(lifetime).Unix()), Member: qualifiedID(who)})
		p.Expire(ctx, key, lifetime)
	})
}

// PruneOnline takes out of the sets of operators who was not seen for the
// longest life of a connection. Errors are nobody's. Two round trips.
func (s *Store) PruneOnline(ctx context.Context) {
	before := "(" + strconv.FormatInt(s.now().Unix(), 10)
	for _, t := range []chat.PrincipalType{chat.User, chat.Agent} {
		_ = s.quickly(ctx, func(p redis.Pipeliner) { p.ZRemRangeByScore(ctx, onlineKey(t), "-inf", before) })
	}
}
