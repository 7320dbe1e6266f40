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
	runs
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
}

type runs interface {
	OpenRuns(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID) ([]chat.Run, error)
}

type stopper interface {
	Stop(ctx context.Context, r chat.Run, by chat.Principal) (chat.Run, error)
}

type streams interface {
	WatchStream(ctx context.Context, by chat.Principal, id chat.ConversationID, stream string) error
	EnterStream(ctx context.Context, st chat.Stream, gone chat.ConnectionID) (chat.StreamVerdict, chat.Stream, error)
	ConfirmStream(ctx context.Context, st chat.Stream, lease time.Duration) (chat.StreamVerdict, chat.Stream, chat.Room, error)
	AppendStream(ctx context.Context, st chat.Stream, piece chat.StreamPiece, lease time.Duration) (chat.StreamVerdict, chat.StreamDelta, chat.Principal, chat.Room, error)
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
	stopper stopper
}

// New returns a Handler.
func New(s store, p streams, m sender, b broadcaster, j jobs, r stopper) *Handler {
	return &Handler{s, p, m, b, j, r}
}

// Handle takes one step of a stream. An error names the stream, and the piece: who writes several
// at a time, without ids of their frames, knows what was refused. (What is not valid names its
// fields instead.)
func (h *Handler) Handle(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	err := chat.Detailed(h.step(ctx, f, in), "streamId", in.StreamID)
	if in.State == protocol.StreamAppend && in.Index != nil {
		err = chat.Detailed(chat.Detailed(err, "part", in.Piece().Part), "index", *in.Index)
	}
	return err
}

func (h *Handler) step(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
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

// append adds a piece and tells the room by how much the answer grew, or what the agent
// does. Who appends to what somebody has stopped is told so again. One round trip to
// Redis, none to MongoDB; of what has ended, two more to say how.
func (h *Handler) append(ctx context.Context, f *gateway.ClientFrame, in protocol.Stream) error {
	st := streamOf(f.Connection, in)
	verdict, delta, stop, room, err := h.streams.AppendStream(ctx, st, in.Piece(), protocol.StreamLease)
	if err != nil {
		return err
	}
	if verdict == chat.StreamHasEnded {
		return h.ended(ctx, in)
	}
	if verdict != chat.StreamIsOpen {
		return refusal(verdict, st)
	}
	if !stop.IsZero() {
		f.Reply(ctx, protocol.EventStreamStop, protocol.StreamStopOf(st, stop))
	}
	for _, frame := range protocol.StreamDeltaFrames(st, delta, time.Now()) {
		h.cast.Broadcast(ctx, others(room, st.Writer), frame, delivery.Once)
	}
	return nil
}

// ended says how a stream has ended.
func (h *Handler) ended(ctx context.Context, in protocol.Stream) error {
	st, err := h.streams.Stream(ctx, in.ConversationID, in.StreamID)
	if err != nil {
		return err
	}
	return refusal(chat.StreamHasEnded, st)
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
