// Package delivery brings one frame to many connections: in parallel with a
// bound, with retries inside the deadline, and without a slow client holding
// up the others. A connection that turns out to be gone is pruned.
package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// A Poster sends frames through the Management API of API Gateway. It makes
// one attempt and reports what came of it:
//
//   - ErrGone: the connection is no more;
//   - an error with Retryable() true: throttled, a full buffer, a server error
//     or a timeout, which may pass;
//   - any other error: no use in trying again.
type Poster interface {
	Post(ctx context.Context, id chat.ConnectionID, frame []byte) error
	Close(ctx context.Context, id chat.ConnectionID) error
}

// ErrGone says that a connection is no more (410 from the Management API).
var ErrGone = errors.New("the connection is gone")

// errExpired says that a connection's token has expired: it gets nothing more.
var errExpired = errors.New("the token of the connection has expired")

// registry forgets a connection.
type registry interface {
	Disconnect(ctx context.Context, c chat.Connection) (chat.Departure, error)
}

// Limits of a fan-out.
const (
	parallel    = 32              // posts at the same time
	postTimeout = 2 * time.Second // of one attempt
	attempts    = 4
	firstWait   = 25 * time.Millisecond // doubled for each further attempt, with full jitter
)

// A Deliverer posts frames and prunes connections. It is safe for concurrent
// use; no goroutine of it outlives the call that started it.
type Deliverer struct {
	poster   Poster
	registry registry
	departed func(ctx context.Context, c chat.Connection, d chat.Departure)
	now      func() time.Time
}

// New returns a Deliverer that forgets gone connections in r.
func New(p Poster, r registry) *Deliverer {
	return &Deliverer{poster: p, registry: r, now: time.Now, departed: func(context.Context, chat.Connection, chat.Departure) {}}
}

// OnDeparture sets what is done when a pruned connection was the last of its
// principal, anywhere or in a room. Set it before the first delivery.
func (d *Deliverer) OnDeparture(do func(ctx context.Context, c chat.Connection, d chat.Departure)) {
	d.departed = do
}

// Result counts what became of a frame. Delivery has no errors: a message is
// safe before it is delivered, and whoever misses it will find the gap.
type Result struct {
	Posted, Gone, Expired, Failed int
}

// Broadcast posts a frame to many connections and returns when each has it or
// has failed. Problems are logged and counted.
func (d *Deliverer) Broadcast(ctx context.Context, to []chat.Connection, frame []byte) Result {
	errs := make([]error, len(to))
	if len(to) == 1 { // the common case needs no goroutine
		errs[0] = d.Post(ctx, to[0], frame)
	} else {
		var g errgroup.Group
		g.SetLimit(parallel)
		for i, c := range to {
			g.Go(func() error {
				errs[i] = d.Post(ctx, c, frame)
				return nil
			})
		}
		_ = g.Wait() // each error is in errs
	}
	return d.count(ctx, errs)
}

func (d *Deliverer) count(ctx context.Context, errs []error) (r Result) {
	var last error
	for _, err := range errs {
		switch {
		case err == nil:
			r.Posted++
		case errors.Is(err, ErrGone):
			r.Gone++
		case errors.Is(err, errExpired):
			r.Expired++
		default:
			r.Failed++
			last = err
		}
	}
	if r.Failed > 0 {
		slog.WarnContext(ctx, "deliver", "failed", r.Failed, "posted", r.Posted, "gone", r.Gone, "err", last)
	}
	return r
}

// Post posts a frame to one connection, with retries while ctx lasts. A
// connection that is gone, or whose token has expired, is pruned.
func (d *Deliverer) Post(ctx context.Context, c chat.Connection, frame []byte) error {
	if c.Expired(d.now()) {
		d.Close(ctx, c)
		return errExpired
	}
	err := d.try(ctx, c.ID, frame)
	if errors.Is(err, ErrGone) {
		d.prune(ctx, c)
	}
	return err
}

// Close ends a connection and forgets it. $disconnect follows at best.
func (d *Deliverer) Close(ctx context.Context, c chat.Connection) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	if err := d.poster.Close(ctx, c.ID); err != nil && !errors.Is(err, ErrGone) {
		slog.WarnContext(ctx, "close a connection", "connection", c.ID, "err", err)
	}
	d.prune(ctx, c)
}

func (d *Deliverer) try(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := d.attempt(ctx, id, frame)
		if err == nil || attempt == attempts || !retryable(err) {
			return err
		}
		timer := time.NewTimer(rand.N(wait) + time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		wait *= 2
	}
}

func (d *Deliverer) attempt(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	return d.poster.Post(ctx, id, frame)
}

func retryable(err error) bool {
	r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err)
	return ok && r.Retryable()
}

// prune forgets a connection. Its principal may be back under another id, so
// only what is over for the principal is announced.
func (d *Deliverer) prune(ctx context.Context, c chat.Connection) {
	departure, err := d.registry.Disconnect(ctx, c)
	if err != nil {
		slog.WarnContext(ctx, "forget a gone connection", "connection", c.ID, "err", err)
		return
	}
	if departure.Last || len(departure.Rooms) > 0 {
		d.departed(ctx, c, departure)
	}
}
