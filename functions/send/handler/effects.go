package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

// Finish does what is due of a message that an earlier send committed and did
// not finish, and returns what is left. sweep calls it: it posts once, for others
// wait. What was done already is done again, which clients (who drop what they
// have by seq) and the stores do not mind.
func (h *Handler) Finish(ctx context.Context, c chat.Conversation, m chat.Message) (left *chat.Due, err error) {
	left = h.effects(ctx, party{}, c, m, delivery.Once)
	return left, h.settle(ctx, m, left)
}

// noting is how long it may take to note what was done, also where doing it has
// taken all the time there was: without the note everybody gets it again.
const noting = time.Second

func (h *Handler) settle(ctx context.Context, m chat.Message, left *chat.Due) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < noting {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), noting)
		defer cancel()
	}
	return h.store.Settle(ctx, m, left)
}

// finish answers who sent or changed the message and does what follows from the message. Problems
// are logged: the message is safe, and what is left stays due.
func (h *Handler) finish(ctx context.Context, by party, c chat.Conversation, m chat.Message, passes delivery.Passes, answer func()) {
	var g sync.WaitGroup
	g.Go(func() { roomy(answer) })
	mine, theirs := m, (*chat.Due)(nil)
	if !by.until.IsZero() {
		mine.Due, theirs = m.Due.OfChange()
	}
	if mine.Due == nil {
		g.Wait()
		return
	}
	left := h.effects(ctx, by, c, mine, passes)
	if theirs != nil {
		left = shared(left, *theirs, by.until)
	}
	g.Wait()
	if err := h.settle(ctx, m, left); err != nil {
		slog.WarnContext(ctx, "take out what is due", "conversation", m.ConversationID, "seq", m.Seq, "err", err) // sweep does it again
	}
}

// shared adds what is left to what others do, who are expected to have done it by a time.
func shared(left *chat.Due, theirs chat.Due, until time.Time) *chat.Due {
	all := theirs
	if until.Before(all.At) {
		all.At = until
	}
	if left == nil {
		return &all
	}
	all.Left, all.Tries = slices.Concat(theirs.Left, left.Left), left.Tries
	if left.Has(chat.EffectMention) {
		all.Notices = left.Notices
	}
	if !theirs.Delivers() { // else the names are of that
		all.To = left.To
	}
	return &all
}

// effects does what is due, together, and returns what is left of it: nil where
// nothing is.
func (h *Handler) effects(ctx context.Context, by party, c chat.Conversation, m chat.Message, passes delivery.Passes) *chat.Due {
	due, f := m.Due, failures{}
	project := func() error { return h.store.Project(ctx, c, m) }
	// What an agent finds by the projection, which was late, comes once that is there; and what
	// is attached whoever hears of the message may read.
	late := due.Has(chat.EffectProject) && due.Has(chat.EffectDeliverAgent)
	if late && f.try(chat.EffectProject, project) != nil {
		m.Due = due.Without(chat.EffectDeliverAgent)
	}
	attached := due.Has(chat.EffectAttach) && f.try(chat.EffectAttach, func() error { return h.attach(ctx, m) }) == nil

	var g sync.WaitGroup // each effect is wanted whatever becomes of the others
	side := func(do func()) { g.Go(func() { roomy(do) }) }
	var posted outcome
	var delivered, told, noticed error
	still := due.Notices // also where it panics
	if m.Due.Delivers() {
		side(func() {
			posted = unposted // also where it panics
			delivered = guarded(func() (err error) {
				posted, err = h.post(ctx, by.sender, c, m, passes)
				return err
			})
		})
	}
	if due.Has(chat.EffectTell) || due.Has(chat.EffectTellReactions) {
		side(func() { told = guarded(func() error { return h.tell(ctx, by, c, m, passes) }) })
	}
	if due.Has(chat.EffectMention) {
		side(func() {
			noticed = guarded(func() (err error) {
				still, err = h.notify(ctx, c, m, passes)
				return err
			})
		})
	}
	if attached {
		side(func() { f.try(chat.EffectAttach, func() error { return h.keep(ctx, m) }) })
	}
	for e, do := range map[chat.Effect]func() error{
		chat.EffectCall: func() error { return h.call(ctx, c, m) }, chat.EffectErase: func() error { return h.erase(ctx, m) },
		chat.EffectForget: func() error { return h.forget(ctx, c, m) }, chat.EffectReplies: func() error { return h.countReplies(ctx, c, m, passes) },
		chat.EffectSearch: func() error { return h.store.IndexMessage(ctx, m) }, chat.EffectSummarise: func() error { return h.summarise(ctx, c, m) },
	} {
		if due.Has(e) {
			side(func() { f.try(e, do) })
		}
	}
	if due.Has(chat.EffectProject) && !late { // here: this stack has grown to what the driver needs
		f.try(chat.EffectProject, project)
	}
	g.Wait()

	left := &chat.Due{At: due.At, Tries: due.Tries, Left: f.effects()}
	undelivered(left, m, posted, f.of[chat.EffectProject] != nil && asksAgent(c, m))
	untold(left, due, told)
	if noticed != nil {
		left.Left, left.Notices, left.Tries = append(left.Left, chat.EffectMention), still, due.Tries+1
	}
	if len(left.Left) == 0 {
		return nil
	}
	if err := errors.Join(delivered, told, noticed, f.unplanned()); err != nil || len(posted.unreached) > 0 {
		slog.WarnContext(ctx, "something of a message is still due", "conversation", m.ConversationID, "seq", m.Seq,
			"left", left.Left, "unreached", len(posted.unreached), "err", err)
	}
	return left
}

func (h *Handler) summarise(ctx context.Context, c chat.Conversation, m chat.Message) error {
	return h.jobs.EnqueueSummary(ctx, protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: m.Seq})
}

// failures are the errors of effects that are done at the same time.
type failures struct {
	mu sync.Mutex
	of map[chat.Effect]error
}

// try does an effect, and notes and returns its error.
func (f *failures) try(e chat.Effect, do func() error) error {
	err := guarded(do)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.of == nil {
			f.of = map[chat.Effect]error{}
		}
		f.of[e] = err
	}
	return err
}

// effects are those that failed, in the order of their names.
func (f *failures) effects() []chat.Effect { return slices.Sorted(maps.Keys(f.of)) }

// unplanned joins the errors other than errLater.
func (f *failures) unplanned() error {
	var errs []error
	for _, e := range f.effects() {
		if !errors.Is(f.of[e], errLater) {
			errs = append(errs, f.of[e])
		}
	}
	return errors.Join(errs...)
}

// untold adds to left what is to be told again: to those who have not heard of it, where they
// are known, and no delivery is left; else to everybody, whom it does no harm.
func untold(left, due *chat.Due, told error) {
	if told == nil {
		return
	}
	if !left.Delivers() { // else the names are of that
		if left.To = due.To; due.Delivers() {
			left.To = nil
		}
		if some, ok := errors.AsType[unheard](told); ok {
			if left.To = some.who; len(some.who) > chat.MaxDueTo {
				left.To = nil
			}
		}
	}
	for _, e := range []chat.Effect{chat.EffectTell, chat.EffectTellReactions} {
		if due.Has(e) {
			left.Left = append(left.Left, e)
		}
	}
	left.Tries = due.Tries + 1
}

// guarded turns a panic in one effect into its error: the others go on.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}
