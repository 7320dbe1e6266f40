// Package handler changes what is already said: reactions to it, and by its author the text.
// A change is one update of the message, which adds what follows from it to what is due; see
// shared/mongostore/changes.go.
package handler

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	React(ctx context.Context, by chat.Principal, r chat.ReactionChange, now, due time.Time) (m chat.Message, done bool, err error)
	Attachable(ctx context.Context, p chat.Principal, in chat.ConversationID, to chat.MessageID, ids []chat.UploadID, now time.Time) ([]chat.Upload, error)
	EditMessage(ctx context.Context, author chat.Principal, e chat.Edit, due time.Time) (m chat.Message, done bool, err error)
}

type limiter interface {
	AllowIn(ctx context.Context, p chat.Principal, u chat.Use, id chat.ConversationID) (*chat.Quota, error)
	InBudget(ctx context.Context, id chat.ConversationID) error
}

// sender is the send action: what follows from a message is its business.
type sender interface {
	Changed(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes, answered chat.Effect, answer func())
}

// Handler handles annotate.
type Handler struct {
	store  store
	limit  limiter
	sender sender
}

// New returns a Handler.
func New(s store, l limiter, send sender) *Handler { return &Handler{s, l, send} }

// patience is how long a change may be under way before sweep takes it up.
const patience = 20 * time.Second

// React answers with all reactions of the message. Two round trips to MongoDB before the
// reply, one of them beside one to Redis; after it one to Redis, the fan-out, and one to
// MongoDB. What is so already is answered alike, and nobody is told.
func (h *Handler) React(ctx context.Context, f *gateway.ClientFrame, in protocol.React) error {
	c, err := h.admit(ctx, f.Connection.Principal, in.ConversationID, chat.UseReaction)
	if err != nil {
		return err
	}
	m, err := h.react(ctx, f.Connection.Principal, in.Change())
	if err != nil {
		return err
	}
	h.sender.Changed(ctx, f.Connection, c, m, delivery.Patient, chat.EffectTellReactions, func() {
		f.Reply(ctx, protocol.EventReactions, protocol.ReactionsOf(m, f.Connection.Principal))
	})
	return nil
}

// Edit answers with the message as it is then. The round trips of React, with mentions one
// more to MongoDB, and three or four more to it after the reply.
func (h *Handler) Edit(ctx context.Context, f *gateway.ClientFrame, in protocol.Edit) error {
	c, err := h.admit(ctx, f.Connection.Principal, in.ConversationID, chat.UseEdit)
	if err != nil {
		return err
	}
	m, err := h.edit(ctx, f.Connection.Principal, c, in.Of(in.ConversationID, in.MessageID))
	if err != nil {
		return err
	}
	h.sender.Changed(ctx, f.Connection, c, m, delivery.Patient, chat.EffectTell, func() {
		f.ReplyFrame(ctx, protocol.MessageUpdatedFrame(f.FrameID, protocol.MessageFor(m, f.Connection.Principal), time.Now()))
	})
	return nil
}

// ReactREST is React for who has read the conversation, and counted the use, already. It
// returns when each frame has been tried once. One round trip to Redis more, for the budget
// of the conversation.
func (h *Handler) ReactREST(ctx context.Context, by chat.Principal, c chat.Conversation, r chat.ReactionChange) (chat.Message, error) {
	return h.rest(ctx, by, c, func() (chat.Message, error) { return h.react(ctx, by, r) })
}

// EditREST is Edit for who has read the conversation, and counted the use, already. It
// returns when each frame has been tried once.
func (h *Handler) EditREST(ctx context.Context, author chat.Principal, c chat.Conversation, e chat.Edit) (chat.Message, error) {
	return h.rest(ctx, author, c, func() (chat.Message, error) { return h.edit(ctx, author, c, e) })
}

func (h *Handler) rest(ctx context.Context, by chat.Principal, c chat.Conversation, change func() (chat.Message, error)) (chat.Message, error) {
	if c.Status != chat.Active {
		return chat.Message{}, chat.ErrConversationClosed
	}
	if err := h.limit.InBudget(ctx, c.ID); err != nil {
		return chat.Message{}, err
	}
	m, err := change()
	if err == nil {
		h.sender.Changed(ctx, chat.Connection{Principal: by}, c, m, delivery.Once, "", func() {})
	}
	return m, err
}

func (h *Handler) react(ctx context.Context, by chat.Principal, r chat.ReactionChange) (chat.Message, error) {
	now := time.Now()
	m, _, err := h.store.React(ctx, by, r, now, now.Add(patience))
	return m, err
}

func (h *Handler) edit(ctx context.Context, author chat.Principal, c chat.Conversation, e chat.Edit) (chat.Message, error) {
	if err := e.CheckMentions(author, c); err != nil {
		return chat.Message{}, err
	}
	now := time.Now()
	if ids := chat.UploadsOf(e.Attachments); len(ids) > 0 { // one round trip more
		if _, err := h.store.Attachable(ctx, author, e.ConversationID, e.MessageID, ids, now); err != nil {
			return chat.Message{}, err
		}
	}
	m, _, err := h.store.EditMessage(ctx, author, e, now.Add(patience))
	return m, err
}

// admit reads the conversation, if the caller may change something in it now.
func (h *Handler) admit(ctx context.Context, p chat.Principal, id chat.ConversationID, u chat.Use) (c chat.Conversation, err error) {
	var g errgroup.Group // both are asked: a stranger learns no more than that there is nothing
	var limited error
	g.Go(func() error {
		_, limited = h.limit.AllowIn(ctx, p, u, id)
		return nil
	})
	c, err = h.store.Conversation(ctx, p, id)
	g.Wait() //nolint:errcheck // the error has a name
	switch {
	case err != nil:
		return c, err
	case limited != nil:
		return c, limited
	case c.Status != chat.Active:
		return c, chat.ErrConversationClosed
	}
	return c, nil
}
