// Package handler adds a message to a conversation and delivers it. It is the
// only place that knows the order of the steps on which the promises G1 to G8
// of the README stand.
package handler

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Append(ctx context.Context, head chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
	Project(ctx context.Context, m chat.Message) error
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
}

type presence interface {
	BeginSend(ctx context.Context, c chat.Connection, s chat.PendingSend, agent chat.Principal) (repeat, agentOnline bool, err error)
	EndSend(ctx context.Context, s chat.PendingSend) error
	Audience(ctx context.Context, c chat.Connection, id chat.ConversationID, agent chat.Principal) (room, agentConnections []chat.Connection, err error)
	Joined(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error)
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte) delivery.Result
}

type jobs interface {
	EnqueueSummary(ctx context.Context, job protocol.SummaryJob) error
}

// Handler handles send.
type Handler struct {
	store    store
	presence presence
	cast     broadcaster
	jobs     jobs
}

// New returns a Handler.
func New(s store, p presence, b broadcaster, j jobs) *Handler {
	return &Handler{store: s, presence: p, cast: b, jobs: j}
}

// Handle answers the frame as soon as the message is durable, and delivers it
// meanwhile. Before the reply: one round trip to MongoDB, one to Redis, and one
// to MongoDB, the commit. After it, together: one to Redis and the fan-out, one
// to MongoDB, one to SQS for every tenth message; and last one to Redis.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Send) error {
	if in.ConversationID == "" {
		id, err := h.onlyJoined(ctx, f.Connection.ID)
		if err != nil {
			return err
		}
		in.ConversationID = id
	}
	if in.ClientMessageID == "" { // so that an event that comes twice is one message
		in.ClientMessageID = chat.ClientMessageID(strings.TrimRight(f.MessageID, "="))
	}
	return h.Send(ctx, f.Connection, in.MessageInput, chat.MaxContentFrame, func(sent protocol.Sent) {
		f.Reply(ctx, protocol.EventMessageSent, sent)
	})
}

// Send adds the message of a caller, whose connection has no id over REST, and
// calls ack once it is durable. It returns when everything that follows from
// the message is done, or left to sweep: a Lambda instance freezes on return.
func (h *Handler) Send(ctx context.Context, caller chat.Connection, in protocol.MessageInput, maxContent int, ack func(protocol.Sent)) error {
	m, err := newMessage(caller.Principal, in, maxContent)
	if err != nil {
		return err
	}
	conversation, err := h.admit(ctx, m)
	if err != nil {
		return err
	}
	note := chat.PendingSend{Sender: m.Sender, ConversationID: m.ConversationID, ClientMessageID: m.ClientMessageID}
	repeat, agentOnline, err := h.presence.BeginSend(ctx, caller, note, conversation.Agent())
	if err != nil {
		return err
	}
	stored, duplicate, err := h.store.Append(ctx, conversation.Head(), m) // the commit
	if err != nil {
		h.withdraw(ctx, note, repeat, err)
		return err
	}
	answer := func() { ack(protocol.SentOf(stored, agentOnline, duplicate)) }
	unfinished := !duplicate || repeat
	if !unfinished && time.Since(stored.CreatedAt) > longestSend {
		answer() // finished long ago: only the note of this attempt is left
		h.end(ctx, note)
		return nil
	}
	h.finish(ctx, caller, conversation, stored, note, unfinished, answer)
	return nil
}

// longestSend is longer than a send can be under way: API Gateway waits 30 s at
// most. A younger message may come from an attempt that ran beside this one,
// found the note of this one, and died before it delivered. Taking out the note
// without delivering would then break G4. A summary job is promised to nobody:
// it is not enqueued a second time.
const longestSend = time.Minute

// newMessage checks everything that needs no look-up. A client that sends no
// id of its own gets one, so that the index needs no exception.
func newMessage(sender chat.Principal, in protocol.MessageInput, maxContent int) (chat.Message, error) {
	draft, err := in.Draft(sender)
	if err != nil {
		return chat.Message{}, err
	}
	if in.ClientMessageID == "" {
		in.ClientMessageID = chat.ClientMessageID(uuid.NewString())
	}
	return chat.NewMessage(in.ConversationID, sender, in.ClientMessageID, draft, maxContent, time.Now())
}

// onlyJoined is the conversation that a frame means when it names none.
func (h *Handler) onlyJoined(ctx context.Context, c chat.ConnectionID) (chat.ConversationID, error) {
	joined, err := h.presence.Joined(ctx, c)
	if err != nil {
		return "", err
	}
	if len(joined) != 1 {
		return "", chat.Invalid("conversationId", "is required unless exactly one conversation is joined")
	}
	return joined[0], nil
}

// admit reads the conversation that a message is for, if its sender may write
// there now.
func (h *Handler) admit(ctx context.Context, m chat.Message) (chat.Conversation, error) {
	var g errgroup.Group
	if m.ParentID != "" {
		g.Go(func() error { return h.checkParent(ctx, m) })
	}
	c, err := h.store.Conversation(ctx, m.Sender, m.ConversationID)
	if parentErr := g.Wait(); err == nil {
		err = parentErr
	}
	if err == nil && c.Status != chat.Active {
		err = h.closed(ctx, m)
	}
	return c, err
}

// checkParent keeps a message's parent within its conversation. One that is
// elsewhere and one that does not exist look alike.
func (h *Handler) checkParent(ctx context.Context, m chat.Message) error {
	parent, err := h.store.Message(ctx, m.Sender.OrgID, m.ParentID)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return err
	}
	if err != nil || parent.ConversationID != m.ConversationID {
		return chat.Invalid("parentId", "must be a message of the conversation")
	}
	return nil
}

// closed refuses a message, unless it is the repeat of one that was committed
// while the conversation was still active: that one is answered as ever.
func (h *Handler) closed(ctx context.Context, m chat.Message) error {
	_, found, err := h.store.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID)
	if err != nil {
		return err
	}
	if !found {
		return chat.Errorf(chat.ConversationClosed, "the conversation takes no messages until it is active again")
	}
	return nil
}

// withdraw takes back the note of a send that surely committed nothing, unless
// an earlier attempt left it. After an error that leaves open whether it did,
// the note stays for the retry or for sweep.
func (h *Handler) withdraw(ctx context.Context, note chat.PendingSend, repeat bool, err error) {
	if chat.CodeOf(err) == chat.Conflict && !repeat {
		h.end(ctx, note)
	}
}
