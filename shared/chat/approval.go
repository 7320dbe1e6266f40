package chat

import (
	"encoding/json"
	"time"
)

// System is the type of participant that the backend itself is. It is in no token: Valid is
// false of it.
const System PrincipalType = "system"

// Backend returns the sender of what the backend itself says in an organisation.
func Backend(org OrgID) Principal { return Principal{Type: System, ID: "aiwm", OrgID: org} }

// A Verdict is what was decided of a call that needs approval.
type Verdict string

// The verdicts. VerdictPending is of the call itself, until there is a decision; the last three
// are the backend's.
const (
	VerdictPending    Verdict = "pending"
	VerdictApproved   Verdict = "approved"
	VerdictDenied     Verdict = "denied"
	VerdictExpired    Verdict = "expired"
	VerdictSuperseded Verdict = "superseded" // by a newer question
	VerdictStopped    Verdict = "stopped"    // with its run
)

// Ends reports whether the run of the call ends by the verdict: nobody asks the model again.
func (v Verdict) Ends() bool { return v == VerdictSuperseded || v == VerdictStopped }

// An Approval is of two kinds of message: of a tool_call that waits, pending, with its expiry;
// and of the message that decides it, which is a Decision.
type Approval struct {
	Verdict   Verdict
	ExpiresAt time.Time // of a pending one
	Decision            // of a decision
}

// A Decision is what somebody says to a call that waits for approval. The first one of a
// call counts, because it is a message of a sender under the id of the call.
type Decision struct {
	CallID    CallID
	By        PrincipalID     // who; "": the backend
	Reason    string          // for the model and for people
	Arguments json.RawMessage // which replace the call's; nil: those of the call
}

// Limits of a decision.
const (
	MaxReason        = 2000     // characters
	MaxToolArguments = 64 << 10 // bytes
)

// decisionPrefix is what the ids of decisions begin with.
const decisionPrefix = "approval:"

// DecisionID is the clientMessageId of the message that decides a call.
func DecisionID(call CallID) ClientMessageID { return ClientMessageID(decisionPrefix + string(call)) }

// NewDecision returns the message that decides a call in a conversation, or what is wrong
// with it. The caller knows that the call waits there and that who decides may.
func NewDecision(org OrgID, to ConversationID, v Verdict, d Decision, now time.Time) (Message, error) {
	var f Faults
	CheckID(&f, "conversationId", to)
	if _, _, _, ok := ParseCallID(string(d.CallID)); !ok {
		f.Add("toolCallId", "is not the id of a call")
	}
	byUser := v == VerdictApproved || v == VerdictDenied
	switch {
	case !byUser && v != VerdictExpired && !v.Ends():
		f.Add("approved", "must be a decision")
	case byUser:
		CheckID(&f, "by", d.By)
	}
	checkText(&f, "reason", d.Reason, MaxReason)
	switch {
	case d.Arguments == nil:
	case v != VerdictApproved:
		f.Add("arguments", "are of a call that is approved")
	case len(d.Arguments) > MaxToolArguments:
		f.Add("arguments", "must be at most %d bytes", MaxToolArguments)
	case !isObject(d.Arguments):
		f.Add("arguments", "must be an object")
	}
	if err := f.Err(); err != nil {
		return Message{}, err
	}
	draft := Draft{Role: RoleSystem, Type: TypeSystem, Content: string(v), Approval: &Approval{Verdict: v, Decision: d}}
	return Message{
		Draft: draft, ConversationID: to, Sender: Backend(org), Status: StatusSent,
		ClientMessageID: DecisionID(d.CallID), Fingerprint: draft.fingerprint(), CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Decided returns what a message decides, and whether it is a decision: only the backend
// writes those.
func (m *Message) Decided() (Approval, bool) {
	if m.Approval == nil || m.Sender.Type != System || m.Approval.Verdict == VerdictPending {
		return Approval{}, false
	}
	return *m.Approval, true
}
