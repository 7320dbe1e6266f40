// Package handler decides who may open a WebSocket connection.
package handler

import (
	"context"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
)

type verifier interface {
	Verify(ctx context.Context, token string) (chat.Bearer, error)
}

// Handler is the REQUEST authorizer of $connect.
type Handler struct{ tokens verifier }

// New returns a Handler that believes the tokens that v verifies.
func New(v verifier) *Handler { return &Handler{tokens: v} }

// Handle returns who the handshake's token speaks for.
// No round trip, but for the first token of an unknown key of a JWKS.
func (h *Handler) Handle(ctx context.Context, hs gateway.Handshake) (chat.Bearer, error) {
	token, err := auth.TokenFrom(hs.Header, hs.Query)
	if err != nil {
		return chat.Bearer{}, err
	}
	return h.tokens.Verify(ctx, token)
}
