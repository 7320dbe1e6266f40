// Package handler adds a message to a conversation and delivers it. It is the
// only place that knows the order of the steps on which the promises G1 to G8
// of the README stand.
package handler

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/profiles"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Append(ctx context.Context, head chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
	Project(ctx context.Context, c chat.Conversation, m chat.Message) error
	Settle(ctx context.Context, m chat.Message, left *chat.Due) error
	ForgetMessage(ctx context.Context, c chat.Conversation, m chat.Message) (now chat.Conversation, dropped bool, err error)
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
	IndexMessage(ctx context.Context, m chat.Message) error
	CountReplies(ctx context.Context, reply chat.Message, due time.Time) (root *chat.Message, err error)
	QueueRun(ctx context.Context, r chat.Run) (now chat.Run, inserted bool, err error)
	OpenRuns(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID) ([]chat.Run, error)
	StopRun(ctx context.Context, org chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (chat.Run, error)
	RunDecided(ctx context.Context, id chat.RunID, now time.Time) error
	Attachable(ctx context.Context, p chat.Principal, in chat.ConversationID, to chat.MessageID, ids []chat.UploadID, now time.Time) ([]chat.Upload, error)
	AttachUploads(ctx context.Context, m chat.Message) error
	EraseUploads(ctx context.Context, m chat.Message, now time.Time) ([]chat.UploadID, error)
}

type presence interface {
	Admit(ctx context.Context, c chat.Connection, id chat.ConversationID) (chat.Admission, error)
	AgentOnline(ctx context.Context, agent chat.Principal) bool
	Audience(ctx context.Context, id chat.ConversationID, agent chat.Principal, to int) (chat.Audience, error)
	Mentioned(ctx context.Context, id chat.ConversationID, who ...chat.Principal) (chat.Mentioned, error)
	RoomAudience(ctx context.Context, id chat.ConversationID) (chat.Audience, error)
	Entered(ctx context.Context, c chat.ConnectionID) ([]chat.ConversationID, error)
	PutOut(ctx context.Context, entries []chat.Entry) error
	QuestionStopped(ctx context.Context, id chat.ConversationID, question chat.MessageID) (by chat.Principal, stopped bool, err error)
	StopQuestion(ctx context.Context, id chat.ConversationID, question chat.MessageID, by chat.Principal) error
}

type deliverer interface {
	Deliver(ctx context.Context, posts []delivery.Post, passes delivery.Passes) delivery.Result
}

type announcer interface {
	Forget(ctx context.Context, gone []chat.Gone, in chat.ConversationID)
	Activity(ctx context.Context, c chat.Conversation, seq int64, have []chat.Connection)
	Tell(ctx context.Context, c chat.Conversation, frame []byte)
}

type jobs interface {
	EnqueueSummary(ctx context.Context, job protocol.SummaryJob) error
	EnqueueRun(ctx context.Context, job protocol.RunJob) error
	EnqueueRunIn(ctx context.Context, job protocol.RunJob, delay time.Duration) error
}

// Handler handles send.
type Handler struct {
	store    store
	presence presence
	deliver  deliverer
	announce announcer
	jobs     jobs
	profiles *profiles.Cache
	objects  objects // nil: they are sweep's
}

// New returns a Handler.
func New(s store, p presence, d deliverer, a announcer, j jobs) *Handler {
	return &Handler{store: s, presence: p, deliver: d, announce: a, jobs: j, profiles: profiles.New(s)}
}

// A way is how a message comes in.
type way struct {
	maxContent int             // bytes
	passes     delivery.Passes // how patiently its frames are posted
	status     chat.MessageStatus
	streamed   bool
}

// The ways of a message. Over REST the caller waits for its answer until the
// frames are posted, so each is tried once: what failed stays due.
var (
	overWebSocket = way{maxContent: chat.MaxContentFrame, passes: delivery.Patient, status: chat.StatusSent}
	overREST      = way{maxContent: chat.MaxContentREST, passes: delivery.Once, status: chat.StatusSent}
)

// Handle answers the frame as soon as the message is durable, and delivers it
// meanwhile. Before the reply: one round trip to MongoDB and one to Redis
// together, then the commit and one to Redis together. After it, together: one
// to Redis and the fan-out (before it one to MongoDB where somebody is not vouched
// for; once in five seconds one more to Redis, for devices outside), one to
// MongoDB, one to SQS for every tenth message; and last one to MongoDB. Once in half a
// minute, together with these, one to MongoDB for each agent that takes part; and where
// that is one that the backend runs, three or four round trips for its run; for those
// whom the message mentions, one to MongoDB, one to Redis and the fan-out.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Send) (err error) {
	// By the event's, so that one that comes twice is one message.
	defer naming(&err, &in.MessageInput, strings.TrimRight(f.MessageID, "="))()
	if in.ConversationID == "" {
		if in.ConversationID, err = h.onlyJoined(ctx, f.Connection.ID); err != nil {
			return err
		}
	}
	return h.send(ctx, f.Connection, in.MessageInput, overWebSocket, func(sent protocol.Sent) {
		f.Reply(ctx, protocol.EventMessageSent, sent)
	})
}

// SendREST adds a message that came by REST, and calls ack once it is durable.
// It returns when each frame has been tried once.
func (h *Handler) SendREST(ctx context.Context, sender chat.Principal, in protocol.MessageInput, ack func(protocol.Sent)) (err error) {
	defer naming(&err, &in, "")()
	return h.send(ctx, chat.Connection{Principal: sender}, in, overREST, ack)
}

// send takes what a client says, which is not under an id of what the backend says itself:
// that is for Place and Enforce. It returns when everything that follows from the message is
// done, or left due: a Lambda instance freezes on return.
func (h *Handler) send(ctx context.Context, caller chat.Connection, in protocol.MessageInput, w way, ack func(protocol.Sent)) error {
	seen := observe.Of(ctx)
	var f chat.Faults
	if chat.CheckOwnID(&f, "clientMessageId", in.ClientMessageID); f.Err() != nil {
		return f.Err()
	}
	m, err := newMessage(caller.Principal, in, w)
	if err != nil {
		return err
	}
	seen.In(string(m.ConversationID))
	conversation, admission, err := h.admit(ctx, caller, &m)
	if err != nil {
		return err
	}
	stored, duplicate, online, err := h.commit(ctx, caller, conversation, m)
	if err != nil {
		return err
	}
	if duplicate {
		seen.Add(observe.Duplicates, 1)
	} else {
		seen.Add(observe.Messages, 1)
	}
	answer := func() { ack(sentOf(stored, duplicate, admission, online)) }
	if stored.Due == nil { // a repeat of what is finished
		answer()
		return nil
	}
	h.finish(ctx, party{sender: caller}, conversation, stored, w.passes, answer)
	return nil
}

// patience is how long a message may be under way before sweep takes it up.
const patience = 20 * time.Second

// naming gives a message an id if its client has not: the one that is given, or a
// new one, so that the index needs no exception. What is returned makes an error
// name it: whether the message was stored is known to a repeat only.
func naming(err *error, in *protocol.MessageInput, id string) func() {
	if in.ClientMessageID != "" {
		return func() {}
	}
	if id == "" {
		id = uuid.NewString()
	}
	in.ClientMessageID = chat.ClientMessageID(id)
	return func() { *err = chat.Detailed(*err, "clientMessageId", id) }
}

// newMessage checks everything that needs no look-up.
func newMessage(sender chat.Principal, in protocol.MessageInput, w way) (chat.Message, error) {
	draft, err := in.Draft(sender)
	if err != nil {
		return chat.Message{}, err
	}
	draft.Unfinished = w.status != chat.StatusSent
	now := time.Now()
	m, err := chat.NewMessage(in.ConversationID, sender, in.ClientMessageID, draft, w.maxContent, now)
	m.Status, m.Streamed = w.status, w.streamed
	m.Due = chat.NewDue(now, patience)
	return m, err
}

// commit appends the message. Meanwhile it asks whether the agent is there,
// which only the reply of the aiwm dialect tells.
func (h *Handler) commit(ctx context.Context, caller chat.Connection, c chat.Conversation, m chat.Message) (stored chat.Message, duplicate bool, online *bool, err error) {
	var asked chan bool
	if caller.Dialect != chat.Lean {
		asked = make(chan bool, 1)
		go roomy(func() { asked <- h.agentOnline(ctx, &c) })
	}
	m = withEffects(c, m)
	stored, duplicate, err = h.store.Append(ctx, c.Head(), m)
	if asked != nil {
		there := <-asked
		online = &there
	}
	return stored, duplicate, online, err
}

// withEffects returns a message that is about to be appended to c with what else is due of it,
// of which nothing is known before c is.
func withEffects(c chat.Conversation, m chat.Message) chat.Message {
	if calls(c, m) {
		m.Due = m.Due.With(chat.EffectCall)
	}
	if m.ThreadID != "" {
		m.Due = m.Due.With(chat.EffectReplies)
	}
	if len(chat.UploadsOf(m.Attachments)) > 0 {
		m.Due = m.Due.With(chat.EffectAttach)
	}
	m.Mentions = chat.Distinct(m.Mentions) // only here: a refusal names the place that it had
	if n := chat.NoticesOf(m.Sender, nil, m.Mentions); !n.None() {
		m.Due = m.Due.Noticing(n)
	}
	return m
}

// agentOnline reports whether somebody answers: an agent that is connected, or one that the
// backend runs.
func (h *Handler) agentOnline(ctx context.Context, c *chat.Conversation) (online bool) {
	if !c.ShowsAgent() {
		return false
	}
	err := guarded(func() error {
		if online = h.presence.AgentOnline(ctx, c.Agent()); online {
			return nil
		}
		online = h.profiles.Answers(ctx, c.Agent())
		return nil
	})
	return online && err == nil
}

func sentOf(m chat.Message, duplicate bool, a chat.Admission, online *bool) protocol.Sent {
	sent := protocol.SentOf(m, duplicate)
	sent.AgentOnline, sent.Resync = online, !a.Known
	if a.Away && m.Due.Has(chat.EffectDeliver) {
		sent.Delivered = new(bool)
	}
	return sent
}

// onlyJoined is the conversation that a frame means when it names none.
func (h *Handler) onlyJoined(ctx context.Context, c chat.ConnectionID) (chat.ConversationID, error) {
	joined, err := h.presence.Entered(ctx, c)
	if err != nil {
		return "", err
	}
	if len(joined) != 1 {
		return "", chat.Invalid("conversationId", "is required unless exactly one conversation is joined")
	}
	return joined[0], nil
}
