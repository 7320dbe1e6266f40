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

// origins knows whose pages may connect.
type origins interface {
	Allows(origin string) bool
}

// Handler is the REQUEST authorizer of $connect.
type Handler struct {
	tokens  verifier
	origins origins
}

// New returns a Handler that believes the tokens that v verifies, from pages that
// o allows, and from whatever is no page.
func New(v verifier, o origins) *Handler { return &Handler{tokens: v, origins: o} }

// Handle returns who the handshake's token speaks for. A browser tells whose page
// wants to connect, and asks nobody else: what CORS is for REST is done here.
// No round trip, but for the first token of an unknown key of a JWKS.
func (h *Handler) Handle(ctx context.Context, hs gateway.Handshake) (chat.Bearer, error) {
	for _, origin := range hs.Header.Values("Origin") {
		if !h.origins.Allows(origin) {
			return chat.Bearer{}, chat.Errorf(chat.Forbidden, "pages of this origin may not connect")
		}
	}
	token, err := auth.TokenFrom(hs.Header, hs.Query)
	if err != nil {
		return chat.Bearer{}, err
	}
	return h.tokens.Verify(ctx, token)
}
