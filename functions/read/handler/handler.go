// Package handler moves the marks of what people and agents have read; see
// shared/mongostore/reads.go.
package handler

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Read(ctx context.Context, p chat.Principal, c chat.Conversation, seq int64, private bool, now time.Time) (chat.Mark, error)
	MarkUnread(ctx context.Context, p chat.Principal, c chat.Conversation, from int64) (chat.Mark, error)
}

type presence interface {
	Allow(ctx context.Context, p chat.Principal, u chat.Use) (*chat.Quota, error)
	Readers(ctx context.Context, p chat.Principal, id chat.ConversationID, public bool) (chat.Readers, error)
}

type deliverer interface {
	Deliver(ctx context.Context, posts []delivery.Post, passes delivery.Passes) delivery.Result
}

type announcer interface {
	Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID)
}

// Handler handles read.
type Handler struct {
	store    store
	presence presence
	deliver  deliverer
	announce announcer
}

// New returns a Handler.
func New(s store, p presence, d deliverer, a announcer) *Handler { return &Handler{s, p, d, a} }

// Read answers with the caller's mark as it is then. Two round trips to MongoDB before the
// reply (those of mongostore.Read and one), one to Redis beside the first and one after the
// second; then the fan-out. Also in a conversation that is closed or archived.
func (h *Handler) Read(ctx context.Context, f *gateway.ClientFrame, in protocol.Read) error {
	return h.frame(ctx, f, in.ConversationID, func(c chat.Conversation) (protocol.ReadUpdate, []delivery.Post, error) {
		return h.read(ctx, f.Connection, c, in.ReadBody)
	})
}

// Unread answers as Read does. None of the others is told.
func (h *Handler) Unread(ctx context.Context, f *gateway.ClientFrame, in protocol.Unread) error {
	return h.frame(ctx, f, in.ConversationID, func(c chat.Conversation) (protocol.ReadUpdate, []delivery.Post, error) {
		return h.unread(ctx, f.Connection, c, in.UnreadBody)
	})
}

// ReadREST is Read for who has read the conversation, and counted the use, already. It
// returns when each frame has been tried once.
func (h *Handler) ReadREST(ctx context.Context, p chat.Principal, c chat.Conversation, in protocol.ReadBody) (protocol.ReadUpdate, error) {
	own, posts, err := h.read(ctx, chat.Connection{Principal: p}, c, in)
	h.post(ctx, posts)
	return own, err
}

// UnreadREST is to Unread what ReadREST is to Read.
func (h *Handler) UnreadREST(ctx context.Context, p chat.Principal, c chat.Conversation, in protocol.UnreadBody) (protocol.ReadUpdate, error) {
	own, posts, err := h.unread(ctx, chat.Connection{Principal: p}, c, in)
	h.post(ctx, posts)
	return own, err
}

// frame admits the caller, moves the mark, and answers beside telling the others.
func (h *Handler) frame(ctx context.Context, f *gateway.ClientFrame, id chat.ConversationID, move func(chat.Conversation) (protocol.ReadUpdate, []delivery.Post, error)) error {
	c, err := h.admit(ctx, f.Connection.Principal, id)
	if err != nil {
		return err
	}
	own, posts, err := move(c)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error {
		f.Reply(ctx, protocol.EventReadUpdate, own)
		return nil
	})
	h.post(ctx, posts)
	return g.Wait()
}

func (h *Handler) read(ctx context.Context, caller chat.Connection, c chat.Conversation, in protocol.ReadBody) (protocol.ReadUpdate, []delivery.Post, error) {
	m, err := h.store.Read(ctx, caller.Principal, c, in.Seq, in.Private, time.Now())
	if err != nil {
		return protocol.ReadUpdate{}, nil, err
	}
	own, posts := h.notices(ctx, caller, c, m, !in.Private)
	return own, posts, nil
}

func (h *Handler) unread(ctx context.Context, caller chat.Connection, c chat.Conversation, in protocol.UnreadBody) (protocol.ReadUpdate, []delivery.Post, error) {
	m, err := h.store.MarkUnread(ctx, caller.Principal, c, in.FromSeq)
	if err != nil {
		return protocol.ReadUpdate{}, nil, err
	}
	own, posts := h.notices(ctx, caller, c, m, false)
	return own, posts, nil
}

// notices are the answer, and what others are told: always, also where the mark has not moved,
// for whoever moved it may have died. The caller's own devices hear their mark, in the room or
// not; where it is public the other participants in the room hear that, at most once a second.
// What they do not hear for that the caller may say again, and the answer says when; and
// whoever joins, or has missed a frame, asks for all marks.
func (h *Handler) notices(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Mark, public bool) (own protocol.ReadUpdate, posts []delivery.Post) {
	own = protocol.OwnReadUpdate(m)
	to, err := h.presence.Readers(ctx, caller.Principal, c.ID, public)
	if err != nil {
		slog.WarnContext(ctx, "find whom to tell what is read", "conversation", c.ID, "err", err)
		own.RetryAfterMs = time.Second.Milliseconds()
		return own, nil
	}
	now := time.Now()
	frame := protocol.Frame(protocol.EventReadUpdate, "", own, now)
	for _, device := range to.Own {
		if device.ID != caller.ID {
			posts = append(posts, delivery.Post{To: device, Frame: frame})
		}
	}
	if public {
		frame = protocol.Frame(protocol.EventReadUpdate, "", protocol.PublicReadUpdate(m), now)
		for _, other := range c.Entitled(to.Room.Without(caller.Principal)) {
			posts = append(posts, delivery.Post{To: other, Frame: frame})
		}
	}
	own.RetryAfterMs = to.Wait.Milliseconds()
	if to.Wait > 0 {
		own.RetryAfterMs++ // rounded up
	}
	return own, posts
}

func (h *Handler) post(ctx context.Context, posts []delivery.Post) {
	if len(posts) > 0 {
		h.announce.Forget(ctx, h.deliver.Deliver(ctx, posts, delivery.Once).Gone, "")
	}
}

// admit reads the conversation, if the caller may.
func (h *Handler) admit(ctx context.Context, p chat.Principal, id chat.ConversationID) (c chat.Conversation, err error) {
	var g errgroup.Group // both are asked: a stranger learns no more than that there is nothing
	var limited error
	g.Go(func() error {
		_, limited = h.presence.Allow(ctx, p, chat.UseMark)
		return nil
	})
	c, err = h.store.Conversation(ctx, p, id)
	g.Wait() //nolint:errcheck // the error has a name
	if err == nil {
		err = limited
	}
	return c, err
}
