package handler

import (
	"context"
	"net/http"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

// annotator is the annotate function: what it does over WebSocket it does by REST.
type annotator interface {
	ReactREST(ctx context.Context, by chat.Principal, c chat.Conversation, r chat.ReactionChange) (chat.Message, error)
	EditREST(ctx context.Context, author chat.Principal, c chat.Conversation, e chat.Edit) (chat.Message, error)
}

// edit answers with the message as it is then.
func (h *Handler) edit(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	body, err := gateway.Body[protocol.EditBody](r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	if err := r.Allow(ctx, chat.UseEdit); err != nil {
		return gateway.HTTPResponse{}, err
	}
	m, c, err := h.message(ctx, r)
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	m, err = h.annotate.EditREST(ctx, r.Principal, c, body.Of(c.ID, m.ID))
	if err != nil {
		return gateway.HTTPResponse{}, err
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.MessageFor(m, r.Principal)}, nil
}

func (h *Handler) react(on bool) gateway.HTTPRoute {
	return func(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
		key, err := protocol.ParseReactionKey(r.Path("key"))
		if err != nil {
			return gateway.HTTPResponse{}, chat.Invalid("key", "%v", err)
		}
		if err := r.Allow(ctx, chat.UseReaction); err != nil {
			return gateway.HTTPResponse{}, err
		}
		m, c, err := h.message(ctx, r)
		if err != nil {
			return gateway.HTTPResponse{}, err
		}
		m, err = h.annotate.ReactREST(ctx, r.Principal, c, chat.ReactionChange{ConversationID: c.ID, MessageID: m.ID, Key: key, On: on})
		if err != nil {
			return gateway.HTTPResponse{}, err
		}
		return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.ReactionsOf(m, r.Principal)}, nil
	}
}

// reactions answers who has reacted to a message.
func (h *Handler) reactions(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
	m, _, err := h.message(ctx, r)
	if err == nil && m.Deleted {
		err = chat.Errorf(chat.NotFound, "there is no such message")
	}
	return gateway.HTTPResponse{Status: http.StatusOK, Body: protocol.ReactionListOf(m)}, err
}
