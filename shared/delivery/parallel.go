package delivery

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// parallel bounds the posts of one call that are under way at the same time.
const parallel = 32

// each calls do for 0 to n-1, in parallel with a bound, and returns when all
// are done. The caller works too: one or two connections, the usual audience
// of a message, cost at most one goroutine.
func each(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			do(int(i))
		}
	}
	var others sync.WaitGroup
	for range min(n, parallel) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// Waits between attempts grow up to longestWait, each with full jitter, so that
// those who were throttled together do not come back together.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = time.Second
)

// pause waits for at most limit. It reports false, early, when ctx ends.
func pause(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(time.Millisecond + rand.N(limit))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
