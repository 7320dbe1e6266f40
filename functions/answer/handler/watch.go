package handler

import (
	"context"
	"errors"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
)

// Why a run is not gone on with.
var (
	errStopped = errors.New("somebody wants the run to end")
	errLost    = errors.New("somebody else has the run")
	errTime    = errors.New("the run took too long")
)

// times are how long things take, which tests shorten.
type times struct {
	lease   time.Duration // of a run, without a renewal
	renew   time.Duration // between renewals
	look    time.Duration // between looks at the flag of a stop, in Redis
	read    time.Duration // between looks at the run itself
	backOff time.Duration // before the model is asked again, for the first time
	longest time.Duration // that a service may ask to wait
	handing time.Duration // of what an invocation has: where less is left, the run is handed over
	closing time.Duration // to end a run in
}

// Redis is not waited for longer than patience when a stop is looked for; and while it does
// not answer, or has no stream yet to note a stop in, the run itself is looked at every
// blind, for it has the stop as well.
const (
	patience = 100 * time.Millisecond
	blind    = 250 * time.Millisecond
)

var usual = times{
	lease: 30 * time.Second, renew: 10 * time.Second, look: 150 * time.Millisecond, read: time.Second,
	backOff: 500 * time.Millisecond, longest: 20 * time.Second, handing: 3 * time.Minute, closing: 20 * time.Second,
}

// A hold is a run that this invocation holds, as it was seen last.
type hold struct {
	h      *Handler
	cancel context.CancelCauseFunc
	over   sync.WaitGroup
	done   chan struct{}

	mu    sync.Mutex
	run   chat.Run
	shown bool // a stream is open
}

// hold watches a run that this invocation holds: the context that it returns ends when
// somebody wants the run to end, or has taken it over. Until release it renews the lease.
func (h *Handler) hold(ctx context.Context, r chat.Run) (*hold, context.Context) {
	inner, cancel := context.WithCancelCause(ctx)
	o := &hold{h: h, cancel: cancel, run: r, done: make(chan struct{})}
	if r.Stop != nil {
		cancel(errStopped)
	}
	o.over.Go(func() { o.watch(inner) })
	return o, inner
}

// release ends the watch, also one that waits for a database that does not answer.
func (o *hold) release() {
	close(o.done)
	o.cancel(nil)
	o.over.Wait()
}

// now is the run as it was seen last.
func (o *hold) now() chat.Run {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.run
}

// reached notes how far the run is, for the next renewal.
func (o *hold) reached(u chat.Usage, steps int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run.Usage, o.run.Steps = u, steps
}

// answersAs notes which version of the agent answers.
func (o *hold) answersAs(version int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run.AgentVersion = version
}

// shows notes whether a stream is open, in which a stop can be noted.
func (o *hold) shows(open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shown = open
}

// blindly reports whether a stop may have found nothing in Redis to note it in.
func (o *hold) blindly() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.shown
}

func (o *hold) stop() { o.cancel(errStopped) }

// watch looks for a stop and renews the lease, also while the model and the tools have
// nothing to say. It looks in Redis, and less often at the run itself: Redis may have lost
// the flag, or not be there.
func (o *hold) watch(ctx context.Context) {
	tick := time.NewTicker(o.h.times.look)
	defer tick.Stop()
	renewed, read, every := time.Now(), time.Now(), o.h.times.read
	for {
		select {
		case <-o.done:
			return
		case <-tick.C:
		}
		now := o.now()
		if ctx.Err() == nil {
			quick, cancel := context.WithTimeout(ctx, patience)
			stopped, err := o.h.streams.StopWanted(quick, now.ConversationID, string(now.ID.Step(now.Steps)), chat.MessageID(now.ID))
			cancel()
			every = o.h.times.read
			switch {
			case stopped:
				o.stop()
			case err != nil, o.blindly():
				every = min(every, blind)
			}
		}
		switch {
		case time.Since(renewed) >= o.h.times.renew:
			renewed, read = time.Now(), time.Now()
			o.saw(o.h.store.RenewRun(context.WithoutCancel(ctx), now, time.Now(), time.Now().Add(o.h.times.lease)))
		case time.Since(read) >= every && ctx.Err() == nil:
			read = time.Now()
			is, err := o.h.store.Run(ctx, now.OrgID, now.ID)
			v := chat.RunHeld
			if is.Attempt != now.Attempt || is.Status != chat.RunActive {
				v = chat.RunLost
			}
			o.saw(is, v, err)
		}
	}
}

// renew renews the lease at once, between two steps.
func (o *hold) renew(ctx context.Context) {
	o.saw(o.h.store.RenewRun(ctx, o.now(), time.Now(), time.Now().Add(o.h.times.lease)))
}

// saw takes note of the run as it is now. What cannot be known leaves it as it was, as
// long as the lease lasts.
func (o *hold) saw(is chat.Run, v chat.RunVerdict, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		if time.Now().After(o.run.LeaseUntil) {
			o.cancel(errLost)
		}
		return
	case v != chat.RunHeld && v != chat.RunStopped:
		o.cancel(errLost)
		return
	}
	mine := o.run
	o.run = is
	o.run.Usage, o.run.Steps, o.run.AgentVersion = mine.Usage, mine.Steps, mine.AgentVersion
	if is.Stop != nil {
		o.cancel(errStopped)
	}
}
