package handler

import (
	"context"
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

// saw takes note of the conversation as it is now. What the run has cost so far is among
// its tokens already, or will be: of what one read has and the other has not, the greater
// counts.
func (w *work) saw(c chat.Conversation) {
	w.conversation = c
	w.others = max(w.others, c.TotalTokens-w.log.Usage().TotalTokens)
}

// affordable refuses to ask the model where the agent's budget is spent.
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
