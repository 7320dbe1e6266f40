package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// EventPresence tells that a principal's first connection came, or that the last one
// went.
const EventPresence = "presence:update"

// The states of Presence.
const (
	Online  = "online"
	Offline = "offline"
)

// Presence is the data of presence:update. At is when it was decided: frames
// overtake each other, and a client drops what is older than what it has. More
// are others of whom the same was found at the same moment, at most 130 of them.
type Presence struct {
	Identity
	Status string     `json:"status"`        // online with the first connection, offline without the last
	At     string     `json:"at,omitzero"`   // when it was decided: drop what is older than what you have
	More   []Identity `json:"more,omitzero"` // others at the same moment, at most 130
}

// MaxPresenceConversations is in how many of a principal's conversations, the
// most recently active, its presence is announced.
const MaxPresenceConversations = 100

// PresenceOf describes that some principals, at least one, are there or not, as
// it was decided at a time.
func PresenceOf(online bool, at time.Time, who ...chat.Principal) Presence {
	return Presence{Identity: IdentityOf(who[0]), Status: statusText(online), At: stamp(at), More: identities(who[1:], maxMembersShown)}
}

// PresenceNow describes whether p is there, as it was just read.
func PresenceNow(p chat.Principal, online bool) Presence {
	return Presence{Identity: IdentityOf(p), Status: statusText(online)}
}

func statusText(online bool) string {
	if online {
		return Online
	}
	return Offline
}

// PresencePage is the body of GET /presence: every participant, and whether
// they are connected now.
type PresencePage struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Data           []Presence          `json:"data"` // each participant; who was added and has neither joined nor written is offline to others
}
