// Package servertest runs the local server under the tests of what needs one.
package servertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"aiwm-chat/local/server"
)

// Start runs a server on a free port until the test ends, silently. What o leaves out
// is as in this repository: the template is found from a folder of local.
func Start(t testing.TB, o server.Options) *server.Server {
	t.Helper()
	if o.Template == "" {
		o.Template = "../../template.yaml"
	}
	if o.Secret == nil {
		o.Secret = []byte("a secret of thirty-two bytes, all told")
	}
	o.Addr, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("close the server:", err)
		}
	})
	return s
}
