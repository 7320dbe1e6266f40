package client_test

import (
	"testing"

	"aiwm-chat/local/client"
)

// An error is read by people.
func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]client.Error{
		"status 429: rate_limited: wait (limit 60, retryAfterMs 830)": {
			Status: 429, Code: "rate_limited", Message: "wait", Details: map[string]any{"retryAfterMs": 830, "limit": 60},
		},
		"not_found: no such conversation": {Code: "not_found", Message: "no such conversation"},
		"API Gateway: Forbidden":          {Message: "API Gateway: Forbidden"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
