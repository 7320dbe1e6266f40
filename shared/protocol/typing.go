package protocol

import (
	"aiwm-chat/shared/chat"
)

// The action, and its events: nothing answers it.
const (
	ActionTyping     = "typing"
	EventTypingStart = "typing:start" // another member types
	EventTypingStop  = "typing:stop"  // another member types no more
)

// The states of Typing.
const (
	TypingStart = "start"
	TypingStop  = "stop"
)

// Typing says that the caller types, or no longer does.
type Typing struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	State          string              `json:"state"` // start, every two seconds or so while it lasts, and stop
}

// About returns the conversation that it is about.
func (t Typing) About() chat.ConversationID { return t.ConversationID }

// Check reports what is wrong with the fields.
func (t Typing) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", t.ConversationID)
	if t.State != TypingStart && t.State != TypingStop {
		f.Add("state", "must be start or stop")
	}
	return first(t.Envelope.Check(), f.Err())
}

// TypingNotice is the data of typing:start and typing:stop. ExpiresIn is in
// milliseconds: without another start the principal has stopped by then.
type TypingNotice struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Identity
	ExpiresIn int64 `json:"expiresIn,omitzero"` // milliseconds: without another start it is over by then
}
