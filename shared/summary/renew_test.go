package summary_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/summary"
)

// A key that the model refuses is read again, once, and the question asked again
// where it is another one.
func TestTheKeyWasChanged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kept  string
		ok    bool
		asked int64
	}{"changed": {"two\n", true, 2}, "wrong": {"one", false, 1}, "wrong again": {"three", false, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked, reads atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.Header.Get("Authorization") != "Bearer two" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.Write([]byte(`{"choices":[{"message":{"role":"assistant","content":"They agreed."},"finish_reason":"stop"}]}`))
			}))
			defer server.Close()
			env := map[string]string{
				"OPENAI_API_KEY_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-AbCdEf", "OPENAI_BASE_URL": server.URL,
				"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
			}
			c, err := config.LoadWith(t.Context(), func(name string) string { return env[name] }, func(context.Context, config.AWS, string) (string, error) {
				return []string{"one", tt.kept}[min(reads.Add(1), 2)-1], nil
			}, config.OpenAI)
			if err != nil {
				t.Fatal(err)
			}
			s := summary.NewOpenAI(summary.Options{
				APIKey: c.OpenAI.APIKey, Renewal: c.OpenAI.Renewal, BaseURL: c.OpenAI.BaseURL, Model: "m", MaxTokens: 100,
			})
			got, err := s.Summarize(t.Context(), summary.Input{Messages: []chat.Message{message(chat.RoleUser, "shall we?")}})
			if (err == nil) != tt.ok || tt.ok && got.Text != "They agreed." || !tt.ok && !summary.Permanent(err) {
				t.Errorf("got %q, %v", got.Text, err)
			}
			if asked.Load() != tt.asked || reads.Load() != 2 {
				t.Errorf("asked %d times, read %d times", asked.Load(), reads.Load())
			}
		})
	}
}
