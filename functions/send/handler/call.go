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
// where nothing else goes on.
func (h *Handler) queueRun(ctx context.Context, agent chat.AgentProfile, m chat.Message) error {
	run := chat.NewRun(agent, m, 0, m.Sender.ID, m.Seq, time.Now())
	stop, err := h.meet(ctx, agent, &run)
	if err != nil {
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
	for _, other := range stop {
		if err := h.stopFor(ctx, other, m); err != nil {
			return err
		}
	}
	if !inserted && run.Status != chat.RunQueued {
		return nil // somebody had its job
	}
	return h.jobs.EnqueueRun(ctx, protocol.RunJobOf(run))
}

// meet applies the agent's policy where it has other runs, of questions before this one.
// A run that is not to be is inserted as cancelled: so it stays when this is done again.
func (h *Handler) meet(ctx context.Context, agent chat.AgentProfile, run *chat.Run) (stop []chat.Run, err error) {
	if agent.Managed.Busy == chat.BusyEnqueue {
		return nil, nil
	}
	open, err := h.store.OpenRuns(ctx, run.ConversationID, agent.ID)
	if err != nil {
		return nil, err
	}
	var earlier []chat.Run
	for _, other := range open {
		if other.ID != run.ID && other.Place < run.Place {
			earlier = append(earlier, other)
		}
	}
	answer := agent.Managed.Busy.Meets(earlier)
	if answer.Refuse {
		run.Status, run.Error, run.EndedAt = chat.RunCancelled, chat.Conflict, run.CreatedAt
	}
	for _, other := range earlier {
		for _, id := range answer.Stop {
			if other.ID == id {
				stop = append(stop, other)
			}
		}
	}
	return stop, nil
}

// stopFor stops a run for a newer question.
func (h *Handler) stopFor(ctx context.Context, r chat.Run, m chat.Message) error {
	now, err := h.store.StopRun(ctx, r.OrgID, r.ID, m.Sender.ID, time.Now())
	if err != nil || now.Status.Over() {
		return err
	}
	// The fast way to who holds it; else they see it with their next look at the run.
	_ = h.presence.StopQuestion(ctx, r.ConversationID, chat.MessageID(r.ID), m.Sender)
	if now.Status == chat.RunActive {
		return nil
	}
	return h.jobs.EnqueueRun(ctx, protocol.RunJobOf(now))
}
