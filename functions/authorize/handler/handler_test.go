package handler_test

import (
	"net/http"
	"testing"
	"time"

	"aiwm-chat/functions/authorize/handler"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/gateway"
)

// With the verifier that is deployed: what it accepts and refuses is tested
// with it, this is about where the token is.
func TestAuthorize(t *testing.T) {
	secret := []byte("a secret of at least thirty-two bytes")
	who := chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
	token, err := auth.Mint(secret, who, "", time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(auth.Options{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	allowed := config.Origins{"https://chat.example.org"}
	for _, origin := range []string{"https://evil.example.org", "http://chat.example.org", "https://chat.example.org.evil.net", "null"} {
		hs := gateway.Handshake{Header: http.Header{"Authorization": {"Bearer " + token}, "Origin": {origin}}}
		if got, err := handler.New(v, allowed).Handle(t.Context(), hs); !got.Principal.IsZero() || chat.CodeOf(err) != chat.Forbidden {
			t.Errorf("a page of %s is %v, %v", origin, got.Principal, err)
		}
	}
	tests := []struct {
		name string
		hs   gateway.Handshake
		want chat.Principal
	}{
		{"a header", gateway.Handshake{Header: http.Header{"Authorization": {"Bearer " + token}}}, who},
		{"a subprotocol", gateway.Handshake{Header: http.Header{"Sec-Websocket-Protocol": {"bearer, " + token}}}, who},
		{"the query", gateway.Handshake{Query: map[string][]string{"token": {token}}}, who},
		{"none", gateway.Handshake{}, chat.Principal{}},
		{"a wrong one", gateway.Handshake{Query: map[string][]string{"token": {token + "x"}}}, chat.Principal{}},
		{"a page that may", gateway.Handshake{Header: http.Header{"Authorization": {"Bearer " + token}, "Origin": {"https://chat.example.org"}}}, who},
		{"two", gateway.Handshake{Header: http.Header{"Authorization": {"Bearer other"}}, Query: map[string][]string{"token": {token}}}, chat.Principal{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := handler.New(v, allowed).Handle(t.Context(), tt.hs)
			if got.Principal != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if refused := tt.want.IsZero(); refused != (err != nil && chat.CodeOf(err) == chat.Unauthorized) || !refused && !got.ExpiresAt.After(time.Now()) {
				t.Errorf("got %v until %v", err, got.ExpiresAt)
			}
		})
	}
}
