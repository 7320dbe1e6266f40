package presence

import (
	"context"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// StopWanted reports whether somebody wants a stream to end, or has noted that of what it
// answers: a run of an agent that we run looks so every 150 ms. One round trip.
func (s *Store) StopWanted(ctx context.Context, id chat.ConversationID, stream string, question chat.MessageID) (bool, error) {
	var of, noted *redis.StringCmd
	err := s.pipelined(ctx, func(p redis.Pipeliner) {
		of = p.HGet(ctx, streamKey(id, stream), "stop")
		noted = p.HGet(ctx, stopsKey(id), string(question))
	})
	if err != nil {
		return false, failed("look whether somebody stops an answer", err)
	}
	return of.Val() != "" || noted.Val() != "", nil
}
