package presence

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// BeginSend notes that the effects of a send are not finished. Repeat says that
// an earlier attempt noted it already. Over the sender's limit it is
// chat.RateLimited and nothing is noted. The sender's connection c, unless it
// has no id, is registered again if Redis has lost it. AgentOnline is what
// Online says of the conversation's agent. One round trip, and one more to
// register or to take back.
func (s *Store) BeginSend(ctx context.Context, c chat.Connection, send chat.PendingSend, agent chat.Principal) (repeat, agentOnline bool, err error) {
	entry := note(send)
	key := pendingShard(entry)
	var noted *redis.IntCmd
	var known *redis.BoolCmd
	var agents *redis.StringSliceCmd
	err = s.limited(ctx, send.Sender, "send", s.sendPerMinute, func(p redis.Pipeliner) {
		noted = p.ZAddNX(ctx, key, redis.Z{Score: float64(s.now().UnixMilli()), Member: entry})
		p.Expire(ctx, key, lifetime)
		if c.ID != "" {
			known = p.HExists(ctx, principalKey(c.Principal), string(c.ID))
		}
		agents = hash(ctx, p, principalKey(agent))
	})
	if err == nil {
		err = failed("note a send", noted.Err())
	}
	if err != nil {
		if noted.Val() == 1 {
			s.client.ZRem(ctx, key, entry) // sweep forgets what this misses
		}
		return false, false, err
	}
	if known != nil && !known.Val() {
		if _, _, err := s.register(ctx, c); err != nil {
			return false, false, failed("register the connection of a sender", err)
		}
	}
	return noted.Val() == 0, anyOnline(agents.Val(), s.now()), nil
}

// EndSend forgets a send. One round trip.
func (s *Store) EndSend(ctx context.Context, send chat.PendingSend) error {
	entry := note(send)
	return failed("take out a pending send", s.client.ZRem(ctx, pendingShard(entry), entry).Err())
}

// PendingBefore returns at most limit sends that were noted before t and not
// ended, the oldest first. One round trip.
func (s *Store) PendingBefore(ctx context.Context, t time.Time, limit int) ([]chat.PendingSend, error) {
	before := &redis.ZRangeBy{Min: "-inf", Max: "(" + strconv.FormatInt(t.UnixMilli(), 10), Count: int64(limit)}
	var shards [pendingShards]*redis.ZSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		for i := range shards {
			shards[i] = p.ZRangeByScoreWithScores(ctx, pendingKey(i), before)
		}
	})
	if err != nil {
		return nil, failed("find pending sends", err)
	}
	var sends []chat.PendingSend
	for _, shard := range shards {
		for _, z := range shard.Val() {
			if send, ok := parseNote(z); ok {
				sends = append(sends, send)
			}
		}
	}
	slices.SortFunc(sends, func(a, b chat.PendingSend) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ClientMessageID, b.ClientMessageID))
	})
	return sends[:min(len(sends), limit)], nil
}

// note is a send as a member of a sorted set; '|' is outside the id alphabet.
func note(s chat.PendingSend) string {
	return strings.Join([]string{
		string(s.Sender.OrgID), string(s.Sender.Type), string(s.Sender.ID), string(s.ConversationID), string(s.ClientMessageID),
	}, "|")
}

func parseNote(z redis.Z) (chat.PendingSend, bool) {
	text, _ := z.Member.(string)
	parts := strings.Split(text, "|")
	if len(parts) != 5 {
		return chat.PendingSend{}, false
	}
	return chat.PendingSend{
		Sender:          chat.Principal{OrgID: chat.OrgID(parts[0]), Type: chat.PrincipalType(parts[1]), ID: chat.PrincipalID(parts[2])},
		ConversationID:  chat.ConversationID(parts[3]),
		ClientMessageID: chat.ClientMessageID(parts[4]),
		Since:           time.UnixMilli(int64(z.Score)).UTC(),
	}, true
}
