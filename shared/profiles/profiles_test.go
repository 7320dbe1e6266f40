package profiles

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

// A shelf is a store that counts how often it is asked.
type shelf struct {
	managed map[chat.PrincipalID]bool
	err     error
	asked   int
}

func (s *shelf) Agent(_ context.Context, agent chat.Principal) (chat.AgentProfile, error) {
	s.asked++
	managed, ok := s.managed[agent.ID]
	switch {
	case s.err != nil:
		return chat.AgentProfile{}, s.err
	case !ok:
		return chat.AgentProfile{}, chat.Errorf(chat.NotFound, "no such agent")
	case managed:
		return chat.AgentProfile{ID: agent.ID, Managed: &chat.Managed{}}, nil
	}
	return chat.AgentProfile{ID: agent.ID}, nil
}

func TestCache(t *testing.T) {
	s := &shelf{managed: map[chat.PrincipalID]bool{"ours": true, "theirs": false}}
	now := time.Now()
	c := New(s)
	c.now = func() time.Time { return now }
	answers := func(id chat.PrincipalID, want bool, asked int) {
		t.Helper()
		if got := c.Answers(t.Context(), chat.Principal{Type: chat.Agent, ID: id, OrgID: "o"}); got != want || s.asked != asked {
			t.Errorf("%s: %t, asked %d times, want %t and %d", id, got, s.asked, want, asked)
		}
	}
	answers("ours", true, 1)
	answers("ours", true, 1)
	answers("theirs", false, 2)
	answers("nobody", false, 3)
	answers("nobody", false, 3)
	s.managed["nobody"] = true
	now = now.Add(life)
	answers("nobody", true, 4)

	s.err = errors.New("away")
	answers("ours", false, 5)
	answers("ours", false, 6) // what could not be read is not remembered
	s.err = nil
	answers("ours", true, 7)
}

func TestCacheIsBounded(t *testing.T) {
	c := New(&shelf{})
	for i := range 3 * most {
		c.Answers(t.Context(), chat.Principal{Type: chat.Agent, ID: chat.PrincipalID(fmt.Sprint(i))})
		if len(c.known) > most {
			t.Fatalf("%d agents are known", len(c.known))
		}
	}
}
