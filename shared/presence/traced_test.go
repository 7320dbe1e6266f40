package presence_test

import (
	"io"
	"strings"
	"testing"

	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/presence"
)

// That something is not there is an answer, and no fault of Redis.
func TestATraceHasTheFaultsOfRedis(t *testing.T) {
	t.Parallel()
	s := onMini(t, presence.Limits{})
	c := s.connection("c1", s.user("u1"))
	for _, broken := range []bool{false, true} {
		if broken {
			s.breakKey(t, principalKey(c.Principal))
		}
		var told datagrams
		sink := observe.NewSink("prod", io.Discard)
		sink.Trace(&told)
		ctx, i := observe.Begin(observe.To(t.Context(), sink), observe.Start{
			Trace: observe.TraceOf("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", ""),
		})
		if _, err := s.Standing(ctx, c); (err != nil) != broken {
			t.Fatal(err)
		}
		i.End()
		if len(told) != 1 || strings.Contains(told[0], `"fault":true`) != broken {
			t.Errorf("broken %v: %q", broken, told)
		}
	}
}

type datagrams []string

func (d *datagrams) Write(b []byte) (int, error) {
	*d = append(*d, string(b))
	return len(b), nil
}
