package handler

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// marker is the read function: what it does over WebSocket it does by REST.
type marker interface {
	ReadREST(ctx context.Context, p chat.Principal, c chat.Conversation, in protocol.ReadBody) (protocol.ReadUpdate, error)
	UnreadREST(ctx context.Context, p chat.Principal, c chat.Conversation, in protocol.UnreadBody) (protocol.ReadUpdate, error)
}

// read and unread are routes of their own, as they are actions of their own: a body is one of
// two otherwise, and an answer that was lost is asked for again by the same request. Both may
// be repeated, so they are PUT.
func (h *Handler) read(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	return mark(ctx, h, r, h.marks.ReadREST)
}

func (h *Handler) unread(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	return mark(ctx, h, r, h.marks.UnreadREST)
}

func mark[B any](ctx context.Context, h *Handler, r *gateway.HTTPRequest, move func(context.Context, chat.Principal, chat.Conversation, B) (protocol.ReadUpdate, error)) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	in, err := gateway.Body[B](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseMark); err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	own, err := move(ctx, r.Principal, c, in)
	return gateway.HTTPResponse{Status: http.StatusOK, Body: own}, err
}

// reads answers with what everybody may know of how far each participant has read: for who
// joins, and who may have missed a frame.
func (h *Handler) reads(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	id, err := pathID(r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	c, err := h.store.Conversation(ctx, r.Principal, id)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	marks, err := h.store.Marks(ctx, c)
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.ReadMarksOf(marks)}, err
}
