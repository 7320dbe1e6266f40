package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// mark is an action that moves the caller's mark, and what it is answered.
func (a *actor) mark(action string, in fields) protocol.ReadUpdate {
	a.t.Helper()
	return data[protocol.ReadUpdate](a.t, a.must(action, in))
}

// hearsMark waits for somebody's mark at a seq.
func (a *actor) hearsMark(of *actor, seq int64) protocol.ReadUpdate {
	a.t.Helper()
	for {
		u := data[protocol.ReadUpdate](a.t, a.expect(protocol.EventReadUpdate))
		if u.ID == of.principal.ID && u.Type == of.principal.Type && u.Seq == seq {
			return u
		}
	}
}

// unread is what the caller's list says of a conversation, which is what it says itself.
func (a *actor) unread(id chat.ConversationID) string {
	a.t.Helper()
	say := func(c protocol.Conversation) string {
		if c.LastReadSeq == nil || c.Unread == nil {
			a.t.Fatalf("it says nothing of what is read: %+v", c)
		}
		return fmt.Sprint(*c.LastReadSeq, " ", c.Unread.Count, " ", c.Unread.More)
	}
	var page protocol.ConversationPage
	a.call(http.MethodGet, "/conversations?limit=100", nil, &page)
	one := say(a.conversation(id))
	for _, c := range page.Data {
		if c.ID == id && say(c) == one {
			return one
		}
	}
	a.t.Fatalf("the list does not say %s", one)
	return ""
}

func (a *actor) reads(id chat.ConversationID) string {
	a.t.Helper()
	var list protocol.ReadMarks
	a.call(http.MethodGet, "/conversations/"+string(id)+"/reads", nil, &list)
	out := ""
	for _, m := range list.Data {
		out += fmt.Sprint(m.Type, " ", m.Seq, " ", m.At != "", "; ")
	}
	return out
}

// What one reads on a device is read on the others, and the others in the room learn of it,
// unless it is private.
func TestReadAndUnread(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	elsewhere, lean := user.device(), user.leanDevice() // not in the room
	guest := newUser(t, shared).connect()               // in no conversation
	for i := range 3 {
		agent.say(id, fmt.Sprint("news ", i))
	}
	eventually(t, "three are unread", func() bool { return user.unread(id) == "0 3 false" })
	in := fields{"conversationId": id, "seq": 2}
	if m := user.mark("read", in); m.Seq != 2 || m.Version != 1 || m.ID != user.principal.ID || m.RetryAfterMs != 0 {
		t.Errorf("the answer is %+v", m)
	}
	for _, device := range []*actor{elsewhere, lean} {
		if m := device.hearsMark(user, 2); m.Version != 1 {
			t.Errorf("another device hears %+v", m)
		}
	}
	if m := agent.hearsMark(user, 2); m.Version != 0 {
		t.Errorf("the agent hears %+v", m)
	}
	if got := user.unread(id); got != "2 1 false" {
		t.Errorf("unread are %s", got)
	}
	// So soon again nobody else is told, and the answer says when they may be.
	m := user.mark("read", fields{"conversationId": id, "seq": 99})
	if m.Seq != 3 || m.RetryAfterMs == 0 || m.RetryAfterMs > 1000 {
		t.Errorf("the answer is %+v", m)
	}
	elsewhere.hearsMark(user, 3)
	time.Sleep(time.Duration(m.RetryAfterMs) * time.Millisecond)
	if m = user.mark("read", fields{"conversationId": id, "seq": 3}); m.Seq != 3 || m.RetryAfterMs != 0 || m.Version != 2 {
		t.Errorf("the answer to a repeat is %+v", m)
	}
	agent.hearsMark(user, 3)

	var rest protocol.ReadUpdate
	talk := "/conversations/" + string(id)
	user.call(http.MethodPut, talk+"/unread", fields{"fromSeq": 2}, &rest)
	if rest.Seq != 1 || rest.Version != 3 {
		t.Errorf("over REST %+v", rest)
	}
	elsewhere.hearsMark(user, 1)
	user.hearsMark(user, 1) // over REST each device is another one
	if got := user.unread(id); got != "1 2 false" {
		t.Errorf("unread again are %s", got)
	}
	agent.say(id, "more")
	eventually(t, "three are unread", func() bool { return user.unread(id) == "1 3 false" })
	user.call(http.MethodPut, talk+"/read", fields{"seq": 4, "private": true}, &rest)
	elsewhere.hearsMark(user, 4)
	if got := user.unread(id); rest.Seq != 4 || got != "4 0 false" {
		t.Errorf("privately %+v, unread %s", rest, got)
	}
	if got := agent.reads(id); got != "user 3 true; agent 0 false; " {
		t.Errorf("the agent sees the marks %s", got)
	}
	agent.expectNot(protocol.EventReadUpdate) // of neither
	guest.expectNot(protocol.EventReadUpdate)
	user.must("read", fields{"conversationId": id, "seq": 1}) // not back
	user.call(http.MethodPut, talk, fields{"status": "closed"}, nil)
	if m := user.mark("unread", fields{"conversationId": id, "fromSeq": 4}); m.Seq != 3 {
		t.Errorf("in what is closed: %+v", m)
	}
}

// An agent that says what it has read is not asked that again, only what came after it.
func TestReadEndsABacklog(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	user.say(id, "one")
	user.say(id, "two")
	waits := func() int {
		var page protocol.MessagePage
		agent.call(http.MethodGet, "/agents/"+string(agent.principal.ID)+"/backlog", nil, &page)
		return len(page.Data)
	}
	eventually(t, "two wait", func() bool { return waits() == 2 && user.conversation(id).TotalMessages == 2 })
	agent.mark("read", fields{"conversationId": id, "seq": 1})
	if waits() != 1 {
		t.Error("what waits is not the one that is newer")
	}
	agent.mark("read", fields{"conversationId": id, "seq": 2, "private": true})
	if waits() != 0 {
		t.Error("all is read, and the backlog goes on")
	}
	user.say(id, "three")
	eventually(t, "it begins again, after the mark", func() bool { return waits() == 1 })
}

// Nobody marks, or learns of, what is not theirs; who was removed hears nothing any more.
func TestRightsOfMarks(t *testing.T) {
	t.Parallel()
	s := shared
	owner, guest, removed, stranger := newUser(t, s).connect(), newUser(t, s).connect(), newUser(t, s).connect(), newUser(t, s).connect()
	foreigner := newActor(t, s, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("foreign")), OrgID: "other"}).connect()
	agent, other := newAgent(t, s).connect(), newAgent(t, s).connect()
	id := owner.open(agent)
	owner.say(id, "before")
	eventually(t, "it is projected", func() bool { return owner.conversation(id).TotalMessages == 1 })
	owner.add(guest, id)
	owner.add(removed, id)
	removed.join(id)
	owner.say(id, "since")
	eventually(t, "it is unread for who was added, and what was said before is not", func() bool { return guest.unread(id) == "1 1 false" })
	removed.mark("read", fields{"conversationId": id, "seq": 2})
	owner.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(removed.principal.ID), nil, nil)
	removed.expect(protocol.EventLeft)

	outside := who{"removed": removed, "a stranger": stranger, "another organisation": foreigner, "an agent elsewhere": other}
	inside := who{"the owner": owner, "a guest": guest, "an agent": agent}
	talk := "/conversations/" + string(id)
	for _, row := range []struct {
		who          who
		method, path string
		in           any
		want         chat.Code
	}{
		{outside, "PUT", talk + "/read", fields{"seq": 2}, chat.NotFound},
		{outside, "PUT", talk + "/unread", fields{"fromSeq": 1}, chat.NotFound},
		{outside, "GET", talk + "/reads", nil, chat.NotFound},
		{inside, "PUT", talk + "/read", fields{"seq": 2}, ""},
		{inside, "PUT", talk + "/unread", fields{"fromSeq": 1}, ""},
		{inside, "GET", talk + "/reads", nil, ""},
		{inside, "PUT", talk + "/read", fields{"seq": 0}, chat.ValidationFailed},
		{inside, "PUT", talk + "/unread", fields{"seq": 1}, chat.ValidationFailed},
	} {
		for name, a := range row.who {
			if got := code(t, a.try(row.method, row.path, row.in, nil)); got != row.want {
				t.Errorf("%s: %s %s is %q, want %q", name, row.method, row.path, got, row.want)
			}
		}
	}
	for name, a := range outside {
		for action, in := range map[string]fields{"read": {"seq": 2}, "unread": {"fromSeq": 1}} {
			in["conversationId"] = id
			if _, err := a.ask(action, in); code(t, err) != chat.NotFound {
				t.Errorf("%s: %s is %v", name, action, err)
			}
		}
		a.expectNot(protocol.EventReadUpdate)
	}
	// Who is added again has read what there is, whatever they had before.
	owner.say(id, "without you")
	eventually(t, "it is projected", func() bool { return owner.conversation(id).TotalMessages == 3 })
	owner.add(removed, id)
	if got := removed.unread(id); got != "3 0 false" {
		t.Errorf("who was added again has %s", got)
	}
	owner.call(http.MethodDelete, talk, nil, nil)
	for name, a := range inside {
		if got := code(t, a.try("PUT", talk+"/read", fields{"seq": 3}, nil)); got != chat.NotFound {
			t.Errorf("%s marks what is deleted: %q", name, got)
		}
	}
}

// marking are the operations that move a mark.
func marking() []operation {
	var head int64
	heard := func(a *member, of *member) bool {
		for _, f := range a.Frames() {
			if f.Event == protocol.EventReadUpdate {
				if u := data[protocol.ReadUpdate](a.t, f); u.ID == of.principal.ID && u.Seq == head {
					return true
				}
			}
		}
		return false
	}
	prepare := func(k *killing) {
		everybodyIn(k)
		k.say(k.user)
		eventually(k.t, "nothing is due", func() bool { return due(k.t, k.messages, k.id) == 0 })
		head = k.agent.conversation(k.id).TotalMessages
	}
	read := func(k *killing, a *member) (client.Frame, error) {
		return a.ask("read", fields{"conversationId": k.id, "seq": head})
	}
	return []operation{{
		name: "read", function: "ReadFunction", framed: true, prepare: prepare,
		run: func(k *killing) { _, _ = read(k, k.agent) },
		heal: func(k *killing, repeats bool) {
			if !repeats {
				return
			}
			for tries := 0; ; tries++ {
				f, err := read(k, k.agent)
				if err == nil {
					wait := data[protocol.ReadUpdate](k.t, f).RetryAfterMs
					if wait == 0 {
						break
					}
					time.Sleep(time.Duration(wait) * time.Millisecond)
				} else if tries == 10 {
					k.t.Fatal("read again:", err)
				}
			}
			for _, a := range []*member{k.user, k.guest} {
				eventually(k.t, "it is told", func() bool { return heard(a, k.agent) })
			}
			var page protocol.MessagePage
			k.agent.call(http.MethodGet, "/agents/"+string(k.agent.principal.ID)+"/backlog", nil, &page)
			if c := k.agent.conversation(k.id); *c.LastReadSeq != head || c.Unread.Count != 0 || len(page.Data) != 0 {
				k.t.Errorf("the mark is %d, want %d; %d unread, %d wait", *c.LastReadSeq, head, c.Unread.Count, len(page.Data))
			}
		},
	}}
}

// Marks have one limit, whichever way they go, and however they are moved.
func TestLimitOfMarks(t *testing.T) {
	t.Parallel()
	user, agent, id := limited(t, "LIMIT_MARKS", "1/min burst 3")
	user.connect()
	read, unread := fields{"conversationId": id, "seq": 1}, fields{"conversationId": id, "fromSeq": 1}
	talk := "/conversations/" + string(id)
	user.must("read", read)
	user.must("unread", unread)
	user.call(http.MethodPut, talk+"/read", fields{"seq": 1}, nil)
	for action, in := range map[string]fields{"read": read, "unread": unread} {
		user.refusedFor(action, in)
	}
	for path, in := range map[string]fields{"/read": {"seq": 1}, "/unread": {"fromSeq": 1}} {
		user.refused(path, user.try(http.MethodPut, talk+path, in, nil))
	}
	agent.call(http.MethodPut, talk+"/read", fields{"seq": 1}, nil)
}
