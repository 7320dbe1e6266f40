package handler

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"aiwm-chat/shared/chat"
)

// admitted reads the conversation again: where it takes no messages any more, or the agent
// is not in it, nothing is called and no model asked. One round trip.
func (w *work) admitted(ctx context.Context) error {
	r := w.run()
	c, err := w.h.store.AnyConversation(ctx, r.OrgID, r.ConversationID)
	switch {
	case err != nil:
		return err
	case c.Status != chat.Active:
		return chat.ErrConversationClosed
	case !c.HasParticipant(r.Agent()):
		return chat.Errorf(chat.NotFound, "the agent is not in the conversation any more")
	}
	w.saw(c)
	return nil
}

// rejected reports whether a run is not to be answered, as its agent takes no second question. It
// is one round trip under that policy alone.
func (h *Handler) rejected(ctx context.Context, r chat.Run) (bool, error) {
	if !r.Alone || r.WaitsFor != "" {
		return false, nil
	}
	others, err := h.store.RunsBeside(ctx, r)
	return slices.ContainsFunc(others, r.RejectedFor), err
}

// refuse ends a queued run whose job did not take it, because another one is busy, if it is not to
// wait for its turn. Where that fails it waits, and whoever takes it looks again.
func (h *Handler) refuse(ctx context.Context, r chat.Run) {
	if r.Status != chat.RunQueued {
		return
	}
	rejected, err := h.rejected(ctx, r)
	if rejected {
		err = h.reject(ctx, r)
	}
	if err != nil {
		slog.WarnContext(ctx, "a run is rejected late", "conversation", r.ConversationID, "run", r.ID, "err", err)
	}
}

// reject ends a run as BusyReject does: nothing is said of it.
func (h *Handler) reject(ctx context.Context, r chat.Run) error {
	r.Error = chat.Conflict
	_, _, err := h.store.EndRun(ctx, r, chat.RunCancelled, time.Now())
	return err
}

// saw takes note of the conversation as it is now. What the run has cost so far is among
// its tokens already, or will be: of what one read has and the other has not, the greater
// counts.
func (w *work) saw(c chat.Conversation) {
	w.conversation = c
	w.others = max(w.others, c.TotalTokens-w.log.Usage().TotalTokens)
}

// affordable refuses to ask the model where the agent's budget is spent. It looks before each
// time that the model is asked, so that runs in several conversations that began at once spend at
// most what one answer of the model costs each after the budget is gone: nothing is reserved,
// for what an answer costs is known when it is there.
func (w *work) affordable(ctx context.Context) error {
	b := w.agent.Managed.Budget
	if b == (chat.Budget{}) {
		return nil
	}
	used := w.log.Usage().TotalTokens
	var today int64
	if b.TokensPerDay > 0 {
		var err error
		r := w.run()
		if today, err = w.h.store.TokensOfDay(ctx, r.Agent(), chat.DayOf(time.Now())); err != nil {
			return err
		}
	}
	if b.Spent(w.others+used, today) {
		return &failure{budgetExceeded, "The agent has used up what it may spend, and does not answer for now."}
	}
	return nil
}
