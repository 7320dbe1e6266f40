// Package observetest reads the numbers of invocations, for tests.
package observetest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"aiwm-chat/shared/observe"
)

// Context is one whose invocations write their numbers, those of the stack "prod",
// to out.
func Context(t testing.TB, out io.Writer) context.Context {
	return observe.To(t.Context(), observe.NewSink("prod", out))
}

// Numbers returns those of one invocation, the first of its process, that is do.
func Numbers(t testing.TB, do func(ctx context.Context)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	ctx, i := observe.Begin(Context(t, &out), observe.Start{})
	do(ctx)
	i.End()
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("want one line of JSON: %v: %s", err, out.String())
	}
	return line
}

// Check compares a line, of numbers or of the log, with what it must have: nil is
// what it must not.
func Check(t testing.TB, what string, got, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %s is %v, want %v", what, key, got[key], value)
		}
	}
}
