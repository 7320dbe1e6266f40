package tools

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/outside"
)

// Whatever the name, it is the address that counts, once the name is resolved.
func TestPrivateServersAreRefused(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		servers := New(Options{Configured: map[string]config.ToolServer{"shop": {URL: "https://" + host + port}}})
		session := servers.Open()
		_, err := session.List(t.Context(), every)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Unreachable {
			t.Errorf("%s: %v", host, err)
		}
		if !errors.Is(err, outside.ErrNotPublic) {
			t.Errorf("%s: %v, for another reason", host, errors.Unwrap(err))
		}
		got, err := session.Call(t.Context(), Tool{Server: "shop", Tool: "one"}, "{}")
		if err != nil || !got.IsError || got.Unknown {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
		session.Close()
	}
	if asked.Load() != 0 {
		t.Errorf("asked %d times", asked.Load())
	}
}
