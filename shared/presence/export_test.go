package presence

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// SilentFor is how long Redis is not asked by who is in a hurry.
func (s *Store) SilentFor() time.Duration {
	return time.Until(time.Unix(0, s.quick.silentUntil.Load()))
}

// EndSilence ends that.
func (s *Store) EndSilence() { s.quick.silentUntil.Store(0); s.calm.silentUntil.Store(0) }

// ParsesEntry reports whether an entry can be read.
func ParsesEntry(id, text string) bool { _, ok := parseEntry(id, text); return ok }

// Sweep deletes from a room what counts no more of what was read of it.
func (s *Store) Sweep(ctx context.Context, id chat.ConversationID, fields []string) {
	s.sweepRoom(ctx, id, fields, s.now())
}

// ConnectionsOf returns the connections of a principal. One round trip.
func (s *Store) ConnectionsOf(ctx context.Context, p chat.Principal) ([]chat.Connection, error) {
	var fields *redis.StringSliceCmd
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) { fields = hash(ctx, pipe, principalKey(p)) })
	if err != nil {
		return nil, failed("find the connections of a principal", err)
	}
	return connectionsOf(p, fields.Val(), s.now()), nil
}
