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
	EventMessageSent     = "message:sent"
	EventMessageNew      = "message:new"
	EventMessageFromUser = "message:from-user"
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
	ConversationID  chat.ConversationID  `json:"conversationId,omitzero"`
	Content         string               `json:"content,omitzero"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId,omitzero"`
	ParticipantID   chat.PrincipalID     `json:"participantId,omitzero"`
	ParticipantType chat.PrincipalType   `json:"participantType,omitzero"`
	Role            chat.Role            `json:"role,omitzero"`
	Type            chat.MessageType     `json:"type,omitzero"`
	Name            string               `json:"name,omitzero"`
	ParentID        chat.MessageID       `json:"parentId,omitzero"`
	Attachments     []chat.Attachment    `json:"attachments,omitzero"`
	Thinking        *Thinking            `json:"thinking,omitzero"`
	ToolCalls       []jsontext.Value     `json:"toolCalls,omitzero"`
	ToolResults     []jsontext.Value     `json:"toolResults,omitzero"`
	Usage           *Usage               `json:"usage,omitzero"`
	Latency         *int64               `json:"latency,omitzero"` // milliseconds
	Error           string               `json:"error,omitzero"`
}

// Thinking is an agent's reasoning.
type Thinking struct {
	Content  string `json:"content"`
	Visible  bool   `json:"visible"`
	Duration int64  `json:"duration,omitzero"` // milliseconds
}

// Usage counts the tokens of a model's answer.
type Usage struct {
	PromptTokens     int64 `json:"promptTokens"`
	CompletionTokens int64 `json:"completionTokens"`
	TotalTokens      int64 `json:"totalTokens"`
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
		Attachments: in.Attachments, Error: in.Error,
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
	MessageID       chat.MessageID       `json:"messageId"`
	ConversationID  chat.ConversationID  `json:"conversationId"`
	Seq             int64                `json:"seq"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId"`
	CreatedAt       string               `json:"createdAt"`
	AgentOnline     *bool                `json:"agentOnline,omitzero"` // not in lean
	Duplicate       bool                 `json:"duplicate,omitzero"`
	Resync          bool                 `json:"resync,omitzero"`    // the connection is not registered: ping, and join again
	Delivered       *bool                `json:"delivered,omitzero"` // false: it will be, once that is possible again
}

// SentOf describes the stored message to its sender.
func SentOf(m chat.Message, duplicate bool) Sent {
	return Sent{
		MessageID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ClientMessageID: m.ClientMessageID,
		CreatedAt: stamp(m.CreatedAt), Duplicate: duplicate,
	}
}

// IsAgentOnline reports what AgentOnline says, false where it says nothing.
func (s Sent) IsAgentOnline() bool { return s.AgentOnline != nil && *s.AgentOnline }
