package handler_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"aiwm-chat/shared/observe"
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
			var out bytes.Buffer
			ctx, seen := observe.Begin(observe.To(t.Context(), observe.NewSink("prod", &out)), observe.Start{})
			if err := w.run(ctx, protocol.SummaryJob{Seq: 10}); err != nil {
				t.Fatal(err)
			}
			seen.End()
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["SummaryDuration"] == nil {
				t.Errorf("%v: %s", err, out.String())
			}
			for key, want := range row.want {
				if line[key] != want {
					t.Errorf("%s is %v, want %v", key, line[key], want)
				}
			}
		})
	}
}
