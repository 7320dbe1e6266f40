package e2e_test

import (
	"testing"

	"aiwm-chat/shared/protocol"
)

// The AIWM clients' event names, wrapped as they send them or as an action.
func TestAIWMNames(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared).connect()
	id := user.open(agent)
	wrap := func(event string, in fields) fields { return fields{"event": event, "data": in, "id": event} }
	send := func(a *actor, frame fields) {
		t.Helper()
		if err := a.Send(t.Context(), frame); err != nil {
			t.Fatal(err)
		}
	}
	send(user, wrap("conversation:join", fields{"conversationId": id}))
	if f := user.expect(protocol.EventJoined); f.ID != "conversation:join" {
		t.Errorf("the reply repeats the id %q", f.ID)
	}
	send(agent, fields{"action": "conversation:join", "conversationId": id})
	agent.expect(protocol.EventJoined)

	send(user, wrap("message:send", fields{"conversationId": id, "content": "hi"}))
	if f := user.expect(protocol.EventMessageSent); data[protocol.Sent](t, f).Seq != 1 {
		t.Errorf("message:sent is %s", f.Data)
	}
	agent.expect(protocol.EventMessageNew)

	send(user, wrap("typing:start", fields{"conversationId": id}))
	agent.expect(protocol.EventTypingStart)
	send(user, wrap("typing:stop", fields{"conversationId": id}))
	agent.expect(protocol.EventTypingStop)
	send(user, wrap("message:typing", fields{"conversationId": id, "isTyping": true}))
	agent.expect(protocol.EventTypingStart)
	send(user, wrap("message:typing", fields{"conversationId": id, "isTyping": false}))
	agent.expect(protocol.EventTypingStop)

	send(user, wrap("conversation:leave", fields{"conversationId": id}))
	user.expect(protocol.EventLeft)
	send(user, wrap("ping", fields{}))
	user.expect(protocol.EventPong)
}
