package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// tells waits for an event about a message that is as it should be.
func (a *actor) tells(event string, id chat.MessageID, is func(client.Frame) bool) client.Frame {
	a.t.Helper()
	for {
		f := a.expect(event)
		if strings.Contains(string(f.Data), string(id)) && is(f) {
			return f
		}
	}
}

// react is the action.
func (a *actor) react(id chat.ConversationID, m chat.MessageID, key string, on bool) protocol.Reactions {
	a.t.Helper()
	return data[protocol.Reactions](a.t, a.must("react", fields{"conversationId": id, "messageId": m, "key": key, "on": on}))
}

func counts(r []protocol.ReactionCount) string {
	var b strings.Builder
	for _, one := range r {
		b.WriteString(string(one.Key))
		b.WriteString(strings.Repeat("+", one.Count))
		if one.Mine {
			b.WriteString("mine")
		}
	}
	return b.String()
}

// A reaction is counted for everybody, marked for whom it is, and the same in every read.
func TestReactions(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	lean := user.leanDevice()
	lean.join(id)
	sent := user.say(id, "Friday?")
	if got := counts(agent.react(id, sent.MessageID, "👍", true).Reactions); got != "👍+mine" {
		t.Errorf("the agent is answered %s", got)
	}
	told := func(want string) func(client.Frame) bool {
		return func(f client.Frame) bool { return counts(data[protocol.Reactions](t, f).Reactions) == want }
	}
	user.tells(protocol.EventReactions, sent.MessageID, told("👍+"))
	agent.tells(protocol.EventReactions, sent.MessageID, told("👍+mine")) // as all devices of who reacted, in aiwm
	lean.tells(protocol.EventReactions, sent.MessageID, told("👍+"))
	if got := counts(lean.react(id, sent.MessageID, "👍", true).Reactions); got != "👍++mine" {
		t.Errorf("the user is answered %s", got)
	}
	if got := counts(lean.react(id, sent.MessageID, "👍", true).Reactions); got != "👍++mine" { // again
		t.Errorf("the user is answered %s", got)
	}
	agent.tells(protocol.EventReactions, sent.MessageID, told("👍++"))
	lean.expectNot(protocol.EventReactions) // it had the answer

	var rest protocol.Reactions
	path := "/messages/" + string(sent.MessageID) + "/reactions"
	agent.call(http.MethodPut, path+"/:party:", nil, &rest)
	if got := counts(rest.Reactions); got != "👍++mine:party:+mine" {
		t.Errorf("over REST %s", got)
	}
	user.call(http.MethodDelete, path+"/%F0%9F%91%8D", nil, &rest)
	if got := counts(rest.Reactions); got != "👍+:party:+" || rest.ReactionVersion != 4 {
		t.Errorf("taken back over REST %s, version %d", got, rest.ReactionVersion)
	}
	var list protocol.ReactionList
	user.call(http.MethodGet, path, nil, &list)
	if len(list.Data) != 2 || list.Data[0].ID != agent.principal.ID || list.Data[1].Key != ":party:" {
		t.Errorf("who reacted: %+v", list)
	}
	again := agent.device()
	again.must("join", fields{"conversationId": id})
	page := data[pageOf](t, again.expect(protocol.EventHistory))
	if len(page.Messages) != 1 || counts(page.Messages[0].Reactions) != "👍+mine:party:+mine" {
		t.Errorf("the history is %+v", page)
	}
}

// pageOf is the data of messages:history and of messages:changed.
type pageOf struct {
	Messages     []protocol.Message `json:"messages"`
	HasMore      bool               `json:"hasMore"`
	ChangedAfter string             `json:"changedAfter"`
}

// An edit is seen everywhere, and what it took away nowhere.
func TestEdits(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	sent := user.say(id, "my password is hunter2")
	f := user.must("edit", fields{"conversationId": id, "messageId": sent.MessageID, "content": "never mind", "edits": 0})
	if m := data[protocol.Message](t, f); m.Content != "never mind" || m.Edits != 1 || m.EditedAt == "" || m.Seq != sent.Seq || m.Version != 1 {
		t.Errorf("the answer is %+v", m)
	}
	agent.tells(protocol.EventMessageUpdated, sent.MessageID, func(f client.Frame) bool { return strings.Contains(string(f.Data), "never mind") })
	if _, err := user.ask("edit", fields{"conversationId": id, "messageId": sent.MessageID, "content": "something else", "edits": 0}); code(t, err) != chat.Conflict {
		t.Errorf("an edit of what was edited: %v", err)
	}
	var m protocol.Message
	user.call(http.MethodPut, "/messages/"+string(sent.MessageID), fields{"content": "never mind at all", "edits": 1}, &m)
	if m.Edits != 2 || m.Version != 2 {
		t.Errorf("over REST %+v", m)
	}
	eventually(t, "the last message says it", func() bool { return user.conversation(id).LastMessage.Content == "never mind at all" })
	if again := user.postMessage(string(id), "my password is hunter2", string(sent.ClientMessageID)); !again.Duplicate || again.MessageID != sent.MessageID {
		t.Errorf("what was said, repeated: %+v", again) // it was said once
	}
	var page protocol.MessagePage
	agent.call(http.MethodGet, "/messages?conversationId="+string(id), nil, &page)
	if len(page.Data) != 1 || page.Data[0].Content != "never mind at all" {
		t.Errorf("the log is %+v", page.Data)
	}
}

// Who was away asks what changed, and gets it however old the message is.
func TestWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	var ids []chat.MessageID
	for range 3 {
		ids = append(ids, user.say(id, "something").MessageID)
	}
	cursor := data[protocol.Joined](t, agent.must("join", fields{"conversationId": id})).ChangedAfter
	if cursor == "" {
		t.Fatal("there is no cursor")
	}
	agent.must("leave", fields{"conversationId": id})
	user.react(id, ids[0], "👀", true)
	user.must("edit", fields{"conversationId": id, "messageId": ids[1], "content": "something else", "edits": 0})
	user.call(http.MethodDelete, "/messages/"+string(ids[2]), nil, nil)
	user.say(id, "the last")
	agent.must("join", fields{"conversationId": id, "afterSeq": 3, "changedAfter": cursor})
	changed := data[pageOf](t, agent.expect(protocol.EventChanged))
	if len(changed.Messages) != 3 || changed.ChangedAfter == "" {
		t.Fatalf("what changed is %+v", changed)
	}
	if m := changed.Messages; counts(m[0].Reactions) != "👀+" || m[1].Content != "something else" || !m[2].IsDeleted || m[2].Content != "" {
		t.Errorf("what changed is %+v", m)
	}
	var page protocol.MessagePage
	agent.call(http.MethodGet, "/messages?conversationId="+string(id)+"&limit=2&changedAfter="+cursor, nil, &page)
	if len(page.Data) != 2 || !page.Pagination.HasMore {
		t.Errorf("over REST %+v", page)
	}
	agent.call(http.MethodGet, "/messages?conversationId="+string(id)+"&limit=2&changedAfter="+page.Pagination.ChangedAfter, nil, &page)
	if len(page.Data) != 1 || page.Data[0].ID != ids[2] || page.Pagination.HasMore {
		t.Errorf("the next page %+v", page)
	}
}

// Nobody changes, or learns of, what is not theirs; what is closed is only deleted.
func TestRightsOfChanges(t *testing.T) {
	t.Parallel()
	s := shared
	owner, guest, removed, stranger := newUser(t, s).connect(), newUser(t, s).connect(), newUser(t, s).connect(), newUser(t, s).connect()
	foreigner := newActor(t, s, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("foreign")), OrgID: "other"}).connect()
	agent, other := newAgent(t, s).connect(), newAgent(t, s).connect()
	id, elsewhere := owner.open(agent), stranger.open(other)
	owner.add(guest, id)
	owner.add(removed, id)
	said := guest.say(id, "mine").MessageID
	answered := agent.say(id, "an agent's").MessageID
	tool := data[protocol.Sent](t, agent.must("send", fields{"conversationId": id, "content": "x", "type": "tool_call", "toolCalls": []any{fields{}}})).MessageID
	owner.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(removed.principal.ID), nil, nil)

	outside := who{"removed": removed, "a stranger": stranger, "another organisation": foreigner, "an agent elsewhere": other}
	inside := who{"the owner": owner, "the author": guest, "an agent": agent}
	notTheAuthor := who{"the owner": owner, "an agent": agent}
	edit := func(edits int) fields { return fields{"content": "changed", "edits": edits} }
	path := "/messages/" + string(said)
	for _, row := range []struct {
		who          who
		method, path string
		in           any
		want         chat.Code
	}{
		{outside, "PUT", path, edit(0), chat.NotFound},
		{outside, "GET", path + "/reactions", nil, chat.NotFound},
		{outside, "PUT", path + "/reactions/x", nil, chat.NotFound},
		{outside, "DELETE", path + "/reactions/x", nil, chat.NotFound},
		{outside, "GET", "/messages?changedAfter=0&conversationId=" + string(id), nil, chat.NotFound},
		{notTheAuthor, "PUT", path, edit(0), chat.Forbidden},
		{who{"the author": guest}, "PUT", "/messages/" + string(answered), edit(0), chat.Forbidden},
		{who{"an agent": agent}, "PUT", "/messages/" + string(tool), edit(0), chat.Forbidden}, // no text
		{who{"an agent": agent}, "DELETE", path, nil, chat.Forbidden},
		{who{"the author": guest}, "DELETE", path, nil, ""},
		{inside, "GET", "/messages?changedAfter=0&conversationId=" + string(id), nil, ""},
	} {
		for name, a := range row.who {
			if got := code(t, a.try(row.method, row.path, row.in, nil)); got != row.want {
				t.Errorf("%s: %s %s is %q, want %q", name, row.method, row.path, got, row.want)
			}
		}
	}
	for _, row := range []struct {
		who    who
		action string
		in     fields
		want   chat.Code
	}{
		{outside, "react", fields{"conversationId": id, "messageId": answered, "key": "x", "on": true}, chat.NotFound},
		{who{"a stranger": stranger}, "react", fields{"conversationId": elsewhere, "messageId": answered, "key": "x", "on": true}, chat.NotFound}, // by their own
		{outside, "edit", fields{"conversationId": id, "messageId": answered, "content": "x", "edits": 0}, chat.NotFound},
		{who{"a stranger": stranger}, "edit", fields{"conversationId": elsewhere, "messageId": answered, "content": "x", "edits": 0}, chat.NotFound},
		{inside, "react", fields{"conversationId": id, "messageId": said, "key": "x", "on": true}, chat.NotFound}, // deleted
		{who{"the owner": owner}, "edit", fields{"conversationId": id, "messageId": answered, "content": "x", "edits": 0}, chat.Forbidden},
	} {
		for name, a := range row.who {
			if _, err := a.ask(row.action, row.in); code(t, err) != row.want {
				t.Errorf("%s: %s %v is %v, want %q", name, row.action, row.in, err, row.want)
			}
		}
	}
	for _, m := range []chat.MessageID{tool, answered} {
		want := map[chat.MessageID]chat.Code{tool: chat.Forbidden, answered: ""}[m]
		if got := code(t, owner.try(http.MethodDelete, "/messages/"+string(m), nil, nil)); got != want {
			t.Errorf("the owner deletes %s: %q, want %q", m, got, want)
		}
	}
	var page protocol.MessagePage
	guest.call(http.MethodGet, "/messages?conversationId="+string(id), nil, &page)
	if by := page.Data[1].DeletedBy; page.Data[0].DeletedBy != nil || by == nil || by.ID != owner.principal.ID || page.Data[2].IsDeleted {
		t.Errorf("the log is %+v", page.Data)
	}

	last := guest.say(id, "the last").MessageID
	owner.call(http.MethodPut, "/conversations/"+string(id), fields{"status": "closed"}, nil)
	for action, in := range map[string]fields{"react": {"messageId": last, "key": "x", "on": true}, "edit": {"messageId": last, "content": "x", "edits": 0}} {
		in["conversationId"] = id
		if _, err := guest.ask(action, in); code(t, err) != chat.ConversationClosed {
			t.Errorf("%s in what is closed: %v", action, err)
		}
	}
	if err := guest.try(http.MethodPut, "/messages/"+string(last)+"/reactions/x", nil, nil); code(t, err) != chat.ConversationClosed {
		t.Errorf("a reaction over REST in what is closed: %v", err)
	}
	guest.call(http.MethodDelete, "/messages/"+string(last), nil, nil)
}
