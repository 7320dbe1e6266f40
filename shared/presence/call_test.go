package presence_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// A phone is a conversation in which people call one another.
type phone struct {
	*testing.T
	*server
	id chat.ConversationID
}

// says is one signal: "<who> <kind> <call>", or "look <call>".
func (p phone) says(who string, kind chat.SignalKind, call chat.LiveCallID, invitees int) string {
	p.Helper()
	by := p.user(who)
	c, over, err := p.Signal(p.Context(), chat.Signal{ConversationID: p.id, CallID: call, Kind: kind, By: by, PartyID: "tab", Invitees: invitees})
	return shown(c, over, err)
}

func (p phone) looks(call chat.LiveCallID) string {
	p.Helper()
	c, known, err := p.LookAtCall(p.Context(), p.id, call)
	if !known {
		return "unknown"
	}
	return shown(c, "", err)
}

func shown(c chat.LiveCall, over chat.LiveCallID, err error) string {
	if err != nil {
		e := chat.Public(err)
		if len(e.Details) > 0 {
			return fmt.Sprint(e.Code, " ", e.Details)
		}
		return string(e.Code)
	}
	text := string(c.State)
	if over != "" {
		text = "over " + string(over) + " " + text
	}
	if c.Outcome != "" {
		text += " " + string(c.Outcome)
	}
	if c.Duration > 0 {
		text += " " + c.Duration.Round(time.Second).String()
	}
	return text
}

// What each step of a call comes to.
func TestCalls(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		type step struct {
			who  string // "" looks
			kind chat.SignalKind
			call chat.LiveCallID
			wait time.Duration // before it
			want string
		}
		for n, tt := range []struct {
			name     string
			invitees int
			steps    []step
		}{
			{"answered and hung up", 1, []step{
				{"a", "invite", "k", 0, "ringing"}, {"b", "ringing", "k", 0, "ringing"}, {"b", "answer", "k", time.Second, "active"}, {"b", "candidates", "k", 0, "active"},
				{"a", "select", "k", 0, "active"}, {"a", "negotiate", "k", 0, "active"}, {"a", "alive", "k", time.Minute, "active"}, {"b", "hangup", "k", 5 * time.Second, "ended ended 1m5s"},
				{"a", "hangup", "k", 0, "conflict map[outcome:ended]"}, {"a", "invite", "k", 0, "conflict map[outcome:ended]"}, {"", "", "k", time.Hour, "ended ended 1m5s"},
			}},
			{"declined", 1, []step{{"a", "invite", "k", 0, "ringing"}, {"a", "reject", "k", 0, "conflict"}, {"b", "reject", "k", 0, "ended declined"}, {"b", "answer", "k", 0, "conflict map[outcome:declined]"}}},
			{"declined by one of two", 2, []step{
				{"a", "invite", "k", 0, "ringing"}, {"b", "reject", "k", 0, "ringing"}, {"b", "reject", "k", 0, "ringing"}, {"c", "answer", "k", 0, "active"}, {"b", "reject", "k", 0, "active"},
			}},
			{"declined by both", 2, []step{{"a", "invite", "k", 0, "ringing"}, {"b", "reject", "k", 0, "ringing"}, {"c", "reject", "k", 0, "ended declined"}}},
			{"given up", 1, []step{{"a", "invite", "k", 0, "ringing"}, {"b", "hangup", "k", 0, "forbidden"}, {"a", "hangup", "k", 0, "ended missed"}}},
			{"missed", 1, []step{{"a", "invite", "k", 0, "ringing"}, {"", "", "k", 40 * time.Second, "ringing"}, {"", "", "k", 20 * time.Second, "ended missed"}, {"", "", "k", 0, "ended missed"}}},
			{"rung again", 1, []step{{"a", "invite", "k", 0, "ringing"}, {"a", "invite", "k", 30 * time.Second, "ringing"}, {"b", "invite", "k", 0, "conflict"}, {"", "", "k", 30 * time.Second, "ended missed"}}},
			{"one falls silent", 1, []step{
				{"a", "invite", "k", 0, "ringing"}, {"b", "answer", "k", 0, "active"}, {"b", "alive", "k", time.Minute, "active"}, {"a", "alive", "k", time.Minute, "active"},
				{"", "", "k", 50 * time.Second, "active"}, {"", "", "k", 20 * time.Second, "ended ended 1m0s"},
			}},
			{"both fall silent", 1, []step{
				{"a", "invite", "k", 0, "ringing"}, {"b", "answer", "k", 0, "active"}, {"b", "alive", "k", time.Minute, "active"}, {"a", "alive", "k", 5 * time.Second, "active"}, {"", "", "k", time.Hour, "ended ended 1m0s"},
			}},
			{"three, of whom one goes", 2, []step{
				{"a", "invite", "k", 0, "ringing"}, {"b", "answer", "k", 0, "active"}, {"c", "answer", "k", time.Second, "active"}, {"a", "hangup", "k", 0, "active"}, {"a", "alive", "k", 0, "forbidden"},
				{"c", "hangup", "k", time.Second, "ended ended 2s"},
			}},
			{"two at once, the smaller one second", 1, []step{
				{"a", "invite", "k2", 0, "ringing"}, {"b", "invite", "k1", 0, "ringing"}, {"", "", "k2", 0, "ended superseded"}, {"b", "answer", "k2", 0, "conflict map[outcome:superseded]"}, {"a", "answer", "k1", 0, "active"},
			}},
			{"two at once, the smaller one first", 1, []step{{"a", "invite", "k1", 0, "ringing"}, {"b", "invite", "k2", 0, "conflict map[callId:k1]"}, {"b", "answer", "k1", 0, "active"}}},
			{"a second one during the first", 1, []step{{"a", "invite", "k2", 0, "ringing"}, {"b", "answer", "k2", 0, "active"}, {"c", "invite", "k1", 0, "conflict map[callId:k2]"}}},
			{"a second one after a silence", 1, []step{{"a", "invite", "k1", 0, "ringing"}, {"b", "invite", "k2", time.Minute, "over k1 ringing"}, {"", "", "k1", 0, "ended missed"}, {"b", "invite", "k2", 0, "ringing"}}},
			{"one after the other", 1, []step{{"a", "invite", "k1", 0, "ringing"}, {"a", "hangup", "k1", 0, "ended missed"}, {"a", "invite", "k0", 0, "ringing"}, {"a", "hangup", "k0", 0, "ended missed"}, {"b", "invite", "k2", 0, "ringing"}}},
			{"nothing", 1, []step{{"a", "answer", "k", 0, "not_found"}, {"a", "hangup", "k", 0, "not_found"}, {"a", "ringing", "k", 0, "not_found"}, {"", "", "k", 0, "unknown"}}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := phone{t, s, s.conversation(fmt.Sprint("phone-", n))}
				for i, st := range tt.steps {
					s.pass(st.wait)
					got := ""
					if st.who == "" {
						got = p.looks(st.call)
					} else {
						got = p.says(st.who, st.kind, st.call, tt.invitees)
					}
					if got != st.want {
						t.Fatalf("step %d, %s %s %s: %s, want %s", i, st.who, st.kind, st.call, got, st.want)
					}
				}
			})
		}
	})
}

// Many who end a call at the same moment end it once, and in one way.
func TestCallEndsOnce(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		p := phone{t, s, s.conversation("phone")}
		p.says("a", "invite", "k", 1)
		p.says("b", "answer", "k", 1)
		s.pass(time.Hour)
		var wg sync.WaitGroup
		seen := make([]string, 8)
		for i := range seen {
			wg.Go(func() {
				if i%2 == 0 {
					seen[i] = p.looks("k")
				} else {
					seen[i] = p.says("a", "hangup", "k", 1)
				}
			})
		}
		wg.Wait()
		last := p.looks("k")
		for i, got := range seen {
			if got != last && got != "conflict map[outcome:ended]" {
				t.Errorf("%d: %s, and then %s", i, got, last)
			}
		}
	})
}

// Sweep finds those that nobody has ended, and those of which nothing is said, and forgets
// what is not known.
func TestOverdueCalls(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		p := phone{t, s, s.conversation("phone")}
		of := func(call string) chat.WatchedCall {
			return chat.WatchedCall{OrgID: "acme", ConversationID: s.conversation(call), ID: "k"}
		}
		overdue := func() (names []string) {
			all, err := s.OverdueCalls(t.Context(), s.now(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range []string{"rings", "talks", "ended", "lost"} {
				for _, c := range all {
					if c == of(call) {
						names = append(names, call)
					}
				}
			}
			return names
		}
		for _, call := range []string{"rings", "talks", "ended", "lost"} {
			if err := s.WatchCall(t.Context(), of(call)); err != nil {
				t.Fatal(err)
			}
			if p.id = of(call).ConversationID; call != "lost" {
				p.says("a", "invite", "k", 1)
			}
		}
		p.id = of("talks").ConversationID
		p.says("b", "answer", "k", 1)
		p.id = of("ended").ConversationID
		p.says("a", "hangup", "k", 1)
		if got := fmt.Sprint(overdue()); got != "[ended]" {
			t.Errorf("at once: %s", got)
		}
		s.pass(time.Minute)
		if got := fmt.Sprint(overdue()); got != "[rings ended]" {
			t.Errorf("after a minute: %s", got)
		}
		s.UnwatchCall(t.Context(), of("ended"))
		s.pass(time.Minute + 10*time.Second)
		if got := fmt.Sprint(overdue()); got != "[rings talks]" {
			t.Errorf("after a silence: %s", got)
		}
		for _, call := range []string{"rings", "talks"} {
			s.UnwatchCall(t.Context(), of(call))
		}
		if got := overdue(); len(got) > 0 {
			t.Errorf("in the end: %s", got)
		}
	})
}
