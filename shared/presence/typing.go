package presence

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// StartTyping notes for chat.TypingExpiry that c's principal is typing, and
// returns the room. It is chat.NotFound unless the principal is in the room,
// and chat.RateLimited over its limit. One round trip.
func (s *Store) StartTyping(ctx context.Context, c chat.Connection, id chat.ConversationID) (room []chat.Connection, err error) {
	return s.typing(ctx, c, id, func(p redis.Pipeliner, key string) {
		p.Set(ctx, key, "typing", chat.TypingExpiry)
	})
}

// StopTyping is StartTyping's opposite, with the same errors. One round trip.
func (s *Store) StopTyping(ctx context.Context, c chat.Connection, id chat.ConversationID) (room []chat.Connection, err error) {
	return s.typing(ctx, c, id, func(p redis.Pipeliner, key string) { p.Del(ctx, key) })
}

func (s *Store) typing(ctx context.Context, c chat.Connection, id chat.ConversationID, mark func(p redis.Pipeliner, key string)) ([]chat.Connection, error) {
	key := typingKey(id, c.Principal)
	var entries *redis.StringSliceCmd
	err := s.limited(ctx, c.Principal, "typing", s.typingPerMinute, func(p redis.Pipeliner) {
		mark(p, key)
		entries = hash(ctx, p, connectionsKey(id))
	})
	if err != nil {
		return nil, err // a mark over the limit goes away by itself
	}
	if err := entries.Err(); err != nil {
		return nil, failed("read the room of who types", err)
	}
	room := s.live(ctx, id, entries.Val())
	// By the whole principal: the set of members does not tell organisations apart.
	if !slices.ContainsFunc(room, func(other chat.Connection) bool { return other.Principal == c.Principal }) {
		if err := s.client.Del(ctx, key).Err(); err != nil {
			return nil, failed("take back who types", err)
		}
		return nil, chat.Errorf(chat.NotFound, "join the conversation first")
	}
	return room, nil
}
