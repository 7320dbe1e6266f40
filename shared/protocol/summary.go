package protocol

import (
	"aiwm-chat/shared/chat"
)

// SummaryJob asks to summarise a conversation up to a message.
type SummaryJob struct {
	OrgID          chat.OrgID          `json:"orgId"`
	ConversationID chat.ConversationID `json:"conversationId"`
	Seq            int64               `json:"seq"`
}

// SummaryResult is the body of POST /conversations/{id}/summary.
type SummaryResult struct {
	Summary string `json:"summary"`
}
