package handler_test

import (
	"errors"
	"slices"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What follows from an erasure: the summary is made again where there was one,
// or should be, and members hear that it is gone.
func TestForget(t *testing.T) {
	down := errors.New("no route to host")
	for _, tt := range []struct {
		name    string
		total   int64
		summary *chat.Summary
		seq     int64
		fail    string
		dropped bool
		job     int64 // its seq, 0: none
	}{
		{"covered by the summary", 25, &chat.Summary{FromSeq: 1, ToSeq: 20}, 3, "", true, 20},
		{"covered by one on demand", 7, &chat.Summary{FromSeq: 1, ToSeq: 5}, 3, "", true, 3},
		{"newer than the summary", 25, &chat.Summary{FromSeq: 1, ToSeq: 20}, 23, "", false, 0},
		{"no summary yet", 7, nil, 3, "", false, 0},
		{"dropped by who died", 25, nil, 3, "", false, 20},
		{"no database", 25, &chat.Summary{FromSeq: 1, ToSeq: 20}, 3, "ForgetMessage", false, 0},
		{"no queue", 25, &chat.Summary{FromSeq: 1, ToSeq: 20}, 3, "EnqueueSummary", true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.log = make([]chat.Message, tt.total)
			w.conversation.TotalMessages, w.conversation.Summary = tt.total, tt.summary
			if tt.fail != "" {
				w.fail[tt.fail] = down
			}
			m := chat.Message{ID: "m1", ConversationID: w.conversation.ID, Seq: tt.seq, Sender: user, Deleted: true, Due: &chat.Due{Left: []chat.Effect{chat.EffectForget}}}
			left, err := w.handler().Finish(t.Context(), w.conversation, m)
			if err != nil || (left != nil) != (tt.fail != "") || left != nil && !left.Has(chat.EffectForget) {
				t.Errorf("left %+v, %v", left, err)
			}
			if told := slices.Contains(w.steps, "Tell"); told != tt.dropped {
				t.Errorf("told %v: %v", told, w.steps)
			}
			var want []protocol.SummaryJob
			if tt.job > 0 {
				want = []protocol.SummaryJob{{OrgID: w.conversation.OrgID, ConversationID: w.conversation.ID, Seq: tt.job}}
			}
			if !slices.Equal(w.jobs, want) {
				t.Errorf("jobs %+v, want %+v", w.jobs, want)
			}
		})
	}
}
