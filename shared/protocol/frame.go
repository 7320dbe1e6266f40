package protocol

import (
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/shared/chat"
)

// The events of server frames.
const (
	EventConnected           = "connected"
	EventPong                = "pong"
	EventError               = "error"
	EventJoined              = "conversation:joined"
	EventLeft                = "conversation:left"
	EventHistory             = "messages:history"
	EventUserJoined          = "user:joined"
	EventUserLeft            = "user:left"
	EventMessageSent         = "message:sent"
	EventMessageNew          = "message:new"
	EventMessageFromUser     = "message:from-user"
	EventMessageDeleted      = "message:deleted"
	EventTypingStart         = "typing:start"
	EventTypingStop          = "typing:stop"
	EventPresence            = "presence:update"
	EventConversationUpdated = "conversation:updated"
	EventConversationDeleted = "conversation:deleted"
)

type frame struct {
	Event     string     `json:"event"`
	ID        string     `json:"id,omitzero"`
	Data      any        `json:"data,omitzero"`
	Error     *ErrorBody `json:"error,omitzero"`
	Timestamp string     `json:"timestamp"`
}

// ErrorBody is the error of a frame.
type ErrorBody struct {
	Code      chat.Code      `json:"code"`
	Message   string         `json:"message"`
	Retryable bool           `json:"retryable"`
	Details   map[string]any `json:"details,omitzero"`
}

// Frame encodes an event for posting. id is that of the client frame it
// answers, "" where it answers none.
func Frame(event, id string, data any, now time.Time) []byte {
	return encode(frame{Event: event, ID: id, Data: data, Timestamp: stamp(now)})
}

// ErrorFrame encodes what a client may see of err.
func ErrorFrame(id string, err error, now time.Time) []byte {
	e := chat.Public(err)
	body := &ErrorBody{Code: e.Code, Message: e.Message, Retryable: e.Code.Retryable(), Details: e.Details}
	return encode(frame{Event: EventError, ID: id, Error: body, Timestamp: stamp(now)})
}

func encode(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("protocol: encode a frame: " + err.Error()) // the types here always encode
	}
	return b
}

// Identity is a principal in a frame: {"type": "user", "id": "u1"}.
type Identity struct {
	Type chat.PrincipalType `json:"type"`
	ID   chat.PrincipalID   `json:"id"`
}

// IdentityOf returns p as frames show it.
func IdentityOf(p chat.Principal) Identity { return Identity{Type: p.Type, ID: p.ID} }

// Connected is the data of the first frame that a connection gets.
type Connected struct {
	ConnectionID chat.ConnectionID  `json:"connectionId"`
	Type         chat.PrincipalType `json:"type"`
	UserID       chat.PrincipalID   `json:"userId,omitzero"`
	AgentID      chat.PrincipalID   `json:"agentId,omitzero"`
}

// ConnectedOf describes c to its client.
func ConnectedOf(c chat.Connection) Connected {
	out := Connected{ConnectionID: c.ID, Type: c.Principal.Type}
	if c.Principal.Type == chat.Agent {
		out.AgentID = c.Principal.ID
	} else {
		out.UserID = c.Principal.ID
	}
	return out
}

// Pong answers Ping. Resync is true when the connection was not registered
// any more: it is again, but must join its conversations anew, with afterSeq.
type Pong struct {
	Resync bool `json:"resync,omitzero"`
}

// maxMembersShown keeps a Joined frame below MaxFrame with the longest ids.
const maxMembersShown = 150

// Joined answers Join. LastSeq is the end of the log: a client that has less
// of it after the history fetches the rest over REST. Of many members only the
// first are listed; MemberCount counts all.
type Joined struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	LastSeq        int64               `json:"lastSeq"`
	Members        []Identity          `json:"members"`
	MemberCount    int                 `json:"memberCount"`
	AgentOnline    bool                `json:"agentOnline"`
}

// JoinedOf describes a conversation to one who has just joined it.
func JoinedOf(id chat.ConversationID, lastSeq int64, members []chat.Principal, agentOnline bool) Joined {
	out := Joined{ConversationID: id, LastSeq: lastSeq, Members: []Identity{}, MemberCount: len(members), AgentOnline: agentOnline}
	for _, m := range members[:min(len(members), maxMembersShown)] {
		out.Members = append(out.Members, IdentityOf(m))
	}
	return out
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

// TypingNotice is the data of typing:start and typing:stop. ExpiresIn is in
// milliseconds: without another start the principal has stopped by then.
type TypingNotice struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Identity
	ExpiresIn int64 `json:"expiresIn,omitzero"`
}

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

// Sent answers Send: the message is durable.
type Sent struct {
	MessageID       chat.MessageID       `json:"messageId"`
	ConversationID  chat.ConversationID  `json:"conversationId"`
	Seq             int64                `json:"seq"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId"`
	CreatedAt       string               `json:"createdAt"`
	AgentOnline     bool                 `json:"agentOnline"`
	Duplicate       bool                 `json:"duplicate,omitzero"`
}

// SentOf describes the stored message to its sender.
func SentOf(m chat.Message, agentOnline, duplicate bool) Sent {
	return Sent{
		MessageID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ClientMessageID: m.ClientMessageID,
		CreatedAt: stamp(m.CreatedAt), AgentOnline: agentOnline, Duplicate: duplicate,
	}
}

// MessageGone is the data of message:deleted.
type MessageGone struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	Seq            int64               `json:"seq"`
}
