package e2e_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func mentionOf(a *actor) protocol.Mention {
	return protocol.Mention{Type: chat.MentionType(a.principal.Type), ID: a.principal.ID}
}

// mention says something that is for others.
func (a *actor) mention(id chat.ConversationID, content string, ms ...protocol.Mention) protocol.Sent {
	a.t.Helper()
	return data[protocol.Sent](a.t, a.must("send", fields{"conversationId": id, "content": content, "mentions": ms}))
}

// notified waits for the notification of a message.
func (a *actor) notified(id chat.ConversationID, seq int64) {
	a.t.Helper()
	want := protocol.Notification{ConversationID: id, Seq: seq, Kind: protocol.NotificationMention}
	if got := data[protocol.Notification](a.t, a.expect(protocol.EventNotification)); got != want {
		a.t.Errorf("%s is told %+v, want %+v", a.principal, got, want)
	}
}

// named are the fields that a refusal names.
func named(t *testing.T, err error) string {
	t.Helper()
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("not a refusal: %v", err)
	}
	fields := slices.Sorted(maps.Keys(refusal.Details))
	return strings.Join(slices.DeleteFunc(fields, func(name string) bool { return name == "clientMessageId" }), " ")
}

// Whoever is mentioned hears of it wherever they are: in the room by the message, elsewhere by
// a notification on all their devices, once. It stands with the message wherever that is read.
func TestMentions(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	bob, cid, eve := newUser(t, shared).connect(), newUser(t, shared).connect(), newUser(t, shared).connect()
	phone := bob.leanDevice()
	for _, a := range []*actor{bob, cid} {
		user.add(a, id)
	}
	all := protocol.Mention{Type: chat.Everybody}
	silent := func(who ...*actor) {
		t.Helper()
		eventually(t, "nothing is due", func() bool { return due(t, mongoOf(t, shared), id) == 0 })
		for _, a := range who {
			a.expectNot(protocol.EventNotification)
		}
	}

	sent := user.mention(id, "@bob, please look", mentionOf(bob), mentionOf(bob), mentionOf(user), mentionOf(agent))
	bob.notified(id, sent.Seq)
	phone.notified(id, sent.Seq)
	m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew))
	if want := []protocol.Mention{mentionOf(bob), mentionOf(user), mentionOf(agent)}; !slices.Equal(m.Mentions, want) {
		t.Errorf("the message mentions %v, want %v", m.Mentions, want)
	}
	silent(bob, phone, cid, eve, user, agent)

	bob.join(id)
	all2 := user.postMention(id, "everybody!", all)
	cid.notified(id, all2.Seq)
	silent(bob, cid, eve, user, agent) // who is in the room, on whichever device, has the message; an agent is none of all

	// An edit tells who is new.
	edit := func(edits int64, ms ...protocol.Mention) protocol.Message {
		return data[protocol.Message](t, user.must("edit", fields{"conversationId": id, "messageId": sent.MessageID, "content": "@cid, please look", "edits": edits, "mentions": ms}))
	}
	bob.must("leave", fields{"conversationId": id})
	if m := edit(0, mentionOf(bob), mentionOf(cid)); len(m.Mentions) != 2 {
		t.Errorf("edited it mentions %v", m.Mentions)
	}
	cid.notified(id, sent.Seq)
	silent(bob, phone, cid)
	edit(1)
	var read protocol.Message
	bob.call(http.MethodGet, "/messages/"+string(sent.MessageID), nil, &read)
	if len(read.Mentions) != 0 || read.Edits != 2 {
		t.Errorf("it mentions %v still", read.Mentions)
	}
	user.call(http.MethodPut, "/messages/"+string(sent.MessageID), fields{"content": "x", "edits": 2, "mentions": []any{all}}, &read)
	bob.notified(id, sent.Seq)
	phone.notified(id, sent.Seq)
	cid.notified(id, sent.Seq)

	// Histories have it, and what is deleted has none.
	again := bob.device()
	again.must("join", fields{"conversationId": id})
	page := data[pageOf](t, again.expect(protocol.EventHistory))
	if n := len(page.Messages); n != 2 || !slices.Equal(page.Messages[0].Mentions, []protocol.Mention{all}) || !slices.Equal(page.Messages[1].Mentions, []protocol.Mention{all}) {
		t.Errorf("the history is %+v", page.Messages)
	}
	user.call(http.MethodDelete, "/messages/"+string(sent.MessageID), nil, nil)
	var log protocol.MessagePage
	bob.call(http.MethodGet, "/messages?conversationId="+string(id), nil, &log)
	if len(log.Data) != 2 || !log.Data[0].IsDeleted || log.Data[0].Mentions != nil {
		t.Errorf("the log is %+v", log.Data)
	}

	// What is wrong is refused by its place, and changes nothing.
	for want, ms := range map[string][]protocol.Mention{
		"mentions[1]":      {mentionOf(bob), mentionOf(eve)},
		"mentions[0].type": {{Type: "system", ID: "aiwm"}},
		"mentions[0].id":   {{Type: chat.Everybody, ID: "x"}},
		"mentions":         slices.Repeat([]protocol.Mention{mentionOf(bob)}, chat.MaxMentions+1),
	} {
		if _, err := user.ask("send", fields{"conversationId": id, "content": "x", "mentions": ms}); code(t, err) != chat.ValidationFailed || named(t, err) != want {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := user.ask("edit", fields{"conversationId": id, "messageId": all2.MessageID, "content": "x", "edits": 0, "mentions": ms}); code(t, err) != chat.ValidationFailed || named(t, err) != want {
			t.Errorf("edited, %s: %v", want, err)
		}
	}
	if _, err := agent.ask("send", fields{"conversationId": id, "content": "x", "mentions": []any{all}}); named(t, err) != "mentions[0]" {
		t.Errorf("an agent mentions all: %v", err)
	}
	// A stranger learns no more than that there is nothing.
	if _, err := eve.ask("send", fields{"conversationId": id, "content": "x", "mentions": []any{mentionOf(eve)}}); code(t, err) != chat.NotFound {
		t.Errorf("a stranger: %v", err)
	}
	log = protocol.MessagePage{}
	bob.call(http.MethodGet, "/messages?conversationId="+string(id), nil, &log)
	if len(log.Data) != 2 || log.Data[1].Edits != 0 {
		t.Errorf("what was refused changed the log: %+v", log.Data)
	}

	// Who is removed is told of nothing.
	user.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(cid.principal.ID), nil, nil)
	last := user.mention(id, "everybody!", all)
	silent(cid, eve)
	if last.Seq != 3 {
		t.Errorf("it is message %d", last.Seq)
	}
}

func (a *actor) postMention(id chat.ConversationID, content string, ms ...protocol.Mention) (sent protocol.Sent) {
	a.t.Helper()
	a.call(http.MethodPost, "/messages", fields{"conversationId": id, "content": content, "mentions": ms}, &sent)
	return sent
}

// An agent that answers where it is mentioned goes by the list, and by the text where there is
// none.
func TestRunIsCalledByAMention(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, fields{"respond": "mention"})
	other := newUser(t, shared)
	a.add(other, a.id)
	hello := "Hello @" + string(a.agent) + "."
	if run, _ := a.over(a.mention(a.id, "Hello.", protocol.Mention{Type: chat.MentionAgent, ID: a.agent}), 0); run.Status != chat.RunComplete {
		t.Errorf("by the list: %+v", run)
	}
	a.mention(a.id, hello, mentionOf(other))
	a.mention(a.id, hello, protocol.Mention{Type: chat.Everybody})
	if run, _ := a.over(a.mention(a.id, hello), 0); run.Status != chat.RunComplete { // an empty list
		t.Errorf("by the text: %+v", run)
	}
	eventually(t, "all is done", func() bool { return due(t, mongoOf(t, shared), a.id) == 0 })
	var page protocol.RunPage
	a.call(http.MethodGet, "/conversations/"+string(a.id)+"/runs", nil, &page)
	if len(page.Data) != 2 {
		t.Errorf("there are %d runs", len(page.Data))
	}
}
