package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Whatever is malformed gets one clear error that names the field, and changes
// nothing: the last row sends a good message, which must be the first.
func TestMalformedFrames(t *testing.T) {
	user, _, id := talk(t, shared)
	foreign := newUser(t, shared)
	hidden := foreign.open(newAgent(t, shared))
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	with := func(member string) string {
		return `{"action":"send","id":"f1","conversationId":"` + string(id) + `","content":"hi",` + member + `}`
	}
	tests := []struct {
		name, frame string
		want        chat.Code
		field       string
	}{
		{"no JSON", `hello`, chat.BadRequest, ""},
		{"an array", `[1]`, chat.BadRequest, ""},
		{"no action", `{"id":"f1"}`, chat.ValidationFailed, "action"},
		{"an unknown action", `{"action":"shout","id":"f1"}`, chat.BadRequest, ""},
		{"$disconnect from a client", `{"action":"$disconnect","id":"f1"}`, chat.BadRequest, ""},
		{"$connect from a client", `{"action":"$connect","id":"f1"}`, chat.BadRequest, ""},
		{"a number as action", `{"action":7,"id":"f1"}`, chat.ValidationFailed, "action"},
		{"an operator in place of an id", `{"action":"join","id":"f1","conversationId":{"$ne":""}}`, chat.ValidationFailed, "conversationId"},
		{"an operator in place of content", `{"action":"send","id":"f1","conversationId":"c","content":{"$gt":""}}`, chat.ValidationFailed, "content"},
		{"braces in an id", `{"action":"join","id":"f1","conversationId":"{a}"}`, chat.ValidationFailed, "conversationId"},
		{"a control character in an id", `{"action":"leave","id":"f1","conversationId":"a\u0000b"}`, chat.ValidationFailed, "conversationId"},
		{"no conversation", `{"action":"join","id":"f1"}`, chat.ValidationFailed, "conversationId"},
		{"a negative afterSeq", `{"action":"join","id":"f1","conversationId":"` + string(id) + `","afterSeq":-1}`, chat.ValidationFailed, "afterSeq"},
		{"an unknown member", with(`"seq":9`), chat.ValidationFailed, "seq"},
		{"another case", with(`"Role":"user"`), chat.ValidationFailed, "Role"},
		{"a duplicate member", with(`"content":"again"`), chat.BadRequest, ""},
		{"a lone surrogate", with(`"name":"\ud800"`), chat.BadRequest, ""},
		{"too deep", with(`"toolCalls":` + deep), chat.BadRequest, ""},
		{"a user as agent", with(`"role":"agent"`), chat.ValidationFailed, "role"},
		{"a user with an agent's type", with(`"type":"tool_call"`), chat.ValidationFailed, "type"},
		{"a user with usage", with(`"usage":{"totalTokens":1,"promptTokens":1,"completionTokens":0}`), chat.ValidationFailed, "usage"},
		{"someone else's name", with(`"participantId":"` + string(foreign.principal.ID) + `"`), chat.ValidationFailed, "participantId"},
		{"a script as attachment", with(`"attachments":["javascript:alert(1)"]`), chat.ValidationFailed, "attachments"},
		{"a parent that does not exist", with(`"parentId":"nothing"`), chat.ValidationFailed, "parentId"},
		{"nothing said", `{"action":"send","id":"f1","conversationId":"` + string(id) + `","content":"  "}`, chat.ValidationFailed, "content"},
		{"too long", `{"action":"send","id":"f1","conversationId":"` + string(id) + `","content":"` + strings.Repeat("x", 24<<10+1) + `"}`, chat.ValidationFailed, "content"},
		{"a typing state", `{"action":"typing","id":"f1","conversationId":"` + string(id) + `","state":"maybe"}`, chat.ValidationFailed, "state"},
		{"typing where one has not joined", `{"action":"typing","id":"f1","conversationId":"` + string(hidden) + `","state":"start"}`, chat.NotFound, ""},
		{"joining a foreign conversation", `{"action":"join","id":"f1","conversationId":"` + string(hidden) + `"}`, chat.NotFound, ""},
		{"joining none", `{"action":"join","id":"f1","conversationId":"nothing"}`, chat.NotFound, ""},
		{"writing to a foreign conversation", `{"action":"send","id":"f1","conversationId":"` + string(hidden) + `","content":"hi"}`, chat.NotFound, ""},
		{"a long id", `{"action":"ping","id":"` + strings.Repeat("x", 65) + `"}`, chat.ValidationFailed, "id"},
		{"AIWM with a stranger member", `{"event":"message:send","data":{},"id":"f1","more":1}`, chat.ValidationFailed, "more"},
		{"AIWM without isTyping", `{"event":"message:typing","data":{"conversationId":"c"},"id":"f1"}`, chat.ValidationFailed, "isTyping"},
	}
	for _, tt := range tests {
		if err := user.Send(t.Context(), []byte(tt.frame)); err != nil {
			t.Fatal(err)
		}
		f := user.expect(protocol.EventError)
		if f.Error.Code != tt.want {
			t.Errorf("%s: got %+v, want %s", tt.name, f.Error, tt.want)
		}
		if _, named := f.Error.Details[tt.field]; tt.field != "" && !named {
			t.Errorf("%s: the details %v do not name %s", tt.name, f.Error.Details, tt.field)
		}
		if strings.Contains(tt.frame, `"id":"f1"`) && f.ID != "f1" && tt.name != "too deep" {
			t.Errorf("%s: the error repeats the id %q", tt.name, f.ID)
		}
	}
	if sent := user.say(id, "good"); sent.Seq != 1 {
		t.Errorf("the refused frames left %d messages", sent.Seq-1)
	}
}

func TestMalformedREST(t *testing.T) {
	user, agent := newUser(t, shared), newAgent(t, shared)
	id := string(user.open(agent))
	hidden := string(newUser(t, shared).open(agent))
	mine := user.postMessage(id, "mine", "")
	var theirs protocol.Sent // of a tool: the creator of the conversation may delete no such one either
	agent.call("POST", "/messages", fields{"conversationId": id, "content": "theirs", "type": "tool_result"}, &theirs)
	tests := []struct {
		name, method, path, body string
		want                     int
		code                     chat.Code
		field                    string
	}{
		{"no title", "POST", "/conversations", `{"agentId":"a"}`, 400, chat.ValidationFailed, "title"},
		{"no agent", "POST", "/conversations", `{"title":"t"}`, 400, chat.ValidationFailed, "agentId"},
		{"an operator as agent", "POST", "/conversations", `{"title":"t","agentId":{"$ne":1}}`, 400, chat.ValidationFailed, "agentId"},
		{"what is not the caller's to set", "POST", "/conversations", `{"title":"t","agentId":"a","orgId":"other"}`, 400, chat.ValidationFailed, "orgId"},
		{"a status", "PUT", "/conversations/" + id, `{"status":"gone"}`, 400, chat.ValidationFailed, "status"},
		{"totals", "PUT", "/conversations/" + id, `{"totalMessages":0}`, 400, chat.ValidationFailed, "totalMessages"},
		{"no JSON", "PUT", "/conversations/" + id, `{`, 400, chat.BadRequest, ""},
		{"a duplicate", "PUT", "/conversations/" + id, `{"title":"a","title":"b"}`, 400, chat.BadRequest, ""},
		{"a page", "GET", "/conversations?page=0", "", 400, chat.ValidationFailed, "page"},
		{"a limit", "GET", "/conversations?limit=101", "", 400, chat.ValidationFailed, "limit"},
		{"an order", "GET", "/conversations?sort=secret", "", 400, chat.ValidationFailed, "sort"},
		{"an unknown parameter", "GET", "/conversations?statuss=active", "", 400, chat.ValidationFailed, "statuss"},
		{"an operator in the query", "GET", "/conversations?status[$ne]=active", "", 400, chat.ValidationFailed, "status[$ne]"},
		{"a parameter twice", "GET", "/conversations?tag=a&tag=b", "", 400, chat.ValidationFailed, "tag"},
		{"an id in the path", "GET", "/conversations/%7Bx%7D", "", 400, chat.ValidationFailed, "id"},
		{"a foreign conversation", "GET", "/conversations/" + hidden, "", 404, chat.NotFound, ""},
		{"changing a foreign conversation", "PUT", "/conversations/" + hidden, `{"title":"mine"}`, 404, chat.NotFound, ""},
		{"deleting a foreign conversation", "DELETE", "/conversations/" + hidden, "", 404, chat.NotFound, ""},
		{"summing up a foreign conversation", "POST", "/conversations/" + hidden + "/summary", "", 404, chat.NotFound, ""},
		{"inviting oneself", "POST", "/conversations/" + hidden + "/participants", `{"type":"user","id":"x"}`, 404, chat.NotFound, ""},
		{"reading foreign messages", "GET", "/messages?conversationId=" + hidden, "", 404, chat.NotFound, ""},
		{"foreign presence", "GET", "/presence?conversationId=" + hidden, "", 404, chat.NotFound, ""},
		{"writing to a foreign conversation", "POST", "/messages", `{"conversationId":"` + hidden + `","content":"hi"}`, 404, chat.NotFound, ""},
		{"messages of no conversation", "GET", "/messages", "", 400, chat.ValidationFailed, "conversationId"},
		{"both directions", "GET", "/messages?conversationId=" + id + "&afterSeq=1&beforeSeq=3", "", 400, chat.ValidationFailed, "beforeSeq"},
		{"a role", "GET", "/messages?conversationId=" + id + "&role=boss", "", 400, chat.ValidationFailed, "role"},
		{"a user as agent", "POST", "/messages", `{"conversationId":"` + id + `","content":"hi","role":"agent"}`, 400, chat.ValidationFailed, "role"},
		{"too long", "POST", "/messages", `{"conversationId":"` + id + `","content":"` + strings.Repeat("x", 64<<10+1) + `"}`, 400, chat.ValidationFailed, "content"},
		{"far too long", "POST", "/messages", `{"conversationId":"` + id + `","content":"` + strings.Repeat("x", 300<<10) + `"}`, 413, chat.PayloadTooLarge, ""},
		{"another author's message", "DELETE", "/messages/" + string(theirs.MessageID), "", 403, chat.Forbidden, ""},
		{"no such message", "GET", "/messages/nothing", "", 404, chat.NotFound, ""},
		{"a participant's type", "POST", "/conversations/" + id + "/participants", `{"type":"robot","id":"x"}`, 400, chat.ValidationFailed, "type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, media, body := user.raw(tt.method, tt.path, "application/json", tt.body)
			var p protocol.Problem
			if err := json.Unmarshal(body, &p); err != nil || media != "application/problem+json" {
				t.Fatalf("%d %s is no problem document: %s", status, media, body)
			}
			if status != tt.want || p.Status != status || p.Code != tt.code {
				t.Errorf("got %d %s, want %d %s: %s", status, p.Code, tt.want, tt.code, body)
			}
			if _, named := p.Details[tt.field]; tt.field != "" && !named {
				t.Errorf("the details %v do not name %s", p.Details, tt.field)
			}
		})
	}
	var page protocol.MessagePage
	user.call(http.MethodGet, "/messages?conversationId="+id, nil, &page)
	if len(page.Data) != 2 || page.Data[0].ID != mine.MessageID {
		t.Errorf("the refused calls left %d messages", len(page.Data))
	}
	if status, _, _ := user.raw("POST", "/conversations", "text/plain", `{"title":"t","agentId":"a"}`); status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain got %d", status)
	}
}

func TestTokens(t *testing.T) {
	secret := options().Secret
	p := chat.Principal{Type: chat.User, ID: "token-user", OrgID: "acme"}
	mint := func(secret []byte, ttl time.Duration) string {
		token, err := auth.Mint(secret, p, "", ttl, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tests := []struct {
		name, token string
		want        int
	}{
		{"another secret", mint([]byte("another secret of thirty-two bytes, too"), time.Hour), 401},
		{"expired", mint(secret, -time.Hour), 401},
		{"no token at all", "", 401},
		{"not a token", "abc.def.ghi", 401},
		{"tampered", mint(secret, time.Hour) + "x", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := reach(t.Context(), shared.WebSocketURL(), tt.token)
			refusal, ok := errors.AsType[*client.Error](err)
			if !ok || refusal.Status != tt.want {
				t.Errorf("the handshake: %v", err)
			}
			rest := callerOf(shared.URL(), tt.token)
			defer rest.Close()
			err = rest.Do(t.Context(), http.MethodGet, "/conversations", nil, nil)
			if refusal, ok = errors.AsType[*client.Error](err); !ok || refusal.Status != tt.want {
				t.Errorf("REST: %v", err)
			}
		})
	}
}

// raw calls the REST interface with a body as it is.
func (a *actor) raw(method, path, contentType, body string) (status int, media string, response []byte) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.server.URL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	if body != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := web.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	response, err = io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), response
}

// postMessage writes a message over REST.
func (a *actor) postMessage(id, content, clientMessageID string) protocol.Sent {
	a.t.Helper()
	in := fields{"conversationId": id, "content": content}
	if clientMessageID != "" {
		in["clientMessageId"] = clientMessageID
	}
	var sent protocol.Sent
	a.call(http.MethodPost, "/messages", in, &sent)
	return sent
}
