package protocol

import "aiwm-chat/shared/chat"

// The action, and the event that answers it.
const (
	ActionPing = "ping"
	EventPong  = "pong" // answers ping
)

// Ping keeps a connection open and registered; API Gateway ends one that is
// idle for 10 minutes, whatever protocol pings say.
type Ping struct{ Envelope }

// Pong answers Ping. Rooms are the conversations that the connection is really
// in, each with the end of its log: the client joins again what is missing, with
// afterSeq, and with afterSeq what is ahead of what it has. Resync is true when
// the connection was not registered any more: it is again. Truncated says that
// not all rooms are named.
type Pong struct {
	Rooms     []RoomHead `json:"rooms"`              // the conversations that the connection is really in
	Resync    bool       `json:"resync,omitzero"`    // the connection was not known any more; it is again: join again
	Truncated bool       `json:"truncated,omitzero"` // not all rooms are named
}

// RoomHead is a conversation and the end of its log.
type RoomHead struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	LastSeq        int64               `json:"lastSeq"` // the end of its log: join with afterSeq if it is ahead of what you have
}

// maxRoomsShown keeps a Pong below MaxFrame with the longest ids.
const maxRoomsShown = 150

// PongOf describes the rooms that have a head: those where the principal is a
// participant.
func PongOf(rooms []chat.ConversationID, heads map[chat.ConversationID]int64, resync bool) Pong {
	out := Pong{Rooms: []RoomHead{}, Resync: resync}
	for _, id := range rooms {
		seq, participant := heads[id]
		if !participant {
			continue
		}
		if len(out.Rooms) == maxRoomsShown {
			out.Truncated = true
			break
		}
		out.Rooms = append(out.Rooms, RoomHead{id, seq})
	}
	return out
}
