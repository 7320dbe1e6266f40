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

// About returns the conversation that it is about.
func (j SummaryJob) About() chat.ConversationID { return j.ConversationID }

// CorrelationAttribute is the attribute of a job's message that says what it
// follows from, in the words of the client or else by Lambda's id of the request.
const CorrelationAttribute = "correlation"

// TraceAttribute is likewise the traceparent of W3C. (X-Ray's own goes with the message
// as SQS wants it, as AWSTraceHeader.)
const TraceAttribute = "traceparent"

// SummaryResult is the body of POST /conversations/{id}/summary.
type SummaryResult struct {
	Summary string `json:"summary"` // what was said, in short
}
