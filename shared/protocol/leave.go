package protocol

import (
	"aiwm-chat/shared/chat"
)

// The action, and the events that answer it.
const (
	ActionLeave   = "leave"
	EventLeft     = "conversation:left" // answers leave; it also tells a participant that they were removed, and then has no id
	EventUserLeft = "user:left"         // the last connection of a member went
)

// Leave ends what Join began.
type Leave struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
}

// About returns the conversation that it is about.
func (l Leave) About() chat.ConversationID { return l.ConversationID }

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

// Membership is the data of user:joined and user:left. More are others who left
// at the same moment, at most 130 of them.
type Membership struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Identity
	More []Identity `json:"more,omitzero"` // others at the same moment, at most 130
}

// MembershipOf describes that some, at least one, are members of a conversation
// now, or no more.
func MembershipOf(id chat.ConversationID, who ...chat.Principal) Membership {
	return Membership{ConversationID: id, Identity: IdentityOf(who[0]), More: identities(who[1:], maxMembersShown)}
}
