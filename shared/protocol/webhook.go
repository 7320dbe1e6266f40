package protocol

import (
	"encoding/base64"
	"time"

	"aiwm-chat/shared/chat"
)

// CreateWebhook is the body of POST /webhooks.
type CreateWebhook struct {
	URL     string              `json:"url"`              // what is called: https, at an address of the Internet
	Events  []chat.WebhookEvent `json:"events"`           // what it is called for; none twice
	AgentID chat.PrincipalID    `json:"agentId,omitzero"` // only of conversations in which this agent takes part, and not of what it says itself
}

// Webhook is an address that is called when something happens.
type Webhook struct {
	ID        chat.WebhookID      `json:"id"`
	URL       string              `json:"url"`               // what is called
	Events    []chat.WebhookEvent `json:"events"`            // what it is called for
	AgentID   chat.PrincipalID    `json:"agentId,omitzero"`  // only of conversations in which this agent takes part
	Secret    string              `json:"secret,omitzero"`   // what calls are signed with: in the answer to its creation alone
	CreatedBy chat.PrincipalID    `json:"createdBy"`         // who made it
	CreatedAt string              `json:"createdAt"`         // when
	Failing   *WebhookFailing     `json:"failing,omitzero"`  // where the last call was not taken
	Disabled  *WebhookDisabled    `json:"disabled,omitzero"` // where it is not called any more: delete it, and make another one
}

// WebhookFailing says since when no call was taken.
type WebhookFailing struct {
	Since string `json:"since"` // the first call that was not taken
	Calls int    `json:"calls"` // how many were not taken since
	Why   string `json:"why"`   // the last one was not: a status, or a class of failure
}

// WebhookDisabled says why a webhook is not called any more.
type WebhookDisabled struct {
	At  string `json:"at"`  // since when
	Why string `json:"why"` // a status, or a class of failure
}

// WebhookList is the body of GET /webhooks.
type WebhookList struct {
	Data []Webhook `json:"data"` // in the order of their creation, at most 10
}

// WebhookSecret is the form of a secret that libraries of Standard Webhooks read.
func WebhookSecret(secret []byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(secret)
}

// WebhookOf describes a webhook, without its secret.
func WebhookOf(w chat.Webhook) Webhook {
	out := Webhook{ID: w.ID, URL: w.URL, Events: w.Events, AgentID: w.AgentID, CreatedBy: w.CreatedBy, CreatedAt: stamp(w.CreatedAt)}
	if f := w.Failing; f != nil {
		out.Failing = &WebhookFailing{Since: stamp(f.Since), Calls: f.Count, Why: f.Why}
	}
	if d := w.Disabled; d != nil {
		out.Disabled = &WebhookDisabled{At: stamp(d.At), Why: d.Why}
	}
	return out
}

// WebhookCall is what is posted to a webhook, by the rules of Standard Webhooks.
type WebhookCall struct {
	Type      chat.WebhookEvent `json:"type"`
	Timestamp string            `json:"timestamp"` // when it happened
	Data      Message           `json:"data"`      // the message as it is when it is posted
}

// WebhookCallOf encodes the call about a message.
func WebhookCallOf(e chat.WebhookEvent, m chat.Message) []byte {
	at := m.CreatedAt
	if e != chat.MessageCreated {
		at = m.LastChange()
	}
	return encode(WebhookCall{Type: e, Timestamp: stamp(at), Data: MessageOf(m)})
}

// WebhookJob asks for a webhook to be called. It has no content: that is read when it is sent.
type WebhookJob struct {
	OrgID          chat.OrgID          `json:"orgId"`
	WebhookID      chat.WebhookID      `json:"webhookId"`
	Event          chat.WebhookEvent   `json:"event"`
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	Version        int64               `json:"version,omitzero"`   // of the message, where it changed
	At             int64               `json:"at"`                 // milliseconds since 1970: when it was asked for first
	Attempts       int                 `json:"attempts,omitzero"`  // how often it was not taken
	NotBefore      int64               `json:"notBefore,omitzero"` // milliseconds since 1970
}

// About returns the conversation that it is about.
func (j WebhookJob) About() chat.ConversationID { return j.ConversationID }

// WebhookJobOf returns the job of a webhook for what became of a message.
func WebhookJobOf(w chat.Webhook, e chat.WebhookEvent, m chat.Message, now time.Time) WebhookJob {
	j := WebhookJob{OrgID: w.OrgID, WebhookID: w.ID, Event: e, ConversationID: m.ConversationID, MessageID: m.ID, At: now.UnixMilli()}
	if e != chat.MessageCreated {
		j.Version = m.Version
	}
	return j
}
