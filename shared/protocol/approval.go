package protocol

import (
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// Approval is of a tool_call that waits for a decision, and of the message that decides it.
type Approval struct {
	Status     chat.Verdict     `json:"status"`              // pending; or approved, denied, expired, superseded or stopped
	ExpiresAt  string           `json:"expiresAt,omitzero"`  // of a pending one: until when
	ToolCallID chat.CallID      `json:"toolCallId,omitzero"` // of a decision: which call
	By         chat.PrincipalID `json:"by,omitzero"`         // of a decision: which user; without it the backend decided
	Reason     string           `json:"reason,omitzero"`     // of a decision: why
	Arguments  jsontext.Value   `json:"arguments,omitzero"`  // of a decision: in place of those of the call
}

func approvalOf(a *chat.Approval) *Approval {
	if a == nil {
		return nil
	}
	return &Approval{
		Status: a.Verdict, ExpiresAt: stampOrNone(a.ExpiresAt), ToolCallID: a.CallID, By: a.By, Reason: a.Reason,
		Arguments: jsontext.Value(a.Arguments),
	}
}
