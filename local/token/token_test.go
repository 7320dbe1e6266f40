package token_test

import (
	"strings"
	"testing"

	"aiwm-chat/local/token"
)

// What a token would not say is refused, not left out.
func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-user u1":           "",
		"-agent a1":          "",
		"":                   "give -user or -agent",
		"-user u1 -agent a1": "not both",
		"-user /":            "an id is 1 to",
		"-user u1 -ttl -1s":  "-ttl must be positive",
	} {
		var out strings.Builder
		err := token.Command(t.Context(), strings.Fields(args), &out, func(name string) string {
			return map[string]string{"JWT_SECRET": strings.Repeat("k", 32)}[name]
		})
		if want == "" && (err != nil || strings.Count(out.String(), ".") != 2) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0) {
			t.Errorf("%s: %v, %q", args, err, out.String())
		}
	}
}
