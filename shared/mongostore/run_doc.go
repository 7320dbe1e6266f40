package mongostore

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// runDoc is a document of runs. busy is there of an active one only, and dueAt of one that
// is not over: their indexes are of those alone. move names the last compare-and-set, so that
// who lost its answer knows it again.
type runDoc struct {
	ID             chat.RunID            `bson:"_id"`
	OrgID          chat.OrgID            `bson:"orgId"`
	ConversationID chat.ConversationID   `bson:"conversationId"`
	AgentID        chat.PrincipalID      `bson:"agentId"`
	AgentVersion   int64                 `bson:"agentVersion"`
	Trigger        chat.MessageID        `bson:"trigger"`
	ThreadID       chat.MessageID        `bson:"threadId,omitempty"`
	N              int                   `bson:"n"`
	UserID         chat.PrincipalID      `bson:"userId"`
	Place          int64                 `bson:"place"`
	Alone          bool                  `bson:"alone,omitempty"`
	Day            chat.Day              `bson:"day"`
	Status         chat.RunStatus        `bson:"status"`
	Busy           bool                  `bson:"busy,omitempty"`
	LeaseUntil     *time.Time            `bson:"leaseUntil,omitempty"`
	Handed         bool                  `bson:"handed,omitempty"`
	Attempt        int64                 `bson:"attempt"`
	Failures       int                   `bson:"failures"`
	Stop           *runStopDoc           `bson:"stop,omitempty"`
	Steps          int                   `bson:"steps"`
	Executing      map[chat.CallID]int64 `bson:"executing,omitempty"`
	WaitsFor       chat.CallID           `bson:"waitsFor,omitempty"`
	WaitsSeq       int64                 `bson:"waitsSeq,omitempty"`
	ExpiresAt      *time.Time            `bson:"expiresAt,omitempty"`
	Decided        bool                  `bson:"decided,omitempty"`
	Usage          usageDoc              `bson:"usage"`
	Error          chat.Code             `bson:"error,omitempty"`
	CreatedAt      time.Time             `bson:"createdAt"`
	StartedAt      *time.Time            `bson:"startedAt,omitempty"`
	ActiveMs       int64                 `bson:"activeMs,omitempty"`
	UpdatedAt      time.Time             `bson:"updatedAt"`
	EndedAt        *time.Time            `bson:"endedAt,omitempty"`
	DueAt          *time.Time            `bson:"dueAt,omitempty"`
	Move           *bson.ObjectID        `bson:"move,omitempty"`
}

type runStopDoc struct {
	By chat.PrincipalID `bson:"by"`
	At time.Time        `bson:"at"`
}

// timeOrNone is no member at all of the zero time.
func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = millis(t)
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// newRunDoc is a run that is about to be inserted.
func newRunDoc(r chat.Run) runDoc {
	return runDoc{
		ID: r.ID, OrgID: r.OrgID, ConversationID: r.ConversationID, AgentID: r.AgentID, AgentVersion: r.AgentVersion,
		Trigger: r.Trigger, ThreadID: r.ThreadID, N: r.N, UserID: r.UserID, Place: r.Place, Alone: r.Alone, Day: chat.DayOf(r.CreatedAt), Status: r.Status,
		Error: r.Error, CreatedAt: millis(r.CreatedAt), UpdatedAt: millis(r.UpdatedAt), EndedAt: timeOrNone(r.EndedAt),
		DueAt: timeOrNone(r.DueAt),
	}
}

func (d *runDoc) run() chat.Run {
	r := chat.Run{
		ID: d.ID, OrgID: d.OrgID, ConversationID: d.ConversationID, AgentID: d.AgentID, AgentVersion: d.AgentVersion,
		Trigger: d.Trigger, ThreadID: d.ThreadID, N: d.N, UserID: d.UserID, Place: d.Place, Alone: d.Alone, Status: d.Status, LeaseUntil: orZero(d.LeaseUntil),
		Handed: d.Handed, Attempt: d.Attempt, Failures: d.Failures, Steps: d.Steps, Executing: d.Executing,
		WaitsFor: d.WaitsFor, WaitsSeq: d.WaitsSeq, ExpiresAt: orZero(d.ExpiresAt), Decided: d.Decided, Usage: chat.Usage(d.Usage), Error: d.Error,
		CreatedAt: d.CreatedAt, StartedAt: orZero(d.StartedAt), Active: time.Duration(d.ActiveMs) * time.Millisecond, UpdatedAt: d.UpdatedAt, EndedAt: orZero(d.EndedAt), DueAt: orZero(d.DueAt),
	}
	if d.Stop != nil {
		r.Stop = &chat.RunStop{By: d.Stop.By, At: d.Stop.At}
	}
	return r
}

func toRuns(docs []runDoc) []chat.Run {
	runs := make([]chat.Run, len(docs))
	for i := range docs {
		runs[i] = docs[i].run()
	}
	return runs
}
