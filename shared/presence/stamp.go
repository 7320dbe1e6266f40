package presence

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
)

// stampScript gives a decision about who is there its time: that of the clock of
// whoever decides, but later than that of every decision before. Instances have
// clocks of their own, and one that is ahead must not have a later decision look
// like an older one, which the stores and the clients drop.
//
// KEYS: the last one's time. ARGV: now in milliseconds, the time to live in seconds.
const stampScript = `
local at = math.max(tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', at), 'EX', ARGV[2])
return at`

// queueStamp dates a decision: that somebody is there after they were registered,
// that they are not before it is looked at who is.
func queueStamp(ctx context.Context, p redis.Pipeliner, who chat.Principal, now time.Time) *redis.Cmd {
	return p.Eval(ctx, stampScript, []string{decidedKey(who)}, now.UnixMilli(), int(lifetime.Seconds()))
}

func stampOf(cmd *redis.Cmd) time.Time {
	ms, _ := cmd.Val().(int64)
	return time.UnixMilli(ms)
}

// Stamp dates decisions about principals, each later than all before. Who is said to
// be gone must be looked for after that, who is said to be there registered before.
// One round trip.
func (s *Store) Stamp(ctx context.Context, ps ...chat.Principal) ([]time.Time, error) {
	stamps, now := make([]*redis.Cmd, len(ps)), s.now()
	err := s.pipelined(ctx, func(pipe redis.Pipeliner) {
		for i, p := range ps {
			stamps[i] = queueStamp(ctx, pipe, p, now)
		}
	})
	if err != nil {
		return nil, failed("date a decision", err)
	}
	at := make([]time.Time, len(ps))
	for i := range ps {
		at[i] = stampOf(stamps[i])
	}
	return at, nil
}
