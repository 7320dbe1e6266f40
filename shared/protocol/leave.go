package protocol

import (
	"aiwm-chat/shared/chat"
)

// The action, and the events that answer it.
const (
	ActionLeave   = "leave"
	EventLeft     = "conversation:left"
	EventUserLeft = "user:left"
)

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

// Room is the data of events that only name a conversation.
type Room struct {
	ConversationID chat.ConversationID `json:"conversationId"`
}

// Membership is the data of user:joined and user:left.
type Membership struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Identity
}
