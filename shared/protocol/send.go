package protocol

import (
	"encoding/json"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// The action, and the events that follow from it.
const (
	ActionSend           = "send"
	EventMessageSent     = "message:sent"      // answers send: the message is durable
	EventMessageNew      = "message:new"       // something was said: to everybody in the room, in aiwm also to the connection that said it
	EventMessageFromUser = "message:from-user" // a user said something: to the agent that serves the conversation, in lean only where it is not in the room
)

// Send adds a message. ConversationID may be left out by a connection that
// has joined only one conversation.
type Send struct {
	Envelope
	MessageInput
}

// MessageInput is all that a client may say of a new message, over WebSocket
// and over REST. The participant, if named, must be the caller.
type MessageInput struct {
	ConversationID  chat.ConversationID  `json:"conversationId,omitzero"`  // may be left out on a connection that has joined only one
	Content         string               `json:"content,omitzero"`         // what is said; required unless the message has other parts; over WebSocket at most 24 KiB, over REST 64 KiB
	ClientMessageID chat.ClientMessageID `json:"clientMessageId,omitzero"` // the sender's own name for the message: sent again under it, it is stored once
	ParticipantID   chat.PrincipalID     `json:"participantId,omitzero"`   // the sender, who must be the caller
	ParticipantType chat.PrincipalType   `json:"participantType,omitzero"` // the sender's, which must be the caller's
	Role            chat.Role            `json:"role,omitzero"`            // a user sends user, an agent any other; its own by default
	Type            chat.MessageType     `json:"type,omitzero"`            // a user sends text, an agent any; text by default
	Name            string               `json:"name,omitzero"`            // of the sender, or of a tool, for the model
	ParentID        chat.MessageID       `json:"parentId,omitzero"`        // the message of the conversation that this one answers
	Attachments     []chat.Attachment    `json:"attachments,omitzero"`     // http(s) URLs, which are shown and never fetched; or document:<id>, as POST /uploads gave it to the caller for this conversation, or of another service
	Mentions        []Mention            `json:"mentions,omitzero"`        // participants who are meant to look at it; one that is given twice counts once
	Voice           *Voice               `json:"voice,omitzero"`           // the one attachment, which was uploaded here, is speech
	Thinking        *Thinking            `json:"thinking,omitzero"`        // an agent's
	ToolCalls       []jsontext.Value     `json:"toolCalls,omitzero"`       // an agent's: objects of its own form, 64 KiB together
	ToolResults     []jsontext.Value     `json:"toolResults,omitzero"`     // an agent's: objects of its own form, 64 KiB together
	Usage           *Usage               `json:"usage,omitzero"`           // an agent's
	Latency         *int64               `json:"latency,omitzero"`         // an agent's: milliseconds that the answer took
	Error           string               `json:"error,omitzero"`           // an agent's: why there is no answer
}

// Thinking is an agent's reasoning.
type Thinking struct {
	Content  string `json:"content"`           // the reasoning as text
	Visible  bool   `json:"visible"`           // whether people are meant to see it
	Duration int64  `json:"duration,omitzero"` // milliseconds
}

// Usage counts the tokens of a model's answer.
type Usage struct {
	PromptTokens     int64 `json:"promptTokens"`     // those that the model read
	CompletionTokens int64 `json:"completionTokens"` // those that it wrote
	TotalTokens      int64 `json:"totalTokens"`      // what it adds to the conversation's total
}

// maxMillis bounds every duration a client gives: a day.
const maxMillis = 24 * 60 * 60 * 1000

// Draft returns the input as the domain has it. What it says of the sender
// must be the caller; the domain checks the rest.
func (in *MessageInput) Draft(caller chat.Principal) (chat.Draft, error) {
	var f chat.Faults
	if in.ParticipantID != "" && in.ParticipantID != caller.ID {
		f.Add("participantId", "must be the caller")
	}
	if in.ParticipantType != "" && in.ParticipantType != caller.Type {
		f.Add("participantType", "must be the caller's")
	}
	d := chat.Draft{
		Content: in.Content, Role: in.Role, Type: in.Type, Name: in.Name, ParentID: in.ParentID,
		Attachments: in.Attachments, Mentions: mentioned(in.Mentions), Voice: in.Voice.voice(), Error: in.Error,
		ToolCalls: raw(in.ToolCalls), ToolResults: raw(in.ToolResults),
	}
	if t := in.Thinking; t != nil {
		d.Thinking = &chat.Thinking{Content: t.Content, Visible: t.Visible, Duration: millis(&f, "thinking.duration", t.Duration)}
	}
	if u := in.Usage; u != nil {
		d.Usage = &chat.Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
	if in.Latency != nil {
		d.Latency = millis(&f, "latency", *in.Latency)
	}
	return d, f.Err()
}

func millis(f *chat.Faults, field string, n int64) time.Duration {
	if n < 0 || n > maxMillis {
		f.Add(field, "must be 0 to %d milliseconds", maxMillis)
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

func raw(in []jsontext.Value) []json.RawMessage {
	if in == nil {
		return nil
	}
	out := make([]json.RawMessage, len(in))
	for i, v := range in {
		out[i] = json.RawMessage(v)
	}
	return out
}

// Sent answers Send: the message is durable.
type Sent struct {
	MessageID       chat.MessageID       `json:"messageId"` // what the message is called
	ConversationID  chat.ConversationID  `json:"conversationId"`
	Seq             int64                `json:"seq"`                  // its place in the log
	ClientMessageID chat.ClientMessageID `json:"clientMessageId"`      // the sender's name for it, or the one it was given
	CreatedAt       string               `json:"createdAt"`            // when it was stored
	AgentOnline     *bool                `json:"agentOnline,omitzero"` // the agent that serves the conversation has a connection, or is managed; not in lean
	Status          chat.MessageStatus   `json:"status,omitzero"`      // of the end of a stream: sent, failed or cancelled
	Duplicate       bool                 `json:"duplicate,omitzero"`   // it had been stored before, under the same clientMessageId
	Resync          bool                 `json:"resync,omitzero"`      // the connection is not registered: ping, and join again
	Delivered       *bool                `json:"delivered,omitzero"`   // false: it will be, once that is possible again
}

// SentOf describes the stored message to its sender.
func SentOf(m chat.Message, duplicate bool) Sent {
	sent := Sent{
		MessageID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ClientMessageID: m.ClientMessageID,
		CreatedAt: stamp(m.CreatedAt), Duplicate: duplicate,
	}
	if m.Streamed {
		sent.Status = m.Status
	}
	return sent
}

// IsAgentOnline reports what AgentOnline says, false where it says nothing.
func (s Sent) IsAgentOnline() bool { return s.AgentOnline != nil && *s.AgentOnline }
