package tools

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/config"
)

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
	s := New(Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL}}, Local: true}).Open()
	defer s.Close()
	got, err := s.Call(t.Context(), Tool{Name: "shop__refund_order", Server: "shop", Tool: "refund_order"}, `{"order":"1042"}`)
	if n := shop.Refunds("1042"); n != 1 || err != nil || !got.Unknown {
		t.Errorf("executed %d times: %+v %v", n, got, err)
	}
}
