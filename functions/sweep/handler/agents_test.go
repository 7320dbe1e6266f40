package handler_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/functions/sweep/handler"
	"aiwm-chat/shared/chat"
)

// An agent that is stored as online and has no connection is set offline, and nobody else,
// and those who saw it come are told; where that cannot be found out, the messages have their
// turn all the same.
func TestAgentsLeftOnline(t *testing.T) {
	for _, tt := range []struct{ fails, stays string }{{"", "a"}, {"UncheckedAgents ", "ab"}, {"Stamp ", "ab"}, {"Online ", "ab"}, {"SetAgentStatus ", "ab"}} {
		t.Run(tt.fails, inBubble(func(t *testing.T) {
			logged(t)
			w := newWorld(message("m1", time.Minute))
			w.online = map[chat.PrincipalID]time.Time{"a": now.Add(-time.Hour), "b": now.Add(-time.Hour)}
			w.connected = map[chat.PrincipalID]bool{"a": true}
			if tt.fails != "" {
				w.fail[tt.fails] = errDown
			}
			if err := w.run(t.Context()); err != nil || len(w.settled) != 1 {
				t.Errorf("%v, settled %v", err, w.settled)
			}
			stays := ""
			for _, id := range []chat.PrincipalID{"a", "b"} {
				if _, online := w.online[id]; online {
					stays += string(id)
				}
			}
			told := strings.Join(w.told, ", ")
			if want := strings.Repeat("agent:b true", 2-len(tt.stays)); stays != tt.stays || told != want {
				t.Errorf("%q are online, want %q; told of %q, want %q", stays, tt.stays, told, want)
			}
		}))
	}
}

// A panic in what a run does besides is no reason to leave the messages.
func TestPanicOfACorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged(t)
		w := newWorld(message("m1", time.Minute))
		defer func() { // as gateway.Schedule does
			if v := recover(); v != nil || len(w.settled) != 1 {
				t.Errorf("panic %v, settled %v", v, w.settled)
			}
		}()
		if err := handler.New(w, w, w, panicking{w}, w, w).Handle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type panicking struct{ *world }

func (panicking) UncheckedAgents(context.Context, time.Time, int) ([]chat.Principal, error) {
	panic("a bug")
}
