package tools

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/config"
)

// Headers that are refused are looked for again, once for each refusal, and a call that was
// refused is made with the others; where there are no others it is refused.
func TestHeadersThatWereChanged(t *testing.T) {
	both(t, func(t *testing.T, shop *toolserver.Server) {
		var right atomic.Pointer[string]
		right.Store(new("Bearer first"))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != *right.Load() {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			shop.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		var asked atomic.Int64
		kept := map[string]string{"Authorization": "Bearer second"}
		servers := New(Options{
			Local:      true,
			Configured: map[string]config.ToolServer{"shop": {URL: server.URL, Headers: map[string]string{"Authorization": "Bearer first"}}},
			Renew: func(_ context.Context, name string, refused map[string]string) (map[string]string, bool) {
				asked.Add(1)
				return kept, name == "shop" && !maps.Equal(refused, kept)
			},
		})
		session := servers.Open()
		t.Cleanup(session.Close)
		refund := tool(t, session, "refund_order")
		right.Store(new("Bearer second"))
		if got, err := session.Call(t.Context(), refund, `{"order":"1042"}`); err != nil || got.IsError || got.Unknown || shop.Refunds("1042") != 1 {
			t.Errorf("got %+v, %v, and the order was paid back %d times", got, err, shop.Refunds("1042"))
		}
		if n := asked.Load(); n == 0 || n > 3 {
			t.Errorf("the secret was asked for %d times", n)
		}
		right.Store(new("Bearer third"))
		if got, err := session.Call(t.Context(), refund, `{"order":"1042"}`); err == nil && !got.IsError || shop.Refunds("1042") != 1 {
			t.Errorf("refused, it got %+v, %v, and the order was paid back %d times", got, err, shop.Refunds("1042"))
		}
	})
}
