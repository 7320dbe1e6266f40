package chat

import (
	"net/url"
	"slices"
	"time"
)

// WebhookID names a webhook.
type WebhookID string

// A WebhookEvent is what a webhook is called for.
type WebhookEvent string

// The events of a webhook.
const (
	MessageCreated WebhookEvent = "message.created" // somebody said something
	MessageUpdated WebhookEvent = "message.updated" // its author changed what a message says
	MessageDeleted WebhookEvent = "message.deleted" // only its place in the log is left
)

// WebhookEvents are all of them.
func WebhookEvents() []WebhookEvent {
	return []WebhookEvent{MessageCreated, MessageUpdated, MessageDeleted}
}

// Limits of webhooks.
const (
	MaxWebhooks     = 10 // of an organisation
	MaxWebhookURL   = 2000
	WebhookPatience = 24 * time.Hour // a webhook that takes nothing for so long is switched off
)

// A Webhook is an address of an organisation's that is called when something happens.
type Webhook struct {
	ID        WebhookID
	OrgID     OrgID
	URL       string
	Events    []WebhookEvent
	AgentID   PrincipalID // only of conversations in which it takes part; "" for all
	Secret    []byte      // what is posted is signed with it
	CreatedBy PrincipalID
	CreatedAt time.Time
	Failing   *WebhookFailure // nil: the last call was taken
	Disabled  *WebhookEnd     // nil: it is called
}

// A WebhookFailure says since when no call was taken.
type WebhookFailure struct {
	Since time.Time
	Last  time.Time
	Count int       // calls
	Why   string    // the last one was not taken
	Retry time.Time // nobody calls before
}

// A WebhookEnd says when and why a webhook was switched off. It stays so: who has mended
// what was wrong makes another one.
type WebhookEnd struct {
	At  time.Time
	Why string
}

// Check notes what is wrong with a webhook. On a laptop it may be reached without TLS.
func (w *Webhook) Check(f *Faults, local bool) {
	u, err := url.Parse(w.URL)
	switch {
	case w.URL == "":
		f.Add("url", "is required")
	case len(w.URL) > MaxWebhookURL:
		f.Add("url", "must be at most %d bytes", MaxWebhookURL)
	case err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && (!local || u.Scheme != "http"):
		f.Add("url", "must be an https URL")
	case u.User != nil || u.Fragment != "":
		f.Add("url", "must have no user and no fragment")
	}
	if len(w.Events) == 0 {
		f.Add("events", "is required")
	}
	for i, e := range w.Events {
		switch {
		case !slices.Contains(WebhookEvents(), e):
			f.Add("events", "must be some of message.created, message.updated and message.deleted")
		case slices.Contains(w.Events[:i], e):
			f.Add("events", "must not repeat")
		}
	}
	if w.AgentID != "" {
		CheckID(f, "agentId", w.AgentID)
	}
}

// Wants reports whether w is to be called for what became of a message of c. What an agent
// says itself is not for a webhook of that agent: it would answer itself.
func (w *Webhook) Wants(e WebhookEvent, c Conversation, m Message) bool {
	if w.Disabled != nil || !slices.Contains(w.Events, e) {
		return false
	}
	agent := Principal{Type: Agent, ID: w.AgentID, OrgID: w.OrgID}
	return w.AgentID == "" || c.HasParticipant(agent) && m.Sender != agent
}

// webhookWaits are how long a webhook is left alone after so many failures.
var webhookWaits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// WebhookWait is how long to wait after n failures, of which there is at least one.
func WebhookWait(n int) time.Duration {
	return webhookWaits[min(max(n, 1), len(webhookWaits))-1]
}
