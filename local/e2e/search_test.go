package e2e_test

import (
	"net/http"
	"net/url"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// searches returns what a search answers.
func (a *actor) searches(query string, more ...string) (page protocol.SearchPage) {
	a.t.Helper()
	path := "/search?q=" + url.QueryEscape(query)
	for _, m := range more {
		path += "&" + m
	}
	a.call(http.MethodGet, path, nil, &page)
	return page
}

// What is said is found by who may read it, as it is now, and by nobody else.
func TestSearch(t *testing.T) {
	t.Parallel()
	user, agent, id := talk(t, shared)
	stranger := newUser(t, shared)
	word := unique("đường")
	first := user.say(id, "xin chào "+word+" phố")
	second := agent.say(id, "北京天气很好 "+word)
	in := "conversationId=" + string(id)
	eventually(t, "both are found", func() bool { return len(user.searches(word, in).Data) == 2 })
	hits := user.searches(word + " ").Data // in all conversations
	if len(hits) != 2 || hits[0].MessageID != second.MessageID || hits[1].MessageID != first.MessageID || hits[1].Seq != first.Seq || hits[1].Text[len("xin chào "):][:len("đường")] != "đường" || len(hits[1].Ranges) == 0 {
		t.Errorf("found are %+v", hits)
	}
	if got := agent.searches("天气", in).Data; len(got) != 1 || got[0].Role != chat.RoleAgent {
		t.Errorf("the agent found %+v", got)
	}
	page := user.searches(word, in, "limit=1")
	if len(page.Data) != 1 || !page.Pagination.HasMore || len(user.searches(word, in, "limit=1", "cursor="+url.QueryEscape(page.Pagination.Cursor)).Data) != 1 {
		t.Errorf("the first page is %+v", page)
	}
	var around protocol.MessagePage
	user.call(http.MethodGet, "/messages?aroundSeq=1&"+in, nil, &around)
	if len(around.Data) != 2 {
		t.Errorf("around it are %+v", around.Data)
	}
	if got := stranger.searches(word).Data; len(got) != 0 {
		t.Errorf("a stranger found %+v", got)
	}
	if err := stranger.try(http.MethodGet, "/search?q=x&"+in, nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("a stranger got %v", err)
	}
	user.must("edit", fields{"conversationId": id, "messageId": first.MessageID, "content": "never mind", "edits": 0})
	if got := user.searches(word, in).Data; len(got) != 1 || got[0].MessageID != second.MessageID { // at once: it is read then
		t.Errorf("edited out, found are %+v", got)
	}
	eventually(t, "what it says now is found", func() bool { return len(user.searches("never mind", in).Data) == 1 })
	agent.call(http.MethodDelete, "/messages/"+string(second.MessageID), nil, nil)
	if got := user.searches(word, in).Data; len(got) != 0 {
		t.Errorf("deleted, found are %+v", got)
	}
	guest := newUser(t, shared)
	user.add(guest, id)
	if got := guest.searches("never mind").Data; len(got) != 1 {
		t.Errorf("a guest found %+v", got)
	}
	user.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(guest.principal.ID), nil, nil)
	if got := guest.searches("never mind").Data; len(got) != 0 {
		t.Errorf("who was removed found %+v", got)
	}
}
