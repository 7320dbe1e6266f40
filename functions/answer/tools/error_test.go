package tools

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiwm-chat/shared/config"
)

// Some servers have the key in the name of their host, and some repeat what they were
// sent: the log has the class of what went wrong, and nothing of either.
func TestTheLogHasNeitherHostsNorKeys(t *testing.T) {
	const key = "k3y-0123456789"
	answering := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL + "/" + key
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // it would be in ours
	untrusted.StartTLS()
	defer untrusted.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tt := range map[string]struct {
		url   string
		local bool
		want  string
	}{
		"nobody has the name": {"https://" + key + ".invalid/mcp", false, "err=dns"},
		"a private address":   {untrusted.URL + "/" + key, false, "err=address"},
		"not trusted":         {untrusted.URL + "/" + key, true, "err=tls"},
		"nobody there":        {gone.URL + "/" + key, true, "err=dial"},
		"refused":             {answering(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, key, http.StatusForbidden) }), true, `err="status 403"`},
		"broken off":          {answering(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), true, "err=connection"},
		"no HTTP": {answering(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nBearer " + key + "\r\n\r\n"))
			_ = conn.Close()
		}), true, "err=protocol"},
	} {
		var log bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		s := New(Options{Configured: map[string]config.ToolServer{"shop": {URL: tt.url, Headers: map[string]string{"Authorization": "Bearer " + key}}}, Local: tt.local}).Open()
		_, err := s.List(t.Context(), every)
		_, failed := s.Call(t.Context(), Tool{Server: "shop", Tool: "one"}, "{}")
		s.Close()
		slog.SetDefault(before)
		if err == nil || failed != nil {
			t.Errorf("%s: %v, %v", name, err, failed)
			continue
		}
		said := log.String()
		if strings.Count(said, tt.want) != 2 || strings.Contains(said, "k3y") || strings.Contains(said, "127.0.0.1") ||
			strings.Contains(err.Error(), "k3y") {
			t.Errorf("%s: %v, want twice %s in\n%s", name, err, tt.want, said)
		}
	}
}
