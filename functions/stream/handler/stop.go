package handler

import (
	"context"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// Stop asks for the end of streams. Their agents are told, and a job looks after the
// deadline whether they did: it comes first, so that what is accepted happens. One
// round trip to MongoDB, one to SQS and three to Redis for each stream, and the posts.
func (h *Handler) Stop(ctx context.Context, f *gateway.ClientFrame, in protocol.Stop) error {
	stopped, err := h.StopStreams(ctx, f.Connection.Principal, in)
	if err != nil {
		return err
	}
	f.Reply(ctx, protocol.EventStreamStopping, stopped)
	return nil
}

// StopStreams is Stop over REST, too.
func (h *Handler) StopStreams(ctx context.Context, by chat.Principal, in protocol.Stop) (protocol.StreamStopping, error) {
	stopping := protocol.StreamStopping{ConversationID: in.ConversationID, StreamIDs: []string{}}
	if _, err := h.store.Conversation(ctx, by, in.ConversationID); err != nil {
		return stopping, err
	}
	if in.MessageID != "" {
		if err := h.streams.StopQuestion(ctx, in.ConversationID, in.MessageID, by); err != nil {
			return stopping, err
		}
	}
	ids, err := h.streams.Streams(ctx, in.ConversationID)
	if err != nil {
		return stopping, err
	}
	for _, id := range ids {
		st, err := h.streams.Stream(ctx, in.ConversationID, id)
		if err != nil {
			return stopping, err
		}
		if st.State == chat.StreamNone || st.State == chat.StreamEnded || in.StreamID != "" && in.StreamID != id || in.MessageID != "" && in.MessageID != st.ParentID {
			continue
		}
		if err := h.stop(ctx, st, by); err != nil {
			return stopping, err
		}
		stopping.StreamIDs = append(stopping.StreamIDs, id)
	}
	if len(stopping.StreamIDs) > 0 {
		h.tell(ctx, chat.Stream{ConversationID: in.ConversationID}, protocol.EventStreamStopping, stopping)
	}
	return stopping, nil
}

// stop stops one stream.
func (h *Handler) stop(ctx context.Context, st chat.Stream, by chat.Principal) error {
	job := protocol.StreamJobOf(st)
	job.Stop = true
	if err := h.jobs.EnqueueStream(ctx, job, protocol.StopDeadline); err != nil {
		return err
	}
	if _, err := h.streams.StopStream(ctx, st.ConversationID, st.ID, by); err != nil {
		return err
	}
	agents, err := h.streams.Connections(ctx, st.Principal)
	if err != nil {
		return err
	}
	data := protocol.StreamStop{ConversationID: st.ConversationID, StreamID: st.ID, By: protocol.IdentityOf(by), DeadlineMs: protocol.StopDeadline.Milliseconds()}
	h.cast.Broadcast(ctx, agents, protocol.Frame(protocol.EventStreamStop, "", data, time.Now()), delivery.Once)
	return nil
}

// tell tells the room, but for the connection that writes the stream.
func (h *Handler) tell(ctx context.Context, st chat.Stream, event string, data any) {
	rooms, err := h.streams.Rooms(ctx, st.ConversationID)
	if err != nil {
		return // the message, or the silence, tells
	}
	h.cast.Broadcast(ctx, others(rooms[0], st.Writer), protocol.Frame(event, "", data, time.Now()), delivery.Once)
}
