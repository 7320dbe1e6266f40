package tools

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// Some servers have the key in the name of their host, which is not for the log.
func TestLogHasNoHost(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	s := New(map[string]config.ToolServer{"shop": {URL: "https://k3y-0123456789.invalid/mcp"}}, false).Open()
	defer s.Close()
	_, err := s.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: []string{"*"}}})
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(log.String(), "k3y-0123456789") || strings.Contains(err.Error(), "k3y") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// A server (or a proxy before it) that executes a call and then answers 404 to a client with
// a session is not called again, and the model is not told that nothing was called.
func TestNotFoundAfterTheCall(t *testing.T) {
	shop := toolserver.NewWithSessions()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(`"tools/call"`)) {
			shop.ServeHTTP(httptest.NewRecorder(), r)
			http.NotFound(w, r)
			return
		}
		shop.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer shop.Close()
	s := New(map[string]config.ToolServer{"shop": {URL: server.URL}}, true).Open()
	defer s.Close()
	got, err := s.Call(t.Context(), Tool{Name: "shop__refund_order", Server: "shop", Tool: "refund_order"}, `{"order":"1042"}`)
	if n := shop.Refunds("1042"); n != 1 || err != nil || !got.Unknown {
		t.Errorf("executed %d times: %+v %v", n, got, err)
	}
}
