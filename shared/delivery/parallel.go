package delivery

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// parallel bounds the attempts of one call that are under way at the same time.
const parallel = 64

// Waits between attempts grow up to longestWait, each with full jitter, so that
// those who were throttled together do not come back together. None is planned
// for later than patience after the beginning.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = time.Second
	patience    = 3 * time.Second
)

// each tries 0 to n-1, in parallel with a bound, and returns what became of
// each. With Patient, what failed for the moment is tried again, but only by
// workers who find nothing that has not been tried once.
func each(ctx context.Context, n int, passes Passes, try func(ctx context.Context, i int) error) []error {
	c := call{ctx: ctx, passes: passes, try: try, end: time.Now().Add(patience), outcomes: make([]error, n)}
	// The caller works too: one or two connections, the usual audience of a
	// message, cost at most one goroutine. A worker takes many, because each new
	// goroutine has to grow its stack.
	var others sync.WaitGroup
	for range min(n, parallel) - 1 {
		others.Go(c.work)
	}
	c.work()
	others.Wait()
	return c.outcomes
}

// A call is one each under way.
type call struct {
	ctx      context.Context
	passes   Passes
	try      func(ctx context.Context, i int) error
	end      time.Time // of the patience
	next     atomic.Int64
	outcomes []error // each written by whoever tries it

	mu   sync.Mutex
	line []turn // the latest first
}

// A turn is when one that failed is tried again.
type turn struct {
	i    int
	at   time.Time
	wait time.Duration // the most that it waits for another
}

func (c *call) work() {
	for i := c.next.Add(1) - 1; i < int64(len(c.outcomes)); i = c.next.Add(1) - 1 {
		c.attempt(turn{i: int(i), wait: firstWait}, time.Now().Add(AttemptTime+connectTime))
	}
	for c.retry() {
	}
}

// attempt makes one attempt, and puts what may be over at another one in line.
func (c *call) attempt(t turn, deadline time.Time) {
	err := c.ctx.Err()
	if err == nil {
		err = c.bounded(t.i, deadline)
	}
	c.outcomes[t.i] = err
	if err != nil && c.passes == Patient && Retryable(err) {
		c.lineUp(t)
	}
}

func (c *call) lineUp(t turn) {
	now := time.Now()
	if !now.Before(c.end) {
		return
	}
	t.at = now.Add(time.Millisecond + rand.N(t.wait))
	if t.at.After(c.end) {
		t.at = c.end // the last chance
	}
	t.wait = min(2*t.wait, longestWait)
	c.mu.Lock()
	defer c.mu.Unlock()
	at, _ := slices.BinarySearchFunc(c.line, t, func(a, b turn) int { return b.at.Compare(a.at) })
	c.line = slices.Insert(c.line, at, t)
}

func (c *call) bounded(i int, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	return c.try(ctx, i)
}

// retry tries again the first in line, or waits for its turn. It reports false
// when nobody is in line: whoever is being tried has a worker, which will do it
// again.
func (c *call) retry() bool {
	last := c.end.Add(AttemptTime)
	now := time.Now()
	c.mu.Lock()
	first := len(c.line) - 1
	if first < 0 || !now.Before(last) {
		c.mu.Unlock()
		return false
	}
	t := c.line[first]
	if wait := t.at.Sub(now); wait > 0 {
		// It stays in line, so that it is no worker's and holds none.
		c.mu.Unlock()
		return pause(c.ctx, wait)
	}
	c.line = c.line[:first]
	c.mu.Unlock()
	deadline := now.Add(AttemptTime + connectTime)
	if deadline.After(last) {
		deadline = last
	}
	c.attempt(t, deadline)
	return c.ctx.Err() == nil
}

// pause reports false, early, when ctx ends.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
