package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

func TestLifeOfAConversation(t *testing.T) {
	user, agent := newUser(t, shared).connect(), newAgent(t, shared).connect()
	var c protocol.Conversation
	user.call(http.MethodPost, "/conversations", fields{
		"title": "Orders", "agentId": agent.principal.ID, "description": "about orders", "tags": []string{"orders", "vip"},
	}, &c)
	if c.Status != chat.Active || len(c.Participants) != 2 || c.OrgID != "acme" || c.CreatedBy.ID != user.principal.ID {
		t.Errorf("created %+v", c)
	}
	path := "/conversations/" + string(c.ID)
	agent.join(c.ID)
	user.call(http.MethodPut, path, fields{"title": "Old orders", "status": "archived", "tags": []string{}}, &c)
	if c.Title != "Old orders" || c.Description != "about orders" || c.Status != chat.Archived || len(c.Tags) != 0 {
		t.Errorf("updated %+v", c)
	}
	if got := data[protocol.Conversation](t, agent.expect(protocol.EventConversationUpdated)); got.Title != "Old orders" {
		t.Errorf("the member was told %+v", got)
	}
	if err := agent.try(http.MethodDelete, path, nil, nil); code(t, err) != chat.Forbidden {
		t.Errorf("a participant deletes: %v", err)
	}
	user.call(http.MethodDelete, path, nil, nil)
	if got := data[protocol.Room](t, agent.expect(protocol.EventConversationDeleted)); got.ConversationID != c.ID {
		t.Errorf("the member was told %+v", got)
	}
	for _, a := range []*actor{user, agent} {
		if err := a.try(http.MethodGet, path, nil, nil); code(t, err) != chat.NotFound {
			t.Errorf("%s reads what is deleted: %v", a.principal, err)
		}
		if _, err := a.ask("send", fields{"conversationId": c.ID, "content": "hello?"}); code(t, err) != chat.NotFound {
			t.Errorf("%s writes to what is deleted: %v", a.principal, err)
		}
	}
}

func TestListOfConversations(t *testing.T) {
	user, agent, other := newUser(t, shared), newAgent(t, shared), newAgent(t, shared)
	var ids []chat.ConversationID
	for i := range 5 {
		var c protocol.Conversation
		with := agent
		if i == 4 {
			with = other
		}
		user.call(http.MethodPost, "/conversations", fields{"title": fmt.Sprint("c", i), "agentId": with.principal.ID, "tags": []string{fmt.Sprint("t", i%2)}}, &c)
		ids = append(ids, c.ID)
	}
	newUser(t, shared).open(agent)
	user.postMessage(string(ids[1]), "newest activity", "")
	user.call(http.MethodPut, "/conversations/"+string(ids[0]), fields{"status": "archived"}, nil)
	eventually(t, "the projection of the message is there", func() bool {
		var c protocol.Conversation
		user.call(http.MethodGet, "/conversations/"+string(ids[1]), nil, &c)
		return c.TotalMessages == 1
	})
	tests := []struct {
		query string
		want  []int
		total int64
	}{
		{"", []int{0, 1, 4, 3, 2}, 5},
		{"?limit=2", []int{0, 1}, 5},
		{"?limit=2&page=3", []int{2}, 5},
		{"?limit=2&page=4", nil, 5},
		{"?status=archived", []int{0}, 1},
		{"?status=closed", nil, 0},
		{"?tag=t0&sort=createdAt", []int{0, 2, 4}, 3},
		{"?agentId=" + string(other.principal.ID), []int{4}, 1},
		{"?userId=" + string(user.principal.ID) + "&sort=title", []int{0, 1, 2, 3, 4}, 5},
		{"?userId=nobody", nil, 0},
		{"?sort=-title", []int{4, 3, 2, 1, 0}, 5},
	}
	for _, tt := range tests {
		var page protocol.ConversationPage
		user.call(http.MethodGet, "/conversations"+tt.query, nil, &page)
		var got []int
		for _, c := range page.Data {
			for i, id := range ids {
				if c.ID == id {
					got = append(got, i)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || page.Pagination.Total != tt.total {
			t.Errorf("GET /conversations%s: got %v of %d, want %v of %d", tt.query, got, page.Pagination.Total, tt.want, tt.total)
		}
	}
	var page protocol.ConversationPage
	if agent.call(http.MethodGet, "/conversations", nil, &page); page.Pagination.Total != 5 {
		t.Errorf("the agent serves %d conversations, want 5", page.Pagination.Total)
	}
}

// A removed participant is out at once, whatever they were doing.
func TestParticipantRemoved(t *testing.T) {
	user, agent, id := talk(t, shared)
	guest := newUser(t, shared).connect()
	path := "/conversations/" + string(id) + "/participants"
	invite := fields{"type": "user", "id": guest.principal.ID}
	if _, err := guest.ask("join", fields{"conversationId": id}); code(t, err) != chat.NotFound {
		t.Errorf("before the invitation: %v", err)
	}
	user.call(http.MethodPost, path, invite, nil)
	user.call(http.MethodPost, path, invite, nil)
	guest.join(id)
	user.say(id, "welcome, guest")
	guest.expect(protocol.EventMessageNew)

	if err := guest.try(http.MethodDelete, path+"/agent/"+string(agent.principal.ID), nil, nil); code(t, err) != chat.Forbidden {
		t.Errorf("the guest removes the agent: %v", err)
	}
	user.call(http.MethodDelete, path+"/user/"+string(guest.principal.ID), nil, nil)
	guest.expect(protocol.EventLeft)
	user.say(id, "between us again")
	agent.expect(protocol.EventMessageNew)
	guest.expectNot(protocol.EventMessageNew)
	for action, in := range map[string]fields{
		"join": {"conversationId": id}, "send": {"conversationId": id, "content": "still here"},
	} {
		if _, err := guest.ask(action, in); code(t, err) != chat.NotFound {
			t.Errorf("the removed guest's %s: %v", action, err)
		}
	}
	if err := guest.try(http.MethodGet, "/messages?conversationId="+string(id), nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("the removed guest reads: %v", err)
	}
}

// A deleted message keeps its place; its content goes from every read.
func TestMessageDeleted(t *testing.T) {
	user, agent, id := talk(t, shared)
	sent := user.say(id, "my password is hunter2")
	user.say(id, "never mind")
	path := "/messages/" + string(sent.MessageID)
	if err := agent.try(http.MethodDelete, path, nil, nil); code(t, err) != chat.Forbidden {
		t.Errorf("another deletes: %v", err)
	}
	user.call(http.MethodDelete, path, nil, nil)
	user.call(http.MethodDelete, path, nil, nil)
	gone := data[protocol.MessageGone](t, agent.expect(protocol.EventMessageDeleted))
	if gone.MessageID != sent.MessageID || gone.Seq != 1 {
		t.Errorf("message:deleted is %+v", gone)
	}
	if err := agent.try(http.MethodGet, path, nil, nil); code(t, err) != chat.NotFound {
		t.Errorf("reading it: %v", err)
	}
	var page protocol.MessagePage
	agent.call(http.MethodGet, "/messages?conversationId="+string(id), nil, &page)
	if len(page.Data) != 2 || !page.Data[0].IsDeleted || page.Data[0].Content != "" || page.Data[0].Seq != 1 {
		t.Errorf("the log is %+v", page.Data)
	}
	if next := agent.say(id, "what was it?"); next.Seq != 3 {
		t.Errorf("the next seq is %d", next.Seq)
	}
}

func TestAgentsMessageComesBackWhole(t *testing.T) {
	user, agent, id := talk(t, shared)
	parent := user.say(id, "look it up")
	agent.must("send", fields{
		"conversationId": id, "content": "Found it.", "role": "agent", "type": "tool_result", "name": "assistant",
		"parentId": parent.MessageID, "attachments": []string{"https://example.com/a/report.pdf", "document:doc-7"},
		"thinking":    fields{"content": "hm", "visible": true, "duration": 40},
		"toolCalls":   []any{fields{"id": "t1", "name": "search", "arguments": fields{"q": "order", "n": 3, "$oid": "x"}}},
		"toolResults": []any{fields{"toolCallId": "t1", "result": []any{1.5, nil, "two"}}},
		"usage":       fields{"promptTokens": 10, "completionTokens": 5, "totalTokens": 15}, "latency": 1200,
	})
	live := data[protocol.Message](t, user.expect(protocol.EventMessageNew))
	if live.Seq == 1 { // the two may overtake each other
		live = data[protocol.Message](t, user.expect(protocol.EventMessageNew))
	}
	var stored protocol.Message
	user.call(http.MethodGet, "/messages/"+string(live.ID), nil, &stored)
	if fmt.Sprintf("%+v", live) == "" || string(live.ToolCalls[0]) != string(stored.ToolCalls[0]) || string(live.ToolResults[0]) != string(stored.ToolResults[0]) {
		t.Errorf("live %s %s, stored %s %s", live.ToolCalls, live.ToolResults, stored.ToolCalls, stored.ToolResults)
	}
	if stored.Thinking == nil || stored.Thinking.Duration != 40 || stored.Latency != 1200 || stored.Usage.TotalTokens != 15 ||
		len(stored.Attachments) != 2 || stored.ParentID != parent.MessageID || stored.Type != chat.TypeToolResult {
		t.Errorf("stored %+v", stored)
	}
}

func TestHealth(t *testing.T) {
	for name, header := range map[string]http.Header{
		"plain": {},
		// What curl --http2 and Java's client send: no WebSocket is asked for.
		"offering HTTP/2": {"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABkAAQAAP__"}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.URL()+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		resp, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET /health, %s, answers %d", name, resp.StatusCode)
		}
	}
}

// Why something is down is for operators.
func TestDeepHealth(t *testing.T) {
	token := func(roles ...string) string {
		token, err := auth.Mint(options().Secret, chat.Principal{Type: chat.User, ID: "op", OrgID: "acme"}, "", time.Hour, time.Now(), roles...)
		if err != nil {
			t.Fatal(err)
		}
		watched.secret(token)
		return token
	}
	for name, row := range map[string]struct {
		query, token string
		status       int
	}{
		"an operator":           {"?deep=true", token("x", gateway.OperatorRole), http.StatusOK},
		"somebody else":         {"?deep=true", token("admin"), http.StatusForbidden},
		"nobody":                {"?deep=true", "", http.StatusUnauthorized},
		"who knows":             {"?deep=true", "eyJ", http.StatusUnauthorized},
		"nobody, who wants any": {"?deep=false", "", http.StatusOK},
		"what is that":          {"?deep=2", "", http.StatusBadRequest},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.URL()+"/health"+row.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if row.token != "" {
			r.Header.Set("Authorization", "Bearer "+row.token)
		}
		resp, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ At string }
		err = json.NewDecoder(resp.Body).Decode(&body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != row.status || (body.At != "") != (name == "an operator") {
			t.Errorf("%s: %s, %+v, %v", name, resp.Status, body, err)
		}
	}
}

// What a client has is not sent again, and a change shows at once: also one that
// the projection of the conversation has not come to.
func TestETags(t *testing.T) {
	user, agent, id := talk(t, shared)
	first := user.say(id, "one")
	agent.expect(protocol.EventMessageNew)
	paths := []string{
		"/messages?conversationId=" + string(id), "/messages/" + string(first.MessageID), "/conversations/" + string(id),
		"/conversations", "/presence?conversationId=" + string(id),
	}
	eventually(t, "the projection is there", func() bool {
		var c protocol.Conversation
		user.call(http.MethodGet, "/conversations/"+string(id), nil, &c)
		return c.TotalMessages == 1
	})
	ask := func(path, etag string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+user.token)
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		resp, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("ETag")
	}
	etags := map[string]string{}
	for _, path := range paths {
		status, etag := ask(path, "")
		if again, same := ask(path, etag); status != http.StatusOK || etag == "" || again != http.StatusNotModified || same != etag {
			t.Errorf("GET %s: %d with %s, then %d with %s", path, status, etag, again, same)
		}
		etags[path] = etag
	}
	user.say(id, "two")
	if status, etag := ask(paths[0], etags[paths[0]]); status != http.StatusOK {
		t.Errorf("after another message: %d", status)
	} else {
		etags[paths[0]] = etag
	}
	user.call(http.MethodDelete, "/messages/"+string(first.MessageID), nil, nil)
	if status, _ := ask(paths[0], etags[paths[0]]); status != http.StatusOK {
		t.Errorf("after a deletion: %d", status)
	}
	if status, _ := ask(paths[1], etags[paths[1]]); status != http.StatusNotFound {
		t.Errorf("the deleted message: %d", status)
	}
	user.call(http.MethodPut, paths[2], fields{"title": "another"}, nil)
	for _, path := range paths[2:4] {
		if status, _ := ask(path, etags[path]); status != http.StatusOK {
			t.Errorf("GET %s after a change: %d", path, status)
		}
	}
}

// Who is added is told, is not seen by the others before they join, and hears that
// something is said while they are outside.
func TestAddedToldAndNotWatched(t *testing.T) {
	user, agent, id := talk(t, shared)
	guest := newUser(t, shared).connect()
	user.add(guest, id)
	if got := data[protocol.Conversation](t, guest.expect(protocol.EventConversationAdded)); got.ID != id {
		t.Errorf("conversation:added is %+v", got)
	}
	online := func() (status string) {
		var page protocol.PresencePage
		user.call(http.MethodGet, "/presence?conversationId="+string(id), nil, &page)
		for _, p := range page.Data {
			if p.ID == guest.principal.ID {
				status = p.Status
			}
		}
		return status
	}
	if got := online(); got != protocol.Offline {
		t.Errorf("who was only added is %s", got)
	}
	user.say(id, "welcome")
	agent.expect(protocol.EventMessageNew)
	if got := data[protocol.Activity](t, guest.expect(protocol.EventConversationActivity)); got.ConversationID != id || got.LastSeq != 1 {
		t.Errorf("conversation:activity is %+v", got)
	}
	guest.join(id)
	eventually(t, "who has joined is seen", func() bool { return online() == protocol.Online })
}
