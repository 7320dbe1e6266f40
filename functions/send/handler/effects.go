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
	project := func() error { return h.store.Project(ctx, c, m) }
	summarise := func() error {
		return h.jobs.EnqueueSummary(ctx, protocol.SummaryJob{OrgID: c.OrgID, ConversationID: c.ID, Seq: m.Seq})
	}
	forget := func() error { return h.forget(ctx, c, m) }
	var projected, summarised, delivered, forgotten, called, told, noticed, hooked, attached, erased error
	var still chat.Notices
	var posted outcome
	var rest derived
	due := m.Due
	// What an agent finds by the projection, which was late, comes once that is there.
	late := due.Has(chat.EffectProject) && due.Has(chat.EffectDeliverAgent)
	if late {
		if projected = guarded(project); projected != nil {
			m.Due = due.Without(chat.EffectDeliverAgent)
		}
	}
	if due.Has(chat.EffectAttach) {
		attached = guarded(func() error { return h.attach(ctx, m) })
	}
	var g sync.WaitGroup // each effect is wanted whatever becomes of the others
	if m.Due.ToRoom() || m.Due.ToAgent() {
		g.Go(func() {
			roomy(func() {
				posted = unposted // also where it panics
				delivered = guarded(func() (err error) {
					posted, err = h.post(ctx, by.sender, c, m, passes)
					return err
				})
			})
		})
	}
	if due.Has(chat.EffectSummarise) {
		g.Go(func() { summarised = guarded(summarise) })
	}
	if due.Has(chat.EffectForget) {
		g.Go(func() { forgotten = guarded(forget) })
	}
	if due.Has(chat.EffectReplies) || due.Has(chat.EffectSearch) {
		g.Go(func() { roomy(func() { rest = h.derive(ctx, c, m, passes) }) })
	}
	if due.Has(chat.EffectTell) || due.Has(chat.EffectTellReactions) {
		g.Go(func() { roomy(func() { told = guarded(func() error { return h.tell(ctx, by, c, m, passes) }) }) })
	}
	if due.Has(chat.EffectCall) {
		g.Go(func() { roomy(func() { called = guarded(func() error { return h.call(ctx, c, m) }) }) })
	}
	if due.Has(chat.EffectWebhook) || due.Has(chat.EffectWebhookChange) {
		g.Go(func() { roomy(func() { hooked = guarded(func() error { return h.callWebhooks(ctx, c, m) }) }) })
	}
	if due.Has(chat.EffectMention) {
		g.Go(func() {
			roomy(func() {
				still = due.Notices // also where it panics
				noticed = guarded(func() (err error) {
					still, err = h.notify(ctx, c, m, passes)
					return err
				})
			})
		})
	}
	if due.Has(chat.EffectAttach) && attached == nil {
		g.Go(func() { attached = guarded(func() error { return h.keep(ctx, m) }) })
	}
	if due.Has(chat.EffectErase) {
		g.Go(func() { erased = guarded(func() error { return h.erase(ctx, m) }) })
	}
	if due.Has(chat.EffectProject) && !late { // here: this stack has grown to what the driver needs
		projected = guarded(project)
	}
	g.Wait()
	left := &chat.Due{At: due.At, Tries: due.Tries, Left: failed(map[chat.Effect]error{
		chat.EffectProject: projected, chat.EffectSummarise: summarised, chat.EffectForget: forgotten, chat.EffectCall: called,
		chat.EffectAttach: attached, chat.EffectErase: erased,
	})}
	left.Left = append(left.Left, rest.left...)
	undelivered(left, m, posted, projected != nil && asksAgent(c, m))
	untold(left, due, told)
	for _, e := range []chat.Effect{chat.EffectWebhook, chat.EffectWebhookChange} {
		if hooked != nil && due.Has(e) {
			left.Left = append(left.Left, e)
		}
	}
	if noticed != nil {
		left.Left, left.Notices, left.Tries = append(left.Left, chat.EffectMention), still, due.Tries+1
	}
	if len(left.Left) == 0 {
		return nil
	}
	err := errors.Join(projected, summarised, forgotten, called, delivered, told, noticed, hooked, rest.err, unplanned(attached), unplanned(erased))
	if err != nil || len(posted.unreached) > 0 {
		slog.WarnContext(ctx, "something of a message is still due", "conversation", m.ConversationID, "seq", m.Seq,
			"left", left.Left, "unreached", len(posted.unreached), "err", err)
	}
	return left
}

// failed returns the effects that have an error, in the order of their names.
func failed(errs map[chat.Effect]error) (left []chat.Effect) {
	for _, e := range slices.Sorted(maps.Keys(errs)) {
		if errs[e] != nil {
			left = append(left, e)
		}
	}
	return left
}

// unplanned is an error other than errLater.
func unplanned(err error) error {
	if errors.Is(err, errLater) {
		return nil
	}
	return err
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
