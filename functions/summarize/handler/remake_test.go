package handler_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/protocol"
)

// After erasures a summary is made anew, but once in a minute at most, whoever edits how
// much: until then the job is put off, and the model is not asked.
func TestMadeAgainOnceInAMinute(t *testing.T) {
	w := newWorld(10, 0)
	w.conversation.Erasures, w.remakesLeft = 1, 1
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 10}); err != nil || len(w.asked) != 1 || w.conversation.Summary == nil {
		t.Fatalf("the first: %v, asked %d times", err, len(w.asked))
	}
	w.conversation.Erasures, w.conversation.Summary, w.conversation.ContextSummary = 2, nil, "" // dropped again
	if err := w.run(t.Context(), protocol.SummaryJob{Seq: 10}); err != nil || len(w.asked) != 1 || w.conversation.Summary != nil {
		t.Errorf("the second: %v, asked %d times", err, len(w.asked))
	}
	if len(w.jobs) != 1 || w.jobs[0].Puts != 1 || w.delays[0] != 40*time.Second || w.taken {
		t.Errorf("put off %+v for %v, taken %v", w.jobs, w.delays, w.taken)
	}
	last := w.jobs[0]
	last.Puts = 8
	if err := w.run(t.Context(), last); err != nil || len(w.jobs) != 1 {
		t.Errorf("at last: %v, jobs %+v", err, w.jobs) // another one is there
	}
	w.remakesLeft = 9
	if err := w.run(t.Context(), w.jobs[0]); err != nil || len(w.asked) != 2 || w.conversation.Summary == nil {
		t.Errorf("later: %v, asked %d times", err, len(w.asked))
	}
}

// What is erased while the model reads is no reason to ask it again at once, again and again.
func TestErasedWhileItIsRead(t *testing.T) {
	for _, covered := range []int64{0, 10} {
		w := newWorld(20, covered)
		w.meanwhile = func() { w.conversation.Erasures++ }
		w.remakesLeft = 1
		if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil || len(w.asked) != 2 || len(w.jobs) != 1 {
			t.Errorf("covered %d: %v, asked %d times, jobs %+v", covered, err, len(w.asked), w.jobs)
		}
	}
}

// Where nothing was erased nothing is counted.
func TestNothingErased(t *testing.T) {
	for _, erasures := range []int64{0, 3} {
		w := newWorld(20, 10*min(erasures, 1))
		w.conversation.Erasures = erasures
		if err := w.run(t.Context(), protocol.SummaryJob{Seq: 20}); err != nil || w.remakes != 0 {
			t.Errorf("%d erasures before: %v, %d remakes", erasures, err, w.remakes)
		}
	}
}
