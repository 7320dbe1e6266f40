package presence_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func TestMessagesOfUsersAndAgentsHaveTheirOwnRates(t *testing.T) {
	limits := presence.Limits{UserMessages: rate("60/min burst 3"), AgentMessages: rate("2/s burst 5")}
	eachServer(t, limits, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		for _, of := range []struct {
			p     chat.Principal
			burst int
			step  time.Duration
		}{{s.user("x"), 3, time.Second}, {s.agent("x"), 5, 500 * time.Millisecond}} {
			one, two := s.connected(t, "c1"+string(of.p.Type), of.p), s.connected(t, "c2"+string(of.p.Type), of.p)
			rest := chat.Connection{Principal: of.p}
			for i := range of.burst { // all of a principal's ways share one rate
				if a, err := s.Admit(ctx, []chat.Connection{one, two, rest}[i%3], k1); err != nil || a != (chat.Admission{Known: true}) {
					t.Errorf("%v: %+v, %v", of.p, a, err)
				}
			}
			for _, c := range []chat.Connection{one, two, rest} {
				_, err := s.Admit(ctx, c, s.conversation("k2"))
				checkLimited(t, "over the burst", err, of.step)
			}
			s.pass(of.step)
			_, err := s.Admit(ctx, one, k1)
			must(t, err)
			_, err = s.Admit(ctx, one, k1)
			checkLimited(t, "two after one step", err, of.step)
			s.pass(time.Hour)
			for range of.burst {
				_, err := s.Admit(ctx, one, k1)
				must(t, err)
			}
			_, err = s.Admit(ctx, one, k1)
			checkLimited(t, "an hour saves no more than a burst", err, of.step)
		}
	})
}

func TestAdmitTellsWhetherAConnectionIsRegisteredAndRegistersNobody(t *testing.T) {
	for what, limits := range map[string]presence.Limits{
		"limits":    {UserMessages: rate("60/min burst 20"), Fanout: rate("10/s")},
		"no limits": {},
	} {
		t.Run(what, func(t *testing.T) {
			eachServer(t, limits, func(t *testing.T, s *server) {
				ctx, k1 := t.Context(), s.conversation("k1")
				c := s.connection("c1", s.user("u1"))
				check := func(when string, c chat.Connection, known bool) {
					t.Helper()
					if a, err := s.Admit(ctx, c, k1); err != nil || a != (chat.Admission{Known: known}) {
						t.Errorf("%s: %+v, %v, want known %v", when, a, err, known)
					}
				}
				check("never registered", c, false)
				check("still", c, false)
				checkConnections(t, s, c.Principal)
				checkAudience(t, s, k1)
				checkSame(t, "entered", s.roomsOf(t, c))
				_, err := s.Connect(ctx, c)
				must(t, err)
				check("registered", c, true)
				check("another one", s.connection("c2", c.Principal), false)
				check("REST", chat.Connection{Principal: c.Principal}, true)
				check("REST of who has none", chat.Connection{Principal: s.user("u2")}, true)
				s.lose(t, principalKey(c.Principal))
				check("lost", c, false)
			})
		})
	}
}

func TestAnOverdrawnFanoutRefusesAndRecovers(t *testing.T) {
	eachServer(t, presence.Limits{Fanout: rate("1/s burst 10")}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		var all []chat.Connection
		for i := range 5 {
			all = append(all, s.member(t, name(i), s.user(name(i)), k1))
		}
		for range 2 {
			_, err := s.Admit(ctx, all[0], k1)
			must(t, err)
			checkAudience(t, s, k1, all...)
		}
		_, err := s.Admit(ctx, all[0], k1)
		must(t, err) // ten are used of ten, and none too many
		checkAudience(t, s, k1, all...)
		checkAudience(t, s, k1, all...) // what is committed is delivered
		_, err = s.Admit(ctx, all[1], k1)
		checkLimited(t, "ten too many", err, 10*time.Second)
		if wait, _ := chat.Public(err).Details["retryAfterMs"].(int64); wait < 5000 {
			t.Errorf("wait for %d ms, want some 10 s", wait)
		}
		_, err = s.AllowIn(ctx, all[1].Principal, chat.UseReaction, k1)
		checkLimited(t, "a reaction", err, 10*time.Second)
		checkLimited(t, "a reaction over REST", s.InBudget(ctx, k1), 10*time.Second)
		_, err = s.AllowIn(ctx, all[1].Principal, chat.UseReaction, s.conversation("k2"))
		must(t, err)
		must(t, s.InBudget(ctx, s.conversation("k2")))
		_, err = s.Admit(ctx, all[1], s.conversation("k2"))
		must(t, err)
		s.pass(11 * time.Second)
		_, err = s.Admit(ctx, all[1], k1)
		must(t, err)
	})
}

// A message that is tried again, for some, is charged as those, and not as the room.
func TestTheFanoutIsChargedToThoseItIsFor(t *testing.T) {
	eachServer(t, presence.Limits{Fanout: rate("1/s burst 10")}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		var all []chat.Connection
		for i := range 5 {
			all = append(all, s.member(t, name(i), s.user(name(i)), k1))
		}
		for range 5 { // of ten
			a, err := s.Audience(ctx, k1, chat.Principal{}, 2)
			must(t, err)
			checkSame(t, "room", a.Room, all...)
		}
		_, err := s.Admit(ctx, all[0], k1)
		must(t, err)
		_, err = s.Audience(ctx, k1, chat.Principal{}, 100) // more than there are
		must(t, err)
		_, err = s.Admit(ctx, all[0], k1)
		checkLimited(t, "five too many", err, 5*time.Second)
	})
}

func TestAudienceIsTheRoomAndTheAgent(t *testing.T) {
	for what, limits := range map[string]presence.Limits{"budget": {Fanout: rate("1000/s")}, "no budget": {}} {
		t.Run(what, func(t *testing.T) {
			eachServer(t, limits, func(t *testing.T, s *server) {
				ctx, k1 := t.Context(), s.conversation("k1")
				c := s.member(t, "c1", s.user("u1"), k1)
				lean := s.connection("c2", s.user("u2"))
				lean.Dialect = chat.Lean
				s.joined(t, lean, k1)
				one, two := s.member(t, "a1", s.agent("a1"), k1), s.connected(t, "a2", s.agent("a1"))
				s.connected(t, "a3", s.abroad(s.agent("a1")))
				check := func(when string, vouched bool, room, agents []chat.Connection) {
					t.Helper()
					a, err := s.Audience(ctx, k1, s.agent("a1"), 0)
					must(t, err)
					checkSame(t, when+": room", a.Room, room...)
					checkSame(t, when+": agent", a.Agents, agents...)
					if a.Vouched != vouched {
						t.Errorf("%s: vouched %v", when, a.Vouched)
					}
				}
				room, agents := []chat.Connection{c, lean, one}, []chat.Connection{one, two}
				check("all confirmed", true, room, agents)
				e := s.entered(t, s.connected(t, "c3", s.user("u3")), k1)
				check("one on trial", false, append(room, e.Connection), agents)
				must(t, s.confirm(t, e))
				check("confirmed", true, append(room, e.Connection), agents)
				a, err := s.Audience(ctx, s.conversation("k2"), chat.Principal{}, 0)
				if err != nil || len(a.Room)+len(a.Agents) != 0 || !a.Vouched {
					t.Errorf("of nobody: %+v, %v", a, err)
				}
			})
		})
	}
}

func TestAudienceOfTheSlotThatAnswers(t *testing.T) {
	for what, limits := range map[string]presence.Limits{"budget": {Fanout: rate("1000/s")}, "no budget": {}} {
		t.Run(what, func(t *testing.T) {
			eachServer(t, limits, func(t *testing.T, s *server) {
				ctx, k1, a1 := t.Context(), s.conversation("k1"), s.agent("a1")
				c := s.member(t, "c1", s.user("u1"), k1)
				s.breakKey(t, principalKey(a1))
				a, err := s.Audience(ctx, k1, a1, 0)
				checkCode(t, "the agent's fails", err, chat.Unavailable)
				checkSame(t, "room", a.Room, c)
				checkSame(t, "agent", a.Agents)
				if a.NoRoom || !a.NoAgents {
					t.Errorf("the agent's fails: %+v", a)
				}

				s.lose(t, principalKey(a1))
				agent := s.connected(t, "c2", a1)
				s.breakKey(t, roomKey(k1))
				a, err = s.Audience(ctx, k1, a1, 0)
				checkCode(t, "the room's fails", err, chat.Unavailable)
				checkSame(t, "room", a.Room)
				checkSame(t, "agent", a.Agents, agent)
				if !a.NoRoom || a.NoAgents {
					t.Errorf("the room's fails: %+v", a)
				}
				a, err = s.Audience(ctx, s.conversation("k2"), chat.Principal{}, 0)
				if must(t, err); a.NoRoom || a.NoAgents {
					t.Errorf("an empty room: %+v", a)
				}
			})
		})
	}
}

// The commands of a message are counted: they are what Redis costs.
func TestAMessageCostsFiveCommands(t *testing.T) {
	for _, of := range []struct {
		what            string
		limits          presence.Limits
		admit, audience string
	}{
		{"all limits", presence.Limits{UserMessages: rate("1000/s"), Fanout: rate("1000/s")}, "EVAL GET", "EVAL HGETALL"},
		{"no budget", presence.Limits{UserMessages: rate("1000/s")}, "EVAL", "HGETALL HGETALL SET"},
		{"no limits", presence.Limits{}, "HGET", "HGETALL HGETALL SET"},
		{"a budget only", presence.Limits{Fanout: rate("1000/s")}, "GET HGET", "EVAL HGETALL"},
	} {
		s := onMini(t, of.limits)
		ctx, k1, a1 := t.Context(), s.conversation("k1"), s.agent("a1")
		c := s.member(t, "c1", s.user("u1"), k1)
		_, err := s.Audience(ctx, k1, a1, 0) // opens what connections it needs
		must(t, err)
		check := func(step, want string, do func() error) {
			t.Helper()
			got, _ := s.sent(t, func() { must(t, do()) })
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %s sends %v, want %s", of.what, step, got, want)
			}
		}
		check("Admit", of.admit, func() error { _, err := s.Admit(ctx, c, k1); return err })
		check("AgentOnline", "HGETALL", func() error { s.AgentOnline(ctx, a1); return nil })
		check("Audience", of.audience, func() error { _, err := s.Audience(ctx, k1, a1, 0); return err })
	}
}

// Those outside the room are told once in five seconds, in each conversation, with a
// budget or without.
func TestOutsideIsToldNowAndThen(t *testing.T) {
	for what, limits := range map[string]presence.Limits{"a budget": {Fanout: rate("1000/s")}, "no budget": {}} {
		s := onMini(t, limits)
		ctx, k1, a1 := t.Context(), s.conversation("k1"), s.agent("a1")
		c := s.member(t, "c1", s.user("u1"), k1)
		outside := func(id chat.ConversationID, want bool) {
			t.Helper()
			a, err := s.Audience(ctx, id, a1, 0)
			if must(t, err); a.Outside != want {
				t.Errorf("%s: outside %v", what, a.Outside)
			}
			if id == k1 {
				checkSame(t, "room", a.Room, c)
			}
		}
		outside(k1, true)
		outside(k1, false)
		outside(s.conversation("k2"), true)
		s.mini.FastForward(4900 * time.Millisecond)
		outside(k1, false)
		s.mini.FastForward(200 * time.Millisecond)
		outside(k1, true)
		outside(k1, false)
	}
}

func TestConnections(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		u1, u2 := s.user("u1"), s.user("u2")
		a, b, d := s.connected(t, "c1", u1), s.connected(t, "c2", u1), s.connected(t, "c3", u2)
		s.connected(t, "c4", s.user("u3"))
		got, err := s.Connections(t.Context(), u1, u2, s.user("nobody"))
		must(t, err)
		checkSame(t, "connections", got, a, b, d)
		got, err = s.Connections(t.Context())
		must(t, err)
		checkSame(t, "connections of nobody", got)
	})
}

// Who is mentioned is found wherever they are, and is charged to the conversation.
func TestMentioned(t *testing.T) {
	for what, limits := range map[string]presence.Limits{"HGETALL HGETALL HGETALL": {}, "EVAL HGETALL HGETALL": {Fanout: rate("1/s burst 4")}} {
		eachServer(t, limits, func(t *testing.T, s *server) {
			ctx, k1 := t.Context(), s.conversation("k1")
			u1, u2 := s.user("u1"), s.user("u2")
			inside, outside, other := s.member(t, "c1", u1, k1), s.connected(t, "c2", u1), s.connected(t, "c3", u2)
			trial := s.connected(t, "c4", s.user("u3"))
			s.entered(t, trial, k1)
			for range 2 {
				m, err := s.Mentioned(ctx, k1, u1, u2)
				must(t, err)
				checkSame(t, "room", m.Room, inside, trial)
				checkSame(t, "devices", m.Devices, inside, outside, other)
			}
			_, err := s.Admit(ctx, inside, k1)
			must(t, err)
			_, err = s.Mentioned(ctx, k1, u1, u2)
			must(t, err)
			if _, err = s.Admit(ctx, inside, k1); strings.HasPrefix(what, "EVAL") {
				checkLimited(t, "two too many", err, 2*time.Second)
			} else {
				must(t, err)
			}
		})
		s := onMini(t, limits)
		got, writes := s.sent(t, func() {
			_, err := s.Mentioned(t.Context(), s.conversation("k1"), s.user("u1"), s.user("u2"))
			must(t, err)
		})
		if strings.Join(got, " ") != what || writes != 1 {
			t.Errorf("Mentioned sends %v in %d writes, want %s", got, writes, what)
		}
	}
}

// So are those of a join.
func TestTheCommandsOfAJoin(t *testing.T) {
	for what, limits := range map[string]presence.Limits{"Enter": {}, "EVAL Enter": {Joins: rate("1000/s"), Rooms: 9}} {
		s := onMini(t, limits)
		ctx, k1, a1 := t.Context(), s.conversation("k1"), s.agent("a1")
		c := s.member(t, "c1", s.user("u1"), k1)
		var e chat.Entry
		got, _ := s.sent(t, func() { e = s.entered(t, c, k1) })
		if want := strings.Replace(what, "Enter", "EVAL EVAL EXPIRE HSETNX", 1); strings.Join(got, " ") != want {
			t.Errorf("Enter sends %v, want %s", got, want)
		}
		got, _ = s.sent(t, func() { _, err := s.Confirm(ctx, e, a1); must(t, err) })
		if want := "EVAL EXPIRE HGETALL HGETALL SADD ZRANGE ZRANGEBYSCORE"; strings.Join(got, " ") != want {
			t.Errorf("Confirm sends %v, want %s", got, want)
		}
	}
}

func TestRoundTripsAreAsStated(t *testing.T) {
	one := rate("1000/s")
	s := onMini(t, presence.Limits{
		UserConnections: 9, Rooms: 9, Joins: one, UserMessages: one, Fanout: one, Typing: one, Pings: one, Writes: one, Summaries: one,
	})
	ctx, k1, k2 := t.Context(), s.conversation("k1"), s.conversation("k2")
	c := s.member(t, "c1", s.user("u1"), k1)
	var e chat.Entry
	for _, step := range []struct {
		what string
		most int
		do   func() error
	}{
		{"Enter", 1, func() (err error) { e, err = s.Enter(ctx, c, k2, false); return err }},
		{"Standing", 1, func() error { _, err := s.Standing(ctx, c); return err }},
		{"Confirm", 2, func() error { _, err := s.Confirm(ctx, e, s.agent("a1")); return err }}, // at the same time
		{"Told", 1, func() error { return s.Told(ctx, c, "l 1 1 -") }},
		{"Ping", 2, func() error { _, _, err := s.Ping(ctx, c); return err }},
		{"Typing", 1, func() error { _, err := s.Typing(ctx, c, k1); return err }},
		{"NoteTyping", 1, func() error { return s.NoteTyping(ctx, c.Principal, k1, true) }},
		{"Admit", 1, func() error { _, err := s.Admit(ctx, c, k1); return err }},
		{"Readers", 1, func() error { _, err := s.Readers(ctx, c.Principal, k1, true); return err }},
		{"Mentioned", 1, func() error { _, err := s.Mentioned(ctx, k1, c.Principal, s.user("u2")); return err }},
		{"Rooms", 1, func() error { _, err := s.Rooms(ctx, k1, k2); return err }},
		{"Online", 1, func() error { _, err := s.Online(ctx, c.Principal, s.user("u2")); return err }},
		{"Allow", 1, func() error { return s.allow(ctx, c.Principal, chat.UseWrite) }},
		{"AllowIn", 1, func() error { _, err := s.AllowIn(ctx, c.Principal, chat.UseReaction, k1); return err }},
		{"InBudget", 1, func() error { return s.InBudget(ctx, k1) }},
		{"AllowSummary", 1, func() error { return s.AllowSummary(ctx, k1) }},
		{"AllowRemake", 1, func() error { return s.AllowRemake(ctx, k1) }},
		{"BeginSummary", 1, func() error { _, err := s.BeginSummary(ctx, k1, time.Minute); return err }},
		{"PauseSummary", 1, func() error { _, err := s.PauseSummary(ctx, k1, "x", 0, false); return err }},
		{"Leave", 2, func() error { _, err := s.Leave(ctx, c, k1, k2); return err }},
		{"Evict", 2, func() error { _, err := s.Evict(ctx, c.Principal, k1); return err }},
		{"Entered", 1, func() error { _, err := s.Entered(ctx, c.ID); return err }},
		{"Health", 1, func() error { return s.Health(ctx) }},
	} {
		var err error
		_, writes := s.sent(t, func() { err = step.do() })
		if err != nil || writes > step.most || writes == 0 {
			t.Errorf("%s: %d round trips, %v", step.what, writes, err)
		}
	}
}

// closedAddr is where nobody listens.
func closedAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// blackHole accepts and never answers.
func blackHole(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	accepted := make(chan net.Conn, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		close(accepted)
		for c := range accepted {
			c.Close()
		}
	})
	return l.Addr().String()
}

func TestWithRedisAwaySendingGoesOn(t *testing.T) {
	for what, addr := range map[string]func(*testing.T) string{"nobody listens": closedAddr, "nobody answers": blackHole} {
		t.Run(what, func(t *testing.T) {
			s := connect(t, presence.Options{Addrs: []string{addr(t)}, Limits: presence.Limits{
				UserMessages: rate("60/min burst 3"), Writes: rate("60/min burst 2"), Fanout: rate("10/s"),
			}})
			ctx, c := t.Context(), s.connection("c1", s.user("u1"))
			var took []time.Duration
			admit := func() error {
				began := time.Now()
				a, err := s.Admit(ctx, c, s.conversation("k1"))
				took = append(took, time.Since(began))
				if !a.Away {
					t.Errorf("%+v, %v: not away", a, err)
				}
				return err
			}
			must(t, admit())
			if s.SilentFor() > 0 {
				t.Error("silent after a single call: the machine may have been busy")
			}
			must(t, admit())
			if slow := slices.Max(took); slow > 3*time.Second { // 300 ms are allowed
				t.Errorf("one took %v", slow)
			}
			if left := s.SilentFor(); left <= 3*time.Second || left > 5*time.Second {
				t.Errorf("silent for %v", left)
			}
			must(t, admit())
			checkLimited(t, "the process's own limit", admit(), time.Second)
			if slow := slices.Max(took[2:]); slow > 150*time.Millisecond {
				t.Errorf("another took %v: it asked again", slow)
			}
			s.pass(time.Second)
			must(t, admit())
			for range 2 {
				must(t, s.allow(ctx, c.Principal, chat.UseWrite))
			}
			checkLimited(t, "a use", s.allow(ctx, c.Principal, chat.UseWrite), time.Second)
			must(t, s.allow(ctx, s.user("u2"), chat.UseWrite))
			if s.AgentOnline(ctx, s.agent("a1")) {
				t.Error("an agent of whom nothing is known is online")
			}
			_, err := s.Audience(ctx, s.conversation("k1"), s.agent("a1"), 0)
			checkCode(t, "audience", err, chat.Unavailable)

			s.EndSilence()
			must(t, s.allow(ctx, s.user("u3"), chat.UseWrite))
			must(t, s.allow(ctx, s.user("u3"), chat.UseWrite))
			if s.SilentFor() <= 0 {
				t.Error("it did not ask again after its silence")
			}
		})
	}
}

func TestSendingFindsRedisAgain(t *testing.T) {
	s := onMini(t, presence.Limits{})
	c, k1 := s.connected(t, "c1", s.user("u1")), s.conversation("k1")
	s.mini.Close()
	for range 2 {
		if a, err := s.Admit(t.Context(), c, k1); err != nil || !a.Away {
			t.Errorf("%+v, %v", a, err)
		}
	}
	must(t, s.mini.Restart())
	if a, err := s.Admit(t.Context(), c, k1); err != nil || !a.Away {
		t.Errorf("in the silence: %+v, %v", a, err)
	}
	if _, err := s.Audience(t.Context(), k1, s.agent("a1"), 0); err != nil {
		t.Errorf("the fan-out, which has the time, was not tried: %v", err)
	}
	s.EndSilence()
	if a, err := s.Admit(t.Context(), c, k1); err != nil || a != (chat.Admission{Known: true}) {
		t.Errorf("after it: %+v, %v", a, err)
	}
}

// Presence itself is nothing without Redis.
func TestWithRedisAwayPresenceIsUnavailable(t *testing.T) {
	s := connect(t, presence.Options{Addrs: []string{closedAddr(t)}, Limits: presence.Limits{Joins: rate("1/s"), Typing: rate("1/s")}})
	ctx, c, k1 := t.Context(), s.connection("c1", s.user("u1")), s.conversation("k1")
	gone := []chat.Gone{{Connection: c, At: s.now()}}
	for what, do := range map[string]func() error{
		"connect":     func() error { _, err := s.Connect(ctx, c); return err },
		"disconnect":  func() error { _, _, err := s.Disconnect(ctx, c); return err },
		"enter":       func() error { _, err := s.Enter(ctx, c, k1, false); return err },
		"standing":    func() error { _, err := s.Standing(ctx, c); return err },
		"confirm":     func() error { _, err := s.Confirm(ctx, chat.Entry{}, chat.Principal{}); return err },
		"leave":       func() error { _, err := s.Leave(ctx, c, k1); return err },
		"evict":       func() error { _, err := s.Evict(ctx, c.Principal, k1); return err },
		"clear":       func() error { return s.Clear(ctx, k1) },
		"rooms":       func() error { _, err := s.Rooms(ctx, k1); return err },
		"ping":        func() error { _, _, err := s.Ping(ctx, c); return err },
		"entered":     func() error { _, err := s.Entered(ctx, c.ID); return err },
		"typing":      func() error { _, err := s.Typing(ctx, c, k1); return err },
		"note typing": func() error { return s.NoteTyping(ctx, c.Principal, k1, true) },
		"online":      func() error { _, err := s.Online(ctx, c.Principal); return err },
		"prune":       func() error { _, err := s.Prune(ctx, gone, k1); return err },
		"bury":        func() error { _, err := s.Bury(ctx, c); return err },
		"told":        func() error { return s.Told(ctx, c, "l 1 1 -") },
		"summary":     func() error { _, err := s.BeginSummary(ctx, k1, time.Minute); return err },
		"remake":      func() error { return s.AllowRemake(ctx, k1) },
		"pause":       func() error { _, err := s.PauseSummary(ctx, k1, "x", 0, false); return err },
		"health":      func() error { return s.Health(ctx) },
	} {
		checkCode(t, what, do(), chat.Unavailable)
	}
}
