package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// calls reports whether somebody may have to be called for a message: the agents of a
// conversation for what a user says, a run for a decision. Whether they are, is looked up
// once the message is safe.
func calls(c chat.Conversation, m chat.Message) bool {
	if _, decides := m.Decided(); decides {
		return true
	}
	return m.Sender.Type == chat.User && m.Type == chat.TypeText && len(c.Agents()) > 0
}

// call has the agents that the backend runs answer a message, or go on by a decision. It
// may be done again: a run has one id for each agent and message. Where no agent is
// managed, which is known for a time, it is no round trip.
func (h *Handler) call(ctx context.Context, c chat.Conversation, m chat.Message) error {
	if approval, decides := m.Decided(); decides {
		return h.goOn(ctx, m, approval)
	}
	var failed error
	for _, id := range c.Agents() {
		agent, err := h.profiles.Of(ctx, chat.Principal{Type: chat.Agent, ID: id, OrgID: c.OrgID})
		if err == nil && agent.Managed != nil && agent.Managed.Calls(id, m) {
			err = h.queueRun(ctx, agent, m)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// goOn has a run go on whose call is decided. That is noted before the job, so that a job
// that is lost is missed.
func (h *Handler) goOn(ctx context.Context, m chat.Message, a chat.Approval) error {
	id, _, _, ok := chat.ParseCallID(string(a.CallID))
	if !ok {
		return nil
	}
	if err := h.store.RunDecided(ctx, id, time.Now()); err != nil {
		return err
	}
	return h.jobs.EnqueueRun(ctx, protocol.RunJob{RunID: id, OrgID: m.Sender.OrgID, ConversationID: m.ConversationID})
}

// queueRun queues the answer of an agent to a message, and then its job: three round trips
// where its policy is to enqueue, one more under the others.
func (h *Handler) queueRun(ctx context.Context, agent chat.AgentProfile, m chat.Message) error {
	run := chat.NewRun(agent, m, 0, m.Sender.ID, m.Seq, time.Now())
	if err := h.meet(ctx, &run); err != nil {
		return err
	}
	run, inserted, err := h.store.QueueRun(ctx, run)
	if err != nil || run.Status.Over() {
		return err
	}
	// Whoever stops a question notes it before looking for runs, so that it is seen here or
	// there.
	by, stopped, err := h.presence.QuestionStopped(ctx, m.ConversationID, m.ID)
	if err != nil { // people get an answer also without Redis
		slog.WarnContext(ctx, "look whether a question was stopped", "conversation", m.ConversationID, "seq", m.Seq, "err", err)
	}
	if stopped {
		if run, err = h.store.StopRun(ctx, run.OrgID, run.ID, by.ID, time.Now()); err != nil || run.Status.Over() {
			return err
		}
	}
	if agent.Managed.Busy == chat.BusyInterrupt {
		if run, err = h.interrupt(ctx, run); err != nil || run.Status.Over() {
			return err
		}
	}
	if !inserted && run.Status != chat.RunQueued {
		return nil // somebody had its job
	}
	return h.jobs.EnqueueRun(ctx, protocol.RunJobOf(run))
}

// meet refuses a run under chat.BusyReject where its agent is busy with a question before this
// one. It is inserted as cancelled then: so it stays when this is done again. What is queued
// between this look and the insert is seen by whoever claims the run: see chat.Run.RejectedFor.
func (h *Handler) meet(ctx context.Context, run *chat.Run) error {
	if !run.Alone {
		return nil
	}
	open, err := h.store.OpenRuns(ctx, run.ConversationID, run.AgentID)
	if err != nil {
		return err
	}
	run.CreatedAt = time.Now() // what had ended by now was not in the way
	run.UpdatedAt = run.CreatedAt
	if chat.BusyReject.Meets(*run, open).Refuse {
		run.Status, run.Error, run.EndedAt = chat.RunCancelled, chat.Conflict, run.CreatedAt
	}
	return nil
}

// interrupt stops the agent's runs of questions before the one that was queued, or that one where
// a question after it was queued meanwhile: each is queued before it looks, so that of two that
// come at once one sees the other.
func (h *Handler) interrupt(ctx context.Context, run chat.Run) (chat.Run, error) {
	open, err := h.store.OpenRuns(ctx, run.ConversationID, run.AgentID)
	if err != nil {
		return run, err
	}
	met := chat.BusyInterrupt.Meets(run, open)
	for _, other := range met.Stop {
		if _, err := h.stopFor(ctx, other, run); err != nil {
			return run, err
		}
	}
	if met.For != nil && run.Stop == nil {
		return h.stopFor(ctx, run, *met.For)
	}
	return run, nil
}

// stopFor stops a run for that of a newer question.
func (h *Handler) stopFor(ctx context.Context, r, newer chat.Run) (chat.Run, error) {
	now, err := h.store.StopRun(ctx, r.OrgID, r.ID, newer.UserID, time.Now())
	if err != nil || now.Status.Over() {
		return now, err
	}
	// The fast way to who holds it; else they see it with their next look at the run.
	_ = h.presence.StopQuestion(ctx, r.ConversationID, chat.MessageID(r.ID), chat.Principal{Type: chat.User, ID: newer.UserID, OrgID: r.OrgID})
	if now.Status != chat.RunActive {
		return now, h.jobs.EnqueueRun(ctx, protocol.RunJobOf(now))
	}
	if left := max(0, time.Until(now.LeaseUntil)); left == 0 || r.Stop == nil { // who holds it may be dead
		return now, h.jobs.EnqueueRunIn(ctx, protocol.RunJobOf(now), left)
	}
	return now, nil
}
