package handler_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func (w *world) DueRuns(_ context.Context, at time.Time, limit int) (due []chat.Run, err error) {
	err = w.step("DueRuns", "", func() {
		for _, r := range w.runs {
			if len(due) < limit && !r.DueAt.After(at) && !slices.Contains(w.putOff, string(r.ID)) {
				due = append(due, r)
			}
		}
	})
	return due, err
}

func (w *world) PutOffRun(_ context.Context, r chat.Run, _ time.Time) error {
	return w.step("PutOffRun", chat.MessageID(r.ID), func() { w.putOff = append(w.putOff, string(r.ID)) })
}

func (w *world) EnqueueRun(_ context.Context, job protocol.RunJob) error {
	return w.step("EnqueueRun", chat.MessageID(job.RunID), func() { w.runJobs = append(w.runJobs, string(job.RunID)) })
}

func (*flood) DueRuns(context.Context, time.Time, int) ([]chat.Run, error) { return nil, nil }
func (*flood) PutOffRun(context.Context, chat.Run, time.Time) error        { return nil }

// A run that may have been forgotten gets a job, and only then is put off; a failure costs
// neither the other runs nor the messages.
func TestRunsThatWereForgotten(t *testing.T) {
	for _, tt := range []struct {
		fails        string
		jobs, putOff []string
	}{
		{"", []string{"r1", "r2"}, []string{"r1", "r2"}},
		{"DueRuns ", nil, nil},
		{"EnqueueRun r1", []string{"r2"}, []string{"r2"}},
		{"PutOffRun r1", []string{"r1", "r2"}, []string{"r2"}},
	} {
		t.Run(tt.fails, inBubble(func(t *testing.T) {
			logged(t)
			w := newWorld(message("m1", time.Minute))
			for id, due := range map[chat.RunID]time.Duration{"r1": -time.Minute, "r2": 0, "later": time.Second} {
				w.runs = append(w.runs, chat.Run{ID: id, DueAt: now.Add(due)})
			}
			if tt.fails != "" {
				w.fail[tt.fails] = errDown
			}
			if err := w.run(t.Context()); err != nil || len(w.settled) != 1 {
				t.Errorf("%v, settled %v", err, w.settled)
			}
			slices.Sort(w.runJobs)
			slices.Sort(w.putOff)
			if !slices.Equal(w.runJobs, tt.jobs) || !slices.Equal(w.putOff, tt.putOff) {
				t.Errorf("enqueued %q, put off %q", w.runJobs, w.putOff)
			}
		}))
	}
}

// However many wait for their turn, one sweep finds those behind them.
func TestManyRunsKeepNoneFromBeingFound(t *testing.T) {
	inBubble(func(t *testing.T) {
		logged(t)
		w := newWorld()
		for i := range 450 {
			w.runs = append(w.runs, chat.Run{ID: chat.RunID(strconv.Itoa(i)), DueAt: now.Add(-time.Minute)})
		}
		if err := w.run(t.Context()); err != nil || len(w.runJobs) != len(w.runs) {
			t.Errorf("%v, %d jobs of %d", err, len(w.runJobs), len(w.runs))
		}
	})(t)
}
