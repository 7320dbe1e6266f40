package auth

import (
	"errors"
	"net/http"
	"strings"

	"aiwm-chat/shared/chat"
)

// Subprotocol is what a browser, which can set no header, asks for in front of
// its token: new WebSocket(url, ["bearer", token]). The reply to the handshake
// must select it, or the browser hangs up.
const Subprotocol = "bearer"

// TokenFrom finds the token with which a client opens a WebSocket: in
// Authorization: Bearer, in Sec-WebSocket-Protocol: bearer, <token>, or in the
// query parameter token. It may be given in several places, but must be the
// same in all: who reads only one of them must not see another caller. The
// error is that of Verify.
func TokenFrom(header http.Header, query map[string][]string) (string, error) {
	var token string
	for _, found := range append(append(bearers(header), subprotocols(header)...), query["token"]...) {
		switch {
		case found == "":
		case token != "" && found != token:
			return "", chat.Refused(errors.New("two tokens are given"))
		default:
			token = found
		}
	}
	if token == "" {
		return "", chat.Refused(errors.New("no token is given"))
	}
	return token, nil
}

func bearers(header http.Header) (tokens []string) {
	for _, v := range header.Values("Authorization") {
		if scheme, token, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens, strings.TrimSpace(token))
		}
	}
	return tokens
}

func subprotocols(header http.Header) (tokens []string) {
	offers := strings.Split(strings.Join(header.Values("Sec-WebSocket-Protocol"), ","), ",")
	for i, offer := range offers {
		if strings.TrimSpace(offer) == Subprotocol && i+1 < len(offers) {
			tokens = append(tokens, strings.TrimSpace(offers[i+1]))
		}
	}
	return tokens
}
