package protocol

import (
	"aiwm-chat/shared/chat"
)

// The action, and the events that answer it; history.go has the log.
const (
	ActionJoin      = "join"
	EventJoined     = "conversation:joined" // answers join; the history follows
	EventUserJoined = "user:joined"         // the first connection of a member came
)

// Join asks to be in a conversation now, and for its history: the last
// messages, or all after AfterSeq.
type Join struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	AfterSeq       *int64              `json:"afterSeq,omitzero"`     // the newest message that the client has: the history is what follows it; without it the newest 50
	ChangedAfter   *string             `json:"changedAfter,omitzero"` // the last cursor of changes that the client has: what changed of older messages since comes as messages:changed
	Streams        string              `json:"streams,omitzero"`      // full (by default): streams as they are written; final: of each only the message that it ends with
}

// What a client may want of streams.
const (
	StreamsFull  = "full"
	StreamsFinal = "final"
)

// About returns the conversation that it is about.
func (j Join) About() chat.ConversationID { return j.ConversationID }

// Check reports what is wrong with the fields.
func (j Join) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", j.ConversationID)
	if j.AfterSeq != nil && *j.AfterSeq < 0 {
		f.Add("afterSeq", "must not be negative")
	}
	if j.ChangedAfter != nil {
		if _, err := chat.ParseChangeCursor(*j.ChangedAfter); err != nil {
			f.Add("changedAfter", "%v", err)
		}
	}
	if j.Streams != "" && j.Streams != StreamsFull && j.Streams != StreamsFinal {
		f.Add("streams", "must be full or final")
	}
	return first(j.Envelope.Check(), f.Err())
}

// maxMembersShown and maxTypingShown keep a Joined frame below MaxFrame with the
// longest ids.
const (
	maxMembersShown = 130
	maxTypingShown  = 20
)

// Joined answers Join. LastSeq is the end of the log: a client that has less
// of it after the history fetches the rest over REST. Of many members only the
// first are listed; MemberCount counts all.
type Joined struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	LastSeq        int64               `json:"lastSeq"`               // the end of the log: what the history does not have of it, REST has
	Members        []Identity          `json:"members"`               // who is in the room now, of many the first 130
	MemberCount    int                 `json:"memberCount"`           // how many are in the room
	AgentOnline    bool                `json:"agentOnline"`           // the agent that serves the conversation has a connection, or is managed
	Typing         []Identity          `json:"typing,omitzero"`       // who types at this moment
	ChangedAfter   string              `json:"changedAfter,omitzero"` // of a join without one: the cursor that the next join has, for what changes of these messages meanwhile
}

// JoinedOf describes a conversation to one who has just joined it.
func JoinedOf(id chat.ConversationID, lastSeq int64, with chat.Company) Joined {
	return Joined{
		ConversationID: id, LastSeq: lastSeq, MemberCount: len(with.Members), AgentOnline: with.AgentOnline,
		Members: append([]Identity{}, identities(with.Members, maxMembersShown)...),
		Typing:  identities(with.Typing, maxTypingShown),
	}
}
