// Package handler ends streams whose agents do not: those that are dead, and those
// that do not listen. The rules are those of package local/model/streams. Calls that nobody
// ends come the same way.
package handler

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/protocol"
)

type streams interface {
	Stream(ctx context.Context, id chat.ConversationID, stream string) (chat.Stream, error)
	EndStream(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd, force bool) (chat.StreamVerdict, error)
	Rooms(ctx context.Context, ids ...chat.ConversationID) ([]chat.Room, error)
}

type sender interface {
	Ended(ctx context.Context, id chat.ConversationID, agent chat.Principal, stream chat.ClientMessageID) (chat.Message, bool, error)
	Enforce(ctx context.Context, agent chat.Principal, in protocol.MessageInput, status chat.MessageStatus) (chat.Message, error)
	Takes(ctx context.Context, agent chat.Principal, id chat.ConversationID) error
}

type jobs interface {
	EnqueueStream(ctx context.Context, job protocol.StreamJob, delay time.Duration) error
}

type broadcaster interface {
	Broadcast(ctx context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result
}

// calls is the signal function: a call is its business.
type calls interface {
	Look(ctx context.Context, c chat.WatchedCall) error
}

// Handler handles the jobs of the stream queue.
type Handler struct {
	streams streams
	sender  sender
	jobs    jobs
	cast    broadcaster
	calls   calls
}

// New returns a Handler.
func New(p streams, s sender, j jobs, b broadcaster, c calls) *Handler {
	return &Handler{p, s, j, b, c}
}

// looks is how often something may be written while a stream is being ended. Its
// agent is alive, then: the next look should find its lease renewed.
const looks = 5

// Handle looks at a stream. One whose agent is alive it looks at again when the lease
// is over; of the others it commits what had come, first, and then marks it as ended.
// A stop is always committed, also where there was nothing; what failed without a text
// is dropped. Dying between any two steps costs nothing: the queue brings the job
// again. Four round trips to Redis, and those of a message; where the agent is alive two to
// Redis, one to MongoDB and one to SQS.
func (h *Handler) Handle(ctx context.Context, job protocol.StreamJob) error {
	if job.CallID != "" {
		return h.calls.Look(ctx, job.Call())
	}
	for range looks {
		st, err := h.streams.Stream(ctx, job.ConversationID, job.StreamID)
		if err != nil || isOver(st, job.Stop) || isOthers(st, job) {
			return err
		}
		if left := time.Until(st.Lease); !job.Stop && st.State == chat.StreamOpen && left > 0 {
			return h.lookLater(ctx, job, left)
		}
		again, err := h.end(ctx, job, st)
		if err != nil || !again {
			return err
		}
	}
	return chat.Errorf(chat.Unavailable, "the stream is written to while it ends")
}

// isOver reports whether there is nothing to end. A stop is for what was lost, too,
// and for what ended without a message: its agent may yet send the answer.
func isOver(st chat.Stream, stop bool) bool {
	switch st.State {
	case chat.StreamEnded:
		return !stop || st.End.MessageID != ""
	case chat.StreamNone:
		return !stop
	}
	return false
}

// lookLater looks at a stream again when its lease is over; unless its agent was removed, or the
// conversation closed, by somebody who died before the stream was dropped: else it would
// write into the room for as long as it likes. What cannot be known now is known then.
func (h *Handler) lookLater(ctx context.Context, job protocol.StreamJob, left time.Duration) error {
	if chat.Refuses(h.sender.Takes(ctx, job.Agent(), job.ConversationID)) {
		_, err := h.drop(ctx, job, "refused", true)
		return err
	}
	return h.jobs.EnqueueStream(ctx, job, left)
}

// isOthers reports whether a stream is not of whom the job is: who was refused it, because
// somebody else writes it, has left one all the same. Whose it is has their own.
func isOthers(st chat.Stream, job protocol.StreamJob) bool {
	return !st.Principal.IsZero() && st.Principal != job.Agent()
}

// end ends a stream. again says that something was written meanwhile.
func (h *Handler) end(ctx context.Context, job protocol.StreamJob, st chat.Stream) (again bool, err error) {
	in, status := inputOf(job, st), chat.StatusFailed
	if job.Stop {
		status = chat.StatusCancelled
	}
	if in.Content == "" && in.Thinking == nil && !job.Stop {
		return h.drop(ctx, job, "failed", false)
	}
	m, err := h.sender.Enforce(ctx, job.Agent(), in, status)
	if chat.Refuses(err) {
		return h.drop(ctx, job, "refused", true)
	}
	if err != nil {
		return false, err
	}
	return false, h.mark(ctx, job, m)
}

// mark notes how a stream ended.
func (h *Handler) mark(ctx context.Context, job protocol.StreamJob, m chat.Message) error {
	_, err := h.streams.EndStream(ctx, job.ConversationID, job.StreamID, chat.StreamEndOf(m), true)
	return err
}

// drop ends a stream without a message, and tells the room; unless there is one, of an
// agent that died before it could say so. Without force it does so only while there is
// no text.
func (h *Handler) drop(ctx context.Context, job protocol.StreamJob, reason string, force bool) (again bool, err error) {
	m, found, err := h.sender.Ended(ctx, job.ConversationID, job.Agent(), chat.ClientMessageID(job.StreamID))
	if err != nil {
		return false, err
	}
	if found {
		return false, h.mark(ctx, job, m)
	}
	verdict, err := h.streams.EndStream(ctx, job.ConversationID, job.StreamID, chat.StreamEnd{Dropped: reason}, force)
	if err != nil || verdict != chat.StreamIsOpen {
		return verdict == chat.StreamIsWritten, err
	}
	rooms, err := h.streams.Rooms(ctx, job.ConversationID)
	if err != nil { // clients drop what is silent for 45 s
		slog.WarnContext(ctx, "tell that a stream is dropped", "conversation", job.ConversationID, "err", err)
		return false, nil
	}
	data := protocol.StreamDropped{ConversationID: job.ConversationID, StreamID: job.StreamID, Reason: reason}
	h.cast.Broadcast(ctx, rooms[0], protocol.Frame(protocol.EventStreamDropped, "", data, time.Now()), delivery.Once)
	return false, nil
}

// inputOf is the message of what had come.
func inputOf(job protocol.StreamJob, st chat.Stream) protocol.MessageInput {
	in := protocol.MessageInput{ConversationID: job.ConversationID, ClientMessageID: chat.ClientMessageID(job.StreamID), ParentID: cmp.Or(st.ParentID, job.ParentID)}
	in.Take(st)
	return in
}
