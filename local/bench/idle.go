package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// idleWarmUp is how many connections are made, and kept, before the memory of
// others is measured: what the first ones set up is not theirs.
const idleWarmUp = 64

// idle measures how fast connections are made, each of another user, and what
// the memory of one is that then waits.
func (b *bench) idle(ctx context.Context) (fmt.Stringer, error) {
	var l lines
	defer l.hangUp()
	ctx, cancel := context.WithTimeoutCause(ctx, setupTime+patience+b.MemoryWatch, errStalled)
	defer cancel()
	defer context.AfterFunc(ctx, l.hangUp)()
	if err := b.connect(ctx, &l, "w", idleWarmUp); err != nil {
		return nil, causeOf(ctx, err)
	}
	b.process.settle(ctx)
	before := b.process.memory()
	cpu, _ := b.process.cpu()
	start := time.Now()
	if err := b.connect(ctx, &l, "i", b.Connections); err != nil {
		return nil, causeOf(ctx, err)
	}
	r := &idleReport{connections: b.Connections, took: time.Since(start), own: b.ServerPID == 0 && !b.Elsewhere}
	after, _ := b.process.cpu()
	r.cpu = after - cpu
	b.process.settle(ctx)
	r.before, r.after = before, b.process.memory()
	if err := b.rest(ctx, r); err != nil || b.MemoryWatch == 0 {
		return r, err
	}
	watched, err := b.watch(ctx, l.all())
	r.watched = &watched
	return r, causeOf(ctx, err)
}

// idleTime is how long the connections are watched doing nothing.
const idleTime = 5 * time.Second

// rest measures what it costs that the connections are there.
func (b *bench) rest(ctx context.Context, r *idleReport) error {
	before, _ := b.process.cpu()
	start := time.Now()
	wait(ctx, start.Add(idleTime))
	after, _ := b.process.cpu()
	r.idle = float64(after-before) / float64(time.Since(start))
	return ctx.Err()
}

// connect opens connections and waits for each to be greeted. Nobody reads
// them afterwards: one that waits costs the load generator next to nothing.
func (b *bench) connect(ctx context.Context, l *lines, kind string, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(setupWidth)
	for i := range n {
		g.Go(func() error {
			c, early, err := b.dial(ctx, l, b.principal(chat.User, kind, i))
			if err != nil {
				return err
			}
			var r io.Reader = c
			if early != nil {
				r = early
				defer ws.PutReader(early)
			}
			if err := readOne(r); err != nil {
				return fmt.Errorf("wait to be greeted: %w", err)
			}
			b.progress.done.Add(1)
			return nil
		})
	}
	return g.Wait()
}
