package serve

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"aiwm-chat/local/logline"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
)

// The console is given tokens where they are ours, and none where another issuer's count.
func TestConsoleHasOurTokensAlone(t *testing.T) {
	t.Parallel()
	for name, ours := range map[string]bool{"": true, "JWT_JWKS_URL": false, "JWT_PUBLIC_KEY": false, "JWT_ISSUER": false, "JWT_AUDIENCE": false} {
		getenv := func(n string) string {
			if n == name {
				return "set"
			}
			return ""
		}
		s := servertest.Start(t, server.Options{Pages: func(s *server.Server, routes []string) map[string]http.Handler {
			return pagesOf(s, server.Options{}, routes, logline.NewTail(1), getenv)
		}})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/console/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Console", "1")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || response.StatusCode != http.StatusOK || strings.Contains(string(body), `"token":"ey`) != ours || strings.Contains(string(body), `"agentToken"`) != ours {
			t.Errorf("with %q: %v, %s: %s", name, err, response.Status, body)
		}
		if !s.Shows("/docs") || !s.Shows("/") {
			t.Errorf("with %q pages are missing", name)
		}
	}
}
