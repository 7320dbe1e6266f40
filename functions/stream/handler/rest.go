package handler

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// Limits of answers: what Lambda returns has at most 6 MB.
const (
	maxListed = 100     // streams of a list
	maxWhole  = 5 << 20 // bytes of one
)

// Routes returns the handler of each route key of REST. One round trip to MongoDB, and
// to Redis two for each stream.
func (h *Handler) Routes() map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"GET /conversations/{id}/streams":                  h.list,
		"GET /conversations/{id}/streams/{streamId}":       h.get,
		"POST /conversations/{id}/streams/{streamId}/stop": h.stopREST,
	}
}

// list answers the streams that are open, each cut as a frame is.
func (h *Handler) list(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := h.conversation(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	ids, err := h.streams.Streams(ctx, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	body := protocol.Streams{Data: []protocol.StreamSnapshot{}}
	for _, stream := range ids {
		if len(body.Data) == maxListed {
			break
		}
		st, err := h.streams.Stream(ctx, id, stream)
		if err != nil {
			return gateway.HTTPResponse{}, err
		}
		if st.State == chat.StreamOpen {
			body.Data = append(body.Data, protocol.StreamSnapshotOf(st, protocol.MaxSnapshot))
		}
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: body}, nil
}

// get answers all that was written of a stream that is open. Of one that has ended
// there is the message.
func (h *Handler) get(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	stream, err := pathStream(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	id, err := h.conversation(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	st, err := h.streams.Stream(ctx, id, stream)
	if err == nil && st.State != chat.StreamOpen {
		err = chat.Errorf(chat.NotFound, "no such stream is open")
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.StreamSnapshotOf(st, maxWhole)}, err
}

// stopREST is the stop action. That a stream is over already is no error: it is not
// among those that are stopping.
func (h *Handler) stopREST(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	stream, err := pathStream(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in := protocol.Stop{ConversationID: chat.ConversationID(r.Path("id")), StreamID: stream}
	if err := in.Check(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	stopping, err := h.stopStreams(ctx, chat.Connection{Principal: r.Principal}, in)
	return gateway.HTTPResponse{Status: http.StatusOK, Body: stopping}, err
}

// conversation is the path's, if the caller takes part.
func (h *Handler) conversation(ctx context.Context, r *gateway.HTTPRequest) (chat.ConversationID, error) {
	id := chat.ConversationID(r.Path("id"))
	var f chat.Faults
	if chat.CheckID(&f, "id", id); f.Err() != nil {
		return id, f.Err()
	}
	_, err := h.store.Conversation(ctx, r.Principal, id)
	return id, err
}

func pathStream(r *gateway.HTTPRequest) (string, error) {
	stream := chat.ClientMessageID(r.Path("streamId"))
	var f chat.Faults
	chat.CheckID(&f, "streamId", stream)
	return string(stream), f.Err()
}
