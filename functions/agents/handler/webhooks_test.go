package handler_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const newHook = `{"url":"https://example.org/%d","events":["message.created"],"agentId":"bot"}`

func TestTheLifeOfAWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := want[protocol.Webhook](t, w, 201, "alice+admin", "POST /webhooks", "", "", fmt.Sprintf(newHook, 0))
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	if err != nil || len(secret) != 24 || made.CreatedBy != "alice" || made.AgentID != "bot" || made.URL != "https://example.org/0" || made.Disabled != nil {
		t.Errorf("%+v, %v", made, err)
	}
	other := want[protocol.Webhook](t, w, 201, "bot+user admin", "POST /webhooks", "", "", fmt.Sprintf(newHook, 1))
	if other.Secret == made.Secret || other.ID == made.ID {
		t.Errorf("%+v", other)
	}
	_, text := w.call(t, "eve+admin", "GET /webhooks", "", "", "")
	if strings.Contains(text, "whsec_") || !strings.Contains(text, "example.org/0") || !strings.Contains(text, "example.org/1") {
		t.Errorf("the list is %s", text)
	}
	if list := want[protocol.WebhookList](t, w, 200, "mallory+admin", "GET /webhooks", "", "", ""); len(list.Data) != 0 {
		t.Errorf("another organisation sees %+v", list)
	}
	want[problem](t, w, 404, "mallory+admin", "DELETE /webhooks/{id}", string(made.ID), "", "")
	want[struct{}](t, w, 204, "alice+admin", "DELETE /webhooks/{id}", string(made.ID), "", "")
	want[problem](t, w, 404, "alice+admin", "DELETE /webhooks/{id}", string(made.ID), "", "")
	for i := range chat.MaxWebhooks - 1 {
		want[protocol.Webhook](t, w, 201, "alice+admin", "POST /webhooks", "", "", fmt.Sprintf(newHook, 2+i))
	}
	want[problem](t, w, 409, "alice+admin", "POST /webhooks", "", "", fmt.Sprintf(newHook, 99))
	want[protocol.Webhook](t, w, 201, "mallory+admin", "POST /webhooks", "", "", fmt.Sprintf(newHook, 0))
}

func TestWebhooksAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ok := fmt.Sprintf(newHook, 0)
	for _, c := range []struct {
		token, route, id, body string
		status                 int
		field                  string
	}{
		{"", "GET /webhooks", "", "", 401, ""},
		{"", "POST /webhooks", "", ok, 401, ""},
		{"alice", "GET /webhooks", "", "", 403, ""},
		{"alice+agents:write", "GET /webhooks", "", "", 403, ""},
		{"alice+agents:write", "POST /webhooks", "", ok, 403, ""},
		{"bot", "POST /webhooks", "", ok, 403, ""},
		{"alice+agents:write", "DELETE /webhooks/{id}", "x", "", 403, ""},
		{"alice+admin", "DELETE /webhooks/{id}", "a b", "", 400, "id"},
		{"alice+admin", "POST /webhooks", "", `{`, 400, ""},
		{"alice+admin", "POST /webhooks", "", `{"url":"http://example.org","events":["message.created"]}`, 400, "url"},
		{"alice+admin", "POST /webhooks", "", `{"url":"https://u:p@example.org","events":["message.created"]}`, 400, "url"},
		{"alice+admin", "POST /webhooks", "", `{"url":"https://example.org"}`, 400, "events"},
		{"alice+admin", "POST /webhooks", "", `{"url":"https://example.org","events":["message.read"]}`, 400, "events"},
		{"alice+admin", "POST /webhooks", "", `{"url":"https://example.org","events":["message.created"],"secret":"whsec_mine"}`, 400, "secret"},
	} {
		p := want[problem](t, w, c.status, c.token, c.route, c.id, "", c.body)
		if _, named := p.Details[c.field]; c.field != "" && !named {
			t.Errorf("%s %s: %+v", c.route, c.body, p)
		}
	}
	if list := want[protocol.WebhookList](t, w, 200, "alice+admin", "GET /webhooks", "", "", ""); len(list.Data) != 0 {
		t.Errorf("what was refused is there: %+v", list)
	}
}
