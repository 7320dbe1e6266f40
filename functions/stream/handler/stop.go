package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// Stop asks for the end of streams. Their agents are told, and a job looks after the
// deadline whether they did: it comes first, so that what is accepted happens. Agents that
// the backend runs are stopped by their runs. Two round trips to MongoDB (three for a
// question) and up to three to Redis; one to SQS and four to Redis for each stream, or two to
// Redis where it was stopped before; up to four to MongoDB, one to SQS and one to Redis for each
// run, or in place of the last those of its end where nobody holds it; and the posts.
func (h *Handler) Stop(ctx context.Context, f *gateway.ClientFrame, in protocol.Stop) error {
	stopping, err := h.stopStreams(ctx, f.Connection, in)
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventStreamStopping, stopping)
	return nil
}

// stopStreams is Stop, also over REST, where the caller has no connection. Runs are in
// MongoDB, and stopped also without Redis: where that was all that was meant, Redis is not
// missed.
func (h *Handler) stopStreams(ctx context.Context, caller chat.Connection, in protocol.Stop) (protocol.StreamStopping, error) {
	by := caller.Principal
	stopping := protocol.StreamStopping{ConversationID: in.ConversationID, StreamIDs: []string{}, RunIDs: []chat.RunID{}}
	if _, err := h.store.Conversation(ctx, by, in.ConversationID); err != nil {
		return stopping, err
	}
	var noted error
	if in.MessageID != "" { // first: a stream that begins meanwhile finds it, or is found
		if err := h.checkQuestion(ctx, in.ConversationID, by, in.MessageID, "messageId"); err != nil {
			return stopping, err
		}
		noted = h.streams.StopQuestion(ctx, in.ConversationID, in.MessageID, by)
	}
	var failed error
	var newRuns, newStreams bool
	stopping.RunIDs, newRuns, failed = h.stopRuns(ctx, by, in)
	err := noted
	if err == nil {
		stopping.StreamIDs, newStreams, err = h.stopOpen(ctx, by, in)
	}
	if err != nil && len(stopping.RunIDs) > 0 && (noted != nil || in.StreamID != "") {
		slog.WarnContext(ctx, "only runs were stopped", "conversation", in.ConversationID, "err", err)
		err = nil
	}
	if err := errors.Join(failed, err); err != nil {
		return stopping, err
	}
	if newRuns || newStreams {
		h.tell(ctx, in.ConversationID, caller.ID, protocol.EventStreamStopping, stopping)
	}
	return stopping, nil
}

// stopOpen stops the streams that are under way. What somebody has stopped before costs no
// other job and no frame, however often it is stopped: its job comes before its flag. news
// says that some had not been.
func (h *Handler) stopOpen(ctx context.Context, by chat.Principal, in protocol.Stop) (stopping []string, news bool, err error) {
	stopping, ids := []string{}, []string{in.StreamID}
	if in.StreamID == "" {
		if ids, err = h.streams.Streams(ctx, in.ConversationID); err != nil {
			return stopping, news, err
		}
	}
	for _, id := range ids {
		st, err := h.streams.Stream(ctx, in.ConversationID, id)
		asked := st.State == chat.StreamOpen && !st.StoppedBy.IsZero()
		if err == nil && st.State == chat.StreamNone && in.StreamID != "" {
			st, err = h.stopLost(ctx, st, by)
		}
		if err != nil {
			return stopping, news, err
		}
		if !isUnderWay(st) || in.MessageID != "" && in.MessageID != st.ParentID {
			continue
		}
		if !asked {
			if err := h.stop(ctx, st, by); err != nil {
				return stopping, news, err
			}
			news = true
		}
		stopping = append(stopping, id)
	}
	return stopping, news, nil
}

// stopLost notes the stop of a stream of which nothing is known, for its agent may begin it
// again. It is returned as it is then: it may have begun meanwhile.
func (h *Handler) stopLost(ctx context.Context, st chat.Stream, by chat.Principal) (chat.Stream, error) {
	verdict, err := h.streams.StopStream(ctx, st.ConversationID, st.ID, by)
	if err != nil || verdict != chat.StreamIsOpen {
		return st, err
	}
	return h.streams.Stream(ctx, st.ConversationID, st.ID)
}

// isUnderWay also holds for a stream on trial: what was stopped before it began.
func isUnderWay(st chat.Stream) bool {
	return st.State == chat.StreamOpen || st.State == chat.StreamProvisional
}

// stop stops one stream. Its agent is told wherever it is connected.
func (h *Handler) stop(ctx context.Context, st chat.Stream, by chat.Principal) error {
	if err := h.enforce(ctx, st, by); err != nil {
		return err
	}
	agents, err := h.streams.Connections(ctx, st.Principal)
	if err != nil {
		return nil //nolint:nilerr // it hears of it at its next append, and the job needs no agent
	}
	h.cast.Broadcast(ctx, agents, protocol.Frame(protocol.EventStreamStop, "", protocol.StreamStopOf(st, by), time.Now()), delivery.Once)
	return nil
}

// enforce makes sure that a stream ends soon, whatever its agent does.
func (h *Handler) enforce(ctx context.Context, st chat.Stream, by chat.Principal) error {
	job := protocol.StreamJobOf(st)
	job.Stop = true
	if err := h.jobs.EnqueueStream(ctx, job, protocol.StopDeadline); err != nil {
		return err
	}
	_, err := h.streams.StopStream(ctx, st.ConversationID, st.ID, by)
	return err
}

// tell tells the room, but for the connection that knows it.
func (h *Handler) tell(ctx context.Context, id chat.ConversationID, but chat.ConnectionID, event string, data any) {
	rooms, err := h.streams.Rooms(ctx, id)
	if err != nil {
		return // the message, or the silence, tells
	}
	h.cast.Broadcast(ctx, others(rooms[0], but), protocol.Frame(event, "", data, time.Now()), delivery.Once)
}
