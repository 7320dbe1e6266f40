package presence

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// What must go on without Redis waits for it so long while somebody waits, and
// longer where nobody does. Once that was in vain twice, with no answer in
// between, it is not asked for a while: once may be a machine that was busy.
const (
	hurry  = 300 * time.Millisecond
	silent = 5 * time.Second
	inVain = 2
)

var errSilent = errors.New("redis did not answer a moment ago")

// A breaker keeps those who wait alike from waiting in vain again and again. Who
// is in a hurry and who is not have one each: two answers that were late for a
// reply must not keep a fan-out, which has the time, from being tried.
type breaker struct {
	limit       time.Duration
	unanswered  atomic.Int64 // how often in a row
	silentUntil atomic.Int64 // Unix nanoseconds
}

// quickly is pipelined for what can go on without an answer, while somebody
// waits.
func (c *client) quickly(ctx context.Context, commands func(redis.Pipeliner)) error {
	return c.within(ctx, &c.quick, commands)
}

// calmly is quickly where nobody waits.
func (c *client) calmly(ctx context.Context, commands func(redis.Pipeliner)) error {
	return c.within(ctx, &c.calm, commands)
}

func (c *client) within(ctx context.Context, b *breaker, commands func(redis.Pipeliner)) error {
	if time.Now().UnixNano() < b.silentUntil.Load() {
		return errSilent
	}
	limited, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	err := c.pipelined(limited, commands)
	_, answered := errors.AsType[redis.Error](err) // an error, but at once, and perhaps of one key
	switch {
	case err == nil || answered:
		b.unanswered.Store(0)
	case ctx.Err() == nil && b.unanswered.Add(1) >= inVain:
		b.unanswered.Store(0)
		b.silentUntil.Store(time.Now().Add(silent).UnixNano())
	}
	return err
}
