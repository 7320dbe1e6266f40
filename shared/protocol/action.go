package protocol

import (
	"encoding/json"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// The actions of client frames. They are also the route keys of the WebSocket
// API, which SAM wants alphanumeric; ping is left to $default.
const (
	ActionJoin   = "join"
	ActionLeave  = "leave"
	ActionSend   = "send"
	ActionTyping = "typing"
	ActionPing   = "ping"
)

// MaxFrameID is the most characters of a frame's id.
const MaxFrameID = 64

// Envelope is what every client frame has: the action, and the client's own id
// of the frame, which the reply repeats.
type Envelope struct {
	Action string `json:"action"`
	ID     string `json:"id,omitzero"`
}

// FrameID returns the client's id of the frame.
func (e Envelope) FrameID() string { return e.ID }

// Check reports what is wrong with the envelope.
func (e Envelope) Check() error {
	if len([]rune(e.ID)) > MaxFrameID {
		return chat.Invalid("id", "must be at most %d characters", MaxFrameID)
	}
	return nil
}

// Join asks to be in a conversation now, and for its history: the last
// messages, or all after AfterSeq.
type Join struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	AfterSeq       *int64              `json:"afterSeq,omitzero"`
}

// Check reports what is wrong with the fields.
func (j Join) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", j.ConversationID)
	if j.AfterSeq != nil && *j.AfterSeq < 0 {
		f.Add("afterSeq", "must not be negative")
	}
	return first(j.Envelope.Check(), f.Err())
}

// Leave ends what Join began.
type Leave struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
}

// Check reports what is wrong with the fields.
func (l Leave) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", l.ConversationID)
	return first(l.Envelope.Check(), f.Err())
}

// The states of Typing.
const (
	TypingStart = "start"
	TypingStop  = "stop"
)

// Typing says that the caller types, or no longer does.
type Typing struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	State          string              `json:"state"`
}

// Check reports what is wrong with the fields.
func (t Typing) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", t.ConversationID)
	if t.State != TypingStart && t.State != TypingStop {
		f.Add("state", "must be start or stop")
	}
	return first(t.Envelope.Check(), f.Err())
}

// Send adds a message. ConversationID may be left out by a connection that
// has joined only one conversation.
type Send struct {
	Envelope
	MessageInput
}

// Ping keeps a connection open and registered; API Gateway ends one that is
// idle for 10 minutes, whatever protocol pings say.
type Ping struct{ Envelope }

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

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
