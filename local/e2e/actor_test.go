package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// An actor is a user or an agent with both interfaces.
type actor struct {
	t         *testing.T
	server    *server.Server
	principal chat.Principal
	token     string
	rest      *client.REST
	*client.Client
}

func newUser(t *testing.T, s *server.Server) *actor {
	return newActor(t, s, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("user")), OrgID: "acme"})
}

func newAgent(t *testing.T, s *server.Server) *actor {
	return newActor(t, s, chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(unique("agent")), OrgID: "acme"})
}

func newActor(t *testing.T, s *server.Server, p chat.Principal) *actor {
	t.Helper()
	token, err := s.Token(p, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	watched.secret(token)
	a := &actor{t: t, server: s, principal: p, token: token, rest: callerOf(s.URL(), token)}
	t.Cleanup(a.rest.Close)
	return a
}

// connect opens a connection and waits until it is greeted.
func (a *actor) connect() *actor {
	a.t.Helper()
	return a.connectTo(a.server.WebSocketURL())
}

// connectLean is connect in the lean dialect.
func (a *actor) connectLean() *actor {
	a.t.Helper()
	return a.connectTo(a.server.WebSocketURL() + "?v=2")
}

func (a *actor) connectTo(address string) *actor {
	a.t.Helper()
	a.Client = dial(a.t, address, a.token)
	a.expect(protocol.EventConnected)
	return a
}

// device returns the same principal on another connection.
func (a *actor) device() *actor {
	a.t.Helper()
	d := *a
	return d.connect()
}

func (a *actor) leanDevice() *actor {
	a.t.Helper()
	d := *a
	return d.connectLean()
}

// busy reports whether a handshake took longer than it may, as on a machine that
// is overloaded: clients come again.
func busy(err error) bool {
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && refusal.Status == http.StatusServiceUnavailable
}

// dial opens a connection, and comes again as long as the server is busy.
func dial(t *testing.T, address, token string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := reach(ctx, address, token)
	for busy(err) {
		time.Sleep(quiet)
		c, err = reach(ctx, address, token)
	}
	if err != nil {
		t.Fatal("connect:", err)
	}
	t.Cleanup(c.Close)
	return c
}

// expect waits for an event.
func (a *actor) expect(event string) client.Frame {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	f, err := a.Next(ctx, event)
	if err != nil {
		a.t.Fatalf("%s waits for %s: %v", a.principal, event, err)
	}
	return f
}

// expectNot fails if an event comes within a moment.
func (a *actor) expectNot(event string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), quiet)
	defer cancel()
	if f, err := a.Next(ctx, event); err == nil {
		a.t.Fatalf("%s got an unwanted %s: %s", a.principal, event, f.Data)
	}
}

// ask sends an action and returns its reply.
func (a *actor) ask(action string, fields any) (client.Frame, error) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	watched.written(fields)
	f, err := a.Request(ctx, action, fields)
	holdCode(action, err)
	return f, err
}

func (a *actor) join(id chat.ConversationID) protocol.Joined {
	a.t.Helper()
	f, err := a.ask("join", fields{"conversationId": id})
	if err != nil {
		a.t.Fatal("join:", err)
	}
	return data[protocol.Joined](a.t, f)
}

func (a *actor) say(id chat.ConversationID, content string) protocol.Sent {
	a.t.Helper()
	f, err := a.ask("send", fields{"conversationId": id, "content": content})
	if err != nil {
		a.t.Fatal("send:", err)
	}
	return data[protocol.Sent](a.t, f)
}

// call calls the REST interface and fails on a refusal.
func (a *actor) call(method, path string, in, out any) {
	a.t.Helper()
	if err := a.try(method, path, in, out); err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (a *actor) try(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	watched.written(in)
	return a.rest.Do(ctx, method, path, in, out)
}

// open creates a conversation between a and an agent.
func (a *actor) open(agent *actor) chat.ConversationID {
	a.t.Helper()
	var c protocol.Conversation
	a.call(http.MethodPost, "/conversations", fields{"title": "a test", "agentId": agent.principal.ID}, &c)
	return c.ID
}

// talk returns a user and an agent who are connected and in one conversation.
func talk(t *testing.T, s *server.Server) (user, agent *actor, id chat.ConversationID) {
	t.Helper()
	user, agent = newUser(t, s).connect(), newAgent(t, s).connect()
	id = user.open(agent)
	for _, a := range []*actor{user, agent} {
		a.join(id)
		a.expect(protocol.EventHistory)
	}
	user.expect(protocol.EventUserJoined)
	return user, agent, id
}

// must sends an action that must not be refused.
func (a *actor) must(action string, in any) client.Frame {
	a.t.Helper()
	f, err := a.ask(action, in)
	if err != nil {
		a.t.Fatalf("%s: %v", action, err)
	}
	return f
}
