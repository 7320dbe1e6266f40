package protocol

import (
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// ActionApprove decides a tool call that waits for it. It is answered with message:sent, and
// the room gets message:new.
const ActionApprove = "approve"

// Approve decides a tool call of a run that waits for it. The first decision counts.
type Approve struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	ToolCallID     chat.CallID         `json:"toolCallId"` // as the message's toolCalls name it
	Decide
}

// Decide is the body of POST /conversations/{id}/approvals/{toolCallId}.
type Decide struct {
	Approved  *bool          `json:"approved"`           // false: the call is not made, and the model is told
	Reason    string         `json:"reason,omitzero"`    // for the model and for people
	Arguments jsontext.Value `json:"arguments,omitzero"` // an object, in place of the call's arguments
}

// About returns the conversation that it is about.
func (a Approve) About() chat.ConversationID { return a.ConversationID }

// Check reports what is wrong with the fields.
func (a Approve) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", a.ConversationID)
	if _, _, _, ok := chat.ParseCallID(string(a.ToolCallID)); !ok {
		f.Add("toolCallId", "is not the id of a call")
	}
	return first(a.Envelope.Check(), f.Err(), a.Decide.Check())
}

// Check reports what is missing; the rest the domain checks.
func (d Decide) Check() error {
	if d.Approved == nil {
		return chat.Invalid("approved", "is required: true or false")
	}
	return nil
}
