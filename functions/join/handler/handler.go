// Package handler brings a connection into a conversation.
package handler

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/profiles"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Messages(ctx context.Context, id chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error)
	Changes(ctx context.Context, id chat.ConversationID, after chat.ChangeCursor, limit int) (messages []chat.Message, next chat.ChangeCursor, more bool, err error)
	ChangeCursor(ctx context.Context, id chat.ConversationID) (chat.ChangeCursor, error)
	Accept(ctx context.Context, p chat.Principal, id chat.ConversationID) error
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
}

type presence interface {
	Enter(ctx context.Context, c chat.Connection, id chat.ConversationID, final bool) (chat.Entry, error)
	Standing(ctx context.Context, c chat.Connection) (chat.Standing, error)
	Confirm(ctx context.Context, e chat.Entry, agent chat.Principal) (with chat.Company, in bool, err error)
	Withdraw(ctx context.Context, e chat.Entry)
	PutOut(ctx context.Context, entries []chat.Entry) error
	Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error)
}

type announcer interface {
	Joined(ctx context.Context, p chat.Principal, id chat.ConversationID, room chat.Room)
}

// How many messages a join brings: the newest, or those after afterSeq. What
// is beyond is there over REST.
const (
	newest = 50
	resume = 500
	// resumeChanges is how many messages that changed a join brings.
	resumeChanges = 200
)

// Handler handles join.
type Handler struct {
	store    store
	presence presence
	announce announcer
	profiles *profiles.Cache
}

// New returns a Handler.
func New(s store, p presence, a announcer) *Handler {
	return &Handler{store: s, presence: p, announce: a, profiles: profiles.New(s)}
}

// Handle enters the room, then looks whether that is right and reads the
// history, and only then confirms: whoever loses the right, or the connection,
// meanwhile is not left in the room, and a message committed in between arrives
// twice rather than never. The reply comes before the announcement. Three round
// trips to Redis, and one to MongoDB beside the second, twice where it was put out
// meanwhile; one more to MongoDB for who was invited, and for an agent that the instance
// has not looked up of late; for a new member the fan-out of its announcement, and two to
// Redis for each answer that is being written.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Join) error {
	found, company, joined, err := h.join(ctx, f.Connection, in)
	// Put out meanwhile, or overtaken by another join: what is it now? Who is not
	// registered any more may be gone, and would be made a ghost.
	if err == nil && !joined && found.registered {
		found, company, joined, err = h.join(ctx, f.Connection, in)
	}
	if err != nil {
		return err
	}
	if !joined {
		return chat.Errorf(chat.Unavailable, "the connection is out of the conversation again; try again")
	}
	h.reply(ctx, f, in, found, company)
	if p := f.Connection.Principal; found.conversation.IsInvited(p) {
		if err := h.store.Accept(ctx, p, in.ConversationID); err != nil { // the next join or message does
			slog.WarnContext(ctx, "accept an invitation", "conversation", in.ConversationID, "err", err)
		}
	}
	if company.New {
		h.announce.Joined(ctx, f.Connection.Principal, in.ConversationID, company.Room)
	}
	return nil
}

func (h *Handler) join(ctx context.Context, c chat.Connection, in protocol.Join) (found view, company chat.Company, joined bool, err error) {
	entry, err := h.presence.Enter(ctx, c, in.ConversationID, in.Streams == protocol.StreamsFinal)
	if err != nil {
		return found, company, false, err
	}
	if found, err = h.look(ctx, entry, in); err != nil {
		h.leave(ctx, entry, err)
		return found, company, false, err
	}
	company, joined, err = h.presence.Confirm(ctx, entry, found.conversation.Agent())
	return found, company, joined, err
}

// A view is what MongoDB says of a conversation.
type view struct {
	conversation chat.Conversation
	messages     []chat.Message
	more         bool
	changes      changes
	answered     bool // the backend answers for its agent
	registered   bool // the connection is
}

var errClosed = chat.Errorf(chat.Unavailable, "the connection is closed")

// look asks all that may be asked at once, when the entry is made.
func (h *Handler) look(ctx context.Context, e chat.Entry, in protocol.Join) (v view, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if v.conversation, err = h.store.Conversation(ctx, e.Connection.Principal, e.ConversationID); err == nil && v.conversation.ShowsAgent() {
			v.answered = h.profiles.Answers(ctx, v.conversation.Agent())
		}
		return err
	})
	g.Go(func() (err error) {
		v.messages, v.more, err = h.store.Messages(ctx, e.ConversationID, historyQuery(in.AfterSeq))
		return err
	})
	g.Go(func() (err error) {
		v.changes, err = h.changes(ctx, e.ConversationID, in.ChangedAfter)
		return err
	})
	g.Go(func() error {
		standing, err := h.presence.Standing(ctx, e.Connection)
		if err == nil && standing == chat.StandingClosed {
			err = errClosed
		}
		v.registered = standing == chat.StandingOpen
		return err
	})
	return v, g.Wait()
}

// changes are those of messages that a client has: what they are now, and the cursor to ask
// with next.
type changes struct {
	messages []chat.Message
	next     chat.ChangeCursor
	more     bool
}

// changes reads what changed since, for a client that was here before. It may do so beside the
// history: what changes while that is read comes with the cursor, which lags by a minute.
func (h *Handler) changes(ctx context.Context, id chat.ConversationID, since *string) (c changes, err error) {
	if since == nil {
		c.next, err = h.store.ChangeCursor(ctx, id)
		return c, err
	}
	after, err := chat.ParseChangeCursor(*since)
	if err == nil {
		c.messages, c.next, c.more, err = h.store.Changes(ctx, id, after, resumeChanges)
	}
	return c, err
}

// leave undoes an entry. Who is no participant, or closed, must not be in the
// room, also where that was confirmed before; after any other error only what is on
// trial goes. The entry of a later join stays: it looks for itself, and who was no
// participant when this one looked may be one by now.
func (h *Handler) leave(ctx context.Context, e chat.Entry, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // the cause may be the time that is up
	defer cancel()
	if cause != errClosed && chat.CodeOf(cause) != chat.NotFound {
		h.presence.Withdraw(ctx, e)
		return
	}
	if err := h.presence.PutOut(ctx, []chat.Entry{e}); err != nil {
		slog.WarnContext(ctx, "put out who may not be in a room", "conversation", e.ConversationID, "err", err)
	}
}

func (h *Handler) reply(ctx context.Context, f *gateway.ClientFrame, in protocol.Join, v view, company chat.Company) {
	c := &v.conversation
	company.Members = slices.DeleteFunc(company.Members, func(p chat.Principal) bool { return !c.HasParticipant(p) })
	company.AgentOnline = company.AgentOnline && c.ShowsAgent() || v.answered
	joined := protocol.JoinedOf(c.ID, lastSeq(c, v.messages), company)
	if in.ChangedAfter == nil {
		joined.ChangedAfter = v.changes.next.String()
	}
	f.Reply(ctx, protocol.EventJoined, joined)
	direction := protocol.HistoryDirection(in.AfterSeq != nil)
	frames := protocol.HistoryFrames(f.FrameID, f.Connection.Principal, c.ID, v.messages, direction, v.more, time.Now())
	if in.ChangedAfter != nil {
		frames = append(frames, protocol.ChangedFrames(f.FrameID, f.Connection.Principal, c.ID, v.changes.messages, v.changes.next, v.changes.more, time.Now())...)
	}
	for _, frame := range frames {
		f.ReplyFrame(ctx, frame)
	}
	if in.Streams != protocol.StreamsFinal {
		h.show(ctx, f, c.ID, company.Streams)
	}
}

// show sends what has been written of each answer that is open: the connection is
// confirmed by now, so that it gets what follows. What cannot be read it asks for when
// the next piece shows that something is missing.
func (h *Handler) show(ctx context.Context, f *gateway.ClientFrame, id chat.ConversationID, streams []string) {
	for _, stream := range streams {
		st, err := h.presence.Stream(ctx, id, stream)
		if err != nil {
			slog.WarnContext(ctx, "read a stream", "conversation", id, "stream", stream, "err", err)
			return
		}
		if st.State == chat.StreamOpen {
			f.Reply(ctx, protocol.EventStreamSnapshot, protocol.StreamSnapshotOf(st, protocol.MaxSnapshot))
		}
	}
}

func historyQuery(afterSeq *int64) chat.MessageQuery {
	if afterSeq != nil {
		return chat.MessageQuery{AfterSeq: afterSeq, Limit: resume}
	}
	return chat.MessageQuery{Limit: newest}
}

// lastSeq is the end of the log. The conversation's own count is a projection
// that may lag behind the messages just read.
func lastSeq(c *chat.Conversation, messages []chat.Message) int64 {
	last := c.TotalMessages
	if n := len(messages); n > 0 {
		last = max(last, messages[n-1].Seq)
	}
	return last
}
