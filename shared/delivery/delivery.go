// Package delivery brings one frame to many connections: in parallel with a
// bound, with retries inside the deadline, and without a slow client holding up
// the others. Connections that turn out to be gone are pruned.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
)

// A Poster speaks to connections through the Management API of API Gateway. It
// makes one attempt and reports what came of it: nil, an error that wraps
// ErrGone, one with Retryable() true (throttled, the client's buffer full, a
// server error, a timeout), or any other, after which trying again is no use.
type Poster interface {
	Post(ctx context.Context, id chat.ConnectionID, frame []byte) error
	Close(ctx context.Context, id chat.ConnectionID) error
}

// ErrGone says that a connection is no more: 410 from the Management API.
var ErrGone = errors.New("the connection is gone")

// errExpired says that a connection's token has expired: it gets nothing more.
var errExpired = errors.New("the token of the connection has expired")

// registry forgets connections; doing so twice is harmless. Prune is for one
// that was found gone: it may have been registered but not opened yet, because
// the Management API answers 410 until $connect has returned.
type registry interface {
	Prune(ctx context.Context, c chat.Connection) (chat.Departure, error)
}

// maxFrame is API Gateway's limit in bytes: it closes a connection with 1009
// for a larger frame. What the protocol package encodes stays below it.
const maxFrame = 32 << 10

// A Deliverer posts frames and prunes connections. It is safe for concurrent
// use, and no goroutine of it outlives the call that started it: Lambda would
// freeze it.
type Deliverer struct {
	poster      Poster
	registry    registry
	departed    func(ctx context.Context, c chat.Connection, d chat.Departure)
	postTimeout time.Duration // of one attempt
	patience    time.Duration // with one connection: no attempt begins later
	now         func() time.Time
}

// New returns a Deliverer that forgets gone connections in r.
func New(p Poster, r registry) *Deliverer {
	return &Deliverer{
		poster: p, registry: r, postTimeout: 2 * time.Second, patience: 3 * time.Second, now: time.Now,
		departed: func(context.Context, chat.Connection, chat.Departure) {},
	}
}

// OnDeparture sets what is done about a pruned connection that was the last of
// its principal, anywhere or in a room, so that others can be told. It may use
// the Deliverer. Set it before the first delivery.
func (d *Deliverer) OnDeparture(do func(ctx context.Context, c chat.Connection, d chat.Departure)) {
	d.departed = do
}

// A Result counts what became of a frame, by connection.
type Result struct {
	Posted  int
	Gone    int // and pruned, unless it may be about to open
	Expired int // the token has: closed instead
	Failed  int
}

// Broadcast posts a frame to many connections, and returns when each has it or
// has failed. It has no error: what was to be told is safe before it is told,
// and whoever misses it will find the gap. Failures are logged and counted.
func (d *Deliverer) Broadcast(ctx context.Context, to []chat.Connection, frame []byte) Result {
	outcomes := make([]error, len(to))
	now := d.now()
	each(len(to), func(i int) {
		if to[i].Expired(now) {
			outcomes[i] = cmp.Or(d.close(ctx, to[i].ID), errExpired)
			return
		}
		outcomes[i] = d.post(ctx, to[i].ID, frame)
	})
	return d.settle(ctx, to, outcomes)
}

// Post posts a frame to one connection, with the same retries; one that is gone
// is pruned. Whether its token has expired is not asked: that, too, has to be
// said to someone.
func (d *Deliverer) Post(ctx context.Context, c chat.Connection, frame []byte) error {
	err := d.post(ctx, c.ID, frame)
	if errors.Is(err, ErrGone) {
		d.forget(ctx, []chat.Connection{c})
	}
	return err
}

// Close ends a connection. What is to be done about its end is left to its
// $disconnect, which the Management API's DELETE fires; where that never comes,
// the next post finds the connection gone.
func (d *Deliverer) Close(ctx context.Context, c chat.Connection) {
	if d.close(ctx, c.ID) != nil {
		d.forget(ctx, []chat.Connection{c})
	}
}

// close returns ErrGone for a connection that is no more, and no other error.
func (d *Deliverer) close(ctx context.Context, id chat.ConnectionID) error {
	ctx, cancel := context.WithTimeout(ctx, d.postTimeout)
	defer cancel()
	err := d.poster.Close(ctx, id)
	if errors.Is(err, ErrGone) {
		return ErrGone
	}
	if err != nil {
		slog.WarnContext(ctx, "close a connection", "connection", id, "err", err)
	}
	return nil
}

// settle counts outcomes and forgets the connections that are no more.
func (d *Deliverer) settle(ctx context.Context, to []chat.Connection, outcomes []error) (r Result) {
	var gone []chat.Connection
	var failure error
	for i, err := range outcomes {
		switch {
		case err == nil:
			r.Posted++
		case errors.Is(err, ErrGone):
			r.Gone++
			gone = append(gone, to[i])
		case errors.Is(err, errExpired):
			r.Expired++
		default:
			r.Failed++
			failure = err
		}
	}
	if r.Failed > 0 {
		slog.WarnContext(ctx, "deliver a frame", "failed", r.Failed, "posted", r.Posted, "gone", r.Gone, "err", failure)
	}
	d.forget(ctx, gone)
	return r
}

// forget forgets connections, and only then speaks of who departed: a frame
// about it would otherwise go to the others of a room that died together, and
// find each of them gone again.
func (d *Deliverer) forget(ctx context.Context, lost []chat.Connection) {
	departures := make([]chat.Departure, len(lost))
	each(len(lost), func(i int) {
		var err error
		if departures[i], err = d.registry.Prune(ctx, lost[i]); err != nil {
			slog.WarnContext(ctx, "forget a connection", "connection", lost[i].ID, "err", err)
		}
	})
	for i, departure := range departures {
		if departure.Last || len(departure.Rooms) > 0 {
			d.departed(ctx, lost[i], departure)
		}
	}
}

// post tries until the frame is posted, nothing is to be hoped for, or the
// patience or ctx ends.
func (d *Deliverer) post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	if len(frame) > maxFrame {
		return fmt.Errorf("post a frame of %d bytes: the limit is %d", len(frame), maxFrame)
	}
	start := time.Now()
	for limit := firstWait; ; limit = min(2*limit, longestWait) {
		err := d.attempt(ctx, id, frame)
		if err == nil || !retryable(err) || time.Since(start) > d.patience || !pause(ctx, limit) {
			return err
		}
	}
}

func (d *Deliverer) attempt(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, d.postTimeout)
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
