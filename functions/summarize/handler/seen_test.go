package handler_test

import (
	"context"
	"testing"

	"aiwm-chat/shared/observe/observetest"
	"aiwm-chat/shared/protocol"
	"aiwm-chat/shared/summary"
)

// Each question to the model is counted, with what became of it.
func TestWhatTheModelIsSeenToDo(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		want map[string]any
	}{
		"it answers": {nil, map[string]any{"SummarySuccesses": 1.0, "SummaryTokens": 1234.0, "SummaryFailures": 0.0}},
		"it fails":   {errDown, map[string]any{"SummarySuccesses": 0.0, "SummaryTokens": nil, "SummaryFailures": 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(10, 0)
			w.model = func(in summary.Input) (summary.Result, error) {
				return summary.Result{Text: "text", Tokens: 1234, Read: len(in.Messages)}, row.err
			}
			numbers := observetest.Numbers(t, func(ctx context.Context) {
				if err := w.run(ctx, protocol.SummaryJob{Seq: 10}); err != nil {
					t.Fatal(err)
				}
			})
			if numbers["SummaryDuration"] == nil {
				t.Errorf("no time is told: %v", numbers)
			}
			observetest.Check(t, "the numbers", numbers, row.want)
		})
	}
}
