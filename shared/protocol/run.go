package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// Run is one answer of an agent that the backend runs, from the question to the end.
type Run struct {
	ID             chat.RunID          `json:"id"`
	ConversationID chat.ConversationID `json:"conversationId"`
	AgentID        chat.PrincipalID    `json:"agentId"`             // who answers
	MessageID      chat.MessageID      `json:"messageId"`           // the question
	N              int                 `json:"n"`                   // 0, or the number of the regeneration
	Status         chat.RunStatus      `json:"status"`              // queued, active, waiting, complete, cancelled or failed
	UserID         chat.PrincipalID    `json:"userId"`              // who asked
	Steps          int                 `json:"steps"`               // how far it is
	Usage          Usage               `json:"usage"`               // what it has cost so far
	StoppedBy      chat.PrincipalID    `json:"stoppedBy,omitzero"`  // who wants it to end, or wanted
	ToolCallID     chat.CallID         `json:"toolCallId,omitzero"` // of one that waits: which call is to be approved
	ExpiresAt      string              `json:"expiresAt,omitzero"`  // of one that waits: until when
	Error          chat.Code           `json:"error,omitzero"`      // why it failed: a code as of errors, or budget_exceeded; conflict: its agent was busy, and takes no second question
	CreatedAt      string              `json:"createdAt"`           // when it was asked for
	StartedAt      string              `json:"startedAt,omitzero"`  // when it last left the queue
	EndedAt        string              `json:"endedAt,omitzero"`    // when it ended
}

// RunPage is the body of GET /conversations/{id}/runs, the newest first.
type RunPage struct {
	Data       []Run      `json:"data"` // the newest first
	Pagination CursorPage `json:"pagination"`
}

// RunOf returns r as participants of its conversation see it.
func RunOf(r chat.Run) Run {
	out := Run{
		ID: r.ID, ConversationID: r.ConversationID, AgentID: r.AgentID, MessageID: r.Trigger, N: r.N, Status: r.Status, UserID: r.UserID,
		Steps: r.Steps, Usage: Usage(r.Usage), Error: r.Error,
		CreatedAt: stamp(r.CreatedAt), StartedAt: stampOrNone(r.StartedAt), EndedAt: stampOrNone(r.EndedAt),
	}
	if r.Stop != nil {
		out.StoppedBy = r.Stop.By
	}
	if r.Status == chat.RunWaiting {
		out.ToolCallID, out.ExpiresAt = r.WaitsFor, stampOrNone(r.ExpiresAt)
	}
	return out
}

func stampOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// RunJob asks for a run to be taken up, or for a look at it. What there is to do the run says.
type RunJob struct {
	RunID          chat.RunID          `json:"runId"`
	OrgID          chat.OrgID          `json:"orgId"`
	ConversationID chat.ConversationID `json:"conversationId"`
}

// About returns the conversation that it is about.
func (j RunJob) About() chat.ConversationID { return j.ConversationID }

// RunJobOf returns the job of a run.
func RunJobOf(r chat.Run) RunJob {
	return RunJob{RunID: r.ID, OrgID: r.OrgID, ConversationID: r.ConversationID}
}

// UsageReport is the body of GET /usage.
type UsageReport struct {
	From    chat.Day        `json:"from"` // the first day, of UTC
	To      chat.Day        `json:"to"`   // the last one
	GroupBy chat.UsageGroup `json:"groupBy"`
	Data    []UsageSum      `json:"data"`  // days in their order, else what cost most first; 1000 at most
	Total   UsageTotal      `json:"total"` // of data
}

// UsageTotal is what runs cost together.
type UsageTotal struct {
	Runs  int64 `json:"runs"` // how many
	Usage Usage `json:"usage"`
}

// UsageSum is what the runs of an agent, of a user or of a day cost.
type UsageSum struct {
	Key string `json:"key"` // an agent's id, a user's, or a day
	UsageTotal
}

// UsageReportOf returns the answer to a question.
func UsageReportOf(q chat.UsageQuery, sums []chat.UsageSum) UsageReport {
	out := UsageReport{From: q.From, To: q.To, GroupBy: q.GroupBy, Data: []UsageSum{}}
	for _, s := range sums {
		out.Data = append(out.Data, UsageSum{s.Key, UsageTotal{s.Runs, Usage(s.Usage)}})
		out.Total.Runs += s.Runs
		out.Total.Usage.PromptTokens += s.Usage.PromptTokens
		out.Total.Usage.CompletionTokens += s.Usage.CompletionTokens
		out.Total.Usage.TotalTokens += s.Usage.TotalTokens
	}
	return out
}
