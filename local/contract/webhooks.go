package contract

import (
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

const ofWebhooks = "Webhooks"

var hook = chat.Webhook{
	ID: "6b066931df8108959405014a", OrgID: "acme", URL: "https://bot.example.org/aiwm", Events: []chat.WebhookEvent{chat.MessageCreated}, AgentID: agent.ID,
	CreatedBy: user.ID, CreatedAt: asked,
}

func hookExample(change func(*chat.Webhook)) protocol.Webhook {
	w := hook
	if change != nil {
		change(&w)
	}
	return protocol.WebhookOf(w)
}

func webhookRoutes() []route {
	made := hookExample(nil)
	made.Secret = protocol.WebhookSecret([]byte("an example of a secret!!"))
	ofHook := reflect.TypeFor[protocol.Webhook]()
	return []route{
		{
			method: "POST", path: "/webhooks", id: "createWebhook", tag: ofWebhooks, summary: "Create a webhook",
			description: "Only who has the role `admin` in the token may; an organisation has at most 10, more are a `conflict`. The answer has the `secret`, which is told never again. Calls begin within half a minute, and follow Standard Webhooks: see the description of the protocol.",
			body:        reflect.TypeFor[protocol.CreateWebhook](), bodies: map[string]any{
				"of an agent":    protocol.CreateWebhook{URL: hook.URL, Events: hook.Events, AgentID: hook.AgentID},
				"of all that is": protocol.CreateWebhook{URL: hook.URL, Events: chat.WebhookEvents()},
			},
			answers: []answerOf{{status: 201, description: "The webhook, with its secret.", body: ofHook, example: made, created: true}},
			codes:   []chat.Code{chat.Forbidden, chat.Conflict},
		}, {
			method: "GET", path: "/webhooks", id: "listWebhooks", tag: ofWebhooks, summary: "List the webhooks of the organisation",
			description: "Only who has the role `admin` may. One that takes no calls says so: `failing`, and after a day `disabled`.",
			parameters:  getHeaders,
			answers: []answerOf{{status: 200, description: "The webhooks.", body: reflect.TypeFor[protocol.WebhookList](), example: protocol.WebhookList{Data: []protocol.Webhook{
				hookExample(func(w *chat.Webhook) { w.Failing = &chat.WebhookFailure{Since: asked, Count: 3, Why: "status 503"} }),
				hookExample(func(w *chat.Webhook) {
					w.ID, w.Disabled = "6b066931df8108959405014b", &chat.WebhookEnd{At: asked.Add(24 * time.Hour), Why: "timeout"}
				}),
			}}}, notModified},
			codes: []chat.Code{chat.Forbidden},
		}, {
			method: "DELETE", path: "/webhooks/{id}", id: "deleteWebhook", tag: ofWebhooks, summary: "Delete a webhook",
			description: "Only who has the role `admin` may. What waits for it is not sent.",
			parameters:  []parameter{pathParameter("id", reflect.TypeFor[chat.WebhookID](), "The webhook.", string(hook.ID))},
			answers:     []answerOf{gone}, codes: []chat.Code{chat.Forbidden, chat.NotFound},
		},
	}
}

// webhookURL is what may be called.
func webhookURL(s *jsonschema.Schema) {
	s.Pattern, s.MaxLength = `^[Hh][Tt][Tt][Pp][Ss]://[^/?#@\s]+([/?][^#\s]*)?$`, new(chat.MaxWebhookURL)
}

func webhookEvents(s *jsonschema.Schema) {
	s.MinItems, s.MaxItems, s.UniqueItems = new(1), new(len(chat.WebhookEvents())), true
}
