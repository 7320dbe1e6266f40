package handler_test

import (
	"slices"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// A stream whose job was lost gets another, once it is old enough that the first
// should have been there; a failure costs neither the other streams nor the messages.
func TestStreamsWhoseJobsWereLost(t *testing.T) {
	writer := chat.Principal{Type: chat.Agent, ID: "a", OrgID: "acme"}
	for _, tt := range []struct {
		fails string
		want  []string
	}{
		{"", []string{"c1 old agent:a false 0s", "c2 older agent:a false 0s"}},
		{"Overdue ", nil},
		{"EnqueueStream old", []string{"c2 older agent:a false 0s"}},
	} {
		t.Run(tt.fails, inBubble(func(t *testing.T) {
			logged(t)
			w := newWorld(message("m1", time.Minute))
			for _, st := range []struct {
				in  chat.ConversationID
				id  string
				age time.Duration
			}{{"c1", "old", 61 * time.Second}, {"c2", "older", time.Hour}, {"c3", "young", 59 * time.Second}} {
				w.overdue = append(w.overdue, chat.Stream{ConversationID: st.in, ID: st.id, Principal: writer, StartedAt: now.Add(-st.age)})
			}
			if tt.fails != "" {
				w.fail[tt.fails] = errDown
			}
			if err := w.run(t.Context()); err != nil || len(w.settled) != 1 {
				t.Errorf("%v, settled %v", err, w.settled)
			}
			slices.Sort(w.enqueued)
			if !slices.Equal(w.enqueued, tt.want) {
				t.Errorf("enqueued %q, want %q", w.enqueued, tt.want)
			}
		}))
	}
}

// A call that nobody has ended, or of which nothing is said, gets a job; a failure costs
// neither the other calls nor the messages.
func TestCallsWhoseJobsWereLost(t *testing.T) {
	for _, tt := range []struct {
		fails string
		want  []string
	}{
		{"", []string{"c1 call k1 acme 0s", "c2 call k2 acme 0s"}},
		{"OverdueCalls ", nil},
		{"EnqueueStream k1", []string{"c2 call k2 acme 0s"}},
	} {
		t.Run(tt.fails, inBubble(func(t *testing.T) {
			logged(t)
			w := newWorld(message("m1", time.Minute))
			w.calls = []chat.WatchedCall{{OrgID: "acme", ConversationID: "c1", ID: "k1"}, {OrgID: "acme", ConversationID: "c2", ID: "k2"}}
			if tt.fails != "" {
				w.fail[tt.fails] = errDown
			}
			if err := w.run(t.Context()); err != nil || len(w.settled) != 1 {
				t.Errorf("%v, settled %v", err, w.settled)
			}
			slices.Sort(w.enqueued)
			if !slices.Equal(w.enqueued, tt.want) {
				t.Errorf("enqueued %q, want %q", w.enqueued, tt.want)
			}
		}))
	}
}
