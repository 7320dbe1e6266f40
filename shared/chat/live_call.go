package chat

import (
	"fmt"
	"time"
)

// A LiveCallID names a call between people, or with agents, who talk: the one who rings
// makes it up. (A CallID is of a tool.)
type LiveCallID string

// MaxLiveCallID is the longest one, in bytes: it is part of the id of a message.
const MaxLiveCallID = MaxID - len(callPrefix)

// callPrefix is what the ids of messages about calls begin with.
const callPrefix = "call:"

// A PartyID names a device of somebody who is in a call.
type PartyID string

// A SignalKind is what a signal of a call says.
type SignalKind string

// The kinds, as in Matrix VoIP, version 1.
const (
	SignalInvite     SignalKind = "invite"     // begins a call
	SignalRinging    SignalKind = "ringing"    // a device has begun to ring
	SignalAnswer     SignalKind = "answer"     // takes part
	SignalCandidates SignalKind = "candidates" // where a device can be reached
	SignalSelect     SignalKind = "select"     // which device's answer is taken
	SignalReject     SignalKind = "reject"     // does not want to
	SignalNegotiate  SignalKind = "negotiate"  // changes what is sent
	SignalAlive      SignalKind = "alive"      // is still there: every minute
	SignalHangup     SignalKind = "hangup"     // takes part no more
)

// Valid reports whether k is one of them.
func (k SignalKind) Valid() bool {
	switch k {
	case SignalInvite, SignalRinging, SignalAnswer, SignalCandidates, SignalSelect, SignalReject, SignalNegotiate, SignalAlive, SignalHangup:
		return true
	}
	return false
}

// How long a call rings, and how long who gives no sign of life is in it.
const (
	RingTime  = time.Minute
	AliveTime = 130 * time.Second
)

// A Signal is what somebody says in a call.
type Signal struct {
	ConversationID ConversationID
	CallID         LiveCallID
	Kind           SignalKind
	By             Principal
	PartyID        PartyID
	Invitees       int // of an invite: how many it is for
}

// A LiveCallState is how far a call is.
type LiveCallState string

// The states of a call.
const (
	CallRinging LiveCallState = "ringing"
	CallActive  LiveCallState = "active"
	CallEnded   LiveCallState = "ended"
)

// A LiveCallOutcome is how a call ended.
type LiveCallOutcome string

// The outcomes.
const (
	CallMissed     LiveCallOutcome = "missed"
	CallDeclined   LiveCallOutcome = "declined"
	CallOver       LiveCallOutcome = "ended"      // after it was answered
	CallSuperseded LiveCallOutcome = "superseded" // by one that rang at the same moment: that one goes on
)

// A LiveCall is a call as it is known.
type LiveCall struct {
	ID       LiveCallID
	State    LiveCallState
	Outcome  LiveCallOutcome // of one that has ended
	Duration time.Duration   // of CallOver
	Next     time.Time       // of one that goes on: when it is to be looked at
}

// A WatchedCall is one that sweep looks after.
type WatchedCall struct {
	OrgID          OrgID
	ConversationID ConversationID
	ID             LiveCallID
}

// NewCallMessage returns the one message about a call that has ended. There is none of one
// that was superseded.
func NewCallMessage(in WatchedCall, c LiveCall, now time.Time) Message {
	draft := Draft{Role: RoleSystem, Type: TypeSystem}
	switch c.Outcome {
	case CallDeclined:
		draft.Content = "Call declined"
	case CallOver:
		draft.Content = "Call ended after " + clock(c.Duration)
	default:
		draft.Content = "Missed call"
	}
	return Message{
		Draft: draft, ConversationID: in.ConversationID, Sender: Backend(in.OrgID), Status: StatusSent,
		ClientMessageID: ClientMessageID(callPrefix + string(in.ID)), Fingerprint: draft.fingerprint(), CreatedAt: now, UpdatedAt: now,
	}
}

// clock is a duration as people read it: 0:07, 3:25, 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
