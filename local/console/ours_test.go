package console

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Who is elsewhere in the network gets no token, whatever they say of themselves.
func TestOnlyThisMachineIsLetIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, at, host string
		want           int
	}{
		{"127.0.0.1:5", "127.0.0.1:3003", "127.0.0.1:3003", http.StatusOK},
		{"127.0.0.1:5", "127.0.0.1:3003", "localhost:3003", http.StatusOK},
		{"[::1]:5", "[::1]:3003", "[::1]:3003", http.StatusOK},
		{"172.17.0.1:5", "172.17.0.1:3003", "172.17.0.1:3003", http.StatusOK},
		{"[::ffff:172.17.0.1]:5", "172.17.0.1:3003", "172.17.0.1:3003", http.StatusOK},
		{"172.17.0.9:5", "172.17.0.1:3003", "172.17.0.1:3003", http.StatusForbidden},
		{"172.17.0.9:5", "172.17.0.1:3003", "localhost:3003", http.StatusForbidden},
		{"127.0.0.1:5", "127.0.0.1:3003", "172.17.0.1:3003", http.StatusForbidden},
		{"127.0.0.1:5", "127.0.0.1:3003", "evil.example", http.StatusForbidden},
		{"", "127.0.0.1:3003", "localhost:3003", http.StatusForbidden},
	} {
		at, err := net.ResolveTCPAddr("tcp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(at)), http.MethodGet, "/console/session", nil)
		r.RemoteAddr, r.Host = tt.from, tt.host
		r.Header.Set(askedBy, "1")
		w := httptest.NewRecorder()
		ours(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("from %q at %s, for %s: %d, want %d", tt.from, tt.at, tt.host, w.Code, tt.want)
		}
	}
}
