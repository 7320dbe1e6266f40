package presence

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// Typing returns the room in which c's principal begins or ends to type. It is
// chat.NotFound unless c is confirmed in the room, and chat.RateLimited over its
// limit. One round trip.
func (s *Store) Typing(ctx context.Context, c chat.Connection, id chat.ConversationID) (chat.Room, error) {
	var rate *redis.Cmd
	var fields *redis.StringSliceCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		rate = s.queueRate(ctx, p, connectionRateKey(c, "typing"), s.limits.Typing)
		fields = hash(ctx, p, roomKey(id))
	})
	if err != nil {
		return nil, failed("read the room of who types", err)
	}
	if err := refusal(rate); err != nil {
		return nil, err
	}
	room := s.confirmedIn(fields.Val())
	for _, other := range room {
		if other.ID == c.ID && other.Principal == c.Principal {
			return room, nil
		}
	}
	return nil, chat.Errorf(chat.NotFound, "join the conversation first")
}

// NoteTyping keeps for chat.TypingExpiry that a principal types, or forgets it:
// for those who join meanwhile. One round trip.
func (s *Store) NoteTyping(ctx context.Context, p chat.Principal, id chat.ConversationID, typing bool) error {
	key, now := typingKey(id), s.now()
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) {
		pipe.ZRemRangeByScore(ctx, key, "-inf", score(now))
		if !typing {
			pipe.ZRem(ctx, key, owner(p))
			return
		}
		pipe.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(chat.TypingExpiry).UnixMilli()), Member: owner(p)})
		pipe.Expire(ctx, key, 2*chat.TypingExpiry)
	})
	return failed("note who types", err)
}

func queueTyping(ctx context.Context, p redis.Pipeliner, id chat.ConversationID, now time.Time) *redis.StringSliceCmd {
	return p.ZRangeByScore(ctx, typingKey(id), &redis.ZRangeBy{Min: "(" + score(now), Max: "+inf"})
}

func score(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func whoTypes(names []string, except chat.Principal) (who []chat.Principal) {
	for _, name := range names {
		org, rest, _ := strings.Cut(name, "/")
		kind, id, _ := strings.Cut(rest, ":")
		p := chat.Principal{Type: chat.PrincipalType(kind), ID: chat.PrincipalID(id), OrgID: chat.OrgID(org)}
		if p != except {
			who = append(who, p)
		}
	}
	return who
}
