package presence

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Which streams there are, is kept beside them for their conversation; for sweep,
// which has to find those whose jobs were lost, it is kept in one set for all:
// "<conversation> <stream>" by when it began. One that lost its place there has its
// job all the same, and one that is there for nothing is taken out by sweep. One key
// is written twice for each answer, which no slot minds; of several, each would be
// read each minute, also where nobody talks.

func watched(id chat.ConversationID, stream string) string { return string(id) + " " + stream }

// WatchStream has sweep look after a stream that by is about to begin. It is
// chat.RateLimited for who begins more streams than they may write messages. One round
// trip.
func (s *Store) WatchStream(ctx context.Context, by chat.Principal, id chat.ConversationID, stream string) error {
	var rate *redis.Cmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		rate = s.queueRate(ctx, p, rateKey(by, "stream"), s.limits.AgentMessages)
		p.ZAdd(ctx, watchedKey, redis.Z{Score: float64(s.now().UnixMilli()), Member: watched(id, stream)})
		p.Expire(ctx, watchedKey, 24*time.Hour)
	})
	if err != nil {
		return failed("watch a stream", err)
	}
	return refusal(rate)
}

// unwatch is for a stream that has ended: where it fails, sweep does it.
func (s *Store) unwatch(ctx context.Context, id chat.ConversationID, stream string) {
	_ = s.quickly(ctx, func(p redis.Pipeliner) { p.ZRem(ctx, watchedKey, watched(id, stream)) })
}

// Overdue returns streams that began before a time and whose writers give no sign of
// life, without their texts; what has ended, or is lost, it forgets. At most
// limit are looked at. Two round trips, and one more where there is something to
// forget.
func (s *Store) Overdue(ctx context.Context, before time.Time, limit int) (all []chat.Stream, err error) {
	var list *redis.StringSliceCmd
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		list = p.ZRangeByScore(ctx, watchedKey, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(before.UnixMilli(), 10), Count: int64(limit)})
	})
	if err != nil {
		return nil, failed("list streams", err)
	}
	var found []chat.Stream
	for _, text := range list.Val() {
		id, stream, _ := strings.Cut(text, " ")
		found = append(found, chat.Stream{ConversationID: chat.ConversationID(id), ID: stream})
	}
	if len(found) == 0 {
		return nil, nil
	}
	fields := make([]*redis.MapStringStringCmd, len(found))
	err = s.pipelined(ctx, func(p redis.Pipeliner) {
		for i, st := range found {
			fields[i] = p.HGetAll(ctx, streamKey(st.ConversationID, st.ID))
		}
	})
	if err != nil {
		return nil, failed("read streams", err)
	}
	var over []chat.Stream
	for i, st := range found {
		switch st := parseStream(st.ConversationID, st.ID, fields[i].Val()); {
		case st.State == chat.StreamNone || st.State == chat.StreamEnded:
			over = append(over, st)
		case !st.Lease.After(s.now()):
			all = append(all, st)
		}
	}
	if len(over) > 0 {
		_ = s.quickly(ctx, func(p redis.Pipeliner) {
			for _, st := range over {
				p.ZRem(ctx, watchedKey, watched(st.ConversationID, st.ID))
			}
		})
	}
	return all, nil
}
