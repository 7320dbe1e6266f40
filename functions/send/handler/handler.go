// Package handler adds a message to a conversation and delivers it. It is the
// only place that knows the order of the steps on which the promises G1 to G8
// of the design stand.
package handler

import (
	"context"
	"sync"
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
	BeginSend(ctx context.Context, c chat.Connection, s chat.PendingSend) (repeat bool, err error)
	EndSend(ctx context.Context, s chat.PendingSend) error
	Audience(ctx context.Context, c chat.Connection, id chat.ConversationID, agent chat.Principal) (room, agentConnections []chat.Connection, err error)
	Joined(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error)
	Online(ctx context.Context, ps ...chat.Principal) ([]bool, error)
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
// meanwhile. Before the reply: one round trip to Redis beside the first of two
// to MongoDB. After it, together: one to Redis and the fan-out, one to MongoDB,
// one to SQS for every tenth message; and last one to Redis.
func (h *Handler) Handle(ctx context.Context, r *gateway.Request, in protocol.Send) error {
	if in.ConversationID == "" {
		id, err := h.onlyJoined(ctx, r.Connection.ID)
		if err != nil {
			return err
		}
		in.ConversationID = id
	}
	return h.Send(ctx, r.Connection, in.MessageInput, chat.MaxContentFrame, func(sent protocol.Sent) {
		r.Reply(ctx, protocol.EventMessageSent, sent)
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
	a, err := h.admit(ctx, caller, m)
	if err != nil {
		return err
	}
	stored, duplicate, agentOnline, err := h.commit(ctx, a.conversation, m)
	if err != nil {
		h.withdraw(ctx, a, err)
		return err
	}
	answer := func() { ack(protocol.SentOf(stored, agentOnline, duplicate)) }
	if duplicate && !a.repeat {
		answer() // finished long ago: only the note of this attempt is left
		h.end(ctx, a.note)
		return nil
	}
	h.finish(ctx, caller, a, stored, answer)
	return nil
}

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

// admission is what is known of a send before it is committed.
type admission struct {
	conversation chat.Conversation
	note         chat.PendingSend
	repeat       bool // an earlier attempt was noted and has not finished
}

// admit notes the send as pending and, at the same time, reads whether it may
// be. A refusal takes the note back, unless an earlier attempt left it.
func (h *Handler) admit(ctx context.Context, caller chat.Connection, m chat.Message) (admission, error) {
	a := admission{note: chat.PendingSend{Sender: m.Sender, ConversationID: m.ConversationID, ClientMessageID: m.ClientMessageID}}
	var g errgroup.Group // not tied to one another: each must be known to undo the other
	noted := false
	g.Go(func() (err error) {
		a.repeat, err = h.presence.BeginSend(ctx, caller, a.note)
		noted = err == nil
		return err
	})
	g.Go(func() (err error) {
		a.conversation, err = h.store.Conversation(ctx, caller.Principal, m.ConversationID)
		return err
	})
	if m.ParentID != "" {
		g.Go(func() error { return h.checkParent(ctx, caller.Principal.OrgID, m) })
	}
	err := g.Wait()
	if err == nil && a.conversation.Status != chat.Active {
		err = h.closed(ctx, m)
	}
	if err != nil && noted && !a.repeat {
		h.end(ctx, a.note)
	}
	return a, err
}

// checkParent keeps a message's parent within its conversation. One that is
// elsewhere and one that does not exist look alike.
func (h *Handler) checkParent(ctx context.Context, org chat.OrgID, m chat.Message) error {
	parent, err := h.store.Message(ctx, org, m.ParentID)
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

// withdraw takes back the note of a send that surely committed nothing. After
// an error that leaves this open, the note stays for the retry or for sweep.
func (h *Handler) withdraw(ctx context.Context, a admission, err error) {
	if chat.CodeOf(err) == chat.Conflict && !a.repeat {
		h.end(ctx, a.note)
	}
}

// commit appends the message, which is the only commit, and asks meanwhile
// whether the agent is there. Without an answer the agent counts as offline:
// the message waits for it in either case.
func (h *Handler) commit(ctx context.Context, c chat.Conversation, m chat.Message) (stored chat.Message, duplicate, agentOnline bool, err error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		online, err := h.presence.Online(ctx, c.Agent())
		agentOnline = err == nil && online[0]
	})
	stored, duplicate, err = h.store.Append(ctx, c.Head(), m)
	wg.Wait()
	return stored, duplicate, agentOnline, err
}
