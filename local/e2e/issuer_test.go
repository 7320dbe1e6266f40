package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A foreignIssuer signs tokens as Auth0 would, and publishes its key.
type foreignIssuer struct {
	url string
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *foreignIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "k", USE: jwkset.UseSig}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := protocol.Marshal(fields{"keys": []any{public.Marshal()}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	t.Cleanup(s.Close)
	return &foreignIssuer{url: s.URL, key: key}
}

func (i *foreignIssuer) token(t *testing.T, exp time.Time, claims fields) string {
	t.Helper()
	all := jwt.MapClaims{"iss": "https://acme.auth0.com/", "aud": []string{"chat", "userinfo"}, "exp": exp.Unix(), "azp": "web", "roles": "admin", "userName": 7}
	for name, value := range claims {
		all[name] = value
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["kid"], token.Header["typ"] = "k", "at+jwt"
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// environment is what an operator sets for this issuer.
func (i *foreignIssuer) environment() map[string]string {
	return map[string]string{
		"JWT_JWKS_URL": i.url, "JWT_ISSUER": "https://acme.auth0.com/", "JWT_AUDIENCE": "chat",
		"JWT_CLAIM_ORG": "org_id", "JWT_CLAIM_AGENT": "https://chat.example.org/agent.id",
	}
}

// People and agents of another issuer, with the ids that it gives them, do all
// that those of our own do: ids go through tokens, events, queries, paths, keys
// of Redis and documents.
func TestForeignIssuer(t *testing.T) {
	i := newIssuer(t)
	o := options()
	o.Getenv = set(i.environment())
	s := start(t, o)
	as := func(kind chat.PrincipalType, id string) *actor {
		claims := fields{"sub": id, "org_id": "org_9ybs|x=~"}
		if kind == chat.Agent {
			claims = fields{"sub": "m2m@clients", "org_id": "org_9ybs|x=~", "https://chat.example.org/agent": fields{"id": id}}
		}
		token := i.token(t, time.Now().Add(time.Hour), claims)
		a := &actor{t: t, server: s, token: token, rest: callerOf(s.URL(), token), principal: chat.Principal{Type: kind, ID: chat.PrincipalID(id), OrgID: "org_9ybs|x=~"}}
		t.Cleanup(a.rest.Close)
		return a
	}
	user, guest, agent := as(chat.User, unique("auth0|5f7c8e")).connect(), as(chat.User, unique("a+b~c=")+"@example.org").connect(), as(chat.Agent, unique("bot|1:x"))

	id := user.open(agent)
	user.join(id)
	user.call(http.MethodPost, "/conversations/"+string(id)+"/participants", fields{"type": "user", "id": guest.principal.ID}, nil)
	guest.join(id)
	if joined := data[protocol.Membership](t, user.expect(protocol.EventUserJoined)); joined.ID != guest.principal.ID {
		t.Errorf("%s joined", joined.ID)
	}
	user.say(id, "hello")
	if m := data[protocol.Message](t, guest.expect(protocol.EventMessageNew)); m.ParticipantID != user.principal.ID {
		t.Errorf("the message is of %s", m.ParticipantID)
	}
	agent.connect()
	if m := data[protocol.Message](t, agent.expect(protocol.EventMessageFromUser)); m.ParticipantID != user.principal.ID {
		t.Errorf("what waits is of %s", m.ParticipantID)
	}

	var page protocol.ConversationPage
	query := url.Values{"userId": {string(guest.principal.ID)}, "agentId": {string(agent.principal.ID)}}
	user.call(http.MethodGet, "/conversations?"+query.Encode(), nil, &page)
	if len(page.Data) != 1 || page.Data[0].ID != id {
		t.Errorf("the query %s finds %+v", query.Encode(), page.Data)
	}
	var present protocol.PresencePage
	user.call(http.MethodGet, "/presence?conversationId="+string(id), nil, &present)
	if len(present.Data) != 3 {
		t.Errorf("present are %+v", present)
	}
	agent.call(http.MethodGet, "/agents/"+url.QueryEscape(string(agent.principal.ID))+"/backlog", nil, nil)
	user.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+url.QueryEscape(string(guest.principal.ID)), nil, nil)
	guest.expect(protocol.EventLeft)
	if err := guest.try(http.MethodGet, "/conversations/"+string(id), nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("who was removed reads: %v", err)
	}
}

// Who passes the door may act behind it: the leeway is the same.
func TestLeewayAfterTheDoor(t *testing.T) {
	i := newIssuer(t)
	o := options()
	o.Getenv = set(i.environment())
	s := start(t, o)
	// Expired now, and with most of the leeway left.
	late := i.token(t, time.Now().Add(-2*time.Second), fields{"sub": "u1", "org_id": "acme"})
	c := dial(t, s.WebSocketURL(), late)
	a := &actor{t: t, server: s, token: late, Client: c}
	a.expect(protocol.EventConnected)
	if f, err := a.ask("ping", fields{}); err != nil || f.Event != protocol.EventPong {
		t.Errorf("a ping of who was let in: %s, %v", f.Event, err)
	}
	tooLate := i.token(t, time.Now().Add(-auth.Leeway-time.Second), fields{"sub": "u1", "org_id": "acme"})
	_, err := reach(t.Context(), s.WebSocketURL(), tooLate)
	if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != http.StatusUnauthorized {
		t.Errorf("after the leeway: %v", err)
	}
}

// A client that may not connect is no error of the server's.
func TestRefusedTokenIsNoError(t *testing.T) {
	var log logtest.Buffer
	o := options()
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := startBare(t, o)
	token, err := s.Token(chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}, -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a.b.c", token} {
		_, err := reach(t.Context(), s.WebSocketURL(), bad)
		if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != http.StatusUnauthorized {
			t.Errorf("%q: %v", bad, err)
		}
	}
	stop(t, s)
	if text := log.String(); strings.Contains(text, "level=ERROR") || !strings.Contains(text, "status=401") || strings.Contains(text, token) {
		t.Errorf("logged\n%s", text)
	}
}
