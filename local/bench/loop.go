package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

const (
	// warmUp is at most how long load runs before it is measured.
	warmUp = 2 * time.Second
	// patience is how long a single answer may take before a measurement fails.
	patience = 15 * time.Second
	// setupTime bounds the making of connections and conversations.
	setupTime = 2 * time.Minute
)

var errStalled = errors.New("an answer did not come in time")

// A window is the time in which messages count.
type window struct{ from, to time.Time }

// loop measures the closed loop.
func (b *bench) loop(ctx context.Context) (fmt.Stringer, error) {
	var l lines
	defer l.hangUp()
	ds, err := b.dialogues(ctx, &l)
	if err != nil {
		return nil, err
	}
	warm := min(warmUp, b.Duration/4)
	b.progress.spell("closed loop, messages", warm+b.Duration)
	from := time.Now().Add(warm)
	w := window{from: from, to: from.Add(b.Duration)}
	ctx, cancel := context.WithTimeoutCause(ctx, warm+b.Duration+patience, errStalled)
	defer cancel()
	spent, err := b.converse(ctx, &l, ds, w)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	r := loopReport{conversations: len(ds), duration: b.Duration, warm: warm, cpu: spent, own: b.ServerPID == 0 && !b.Elsewhere}
	for _, d := range ds {
		r.acked, r.delivered = append(r.acked, d.acked...), append(r.delivered, d.delivered...)
	}
	return &r, nil
}

// causeOf prefers why everything was ended to what that looked like.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (b *bench) dialogues(ctx context.Context, l *lines) ([]*dialogue, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTime, errStalled)
	defer cancel()
	defer context.AfterFunc(ctx, l.hangUp)()
	ds := make([]*dialogue, b.Conversations)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(setupWidth)
	for i := range ds {
		g.Go(func() (err error) {
			ds[i], err = b.dialogue(gctx, l, i)
			b.progress.done.Add(1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, causeOf(ctx, err)
	}
	return ds, nil
}

func (b *bench) dialogue(ctx context.Context, l *lines, i int) (*dialogue, error) {
	user, agent := b.principal(chat.User, "u", i), b.principal(chat.Agent, "a", i)
	id, err := b.create(ctx, user, agent)
	if err != nil {
		return nil, err
	}
	d := &dialogue{scan: newScanner(b.run), deliveries: make(chan delivery, 8), done: &b.progress.done}
	if d.frame, err = newSendFrame(b.run, id); err != nil {
		return nil, err
	}
	if d.agent, err = b.join(ctx, l, agent, id); err != nil {
		return nil, err
	}
	d.user, err = b.join(ctx, l, user, id)
	return d, err
}

// converse runs the dialogues until the window ends and returns the CPU time
// spent within it.
func (b *bench) converse(ctx context.Context, l *lines, ds []*dialogue, w window) (spent time.Duration, err error) {
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, l.hangUp)()
	var users sync.WaitGroup
	over := make(chan struct{})
	for _, d := range ds {
		users.Add(1)
		g.Go(func() error {
			defer users.Done()
			return d.speak(ctx, w)
		})
		g.Go(func() error {
			err := d.listen(ctx)
			select {
			case <-over:
				return nil
			default:
				return err
			}
		})
	}
	g.Go(func() error {
		users.Wait()
		close(over)
		l.hangUp() // ends those who listen
		return nil
	})
	g.Go(func() error {
		wait(ctx, w.from)
		before, _ := b.process.cpu()
		wait(ctx, w.to)
		after, _ := b.process.cpu()
		spent = after - before
		return nil
	})
	return spent, g.Wait()
}

func wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
