package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// An asking is a user, with one device in the room, who asks a managed agent.
type asking struct {
	*screen
	agent chat.PrincipalID
	id    chat.ConversationID
}

// newAdmin returns a user who may write agents.
func newAdmin(t *testing.T, s *server.Server) *actor {
	t.Helper()
	admin := newUser(t, s)
	token, err := s.TokenWith(admin.principal, time.Hour, chat.RoleAgentsWrite)
	if err != nil {
		t.Fatal(err)
	}
	watched.secret(token)
	admin.token, admin.rest = token, callerOf(s.URL(), token)
	t.Cleanup(admin.rest.Close)
	return admin
}

// managed is an agent of the scripted model, with the tools of the shop and what is given.
func managed(with fields) fields {
	m := fields{
		"provider": server.ScriptedProvider, "model": "scripted",
		"tools": []fields{{"server": server.ShopServer, "allow": []string{"get_*", "slow_*"}, "ask": []string{"refund_*"}}},
	}
	for name, value := range with {
		m[name] = value
	}
	return m
}

// hire creates a managed agent.
func hire(t *testing.T, s *server.Server, with fields) chat.PrincipalID {
	t.Helper()
	id := unique("managed")
	newAdmin(t, s).call(http.MethodPost, "/agents", fields{"agentId": id, "name": "An agent", "managed": managed(with)}, nil)
	return chat.PrincipalID(id)
}

// asks returns a user in a conversation with a new managed agent.
func asks(t *testing.T, s *server.Server, with fields) *asking {
	t.Helper()
	a := &asking{screen: newScreen(newUser(t, s).connect()), agent: hire(t, s, with)}
	a.another()
	return a
}

// another has the user begin another conversation with the agent.
func (a *asking) another() {
	a.t.Helper()
	var c protocol.Conversation
	a.call(http.MethodPost, "/conversations", fields{"title": "a test", "agentId": a.agent}, &c)
	a.id = c.ID
	a.join(a.id)
}

// runID is the id of the nth answer to a question.
func (a *asking) runID(question protocol.Sent, n int) chat.RunID {
	return chat.NewRunID(chat.Principal{Type: chat.Agent, ID: a.agent, OrgID: a.principal.OrgID}, question.MessageID, n)
}

// stream is the name of the stream of a step of the answer to a question.
func (a *asking) stream(question protocol.Sent, step int) string {
	return string(a.runID(question, 0).Step(step))
}

// run waits until the nth answer to a question is as it is to be.
func (a *asking) run(question protocol.Sent, n int, what string, is func(protocol.Run) bool) (run protocol.Run) {
	a.t.Helper()
	limit := time.Now().Add(patience)
	for {
		err := a.try(http.MethodGet, "/runs/"+string(a.runID(question, n)), nil, &run)
		if err == nil && is(run) {
			return run
		}
		if time.Now().After(limit) {
			a.t.Fatalf("waited in vain until the run %s: it is %+v, %v", what, run, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// waits waits until an answer waits for approval, and returns for which call.
func (a *asking) waits(question protocol.Sent) chat.CallID {
	a.t.Helper()
	return a.run(question, 0, "waits", func(r protocol.Run) bool { return r.Status == chat.RunWaiting }).ToolCallID
}

// over waits for the end of a run, and holds all that is known of it against each other.
func (a *asking) over(question protocol.Sent, n int) (run protocol.Run, said []protocol.Message) {
	a.t.Helper()
	run = a.run(question, n, "is over", func(r protocol.Run) bool { return r.Status.Over() })
	var sum protocol.Usage
	for _, m := range a.log() {
		if m.ParticipantID != a.agent || runOf(m) != run.ID {
			continue
		}
		said = append(said, m)
		if m.ParentID != question.MessageID {
			a.t.Errorf("what answers %s names %s", question.MessageID, m.ParentID)
		}
		if m.Usage != nil {
			sum.PromptTokens += m.Usage.PromptTokens
			sum.CompletionTokens += m.Usage.CompletionTokens
			sum.TotalTokens += m.Usage.TotalTokens
		}
	}
	if run.Usage != sum {
		a.t.Errorf("the run has cost %+v, its messages %+v", run.Usage, sum)
	}
	eventually(a.t, "no stream of the run is open", func() bool {
		var open protocol.Streams
		a.call(http.MethodGet, "/conversations/"+string(a.id)+"/streams", nil, &open)
		return !slices.ContainsFunc(open.Data, func(s protocol.StreamSnapshot) bool { return strings.HasPrefix(s.StreamID, string(run.ID)) })
	})
	return run, said
}

// runOf is the run that a message of an agent belongs to.
func runOf(m protocol.Message) chat.RunID {
	run, _, _ := strings.Cut(string(m.ClientMessageID), ":")
	return chat.RunID(run)
}

// log is all that is in the conversation.
func (a *asking) log() (all []protocol.Message) {
	a.t.Helper()
	for after := int64(0); ; {
		var page protocol.MessagePage
		a.call(http.MethodGet, fmt.Sprintf("/messages?conversationId=%s&afterSeq=%d&limit=100", a.id, after), nil, &page)
		all = append(all, page.Data...)
		if !page.Pagination.HasMore {
			return all
		}
		after = page.Pagination.NextAfterSeq
	}
}

// tokens are those of the conversation.
func (a *asking) tokens() int64 {
	a.t.Helper()
	var c protocol.Conversation
	a.call(http.MethodGet, "/conversations/"+string(a.id), nil, &c)
	return c.TotalTokens
}

// answer is the last of what a run said.
func answer(t *testing.T, said []protocol.Message) protocol.Message {
	t.Helper()
	if len(said) == 0 {
		t.Fatal("the agent said nothing")
	}
	return said[len(said)-1]
}

// refusalOf is what a refusal says.
func refusalOf(t *testing.T, err error) *client.Error {
	t.Helper()
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("not a refusal: %v", err)
	}
	return refusal
}
