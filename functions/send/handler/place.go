package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
)

// Place adds a message of somebody whom the backend speaks for: an agent that it runs,
// or itself. It is counted against nobody's limits, and its thread is the caller's to say.
// Where there is another message under its clientMessageId that one is returned, whatever
// it says: mine is false then. Where the conversation refuses the message the error is
// chat.NotFound or chat.ConversationClosed. It returns when everything that follows from
// the message is done, or left due.
func (h *Handler) Place(ctx context.Context, m chat.Message) (stored chat.Message, mine bool, err error) {
	c, err := h.placeIn(ctx, m)
	if err != nil {
		return chat.Message{}, false, err
	}
	m.Due = chat.NewDue(time.Now(), patience)
	m = h.withEffects(c, m)
	stored, duplicate, err := h.store.Append(ctx, c.Head(), m)
	if chat.CodeOf(err) == chat.Conflict {
		other, found, readErr := h.store.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID)
		if readErr != nil || found {
			return other, false, readErr
		}
	}
	if err != nil {
		return chat.Message{}, false, err
	}
	if stored.Due != nil {
		h.finish(ctx, party{sender: chat.Connection{Principal: m.Sender}}, c, stored, delivery.Once, func() {})
	}
	return stored, !duplicate, nil
}

// placeIn returns the conversation of a message that is to be placed. The backend takes
// part in each.
func (h *Handler) placeIn(ctx context.Context, m chat.Message) (c chat.Conversation, err error) {
	if m.Sender.Type == chat.System {
		c, err = h.store.AnyConversation(ctx, m.Sender.OrgID, m.ConversationID)
	} else {
		c, err = h.store.Conversation(ctx, m.Sender, m.ConversationID)
	}
	if err == nil && c.Status != chat.Active {
		err = chat.ErrConversationClosed
	}
	return c, err
}
