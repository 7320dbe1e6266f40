package handler

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// The pages of a backlog.
const (
	defaultBacklog = 50
	maxBacklog     = 200
)

// backlog answers a page of what waits for an agent, which only itself may read.
func (h *Handler) backlog(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	in := r.Query()
	cursor, limit := in.Text("cursor"), int(in.Int("limit", defaultBacklog, 1, maxBacklog))
	if err := in.Err(); err != nil {
		return gateway.HTTPResponse{}, err
	}
	if r.Principal.Type != chat.Agent || string(r.Principal.ID) != r.Path("id") {
		return gateway.HTTPResponse{}, chat.Errorf(chat.Forbidden, "only the agent itself may read its backlog")
	}
	found, next, err := h.store.Backlog(ctx, r.Principal, cursor, limit)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	page := protocol.BacklogPage{
		Data:       make([]protocol.Message, 0, len(found)),
		Pagination: protocol.BacklogCursor{Limit: limit, HasMore: next != "", Cursor: next},
	}
	for _, m := range found {
		page.Data = append(page.Data, protocol.MessageOf(m))
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: page}, nil
}
