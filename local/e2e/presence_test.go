package e2e_test

import (
	"net/http"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Presence tells of the first connection that comes and of the last that goes,
// to those who share a conversation.
func TestPresenceOfManyDevices(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	id := user.open(agent)
	user.join(id)

	first := agent.device()
	p := data[protocol.Presence](t, user.expect(protocol.EventPresence))
	if p.Type != chat.Agent || p.ID != agent.principal.ID || p.Status != protocol.Online {
		t.Errorf("the first device brought %+v", p)
	}
	second := agent.device()
	user.expectNot(protocol.EventPresence)

	first.join(id)
	second.join(id)
	user.expect(protocol.EventUserJoined)
	user.expectNot(protocol.EventUserJoined)

	user.say(id, "to all your devices")
	first.expect(protocol.EventMessageNew)
	second.expect(protocol.EventMessageNew)

	first.Close()
	user.expectNot(protocol.EventPresence)
	second.Close()
	if p := data[protocol.Presence](t, user.expect(protocol.EventPresence)); p.Status != protocol.Offline {
		t.Errorf("the last device left %+v", p)
	}
	user.expect(protocol.EventUserLeft)

	var page protocol.PresencePage
	user.call(http.MethodGet, "/presence?conversationId="+string(id), nil, &page)
	online := map[chat.PrincipalID]string{}
	for _, p := range page.Data {
		online[p.ID] = p.Status
	}
	if online[user.principal.ID] != protocol.Online || online[agent.principal.ID] != protocol.Offline {
		t.Errorf("GET /presence says %v", online)
	}
}

func TestPresenceStaysInTheConversation(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	user.join(user.open(agent))
	stranger := newUser(t, shared).connect()
	stranger.join(stranger.open(newAgent(t, shared)))
	agent.connect()
	user.expect(protocol.EventPresence)
	stranger.expectNot(protocol.EventPresence)
}

// Equal ids of two organisations are two principals.
func TestOrganisationsNeverMeet(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared).connect()
	id := user.open(agent)
	user.join(id)
	other := func(p chat.Principal) *actor {
		p.OrgID = "globex"
		return newActor(t, shared, p)
	}
	twin, twinAgent := other(user.principal).connect(), other(agent.principal).connect()
	if _, err := twin.ask("join", fields{"conversationId": id}); code(t, err) != chat.NotFound {
		t.Errorf("the twin joins: %v", err)
	}
	if err := twin.try(http.MethodGet, "/conversations/"+string(id), nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("the twin reads: %v", err)
	}
	user.say(id, "for acme only")
	agent.expect(protocol.EventMessageFromUser)
	twinAgent.expectNot(protocol.EventMessageFromUser)
	twin.expectNot(protocol.EventMessageNew)
	var page protocol.ConversationPage
	twin.call(http.MethodGet, "/conversations", nil, &page)
	if page.Pagination.Total != 0 {
		t.Errorf("the twin lists %d conversations", page.Pagination.Total)
	}
}
