package presence

import (
	"context"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// limited counts an action of a principal against its limit and sends also's
// commands in the same round trip: they are done even when the limit refuses
// (chat.RateLimited), so the caller undoes what matters. Their own errors are
// theirs.
func (s *Store) limited(ctx context.Context, who chat.Principal, action string, perMinute int, also func(redis.Pipeliner)) error {
	if perMinute == 0 {
		return failed(action, s.pipelined(ctx, also))
	}
	limiter := redis_rate.NewLimiter(carrier{s.client, also})
	result, err := limiter.Allow(ctx, rateKey(who, action), redis_rate.PerMinute(perMinute))
	if err != nil {
		return failed("rate limit "+action, err)
	}
	if result.Allowed == 0 {
		return chat.LimitedFor(result.RetryAfter)
	}
	return nil
}

// A carrier is what redis_rate sees of Redis: its script travels in one
// pipeline with the commands of the same step. A server that does not have the
// script yet is asked once more, by EVAL and without them.
type carrier struct {
	redis.UniversalClient
	also func(redis.Pipeliner)
}

// EvalSha sends the script and the other commands.
func (c carrier) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	pipe := c.Pipeline()
	cmd := pipe.EvalSha(ctx, sha, keys, args...)
	c.also(pipe)
	pipe.Exec(ctx) //nolint:errcheck // each command has its own error
	return cmd
}
