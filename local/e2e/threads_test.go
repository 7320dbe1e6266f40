package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A reply is in the thread of what it answers, whoever is deleted, and the root says how
// many there are, to everybody and in every read. An agent's answer in the open begins none.
func TestThreads(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	reply := func(a *actor, to chat.MessageID, text string) protocol.Sent {
		t.Helper()
		return data[protocol.Sent](t, a.must("send", fields{"conversationId": id, "content": text, "parentId": to}))
	}
	root := user.say(id, "Friday?").MessageID
	says := func(count, last int64) func(client.Frame) bool {
		return func(f client.Frame) bool {
			m := data[protocol.Message](t, f)
			return m.ID == root && (m.Replies == nil && count == 0 || m.Replies != nil && *m.Replies == protocol.Replies{Count: count, LastSeq: last})
		}
	}
	answer := reply(agent, root, "Saturday.")
	first := reply(user, root, "Not on Friday?")
	agent.tells(protocol.EventMessageUpdated, root, says(1, first.Seq))
	second := reply(agent, first.MessageID, "No.")
	user.tells(protocol.EventMessageUpdated, root, says(2, second.Seq))
	var open protocol.Message
	user.call(http.MethodGet, "/messages/"+string(answer.MessageID), nil, &open)
	if open.ParentID != root || open.ThreadID != "" {
		t.Errorf("the answer is in the thread %q of %q", open.ThreadID, open.ParentID)
	}
	thread := func(of chat.MessageID, query string) (seqs string) {
		t.Helper()
		var page protocol.MessagePage
		agent.call(http.MethodGet, fmt.Sprint("/messages?conversationId=", id, "&threadId=", of, query), nil, &page)
		for _, m := range page.Data {
			if m.ThreadID != root {
				t.Errorf("%s is in the thread %q", m.ID, m.ThreadID)
			}
			seqs += fmt.Sprint(m.Seq, " ")
		}
		return seqs
	}
	if got := thread(root, "") + thread(root, "&afterSeq=3") + thread(first.MessageID, "") + thread(answer.MessageID, ""); got != "3 4 4 " {
		t.Errorf("the thread is %s", got)
	}
	user.call(http.MethodDelete, "/messages/"+string(first.MessageID), nil, nil)
	user.tells(protocol.EventMessageUpdated, root, says(1, second.Seq))
	user.call(http.MethodDelete, "/messages/"+string(root), nil, nil)
	third := reply(agent, first.MessageID, "To what is gone.")
	agent.tells(protocol.EventMessageDeleted, root, func(f client.Frame) bool {
		gone := data[protocol.MessageGone](t, f)
		return gone.Replies != nil && *gone.Replies == protocol.Replies{Count: 2, LastSeq: third.Seq}
	})
	if got := thread(root, ""); got != "3 4 5 " { // with the tombstone
		t.Errorf("of a deleted root the thread is %s", got)
	}
	if err := user.try(http.MethodPost, "/messages", fields{"conversationId": id, "content": "x", "threadId": root}, nil); code(t, err) != chat.ValidationFailed && code(t, err) != chat.BadRequest {
		t.Errorf("a client that names a thread: %v", err)
	}
	stranger := newUser(t, shared)
	if err := stranger.try(http.MethodGet, fmt.Sprint("/messages?conversationId=", id, "&threadId=", root), nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("a stranger got %v", err)
	}
}
