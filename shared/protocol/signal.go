package protocol

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// The action, the event that answers it, and the one that brings it to the others.
const (
	ActionSignal    = "signal"
	EventCallState  = "call:state"  // answers signal: how far the call is
	EventCallSignal = "call:signal" // what somebody in a call, or who is about to be, says to the others: to their devices, in the room or not
)

// MaxSignalData is the most bytes of what a signal carries.
const MaxSignalData = 16 << 10

// Signal says something in a call. It is told to the devices of the others and not stored;
// what is said of the call in the log, once it has ended, is one message.
type Signal struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	CallID         chat.LiveCallID     `json:"callId"` // of the client's own choice, in invite: no two calls of a conversation have one
	Kind           chat.SignalKind     `json:"kind"`
	PartyID        chat.PartyID        `json:"partyId"`       // the caller's device, in this call
	To             *Identity           `json:"to,omitzero"`   // who is meant; without it all who take part in the conversation, one's own other devices among them
	Data           jsontext.Value      `json:"data,omitzero"` // an object for the other clients, such as a description of a session or candidates; at most 16 KB
}

// About returns the conversation that it is about.
func (s Signal) About() chat.ConversationID { return s.ConversationID }

// Check reports what is wrong with the fields.
func (s Signal) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", s.ConversationID)
	chat.CheckID(&f, "callId", s.CallID)
	if len(s.CallID) > chat.MaxLiveCallID {
		f.Add("callId", "must be at most %d characters", chat.MaxLiveCallID)
	}
	chat.CheckID(&f, "partyId", s.PartyID)
	if !s.Kind.Valid() {
		f.Add("kind", "must be invite, ringing, answer, candidates, select, reject, negotiate, alive or hangup")
	}
	if s.To != nil {
		if !s.To.Type.Valid() {
			f.Add("to.type", "must be user or agent")
		}
		chat.CheckID(&f, "to.id", s.To.ID)
	}
	if len(s.Data) > MaxSignalData || s.Data != nil && s.Data.Kind() != '{' {
		f.Add("data", "must be an object of at most %d bytes", MaxSignalData)
	}
	return first(s.Envelope.Check(), f.Err())
}

// CallSignal is the data of call:signal.
type CallSignal struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	CallID         chat.LiveCallID     `json:"callId"` // which call
	Kind           chat.SignalKind     `json:"kind"`
	From           Identity            `json:"from"`          // who says it
	PartyID        chat.PartyID        `json:"partyId"`       // their device
	To             *Identity           `json:"to,omitzero"`   // who is meant; without it all
	Data           jsontext.Value      `json:"data,omitzero"` // as it was sent
}

// CallSignalOf is what the others are told of a signal.
func CallSignalOf(s Signal, by chat.Principal) CallSignal {
	return CallSignal{
		ConversationID: s.ConversationID, CallID: s.CallID, Kind: s.Kind, From: IdentityOf(by), PartyID: s.PartyID, To: s.To, Data: s.Data,
	}
}

// CallState is the data of call:state.
type CallState struct {
	ConversationID chat.ConversationID  `json:"conversationId"`
	CallID         chat.LiveCallID      `json:"callId"` // which call
	State          chat.LiveCallState   `json:"state"`
	Outcome        chat.LiveCallOutcome `json:"outcome,omitzero"`    // of one that has ended
	DurationMs     int64                `json:"durationMs,omitzero"` // of one that was answered and has ended
}

// CallStateOf says how far a call is.
func CallStateOf(id chat.ConversationID, c chat.LiveCall) CallState {
	return CallState{ConversationID: id, CallID: c.ID, State: c.State, Outcome: c.Outcome, DurationMs: c.Duration.Milliseconds()}
}

// ICEServers is the body of GET /calls/ice.
type ICEServers struct {
	ICEServers []ICEServer `json:"iceServers"` // for RTCPeerConnection, as they are
	ExpiresAt  string      `json:"expiresAt"`  // until when the credentials count, to begin a call with
}

// ICEServer is a server that finds, or relays, what clients say to one another.
type ICEServer struct {
	URLs       []string `json:"urls"`                // stun:, turn: or turns:
	Username   string   `json:"username,omitzero"`   // of TURN servers
	Credential string   `json:"credential,omitzero"` // of TURN servers
}

// ICEServersOf are no servers yet.
func ICEServersOf(until time.Time) ICEServers {
	return ICEServers{ICEServers: []ICEServer{}, ExpiresAt: stamp(until)}
}
