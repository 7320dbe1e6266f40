package protocol

import (
	"aiwm-chat/shared/chat"
)

// EventPresence tells that a principal came or went.
const EventPresence = "presence:update"

// The states of Presence.
const (
	Online  = "online"
	Offline = "offline"
)

// Presence is the data of presence:update.
type Presence struct {
	Identity
	Status string `json:"status"`
}

// MaxPresenceConversations is in how many of a principal's conversations, the
// most recently active, its presence is announced.
const MaxPresenceConversations = 100

// PresenceOf describes whether p is there.
func PresenceOf(p chat.Principal, online bool) Presence {
	status := Offline
	if online {
		status = Online
	}
	return Presence{Identity: IdentityOf(p), Status: status}
}

// PresencePage is the body of GET /presence: every participant, and whether
// they are connected now.
type PresencePage struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Data           []Presence          `json:"data"`
}
