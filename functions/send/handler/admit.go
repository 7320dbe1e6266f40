package handler

import (
	"context"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// admit reads the conversation that a message is for, if its sender may write
// there now, and the thread that it is in. What it decided may be over at the commit,
// some milliseconds later: a message that is sent while its conversation is being
// closed, or its sender removed, may still be committed.
func (h *Handler) admit(ctx context.Context, caller chat.Connection, m *chat.Message) (c chat.Conversation, a chat.Admission, err error) {
	var g errgroup.Group // all are asked: the first refusal in this order is the answer
	var limited, orphan, foreign error
	var thread chat.MessageID
	g.Go(func() error {
		roomy(func() { a, limited = h.presence.Admit(ctx, caller, m.ConversationID) })
		return nil
	})
	if m.ParentID != "" {
		g.Go(func() error { thread, orphan = h.threadOf(ctx, *m); return nil })
	}
	if len(chat.UploadsOf(m.Attachments)) > 0 {
		g.Go(func() error { foreign = h.checkUploads(ctx, *m); return nil })
	}
	c, err = h.store.Conversation(ctx, m.Sender, m.ConversationID)
	g.Wait() //nolint:errcheck // each error has a name
	m.ThreadID = thread
	for _, refusal := range []error{limited, orphan, foreign} {
		if err == nil {
			err = refusal
		}
	}
	if err == nil && c.Status != chat.Active {
		err = h.unlessSent(ctx, *m, chat.ErrConversationClosed)
	}
	if err == nil {
		if err = c.CheckMentions(m.Mentions); err != nil {
			err = h.unlessSent(ctx, *m, err)
		}
	}
	return c, a, err
}

// threadOf returns the thread of a message, and keeps its parent within the conversation. One
// that is elsewhere and one that does not exist look alike. The parent may be deleted: what it
// answered is still known.
func (h *Handler) threadOf(ctx context.Context, m chat.Message) (chat.MessageID, error) {
	if m.ParentID == "" {
		return "", nil
	}
	parent, err := h.store.Message(ctx, m.Sender.OrgID, m.ParentID)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return "", err
	}
	if err != nil || parent.ConversationID != m.ConversationID {
		return "", chat.Invalid("parentId", "must be a message of the conversation")
	}
	return parent.ThreadOf(m.Sender.Type), nil
}

// unlessSent refuses a message, unless it is the repeat of one that was committed while
// nothing spoke against it, as while the conversation was still active: that one is answered
// as ever.
func (h *Handler) unlessSent(ctx context.Context, m chat.Message, refusal error) error {
	_, found, err := h.store.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID)
	if err != nil {
		return err
	}
	if !found {
		return refusal
	}
	return nil
}
