package presence

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// Limits are what is allowed. The zero value of each is no limit.
type Limits = config.Limits

// A rate is held as the theoretical arrival time of GCRA, in microseconds: the
// moment at which all that was done would be due at the rate. To do n more moves
// it by n steps, and is refused where that is further ahead of now than the
// burst allows.
//
// ARGV: now, step, burst in steps, n, all in microseconds but n. The result is
// 0, or how long to wait in microseconds; and how far ahead the rate then is.
const gcra = `
local function rate(key, now, step, burst, n)
	local tat = math.max(tonumber(redis.call('GET', key) or 0), now) + step * n
	local wait = tat - now - burst
	if wait > 0 then return wait, tat - now - step * n end
	redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
	return 0, tat - now
end
`

const rateScript = gcra + `return rate(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))`

// quotaScript is rateScript with how far ahead the rate is.
const quotaScript = gcra + `return {rate(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), 1)}`

// queueRate adds one use of a rate to a pipeline; of a rate without limit it
// adds nothing and returns nil.
func (s *Store) queueRate(ctx context.Context, p redis.Pipeliner, key string, r config.Rate) *redis.Cmd {
	if r.None() {
		return nil
	}
	return p.Eval(ctx, rateScript, []string{key}, append(s.rateArgs(r), 1)...)
}

func (s *Store) rateArgs(r config.Rate) []any {
	step := r.Step().Microseconds()
	return []any{s.now().UnixMicro(), step, step * int64(r.Burst)}
}

// refusal is the error of a rate that is used up.
func refusal(cmd *redis.Cmd) error {
	if cmd == nil {
		return nil
	}
	return refusalAfter(cmd.Val())
}

func refusalAfter(wait any) error {
	if us, _ := wait.(int64); us > 0 {
		return chat.LimitedFor(time.Duration(us) * time.Microsecond)
	}
	return nil
}

func (s *Store) rateOf(u chat.Use) config.Rate {
	switch u {
	case chat.UseRead:
		return s.limits.Reads
	case chat.UseWrite:
		return s.limits.Writes
	case chat.UseCreation:
		return s.limits.Creations
	case chat.UseAddition:
		return s.limits.Additions
	case chat.UseReaction:
		return s.limits.Reactions
	case chat.UseEdit:
		return s.limits.Edits
	case chat.UseUpload:
		return s.limits.Uploads
	case chat.UseMark:
		return s.limits.Marks
	case chat.UseSignal:
		return s.limits.Signals
	case chat.UseExport:
		return s.limits.Exports
	case chat.UseSearch:
		return s.limits.Searches
	}
	return config.Rate{}
}

// Allow counts one use of p, or is chat.RateLimited, and says what is left: nothing
// where there is no limit. Without Redis the limit is this process's own, and what is
// left is not said. One round trip.
func (s *Store) Allow(ctx context.Context, p chat.Principal, u chat.Use) (*chat.Quota, error) {
	return s.allow(ctx, p, u, "")
}

// AllowIn is Allow for what is told to everybody in the room of a conversation, and refuses
// it as well while the fan-out of that is overdrawn: see Admit. One round trip.
func (s *Store) AllowIn(ctx context.Context, p chat.Principal, u chat.Use, id chat.ConversationID) (*chat.Quota, error) {
	return s.allow(ctx, p, u, id)
}

// InBudget refuses what is told to everybody in the room while its fan-out is overdrawn, of
// what is counted already. One round trip.
func (s *Store) InBudget(ctx context.Context, id chat.ConversationID) error {
	if s.limits.Fanout.None() {
		return nil
	}
	var budget *redis.StringCmd
	if err := s.quickly(ctx, func(pipe redis.Pipeliner) { budget = pipe.Get(ctx, budgetKey(id)) }); err != nil {
		return nil // without Redis nobody is told
	}
	return s.overdrawn(budget)
}

func (s *Store) allow(ctx context.Context, p chat.Principal, u chat.Use, in chat.ConversationID) (*chat.Quota, error) {
	r := s.rateOf(u)
	budgeted := in != "" && !s.limits.Fanout.None()
	if r.None() && !budgeted {
		return nil, nil
	}
	key := rateKey(p, string(u))
	var cmd *redis.Cmd
	var budget *redis.StringCmd
	if err := s.quickly(ctx, func(pipe redis.Pipeliner) {
		if !r.None() {
			cmd = pipe.Eval(ctx, quotaScript, []string{key}, s.rateArgs(r)...)
		}
		if budgeted {
			budget = pipe.Get(ctx, budgetKey(in))
		}
	}); err != nil {
		return nil, s.buckets.use(key, r, s.now())
	}
	if budget != nil {
		if err := s.overdrawn(budget); err != nil {
			return nil, err
		}
	}
	if cmd == nil {
		return nil, nil
	}
	answer, _ := cmd.Slice()
	if len(answer) != 2 {
		return nil, nil
	}
	ahead, _ := answer[1].(int64)
	return quotaOf(u, r, time.Duration(ahead)*time.Microsecond), refusalAfter(answer[0])
}

// quotaOf is what is left of a rate that is so far ahead.
func quotaOf(u chat.Use, r config.Rate, ahead time.Duration) *chat.Quota {
	free := max(r.Step()*time.Duration(r.Burst)-ahead, 0)
	q := &chat.Quota{Use: u, Count: r.Count, Window: r.Per, Burst: r.Burst, Remaining: int(free / r.Step())}
	q.Reset = r.Step() - free%r.Step()
	return q
}

// buckets are rates in this process, for the time in which Redis is away. The
// zero value is ready to use.
type buckets struct {
	mu  sync.Mutex
	tat map[string]time.Time
}

// maxBuckets bounds what is kept; over it the limits begin anew.
const maxBuckets = 10_000

func (b *buckets) use(key string, r config.Rate, now time.Time) error {
	if r.None() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tat == nil || len(b.tat) >= maxBuckets {
		b.tat = map[string]time.Time{}
	}
	tat := b.tat[key]
	if tat.Before(now) {
		tat = now
	}
	tat = tat.Add(r.Step())
	if wait := tat.Sub(now) - r.Step()*time.Duration(r.Burst); wait > 0 {
		return chat.LimitedFor(wait)
	}
	b.tat[key] = tat
	return nil
}
