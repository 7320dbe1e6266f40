package protocol

import (
	"aiwm-chat/shared/chat"
)

// SummaryJob asks to summarise a conversation up to a message. Puts counts how
// often it was put off, because the model or another job was busy.
type SummaryJob struct {
	OrgID          chat.OrgID          `json:"orgId"`
	ConversationID chat.ConversationID `json:"conversationId"`
	Seq            int64               `json:"seq"`
	Puts           int                 `json:"puts,omitzero"`
}

// SummaryResult is the body of POST /conversations/{id}/summary.
type SummaryResult struct {
	Summary string `json:"summary"` // what was said, in short
}
