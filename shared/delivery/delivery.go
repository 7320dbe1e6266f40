// Package delivery brings frames to many connections: in parallel with a bound,
// with retries as long as its patience lasts, and without a slow client holding
// up the others. It says who is gone, and leaves it to the caller to forget
// them.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

// A Poster speaks to connections through the Management API of API Gateway. It
// makes one attempt and reports what came of it: nil, an error that wraps
// ErrGone, one with Retryable() true (throttled, the client's buffer full, a
// server error, no answer), or any other, after which trying again is no use.
type Poster interface {
	Post(ctx context.Context, id chat.ConnectionID, frame []byte) error
	Close(ctx context.Context, id chat.ConnectionID) error
}

// AttemptTime is what an attempt may take from when its HTTP connection is
// ready. Only the Poster knows when that is, and keeps to it.
const AttemptTime = 500 * time.Millisecond

// connectTime is what a Poster may take to get an HTTP connection.
const connectTime = 2 * time.Second

// ErrGone says that a connection is no more: 410 from the Management API.
var ErrGone = errors.New("the connection is gone")

// errExpired says that a connection's token has expired: it gets nothing more.
var errExpired = errors.New("the token of the connection has expired")

// errPanic is what a Poster that panics is made to return, with the stack.
var errPanic = errors.New("panic")

// A Deliverer posts frames. It is safe for concurrent use, and no goroutine of
// it outlives the call that started it: Lambda would freeze it.
type Deliverer struct{ poster Poster }

// New returns a Deliverer.
func New(p Poster) *Deliverer { return &Deliverer{p} }

// Passes say how often those are tried who did not take a frame.
type Passes int

// The passes.
const (
	Once    Passes = iota // somebody else makes up for what failed: the next frame, or sweep
	Patient               // again and again, for three seconds
)

// A Post is one frame for one connection.
type Post struct {
	To    chat.Connection
	Frame []byte
}

// A Result says what became of posts.
type Result struct {
	Posted  int
	Expired int               // the token has: closed instead
	Refused []chat.Connection // for a reason that may take somebody to mend it, such as a right that is missing
	Gone    []chat.Gone       // in the order of the posts
	Failed  []chat.Connection // for now, in the order of the posts: may be tried again later
}

// Deliver makes posts, and returns when each has been tried once, or with
// Patient as often as it takes or its patience allows. Everyone is tried once
// before anyone is tried again, and an attempt is short: a member who hangs
// delays no other by more than one attempt. When ctx ends, the rest has failed.
//
// It has no error: what was to be told is safe before it is told, and whoever
// misses it will find the gap. Failures are logged.
func (d *Deliverer) Deliver(ctx context.Context, posts []Post, passes Passes) Result {
	return d.deliver(ctx, len(posts), passes, func(i int) (*chat.Connection, []byte) {
		return &posts[i].To, posts[i].Frame
	})
}

// Broadcast delivers one frame to many connections.
func (d *Deliverer) Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes Passes) Result {
	return d.deliver(ctx, len(to), passes, func(i int) (*chat.Connection, []byte) { return &to[i], frame })
}

// Post posts a frame to one connection, with the patience that a reply is
// worth. Whether its token has expired is not asked: that, too, has to be said
// to someone.
func (d *Deliverer) Post(ctx context.Context, c chat.Connection, frame []byte) error {
	err := each(ctx, 1, Patient, func(ctx context.Context, _ int) error { return d.post(ctx, c.ID, frame) })[0]
	seen := observe.Of(ctx)
	switch {
	case err == nil:
		seen.Add(observe.Posts, 1)
	case errors.Is(err, ErrGone):
		seen.Add(observe.PostsGone, 1)
	default:
		seen.Add(observe.PostsFailed, 1)
	}
	return err
}

// Close ends a connection. What is to be done about its end is left to its
// $disconnect, which the Management API's DELETE fires; where that never comes,
// the next post finds the connection gone.
func (d *Deliverer) Close(ctx context.Context, c chat.Connection) {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime+connectTime)
	defer cancel()
	if err := d.close(ctx, c.ID); err != nil && !errors.Is(err, ErrGone) {
		slog.WarnContext(ctx, "close a connection", "connection", c.ID, "err", err)
	}
}

func (d *Deliverer) deliver(ctx context.Context, n int, passes Passes, post func(i int) (*chat.Connection, []byte)) Result {
	begun := time.Now()
	outcomes := each(ctx, n, passes, func(ctx context.Context, i int) error {
		to, frame := post(i)
		if to.Expired(begun) {
			return d.expire(ctx, to.ID)
		}
		return d.post(ctx, to.ID, frame)
	})
	return settle(ctx, outcomes, func(i int) chat.Connection {
		to, _ := post(i)
		return *to
	})
}

// settle says what became of whom, and logs the worst of it.
func settle(ctx context.Context, outcomes []error, to func(i int) chat.Connection) (r Result) {
	var crash, refusal, failure error
	for i, err := range outcomes {
		if err == nil {
			r.Posted++
			continue
		}
		found, isGone := errors.AsType[gone](err)
		switch {
		case isGone:
			r.Gone = append(r.Gone, chat.Gone{Connection: to(i), At: found.at})
		case err == errExpired:
			r.Expired++
		case errors.Is(err, errExpired):
			r.Expired++
			failure = err
		case Retryable(err):
			r.Failed = append(r.Failed, to(i))
			failure = err
		case errors.Is(err, errPanic):
			r.Refused = append(r.Refused, to(i))
			crash = err
		default:
			r.Refused = append(r.Refused, to(i))
			refusal = err
		}
	}
	seen := observe.Of(ctx)
	seen.Add(observe.Posts, r.Posted)
	seen.Add(observe.PostsGone, len(r.Gone))
	seen.Add(observe.PostsFailed, len(r.Failed)+len(r.Refused))
	if err := cmp.Or(crash, refusal, failure); err != nil {
		slog.WarnContext(ctx, "deliver frames", "refused", len(r.Refused), "failed", len(r.Failed),
			"posted", r.Posted, "expired", r.Expired, "gone", len(r.Gone), "err", err)
	}
	return r
}

// expire closes a connection whose token has expired. Closing it is not tried
// again: the next frame does.
func (d *Deliverer) expire(ctx context.Context, id chat.ConnectionID) error {
	err := d.close(ctx, id)
	switch {
	case err == nil:
		return errExpired
	case errors.Is(err, ErrGone) || errors.Is(err, errPanic):
		return err
	default:
		return fmt.Errorf("%w; %v", errExpired, err)
	}
}

func (d *Deliverer) post(ctx context.Context, id chat.ConnectionID, frame []byte) (err error) {
	defer isolate(&err)
	told := observe.Of(ctx).Call("@connections")
	err = dated(d.poster.Post(ctx, id, frame))
	if errors.Is(err, ErrGone) {
		told(nil) // an answer, and no fault of API Gateway's
	} else {
		told(err)
	}
	if slog.Default().Enabled(ctx, slog.LevelDebug) {
		slog.DebugContext(ctx, "post", "connection", id, "bytes", len(frame), "err", err)
	}
	return err
}

func (d *Deliverer) close(ctx context.Context, id chat.ConnectionID) (err error) {
	defer isolate(&err)
	return dated(d.poster.Close(ctx, id))
}

// dated notes when a connection was found gone.
func dated(err error) error {
	if err != nil && errors.Is(err, ErrGone) {
		return gone{err, time.Now()}
	}
	return err
}

type gone struct {
	error
	at time.Time
}

// Unwrap returns the Poster's error.
func (g gone) Unwrap() error { return g.error }

// isolate makes a panic an error of the connection that it happened with.
func isolate(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v\n%s", errPanic, v, debug.Stack())
	}
}

// Retryable reports whether a later attempt may succeed. It also counts an attempt
// without an answer, whatever ended it.
func Retryable(err error) bool {
	if r, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err); ok {
		return r.Retryable()
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
