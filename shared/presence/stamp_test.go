package presence_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// Who comes after somebody was gone is later than that, and who is gone after they
// came, whatever the clocks of the instances say that decide it.
func TestDecisionsAreInTheOrderInWhichTheyAreMade(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, who := t.Context(), s.agent("a1")
		var last time.Time
		decided := func(what string, at time.Time, err error) {
			t.Helper()
			must(t, err)
			if !at.After(last) {
				t.Errorf("%s is decided at %v, after %v", what, at, last)
			}
			last = at
		}
		for i, ahead := range []time.Duration{0, time.Hour, -time.Hour, time.Minute} { // the clock of every other one
			c := s.connection(name(i), who)
			s.pass(ahead)
			arrival, err := s.Connect(ctx, c)
			decided("a connect", arrival.At, err)
			s.pass(-ahead)
			gone, at, err := s.Disconnect(ctx, c)
			if decided("a disconnect", at, err); !gone {
				t.Error("it was not the last")
			}
			s.pass(ahead)
			stamps, err := s.Stamp(ctx, s.user("other"), who)
			decided("a decision", stamps[1], err)
			s.pass(-ahead)
		}
		s.pass(time.Hour)
		c := s.connected(t, "c2", who)
		s.pass(-time.Hour)
		d, err := s.Prune(ctx, []chat.Gone{{Connection: c, At: s.now().Add(2 * time.Hour)}}, "")
		if len(d.Offline) != 1 {
			t.Fatalf("departed %+v", d)
		}
		decided("a prune", d.Offline[0].At, err)
	})
}
