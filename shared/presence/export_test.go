package presence

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// SilentFor is how long Redis is not asked by who is in a hurry.
func (s *Store) SilentFor() time.Duration {
	s.quick.mu.Lock()
	defer s.quick.mu.Unlock()
	var until time.Time
	for _, d := range s.quick.nodes {
		if d.silentUntil.After(until) {
			until = d.silentUntil
		}
	}
	return time.Until(until)
}

// EndSilence ends that.
func (s *Store) EndSilence() {
	for _, b := range []*breaker{&s.quick, &s.calm} {
		b.mu.Lock()
		b.nodes = nil
		b.mu.Unlock()
	}
}

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
