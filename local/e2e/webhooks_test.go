package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A receiver is what a webhook calls.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of its answers; 0 is 200
	got    []protocol.WebhookCall
	bodies [][]byte
	heads  []http.Header
}

func receives(t *testing.T, on func(protocol.WebhookCall)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var call protocol.WebhookCall
		if err := json.Unmarshal(body, &call); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.mu.Lock()
		status := r.status
		r.got, r.bodies, r.heads = append(r.got, call), append(r.bodies, body), append(r.heads, q.Header)
		r.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
		} else if on != nil {
			on(call)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// calls are what r got, in words, each once.
func (r *receiver) calls() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.got {
		all = append(all, strings.TrimSpace(string(c.Type)+" "+c.Data.Content))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hook makes a webhook.
func (a *actor) hook(in fields) (w protocol.Webhook) {
	a.t.Helper()
	a.call(http.MethodPost, "/webhooks", in, &w)
	return w
}

// An organisation of its own: what its webhooks get is nobody else's.
func organisation(t *testing.T, s *server.Server) (admin, user, agent *actor) {
	t.Helper()
	org := chat.OrgID(unique("org"))
	of := func(p chat.PrincipalType) *actor {
		return newActor(t, s, chat.Principal{Type: p, ID: chat.PrincipalID(unique(string(p))), OrgID: org})
	}
	return newWriter(t, s, org, chat.RoleAdmin), of(chat.User), of(chat.Agent)
}

// What is said, edited and deleted is told to webhooks, signed; an agent may be only that, and
// answers over REST.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	admin, user, agent := organisation(t, shared)
	all := receives(t, nil)
	var id chat.ConversationID
	bot := receives(t, func(c protocol.WebhookCall) {
		if c.Data.ParticipantType != chat.User {
			t.Errorf("the agent is told what it says itself: %+v", c)
		}
		in := fields{"conversationId": c.Data.ConversationID, "content": "You said: " + c.Data.Content, "parentId": c.Data.ID, "clientMessageId": "answer-" + string(c.Data.ID)}
		if err := agent.try(http.MethodPost, "/messages", in, nil); err != nil {
			t.Error(err)
		}
	})
	secret := admin.hook(fields{"url": all.URL, "events": chat.WebhookEvents()}).Secret
	admin.hook(fields{"url": bot.URL, "events": []string{"message.created"}, "agentId": agent.principal.ID})
	other := receives(t, nil)
	foreign, _, _ := organisation(t, shared)
	foreign.hook(fields{"url": other.URL, "events": chat.WebhookEvents()})

	user.connect()
	id = user.open(agent)
	user.join(id)
	sent := user.say(id, "hello")
	answer := data[protocol.Message](t, user.expect(protocol.EventMessageNew))
	for answer.ParticipantType != chat.Agent {
		answer = data[protocol.Message](t, user.expect(protocol.EventMessageNew))
	}
	if answer.Content != "You said: hello" || answer.ParentID != sent.MessageID {
		t.Errorf("the agent answers %+v", answer)
	}
	user.must("edit", fields{"conversationId": id, "messageId": sent.MessageID, "content": "hello there", "edits": 0})
	eventually(t, "the edit is told", func() bool { return slices.Contains(all.calls(), "message.updated hello there") })
	user.call(http.MethodDelete, "/messages/"+string(sent.MessageID), nil, nil)
	want := []string{"message.created You said: hello", "message.created hello", "message.deleted", "message.updated hello there"}
	eventually(t, "all is told", func() bool { return slices.Equal(all.calls(), want) })
	if got := bot.calls(); !slices.Equal(got, []string{"message.created hello"}) || len(other.calls()) > 0 {
		t.Errorf("the agent was told %v, another organisation %v", got, other.calls())
	}
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range all.bodies {
		if err := verify.Verify(body, all.heads[i]); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	verifiedByNode(t, secret, all)
	eventually(t, "nothing is due", func() bool { return due(t, mongoOf(t, shared), id) == 0 })
}

// verifiedByNode has the reference library for JavaScript look, where the directory that is
// named has it.
func verifiedByNode(t *testing.T, secret string, r *receiver) {
	t.Helper()
	modules := os.Getenv("AIWM_STANDARDWEBHOOKS")
	if modules == "" {
		t.Log("AIWM_STANDARDWEBHOOKS names no directory with the npm package standardwebhooks")
		return
	}
	type call struct {
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	}
	in := struct {
		Secret string `json:"secret"`
		Calls  []call `json:"calls"`
	}{Secret: secret}
	for i, body := range r.bodies {
		c := call{Body: string(body), Headers: map[string]string{}}
		for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			c.Headers[name] = r.heads[i].Get(name)
		}
		in.Calls = append(in.Calls, c)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/webhooks.mjs")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(modules, "verify.mjs") // beside what it imports
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	node := exec.CommandContext(t.Context(), "node", file)
	node.Stdin = bytes.NewReader(text)
	if out, err := node.CombinedOutput(); err != nil || !strings.Contains(string(out), "verified") {
		t.Errorf("%v: %s", err, out)
	}
}

// A webhook that refuses says so, is called again, and gets what it missed when it takes calls.
func TestWebhookThatRefuses(t *testing.T) {
	t.Parallel()
	o := crowd(t)
	o.TimeScale = 20 // the first tries come at once
	s := start(t, o)
	admin, user, agent := organisation(t, s)
	r := receives(t, nil)
	r.status = http.StatusServiceUnavailable
	w := admin.hook(fields{"url": r.URL, "events": []string{"message.created"}})
	user.connect()
	id := user.open(agent)
	user.say(id, "one")
	user.say(id, "two")
	list := func() protocol.Webhook {
		var list protocol.WebhookList
		admin.call(http.MethodGet, "/webhooks", nil, &list)
		return list.Data[0]
	}
	eventually(t, "it says so", func() bool {
		f := list().Failing
		return f != nil && f.Why == "status 503" && f.Calls > 0 && f.Since != ""
	})
	r.mu.Lock()
	r.status = 0
	r.mu.Unlock()
	eventuallyWithin(t, "it gets both", 60e9, func() bool {
		return slices.Equal(r.calls(), []string{"message.created one", "message.created two"}) && list().Failing == nil
	})
	admin.call(http.MethodDelete, "/webhooks/"+string(w.ID), nil, nil)
}

// Webhooks are the administrators' of an organisation, and of nobody else.
func TestRightsOfWebhooks(t *testing.T) {
	t.Parallel()
	admin, user, agent := organisation(t, shared)
	foreign, _, _ := organisation(t, shared)
	in := fields{"url": "https://example.org/", "events": []string{"message.created"}}
	w := admin.hook(in)
	path := "/webhooks/" + string(w.ID)
	writer := newWriter(t, shared, admin.principal.OrgID, chat.RoleAgentsWrite)
	nobody := who{"a user": user, "an agent": agent, "who writes agents": writer}
	for _, row := range []struct {
		who          who
		method, path string
		in           any
		want         chat.Code
	}{
		{nobody, "GET", "/webhooks", nil, chat.Forbidden},
		{nobody, "POST", "/webhooks", in, chat.Forbidden},
		{nobody, "DELETE", path, nil, chat.Forbidden},
		{who{"another organisation's": foreign}, "DELETE", path, nil, chat.NotFound},
		{who{"another organisation's": foreign}, "GET", "/webhooks", nil, ""},
		{who{"an administrator": admin}, "GET", "/webhooks", nil, ""},
	} {
		for name, a := range row.who {
			if got := code(t, a.try(row.method, row.path, row.in, nil)); got != row.want {
				t.Errorf("%s: %s %s is %q, want %q", name, row.method, row.path, got, row.want)
			}
		}
	}
	for a, n := range map[*actor]int{admin: 1, foreign: 0} {
		var list protocol.WebhookList
		a.call(http.MethodGet, "/webhooks", nil, &list)
		if len(list.Data) != n || n > 0 && (list.Data[0].ID != w.ID || list.Data[0].Secret != "") {
			t.Errorf("the list is %+v", list)
		}
	}
	admin.call(http.MethodDelete, path, nil, nil)
	if got := code(t, admin.try(http.MethodDelete, path, nil, nil)); got != chat.NotFound {
		t.Errorf("deleted twice: %q", got)
	}
}
