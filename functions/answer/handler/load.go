package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/shared/chat"
)

// withinTime ends what the run may not take longer for. What it waited for approval does not
// count; what it was active before does, however often it waited.
func (w *work) withinTime(inner context.Context) (context.Context, context.CancelFunc) {
	seconds := chat.DefaultRunSeconds
	if w.agent.Managed != nil {
		seconds = w.agent.Managed.MaxSeconds
	}
	r := w.run()
	end := r.ActiveUntil(time.Duration(seconds) * time.Second)
	if last := time.Now().Add(left(inner) - w.h.times.closing); last.Before(end) {
		end = last
	}
	return context.WithDeadlineCause(inner, end, errTime)
}

// load reads all that has to be known, at the same time.
func (w *work) load(ctx context.Context) error {
	r := w.run()
	var c chat.Conversation
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		rejected, err := w.h.rejected(ctx, r)
		if rejected {
			err = errRejected // and supersedes nothing
		}
		if err != nil {
			return err
		}
		return w.h.supersede(ctx, r)
	})
	g.Go(func() (err error) { w.log, err = runlog.Read(ctx, w.h.store, r); return err })
	g.Go(func() (err error) {
		c, err = w.h.store.AnyConversation(ctx, r.OrgID, r.ConversationID)
		return err
	})
	g.Go(func() (err error) { w.question, err = w.h.store.Message(ctx, r.OrgID, r.Trigger); return err })
	g.Go(func() (err error) {
		w.agent, err = w.h.store.Agent(ctx, r.Agent())
		if chat.CodeOf(err) == chat.NotFound && err != nil {
			return nil // it was deleted: nobody answers for it
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	w.saw(c)
	return nil
}

// supersede decides the calls that wait and are older than what the run answers.
func (h *Handler) supersede(ctx context.Context, r chat.Run) error {
	open, err := h.store.OpenRuns(ctx, r.ConversationID, r.AgentID)
	if err != nil {
		return err
	}
	for _, other := range open {
		if !r.Supersedes(other) {
			continue
		}
		l, err := runlog.Read(ctx, h.store, other)
		if err == nil {
			err = h.ender.Decide(ctx, other, &l, chat.VerdictSuperseded)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare sees to what the model and the tools are asked with, once.
func (w *work) prepare(ctx context.Context) (err error) {
	m := w.agent.Managed
	switch {
	case m == nil:
		return &failure{chat.NotFound, "Nobody answers for this agent any more."}
	case w.question.Deleted:
		return errStopped
	case w.model != nil:
		return nil
	}
	model, ok := w.h.models[m.Provider]
	if !ok {
		return &failure{chat.Internal, "The provider of the agent's model is not configured."}
	}
	if len(m.Tools) > 0 {
		w.session = w.h.servers.Open()
		if w.tools, err = w.session.List(ctx, m.Tools); err != nil {
			return err
		}
	}
	w.model = model
	w.hold.answersAs(w.agent.Version)
	r := w.run()
	q := chat.MessageQuery{Limit: min(2*m.History.Messages+20, maxRead)}
	if r.N > 0 {
		q.BeforeSeq = &w.question.Seq
	} else if w.log.First > 0 {
		q.BeforeSeq = &w.log.First
	}
	w.history, _, err = w.h.store.Messages(ctx, r.ConversationID, q)
	return err
}

// maxRead is how many messages are read to make a prompt of.
const maxRead = 300
