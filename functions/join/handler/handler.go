// Package handler brings a connection into a conversation.
package handler

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
}

type presence interface {
	Join(ctx context.Context, c chat.Connection, id chat.ConversationID) (joined bool, members []chat.Principal, err error)
	Online(ctx context.Context, ps ...chat.Principal) ([]bool, error)
}

type announcer interface {
	Joined(ctx context.Context, c chat.Connection, id chat.ConversationID)
}

// How many messages a join brings: the newest, or those after afterSeq. What
// is beyond is there over REST.
const (
	newest = 50
	resume = 500
)

// Handler handles join.
type Handler struct {
	store    store
	presence presence
	announce announcer
}

// New returns a Handler.
func New(s store, p presence, a announcer) *Handler {
	return &Handler{store: s, presence: p, announce: a}
}

// Handle registers the connection in the room and replies with who is there
// and the history. It is in the room before the history is read: a message
// committed in between arrives twice rather than never. Two round trips to
// MongoDB and two to Redis; for a new member one more to Redis and the fan-out
// of its announcement.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Join) error {
	conversation, err := h.store.Conversation(ctx, f.Connection.Principal, in.ConversationID)
	if err != nil {
		return err
	}
	joined, members, err := h.presence.Join(ctx, f.Connection, conversation.ID)
	if err != nil {
		return err
	}
	var messages []chat.Message
	var more bool
	var agentOnline []bool
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		messages, more, err = h.store.Messages(gctx, conversation.ID, historyQuery(in.AfterSeq))
		return err
	})
	g.Go(func() (err error) {
		agentOnline, err = h.presence.Online(gctx, conversation.Agent())
		return err
	})
	if joined { // also if the history fails: the member is in the room already
		g.Go(func() error { h.announce.Joined(ctx, f.Connection, conversation.ID); return nil })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	reply := protocol.JoinedOf(conversation.ID, lastSeq(conversation, messages), present(members, conversation), agentOnline[0])
	f.Reply(ctx, protocol.EventJoined, reply)
	direction := protocol.HistoryDirection(in.AfterSeq != nil)
	for _, frame := range protocol.HistoryFrames(f.FrameID, conversation.ID, messages, direction, more, time.Now()) {
		f.ReplyFrame(ctx, frame)
	}
	return nil
}

func historyQuery(afterSeq *int64) chat.MessageQuery {
	if afterSeq != nil {
		return chat.MessageQuery{AfterSeq: afterSeq, Limit: resume}
	}
	return chat.MessageQuery{Limit: newest}
}

// lastSeq is the end of the log. The conversation's own count is a projection
// that may lag behind the messages just read.
func lastSeq(c chat.Conversation, messages []chat.Message) int64 {
	last := c.TotalMessages
	if n := len(messages); n > 0 {
		last = max(last, messages[n-1].Seq)
	}
	return last
}

// present leaves out members who are participants no more.
func present(members []chat.Principal, c chat.Conversation) []chat.Principal {
	return slices.DeleteFunc(members, func(p chat.Principal) bool { return !c.HasParticipant(p) })
}
