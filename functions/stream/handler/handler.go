// Package handler lets an agent write its answer piece by piece, and whoever takes
// part in a conversation stop it. The rules are those of package
// local/model/streams.
package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type store interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
}

type streams interface {
	EnterStream(ctx context.Context, st chat.Stream, gone chat.ConnectionID) (chat.StreamVerdict, chat.Stream, error)
	ConfirmStream(ctx context.Context, st chat.Stream, lease time.Duration) (chat.StreamVerdict, chat.Stream, chat.Room, error)
	AppendStream(ctx context.Context, st chat.Stream, piece chat.StreamPiece, lease time.Duration) (chat.StreamVerdict, chat.StreamDelta, string, chat.Room, error)
	EndStream(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd, force bool) (chat.StreamVerdict, error)
	Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error)
	Streams(ctx context.Context, id chat.ConversationID) ([]string, error)
	StopStream(ctx context.Context, id chat.ConversationID, stream string, by chat.Principal) (chat.StreamVerdict, error)
	StopQuestion(ctx context.Context, id chat.ConversationID, question chat.MessageID, by chat.Principal) error
	QuestionStopped(ctx context.Context, id chat.ConversationID, question chat.MessageID) (by chat.Principal, stopped bool, err error)
	Rooms(ctx context.Context, ids ...chat.ConversationID) ([]chat.Room, error)
	Connections(ctx context.Context, ps ...chat.Principal) ([]chat.Connection, error)
}

type sender interface {
	EndStream(ctx context.Context, caller chat.Connection, in protocol.MessageInput, status chat.MessageStatus, ack func(protocol.Sent)) error
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

type jobs interface {
	EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error
}

// Handler handles stream.
type Handler struct {
	store   store
	streams streams
	sender  sender
	cast    broadcaster
	jobs    jobs
}

// New returns a Handler.
func New(s store, p streams, m sender, b broadcaster, j jobs) *Handler {
	return &Handler{s, p, m, b, j}
}

// Handle takes one step of a stream.
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	if f.Connection.Principal.Type != chat.Agent {
		return chat.Errorf(chat.Forbidden, "only agents write streams")
	}
	switch in.State {
	case protocol.StreamStart:
		return h.start(ctx, f, in)
	case protocol.StreamAppend:
		return h.append(ctx, f, in)
	}
	return h.end(ctx, f, in)
}

func streamOf(c chat.Connection, in protocol.Stream) chat.Stream {
	return chat.Stream{
		ConversationID: in.ConversationID, ID: in.StreamID, Principal: c.Principal, Writer: c.ID, ParentID: in.ParentID, StartedAt: time.Now(),
	}
}

// start begins a stream, or goes on with it. The job that looks after its lease comes
// first, so that what begins also ends, whoever dies; then it is entered on trial, and
// only what is entered is looked up, so that a removal or a message in between is
// seen by one or the other. Three round trips to Redis, one to SQS and one to
// MongoDB.
func (h *Handler) start(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st := streamOf(f.Connection, in)
	if err := h.jobs.EnqueueStream(ctx, protocol.StreamJobOf(st), protocol.StreamLease); err != nil {
		return err
	}
	entered, err := h.enter(ctx, st)
	if err != nil {
		return err
	}
	st.Epoch = entered.Epoch
	if err := h.look(ctx, st); err != nil {
		if entered.State == chat.StreamProvisional {
			h.drop(ctx, st)
		}
		return err
	}
	verdict, opened, room, err := h.streams.ConfirmStream(ctx, st, protocol.StreamLease)
	if err != nil {
		return err
	}
	if verdict != chat.StreamIsOpen {
		return refusal(verdict, opened)
	}
	f.Reply(ctx, protocol.EventStreamStarted, protocol.StreamStartedOf(opened))
	h.cast.Broadcast(ctx, others(room, st.Writer), protocol.Frame(protocol.EventStreamStart, "", protocol.StreamBegunOf(opened), time.Now()), delivery.Once)
	return h.stoppedBefore(ctx, opened)
}

// stoppedBefore stops a stream whose question was stopped before it began.
func (h *Handler) stoppedBefore(ctx context.Context, st chat.Stream) error {
	if st.ParentID == "" {
		return nil
	}
	by, stopped, err := h.streams.QuestionStopped(ctx, st.ConversationID, st.ParentID)
	if err != nil || !stopped {
		return err
	}
	return h.stop(ctx, st, by)
}

// enter enters, in the place of a connection of the same agent that is gone.
func (h *Handler) enter(ctx context.Context, st chat.Stream) (chat.Stream, error) {
	verdict, found, err := h.streams.EnterStream(ctx, st, "")
	if err == nil && verdict == chat.StreamIsWritten {
		var there bool
		if there, err = h.isThere(ctx, st.Principal, found.Writer); err == nil && !there {
			verdict, found, err = h.streams.EnterStream(ctx, st, found.Writer)
		}
	}
	if err == nil && verdict != chat.StreamEntered {
		err = refusal(verdict, found)
	}
	return found, err
}

func (h *Handler) isThere(ctx context.Context, p chat.Principal, id chat.ConnectionID) (bool, error) {
	all, err := h.streams.Connections(ctx, p)
	for _, c := range all {
		if c.ID == id {
			return true, nil
		}
	}
	return false, err
}

// look finds out whether a stream may begin: its agent takes part, the conversation
// takes messages, and the log does not have it.
func (h *Handler) look(ctx context.Context, st chat.Stream) error {
	c, err := h.store.Conversation(ctx, st.Principal, st.ConversationID)
	if err != nil {
		return err
	}
	if c.Status != chat.Active {
		return chat.Errorf(chat.ConversationClosed, "the conversation takes no messages until it is active again")
	}
	m, found, err := h.store.Sent(ctx, st.ConversationID, st.Principal, chat.ClientMessageID(st.ID))
	if err == nil && found {
		h.mark(ctx, m)
		err = refusal(chat.StreamHasEnded, chat.Stream{End: endOf(m)})
	}
	return err
}

// drop forgets what was on trial: the next start looks again.
func (h *Handler) drop(ctx context.Context, st chat.Stream) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = h.streams.EndStream(ctx, st.ConversationID, st.ID, chat.StreamEnd{Dropped: "refused"}, false) // else the job does
}

// append adds a piece and tells the room by how much the answer grew. One round trip
// to Redis, none to MongoDB.
func (h *Handler) append(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st := streamOf(f.Connection, in)
	verdict, delta, _, room, err := h.streams.AppendStream(ctx, st, in.Piece(), protocol.StreamLease)
	if err != nil {
		return err
	}
	if verdict != chat.StreamIsOpen {
		return refusal(verdict, chat.Stream{})
	}
	if delta.Length > 0 {
		frame := protocol.Frame(protocol.EventStreamDelta, "", protocol.StreamDeltaOf(st, delta), time.Now())
		h.cast.Broadcast(ctx, others(room, st.Writer), frame, delivery.Once)
	}
	return nil
}

func others(room chat.Room, writer chat.ConnectionID) (all []chat.Connection) {
	for _, c := range room {
		if c.ID != writer {
			all = append(all, c)
		}
	}
	return all
}

// refusal is what a verdict tells an agent.
func refusal(v chat.StreamVerdict, st chat.Stream) error {
	switch v {
	case chat.StreamHasEnded:
		err := chat.Errorf(chat.Conflict, "the stream has ended")
		if st.End.MessageID != "" {
			err.Details = map[string]any{"messageId": st.End.MessageID, "seq": st.End.Seq, "status": st.End.Status}
		}
		return err
	case chat.StreamIsForeign, chat.StreamIsWritten:
		return chat.Errorf(chat.Conflict, "another connection writes this stream")
	case chat.StreamIsProvisional:
		return chat.Errorf(chat.Unavailable, "the stream is being started; try again")
	default:
		return chat.Errorf(chat.NotFound, "there is no such stream: start it, and append from index 0")
	}
}
