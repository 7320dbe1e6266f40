package soak_test

import (
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/soak"
)

// A few seconds in which clients misbehave, and what is around the functions.
// What needs minutes, or other seeds, is a check of its own.
func TestSoak(t *testing.T) {
	command.Quiet()
	var out strings.Builder
	o := soak.Options{Template: "../../template.yaml", Duration: 4 * time.Second, Seed: 1, Conversations: 6, Streams: 1, Light: true}
	err := soak.Run(t.Context(), o, &out)
	if err != nil || !strings.Contains(out.String(), "0 lost, 0 doubled") || strings.Contains(out.String(), " 0 acknowledged") || strings.Contains(out.String(), " 0 streams") || strings.Contains(out.String(), ", 0 of them answered") {
		t.Errorf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
}
