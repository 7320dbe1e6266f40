package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A waitingScene is a conversation with an agent that the backend runs, whose call waits for
// approval, and everybody who may or may not have to do with it.
type waitingScene struct {
	owner, guest, removed, stranger, foreigner *actor
	writer, foreignWriter                      *actor // may write agents
	agent, otherAgent                          *actor // programs; agent takes part, and writes a stream
	id, other                                  chat.ConversationID
	bot                                        *actor // is managed: it has no connection
	question                                   protocol.Sent
	call                                       protocol.Message
	run                                        protocol.Run
	order                                      string // that is to be paid back
}

// newWriter is a user whose token has a role.
func newWriter(t *testing.T, s *server.Server, org chat.OrgID, role string) *actor {
	t.Helper()
	p := chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("writer")), OrgID: org}
	token, err := s.TokenWith(p, time.Hour, role)
	if err != nil {
		t.Fatal(err)
	}
	watched.secret(token)
	a := &actor{t: t, server: s, principal: p, token: token, rest: callerOf(s.URL(), token)}
	t.Cleanup(a.rest.Close)
	return a
}

// finds waits for a message of a conversation that is as it should be.
func (a *actor) finds(id chat.ConversationID, what string, is func(protocol.Message) bool) (found protocol.Message) {
	a.t.Helper()
	eventually(a.t, what, func() bool {
		var page protocol.MessagePage
		a.call(http.MethodGet, "/messages?limit=100&conversationId="+string(id), nil, &page)
		for _, m := range page.Data {
			if is(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func pending(m protocol.Message) bool {
	return m.Approval != nil && m.Approval.Status == chat.VerdictPending
}

func waiting(t *testing.T, s *server.Server) waitingScene {
	t.Helper()
	w := waitingScene{
		owner: newUser(t, s).connect(), guest: newUser(t, s).connect(), removed: newUser(t, s).connect(), stranger: newUser(t, s).connect(),
		foreigner: newActor(t, s, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("foreign")), OrgID: "other"}).connect(),
		writer:    newWriter(t, s, "acme", chat.RoleAgentsWrite), foreignWriter: newWriter(t, s, "other", chat.RoleAdmin),
		agent: newAgent(t, s).connect(), otherAgent: newAgent(t, s).connect(),
	}
	w.bot = &actor{principal: chat.Principal{Type: chat.Agent, ID: hire(t, s, nil), OrgID: "acme"}}
	w.id, w.other = w.owner.open(w.bot), w.stranger.open(w.otherAgent)
	for _, a := range []*actor{w.guest, w.removed, w.agent} {
		w.owner.add(a, w.id)
	}
	w.owner.call(http.MethodDelete, "/conversations/"+string(w.id)+"/participants/user/"+string(w.removed.principal.ID), nil, nil)
	w.order = order()
	w.question = w.owner.say(w.id, fmt.Sprintf(`#tool shop__refund_order {"order":%q}`, w.order))
	w.call = w.owner.finds(w.id, "a call waits", pending)
	eventually(t, "the run waits", func() bool {
		var page protocol.RunPage
		w.owner.call(http.MethodGet, "/conversations/"+string(w.id)+"/runs", nil, &page)
		w.run = page.Data[0]
		return w.run.Status == chat.RunWaiting
	})
	if w.run.AgentID != w.bot.principal.ID || w.run.MessageID != w.question.MessageID || w.run.UserID != w.owner.principal.ID {
		t.Fatalf("%+v", w.run)
	}
	return w
}

// who is a group of actors with the same rights.
type who map[string]*actor

// outside are those who must not learn that there is a conversation.
func (w waitingScene) outside() who {
	return who{"removed": w.removed, "a stranger": w.stranger, "another organisation": w.foreigner, "an agent elsewhere": w.otherAgent}
}

// Nobody does, or learns of, what is not theirs: of runs, approvals, streams and agents. What
// is refused changes nothing: in the end the call still waits, and is approved.
func TestRightsOfAgentsAndRuns(t *testing.T) {
	t.Parallel()
	w := waiting(t, shared)
	talk, run, call := "/conversations/"+string(w.id), "/runs/"+string(w.run.ID), string(w.run.ToolCallID)
	approval, yes := talk+"/approvals/"+call, fields{"approved": true}
	again := "/messages/" + string(w.question.MessageID) + "/regenerate"
	bot := "/agents/" + string(w.bot.principal.ID)
	change := fields{"version": 1, "name": "Mine"}
	created := fields{"agentId": unique("bot"), "name": "Mine", "managed": fields{"provider": server.ScriptedProvider, "model": "m"}}
	stream := w.agent.writes(w.id, "s-1", "")
	put(t, stream, "Mine")

	outside := w.outside()
	users := who{"the owner": w.owner, "a guest": w.guest}
	inside := who{"the owner": w.owner, "a guest": w.guest, "an agent": w.agent}
	nobody := who{"the owner": w.owner, "an agent": w.agent, "another organisation": w.foreigner}
	for _, row := range []struct {
		who          who
		method, path string
		in           any
		want         chat.Code
	}{
		{outside, "GET", talk + "/runs", nil, chat.NotFound},
		{outside, "GET", run, nil, chat.NotFound},
		{outside, "POST", run + "/stop", nil, chat.NotFound},
		{who{"removed": w.removed, "a stranger": w.stranger, "another organisation": w.foreigner}, "POST", again, nil, chat.NotFound},
		{who{"an agent": w.agent, "an agent elsewhere": w.otherAgent}, "POST", again, nil, chat.Forbidden},
		{users, "POST", again, nil, chat.Conflict}, // it is being answered
		{who{"removed": w.removed, "a stranger": w.stranger, "another organisation": w.foreigner}, "POST", approval, yes, chat.NotFound},
		{who{"a stranger": w.stranger}, "POST", "/conversations/" + string(w.other) + "/approvals/" + call, yes, chat.NotFound}, // by their own
		{who{"an agent": w.agent, "an agent elsewhere": w.otherAgent}, "POST", approval, yes, chat.Forbidden},
		{users, "POST", talk + "/approvals/" + string(w.run.ID.Call(0, 2)), yes, chat.NotFound}, // there is no second one
		{outside, "GET", talk + "/streams", nil, chat.NotFound},
		{outside, "GET", talk + "/streams/s-1", nil, chat.NotFound},
		{outside, "POST", talk + "/streams/s-1/stop", nil, chat.NotFound},

		{nobody, "POST", "/agents", created, chat.Forbidden},
		{nobody, "PUT", bot, change, chat.Forbidden},
		{nobody, "DELETE", bot, nil, chat.Forbidden},
		{who{"who writes elsewhere": w.foreignWriter}, "GET", bot, nil, chat.NotFound},
		{who{"who writes elsewhere": w.foreignWriter}, "PUT", bot, change, chat.NotFound},
		{who{"who writes elsewhere": w.foreignWriter}, "DELETE", bot, nil, chat.NotFound},
		{who{"who writes agents": w.writer}, "GET", talk + "/runs", nil, chat.NotFound}, // that is no right to read
		{who{"who writes agents": w.writer}, "POST", run + "/stop", nil, chat.NotFound},
		{who{"who writes agents": w.writer}, "POST", approval, yes, chat.NotFound},
		{who{"an agent": w.agent}, "GET", "/usage?from=2026-01-01&to=2026-01-02&groupBy=user", nil, chat.Forbidden},

		{inside, "GET", talk + "/runs", nil, ""},
		{inside, "GET", run, nil, ""},
		{inside, "GET", talk + "/streams/s-1", nil, ""},
		{inside, "GET", bot, nil, ""},
		{users, "GET", "/usage?from=2026-01-01&to=2026-01-02&groupBy=user", nil, ""},
	} {
		put(t, stream, ".") // it would be ended after half a minute of silence
		for name, a := range row.who {
			if got := code(t, a.try(row.method, row.path, row.in, nil)); got != row.want {
				t.Errorf("%s: %s %s is %q, want %q", name, row.method, row.path, got, row.want)
			}
		}
	}
	approve := func(id chat.ConversationID) fields {
		return fields{"conversationId": id, "toolCallId": call, "approved": true}
	}
	of := func(state string, more fields) fields {
		f := fields{"conversationId": w.id, "streamId": "s-2", "state": state}
		for name, v := range more {
			f[name] = v
		}
		return f
	}
	for _, row := range []struct {
		who    who
		action string
		in     fields
		want   chat.Code
	}{
		{who{"removed": w.removed, "a stranger": w.stranger, "another organisation": w.foreigner}, "approve", approve(w.id), chat.NotFound},
		{who{"a stranger": w.stranger}, "approve", approve(w.other), chat.NotFound},
		{who{"an agent": w.agent, "an agent elsewhere": w.otherAgent}, "approve", approve(w.id), chat.Forbidden},
		{outside, "stop", fields{"conversationId": w.id}, chat.NotFound},
		{outside, "stop", fields{"conversationId": w.id, "streamId": "s-1"}, chat.NotFound},
		{outside, "stop", fields{"conversationId": w.id, "messageId": w.question.MessageID}, chat.NotFound},
		{who{"the owner": w.owner, "removed": w.removed}, "stream", of("start", nil), chat.Forbidden},
		{who{"the owner": w.owner}, "stream", of("end", fields{"content": "mine"}), chat.Forbidden},
		{who{"an agent elsewhere": w.otherAgent}, "stream", of("start", nil), chat.NotFound},
		{who{"an agent elsewhere": w.otherAgent}, "stream", of("end", fields{"streamId": "s-1", "content": "mine"}), chat.NotFound},
	} {
		put(t, stream, ".")
		for name, a := range row.who {
			if _, err := a.ask(row.action, row.in); code(t, err) != row.want {
				t.Errorf("%s: %s %v is %v, want %q", name, row.action, row.in, err, row.want)
			}
		}
	}
	w.stillWaits(t, bot)
	if sent := ended(t, stream); sent.Status != chat.StatusSent {
		t.Errorf("the stream ended as %+v", sent)
	}
	w.approves(t, approval)
}

// stillWaits holds that nothing has happened.
func (w waitingScene) stillWaits(t *testing.T, bot string) {
	t.Helper()
	var run protocol.Run
	w.owner.call(http.MethodGet, "/runs/"+string(w.run.ID), nil, &run)
	var page protocol.MessagePage
	w.owner.call(http.MethodGet, "/messages?conversationId="+string(w.id), nil, &page)
	if run.Status != chat.RunWaiting || run.StoppedBy != "" || len(page.Data) != 2 {
		t.Errorf("the run is %+v, and there are %d messages", run, len(page.Data))
	}
	var agent protocol.Agent
	w.writer.call(http.MethodGet, bot, nil, &agent)
	if agent.Version != 1 || agent.Managed == nil {
		t.Errorf("the agent is %+v", agent)
	}
	var seen protocol.Agent
	if w.owner.call(http.MethodGet, bot, nil, &seen); seen.Managed != nil || !seen.IsManaged {
		t.Errorf("who may not write agents sees %+v", seen)
	}
}

// approves decides the call: the first decision counts, and the run goes on.
func (w waitingScene) approves(t *testing.T, approval string) {
	t.Helper()
	var decision protocol.Message
	w.guest.call(http.MethodPost, approval, fields{"approved": true, "reason": "it is late"}, &decision)
	if a := decision.Approval; decision.ParticipantType != chat.System || a == nil || a.Status != chat.VerdictApproved || a.By != w.guest.principal.ID || a.Reason != "it is late" {
		t.Errorf("the decision is %+v", decision)
	}
	for _, device := range []*actor{w.guest, w.guest.leanDevice()} { // again, the same
		f := device.must("approve", fields{"conversationId": w.id, "toolCallId": w.run.ToolCallID, "approved": true, "reason": "it is late"})
		if sent := data[protocol.Sent](t, f); !sent.Duplicate || sent.MessageID != decision.ID || sent.Seq != decision.Seq {
			t.Errorf("decided again: %+v", sent)
		}
	}
	if _, err := w.owner.ask("approve", fields{"conversationId": w.id, "toolCallId": w.run.ToolCallID, "approved": false}); code(t, err) != chat.Conflict {
		t.Errorf("the second decision: %v", err)
	}
	eventually(t, "the run is over", func() bool {
		w.owner.call(http.MethodGet, "/runs/"+string(w.run.ID), nil, &w.run)
		return w.run.Status.Over()
	})
	if w.run.Status != chat.RunComplete {
		t.Errorf("the run is %+v", w.run)
	}
	w.owner.finds(w.id, "the result", func(m protocol.Message) bool {
		return m.Type == chat.TypeToolResult && strings.Contains(m.Content, w.order+" is refunded (refund 1 ")
	})
}
