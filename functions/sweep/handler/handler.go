// Package handler finishes what a send had to leave: it runs by the clock.
package handler

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

type store interface {
	runs
	DueBefore(ctx context.Context, now time.Time, limit int) ([]chat.Message, error)
	Claim(ctx context.Context, m chat.Message, until time.Time) (now chat.Message, claimed bool, err error)
	Settle(ctx context.Context, m chat.Message, left *chat.Due) error
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
}

type finisher interface {
	Finish(ctx context.Context, c chat.Conversation, m chat.Message) (left *chat.Due, err error)
}

type presence interface {
	PruneOnline(ctx context.Context)
	Stamp(ctx context.Context, ps ...chat.Principal) ([]time.Time, error)
	Online(ctx context.Context, ps ...chat.Principal) ([]bool, error)
	Overdue(ctx context.Context, before time.Time, limit int) ([]chat.Stream, error)
}

type agents interface {
	UncheckedAgents(ctx context.Context, now time.Time, limit int) ([]chat.Principal, error)
	SetAgentStatus(ctx context.Context, agent chat.Principal, online bool, at time.Time) error
}

type announcer interface {
	Offline(ctx context.Context, who []chat.Absence)
}

type jobs interface {
	EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error
	EnqueueRun(ctx context.Context, job protocol.RunJob) error
}

const (
	// batch and parallel bound one look; there are looks as long as there is
	// time.
	batch    = 100
	parallel = 16
	// share is how much of its time a run spends, in percent.
	share = 80
	// each is how long one message may take, many of whose posts may hang; what came
	// of it is noted in the time after that.
	each = 7 * time.Second
	// abandoned is after how long a message is given up.
	abandoned = 24 * time.Hour
	// again is after how long what failed is tried once more: it goes to the back,
	// and the next run finds it, so that whatever failed for long is done within
	// two minutes of when it can be. Where everything fails for an hour, a run has
	// no more than parallel of them in hand.
	again = 30 * time.Second
	// usual is the time of a run where nobody has set a deadline.
	usual = 50 * time.Second
)

// Handler handles the schedule.
type Handler struct {
	store    store
	finisher finisher
	presence presence
	agents   agents
	announce announcer
	jobs     jobs
}

// New returns a Handler.
func New(s store, f finisher, p presence, a agents, n announcer, j jobs) *Handler {
	return &Handler{store: s, finisher: f, presence: p, agents: a, announce: n, jobs: j}
}

// Handle does what is due of messages, first what nobody has tried, until nothing
// is that can be claimed, or four fifths of its time are over. Two runs never meet
// at a message, and what fails or is slow holds up nothing else for long. One round
// trip to MongoDB to find a hundred, and for each, two more and those of its
// effects. Before that, six to Redis and three to MongoDB for what else may have
// been left: see correct.
func (h *Handler) Handle(ctx context.Context) error {
	start := time.Now()
	end := start.Add(usual)
	if deadline, ok := ctx.Deadline(); ok {
		end = start.Add(deadline.Sub(start) * share / 100)
	}
	if err := guarded(func() error { return h.correct(ctx) }); err != nil {
		slog.WarnContext(ctx, "correct what was left", "err", err)
	}
	var total tally
	defer func() {
		if n, bad := total.done.Load(), total.failed.Load(); n+bad > 0 {
			slog.InfoContext(ctx, "swept", "finished", n, "stillDue", bad)
		}
	}()
	var oldest time.Duration
	for time.Now().Before(end) {
		due, err := h.store.DueBefore(ctx, time.Now(), batch)
		if err != nil {
			return fmt.Errorf("find what is due: %w", err)
		}
		for _, m := range due {
			oldest = max(oldest, start.Sub(m.LastChange()))
		}
		if !h.settleAll(ctx, due, end, &total) {
			break // nothing is due, or another run has it, or the next run may be luckier
		}
	}
	// Also where it is 0: where no number comes for long, sweep does not run.
	observe.Of(ctx).Record(observe.OldestDue, oldest.Seconds())
	return nil
}

// guarded turns a panic into an error of what was done: the rest goes on.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}

// A tally counts the messages of a run.
type tally struct{ done, failed atomic.Int64 }

// settleAll does what is due of messages until the end, and reports whether the next
// look will lack one of them.
func (h *Handler) settleAll(ctx context.Context, due []chat.Message, end time.Time, total *tally) bool {
	var moved atomic.Bool
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, m := range due {
		g.Go(func() error {
			if !time.Now().Before(end) { // it may have waited for its turn
				return nil
			}
			var mine bool
			err := guarded(func() (err error) {
				mine, err = h.settle(ctx, m)
				return err
			})
			switch {
			case err != nil:
				total.failed.Add(1)
				slog.WarnContext(ctx, "a message is still due", "conversation", m.ConversationID, "seq", m.Seq, "err", err)
			case mine:
				total.done.Add(1)
			}
			if mine {
				moved.Store(true)
			}
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each error is logged
	return moved.Load()
}

// settle does what is due of a message, where it is to be had: mine says so.
func (h *Handler) settle(ctx context.Context, m chat.Message) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	now := time.Now()
	if now.Sub(m.LastChange()) > abandoned {
		slog.ErrorContext(ctx, "a message is given up", "conversation", m.ConversationID, "seq", m.Seq, "left", m.Due.Left, "undelivered", len(m.Due.To))
		err := h.store.Settle(ctx, m, nil)
		return err == nil, err
	}
	until := now.Add(again)
	// As it is now: it may have been deleted while it waited for its turn.
	if m, mine, err = h.store.Claim(ctx, m, until); err != nil || !mine {
		return false, err
	}
	c, err := h.store.AnyConversation(ctx, m.Sender.OrgID, m.ConversationID)
	if err != nil && chat.CodeOf(err) == chat.NotFound {
		// It is deleted, and nobody is to hear of it. What was erased goes there too.
		m.Due.Left = slices.DeleteFunc(m.Due.Left, func(e chat.Effect) bool { return !erases(e, m) })
		if len(m.Due.Left) == 0 {
			return true, h.store.Settle(ctx, m, nil)
		}
		c, err = chat.Conversation{ID: m.ConversationID, OrgID: m.Sender.OrgID}, nil
	}
	if err != nil {
		return true, err
	}
	left, err := h.finisher.Finish(ctx, c, m)
	if err == nil && left != nil {
		err = fmt.Errorf("left: %v", left.Left)
	}
	return true, err
}

// erases reports whether an effect takes away what a message says no more. One that was never
// changed need not be findable any more.
func erases(e chat.Effect, m chat.Message) bool {
	return e == chat.EffectForget || e == chat.EffectErase || e == chat.EffectSearch && m.Version > 0
}
