package chat_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestWebhooksAreChecked(t *testing.T) {
	ok := []chat.WebhookEvent{chat.MessageCreated}
	for name, tt := range map[string]struct {
		w     chat.Webhook
		local bool
		want  []string
	}{
		"https":             {chat.Webhook{URL: "https://example.org/hook?x=1", Events: chat.WebhookEvents(), AgentID: "a1"}, false, nil},
		"http":              {chat.Webhook{URL: "http://example.org", Events: ok}, false, []string{"url"}},
		"http on a laptop":  {chat.Webhook{URL: "http://127.0.0.1:80/", Events: ok}, true, nil},
		"none":              {chat.Webhook{}, true, []string{"events", "url"}},
		"another scheme":    {chat.Webhook{URL: "file:///etc/passwd", Events: ok}, true, []string{"url"}},
		"no host":           {chat.Webhook{URL: "https:///x", Events: ok}, true, []string{"url"}},
		"opaque":            {chat.Webhook{URL: "https:example.org", Events: ok}, true, []string{"url"}},
		"no URL":            {chat.Webhook{URL: "https://exa mple", Events: ok}, true, []string{"url"}},
		"a user":            {chat.Webhook{URL: "https://user:pw@example.org", Events: ok}, true, []string{"url"}},
		"a fragment":        {chat.Webhook{URL: "https://example.org/#x", Events: ok}, true, []string{"url"}},
		"too long":          {chat.Webhook{URL: "https://example.org/" + strings.Repeat("x", chat.MaxWebhookURL), Events: ok}, true, []string{"url"}},
		"an unknown event":  {chat.Webhook{URL: "https://example.org", Events: []chat.WebhookEvent{"message.read"}}, true, []string{"events"}},
		"an event twice":    {chat.Webhook{URL: "https://example.org", Events: append(ok, ok...)}, true, []string{"events"}},
		"an agent of no id": {chat.Webhook{URL: "https://example.org", Events: ok, AgentID: "a b"}, true, []string{"agentId"}},
	} {
		var f chat.Faults
		tt.w.Check(&f, tt.local)
		if got := faults(t, f.Err()); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %v, want %v", name, got, tt.want)
		}
	}
}

func TestWebhooksWant(t *testing.T) {
	c := chat.Conversation{OrgID: "o", Participants: []chat.Participant{{Type: chat.User, ID: ann}, {Type: chat.Agent, ID: "helper"}}}
	of := func(p chat.Principal) chat.Message { return chat.Message{Sender: p} }
	user, agent := chat.Principal{Type: chat.User, ID: ann, OrgID: "o"}, chat.Principal{Type: chat.Agent, ID: "helper", OrgID: "o"}
	created := []chat.WebhookEvent{chat.MessageCreated}
	for name, tt := range map[string]struct {
		w    chat.Webhook
		e    chat.WebhookEvent
		m    chat.Message
		want bool
	}{
		"all":               {chat.Webhook{OrgID: "o", Events: created}, chat.MessageCreated, of(agent), true},
		"another event":     {chat.Webhook{OrgID: "o", Events: created}, chat.MessageDeleted, of(user), false},
		"switched off":      {chat.Webhook{OrgID: "o", Events: created, Disabled: &chat.WebhookEnd{}}, chat.MessageCreated, of(user), false},
		"its agent's":       {chat.Webhook{OrgID: "o", Events: created, AgentID: "helper"}, chat.MessageCreated, of(user), true},
		"by its agent":      {chat.Webhook{OrgID: "o", Events: created, AgentID: "helper"}, chat.MessageCreated, of(agent), false},
		"another agent's":   {chat.Webhook{OrgID: "o", Events: created, AgentID: "other"}, chat.MessageCreated, of(user), false},
		"another's, a user": {chat.Webhook{OrgID: "o", Events: created, AgentID: ann}, chat.MessageCreated, of(user), false},
	} {
		if got := tt.w.Wants(tt.e, c, tt.m); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if chat.WebhookWait(0) != 5*time.Second || chat.WebhookWait(3) != 2*time.Minute || chat.WebhookWait(1000) != time.Hour {
		t.Error("the waits are others")
	}
}
