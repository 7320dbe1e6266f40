package delivery

import (
	"io"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

// That a client has gone is no fault of API Gateway.
func TestATraceHasTheFaultsOfPosts(t *testing.T) {
	t.Parallel()
	for id, want := range map[chat.ConnectionID]bool{"there": false, "gone": false, "forbidden": true} {
		n := newNetwork(map[chat.ConnectionID]script{"there": {ok}, "gone": {lost}, "forbidden": {forbidden}})
		var told strings.Builder
		sink := observe.NewSink("prod", io.Discard)
		sink.Trace(&told)
		ctx, i := observe.Begin(observe.To(t.Context(), sink), observe.Start{
			Trace: observe.TraceOf("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", ""),
		})
		New(n).Post(ctx, chat.Connection{ID: id}, []byte("x")) //nolint:errcheck // what is told of it counts
		i.End()
		if got := strings.Contains(told.String(), `"fault":true`); !strings.Contains(told.String(), "@connections") || got != want {
			t.Errorf("%s: %q", id, told.String())
		}
	}
}
