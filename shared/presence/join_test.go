package presence_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func TestAProvisionalEntryGetsMessagesAndNothingElse(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		there := s.member(t, "c1", s.user("u1"), k1)
		trying := s.connected(t, "c2", s.user("u2"))
		trying.Dialect = chat.Lean
		e := s.entered(t, trying, k1)

		checkAudience(t, s, k1, there, trying)
		checkRoom(t, s, k1, there)
		_, err := s.Typing(ctx, trying, k1)
		checkCode(t, "typing", err, chat.NotFound)
		room, err := s.Typing(ctx, there, k1)
		must(t, err)
		checkSame(t, "who is told who types", room, there)
		rooms, _, err := s.Ping(ctx, trying)
		must(t, err)
		checkSame(t, "pong", roomsIn(rooms))
		later := s.connected(t, "c3", s.user("u2"))
		company := s.joined(t, later, k1)
		checkSame(t, "members", company.Members, there.Principal, later.Principal)
		checkSame(t, "company", company.Room, there, later)
		if !company.New {
			t.Error("a provisional entry of the same principal makes another one not new")
		}
		if got := s.takeOut(t, later, k1); len(got) != 1 {
			t.Errorf("partings %v: a provisional entry keeps a principal in the room", got)
		} else {
			checkSame(t, "left", got[0].Left, there)
		}
		must(t, s.confirm(t, e))
		checkRoom(t, s, k1, there, trying)
	})
}

func TestAProvisionalEntryCountsAsNothingAfterHalfAMinute(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		there := s.member(t, "c1", s.user("u1"), k1)
		trying := s.connected(t, "c2", s.user("u2"))
		s.entered(t, trying, k1)
		s.pass(29 * time.Second)
		checkAudience(t, s, k1, there, trying)
		s.pass(time.Second)
		checkAudience(t, s, k1, there)
		s.joined(t, trying, k1)
		checkAudience(t, s, k1, there, trying)
		s.pass(time.Hour)
		checkAudience(t, s, k1, there, trying)
	})
}

func TestCompany(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1, a1 := t.Context(), s.conversation("k1"), s.agent("a1")
		phone, laptop, other := s.connected(t, "phone", s.user("u1")), s.connected(t, "laptop", s.user("u1")), s.connected(t, "other", a1)
		for i, step := range []struct {
			c       chat.Connection
			new     bool
			members []chat.Principal
			room    []chat.Connection
		}{
			{phone, true, []chat.Principal{phone.Principal}, []chat.Connection{phone}},
			{laptop, false, []chat.Principal{phone.Principal}, []chat.Connection{phone, laptop}},
			{other, true, []chat.Principal{phone.Principal, a1}, []chat.Connection{phone, laptop, other}},
			{other, false, []chat.Principal{phone.Principal, a1}, []chat.Connection{phone, laptop, other}}, // again, as after a pong
		} {
			company := s.joined(t, step.c, k1)
			if company.New != step.new || company.AgentOnline {
				t.Errorf("step %d: %+v", i, company)
			}
			checkSame(t, "members", company.Members, step.members...)
			checkSame(t, "room", company.Room, step.room...)
		}
		company, err := s.Confirm(ctx, s.entered(t, phone, k1), a1)
		if err != nil || !company.AgentOnline {
			t.Errorf("agent online %v, %v", company.AgentOnline, err)
		}
		s.disconnect(t, other)
		company, err = s.Confirm(ctx, s.entered(t, phone, k1), a1)
		if err != nil || company.AgentOnline {
			t.Errorf("agent online %v, %v", company.AgentOnline, err)
		}
	})
}

func TestWhatIsNoMoreThereCannotBeConfirmed(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		for what, end := range map[string]func(c chat.Connection, e chat.Entry) error{
			"evicted":      func(c chat.Connection, _ chat.Entry) error { _, err := s.Evict(ctx, c.Principal, k1); return err },
			"cleared":      func(chat.Connection, chat.Entry) error { return s.Clear(ctx, k1) },
			"left":         func(c chat.Connection, _ chat.Entry) error { _, err := s.Leave(ctx, c, k1); return err },
			"disconnected": func(c chat.Connection, _ chat.Entry) error { s.disconnect(t, c); return nil },
			"withdrawn":    func(_ chat.Connection, e chat.Entry) error { s.Withdraw(ctx, e); return nil },
			"lost":         func(chat.Connection, chat.Entry) error { s.lose(t, roomKey(k1)); return nil },
		} {
			c := s.connected(t, what, s.user(what))
			e := s.entered(t, c, k1)
			must(t, end(c, e))
			checkCode(t, what, s.confirm(t, e), chat.Unavailable)
			checkRoom(t, s, k1)
			checkAudience(t, s, k1)
		}
	})
}

func TestOfOverlappingJoinsOnlyTheLastOneConfirms(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		one, two := s.entered(t, c, k1), s.entered(t, c, k1)
		if one.Generation == two.Generation || one.Generation == "" || strings.Contains(one.Generation, " ") {
			t.Errorf("generations %q and %q", one.Generation, two.Generation)
		}
		checkCode(t, "the first", s.confirm(t, one), chat.Unavailable)
		checkRoom(t, s, k1)
		must(t, s.confirm(t, two))
		checkRoom(t, s, k1, c)
		checkCode(t, "the first, later", s.confirm(t, one), chat.Unavailable)
		checkRoom(t, s, k1, c)
	})
}

func TestWithdrawTakesOutOnlyItsOwnProvisionalEntry(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		alone := s.entered(t, c, k1)
		s.Withdraw(ctx, alone)
		checkAudience(t, s, k1)
		checkSame(t, "entered", s.roomsOf(t, c))

		one, two := s.entered(t, c, k1), s.entered(t, c, k1)
		s.Withdraw(ctx, one) // the read of the first fails
		checkAudience(t, s, k1, c)
		must(t, s.confirm(t, two))
		s.Withdraw(ctx, one)
		s.Withdraw(ctx, two)
		checkRoom(t, s, k1, c)
		checkSame(t, "entered", s.roomsOf(t, c), k1)
	})
}

func TestAConfirmedEntryKeepsItsGenerationAndConfirmation(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		one := s.entered(t, c, k1)
		must(t, s.confirm(t, one))
		two := s.entered(t, c, k1)
		if one.Generation != two.Generation || !one.Own || two.Own {
			t.Errorf("%+v, then %+v", one, two)
		}
		checkRoom(t, s, k1, c) // never demoted
		s.Withdraw(t.Context(), two)
		checkRoom(t, s, k1, c)
		must(t, s.confirm(t, two))
		must(t, s.confirm(t, one))
		checkRoom(t, s, k1, c)
	})
}

func TestTooManyRoomsIsRefusedAndChangesNothing(t *testing.T) {
	eachServer(t, presence.Limits{Rooms: 2}, func(t *testing.T, s *server) {
		k1, k2, k3 := s.conversation("k1"), s.conversation("k2"), s.conversation("k3")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.joined(t, c, k2)
		_, err := s.Enter(t.Context(), c, k3, false)
		checkCode(t, "the third of two", err, chat.TooManyRooms)
		checkAudience(t, s, k3)
		checkSame(t, "entered", s.roomsOf(t, c), k1, k2)
		s.joined(t, c, k1) // again
		s.joined(t, s.connected(t, "c2", c.Principal), k3)
		s.takeOut(t, c, k1)
		s.joined(t, c, k3)
	})
}

// What a removal or a join that died half-way left in the set of a connection is no
// room that it is in.
func TestWhatIsNoRoomDoesNotCount(t *testing.T) {
	for what, leave := range map[string]func(t *testing.T, s *server, c chat.Connection, id chat.ConversationID){
		"an eviction that died": func(t *testing.T, s *server, c chat.Connection, id chat.ConversationID) {
			s.breakKey(t, roomsKey(c))
			_, err := s.Evict(t.Context(), c.Principal, id)
			checkCode(t, "evict", err, chat.Unavailable)
			s.lose(t, roomsKey(c))
			must(t, s.raw.SAdd(t.Context(), roomsKey(c), string(id)).Err())
			must(t, s.raw.Expire(t.Context(), roomsKey(c), time.Hour).Err())
			_, err = s.Evict(t.Context(), c.Principal, id) // the repeat
			must(t, err)
		},
		"a room that was lost": func(t *testing.T, s *server, _ chat.Connection, id chat.ConversationID) {
			s.lose(t, roomKey(id))
		},
		"a join that died": func(t *testing.T, s *server, c chat.Connection, id chat.ConversationID) {
			s.takeOut(t, c, id)
			s.entered(t, c, id)
			s.pass(30 * time.Second)
		},
	} {
		t.Run(what, func(t *testing.T) {
			eachServer(t, presence.Limits{Rooms: 1}, func(t *testing.T, s *server) {
				k1, k2 := s.conversation("k1"), s.conversation("k2")
				c := s.member(t, "c1", s.user("u1"), k1)
				_, err := s.Enter(t.Context(), c, k2, false)
				checkCode(t, "the second of one", err, chat.TooManyRooms)
				leave(t, s, c, k1)
				s.joined(t, c, k2)
				checkSame(t, "entered", s.roomsOf(t, c), k2)
				_, err = s.Enter(t.Context(), c, k1, false)
				checkCode(t, "the second of one", err, chat.TooManyRooms)
			})
		})
	}
}

func TestJoinsAndLeavesShareARateAndOverItChangeNothing(t *testing.T) {
	eachServer(t, presence.Limits{Joins: rate("60/min burst 3")}, func(t *testing.T, s *server) {
		ctx, k1, k2 := t.Context(), s.conversation("k1"), s.conversation("k2")
		c := s.member(t, "c1", s.user("u1"), k1) // one
		s.joined(t, c, k2)                       // two
		_, err := s.Leave(ctx, c, k2)            // three
		must(t, err)
		_, err = s.Enter(ctx, c, k2, false)
		checkLimited(t, "enter another", err, time.Second)
		checkAudience(t, s, k2)
		_, err = s.Enter(ctx, c, k1, false)
		checkLimited(t, "enter again", err, time.Second)
		_, err = s.Leave(ctx, c, k1)
		checkLimited(t, "leave", err, time.Second)
		checkRoom(t, s, k1, c)
		checkSame(t, "entered", s.roomsOf(t, c), k1)
		s.member(t, "c2", c.Principal, k1) // another connection has its own
		s.pass(time.Second)
		s.joined(t, c, k2)
	})
}

func TestOneFrameAndCloseAtOnceLeavesNoGhost(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		var told atomic.Int32
		const rounds = 1000
		for i := range rounds {
			c := s.connected(t, name(i), s.user(name(i)))
			together(3, func(j int) {
				time.Sleep(time.Duration((i*(j+1)*37)%250) * time.Microsecond) // who is early changes
				switch j {
				case 0:
					if s.join(t, c, k1) {
						told.Add(1)
					}
				case 1:
					if _, _, err := s.Ping(t.Context(), c); err != nil {
						t.Error(err)
					}
				case 2:
					s.disconnect(t, c)
				}
			})
			if got := s.recorded(t, roomKey(k1), c); got != "" {
				t.Fatalf("round %d: a ghost in the room: %q", i, got)
			}
			checkConnections(t, s, c.Principal)
			if t.Failed() {
				t.Fatalf("round %d", i)
			}
		}
		t.Logf("%d of %d joins were in time", told.Load(), rounds)
	})
}

// A story is one client's connection, and what is done to it step by step.
type story struct {
	t                                      *testing.T
	s                                      *server
	c                                      chat.Connection
	id                                     chat.ConversationID
	participant, removed, closed, entitled bool // entitled: told that it is in the room
}

// joining is the handler of join in the steps between which anything may happen.
func (y *story) joining(readFails bool) []func() {
	var e chat.Entry
	var isClosed, participant bool
	return []func(){
		func() { e = y.s.entered(y.t, y.c, y.id) },
		func() {
			var err error
			var standing chat.Standing
			standing, err = y.s.Standing(y.t.Context(), y.c)
			isClosed = standing == chat.StandingClosed
			must(y.t, err)
			participant = y.participant
		},
		func() {
			switch {
			case isClosed || !participant:
				must(y.t, y.s.PutOut(y.t.Context(), []chat.Entry{e}))
			case readFails:
				y.s.Withdraw(y.t.Context(), e)
			case y.s.confirm(y.t, e) == nil:
				y.entitled = true
			}
		},
	}
}

func (y *story) disconnecting() []func() {
	var rooms []chat.ConversationID
	return []func(){
		func() {
			_, _, err := y.s.Disconnect(y.t.Context(), y.c)
			must(y.t, err)
			y.closed = true
		},
		func() { rooms = y.s.roomsOf(y.t, y.c) },
		func() { y.s.takeOut(y.t, y.c, rooms...) },
	}
}

func (y *story) removal() []func() {
	return []func(){
		func() { y.participant = false },
		func() {
			_, err := y.s.Evict(y.t.Context(), y.c.Principal, y.id)
			must(y.t, err)
			y.removed = true
		},
	}
}

func (y *story) check(order []int) {
	y.t.Helper()
	text := y.s.recorded(y.t, roomKey(y.id), y.c)
	confirmed := strings.HasPrefix(text, "c ")
	switch {
	case y.closed && (text != "" || strings.HasPrefix(y.s.recorded(y.t, principalKey(y.c.Principal), y.c), "1")):
		y.t.Fatalf("%v: gone, and a ghost: %q", order, text)
	case y.removed && text != "":
		y.t.Fatalf("%v: removed, and in the room: %q", order, text)
	case y.entitled && !y.closed && !y.removed && !confirmed:
		y.t.Fatalf("%v: told that it is in the room, and deaf: %q", order, text)
	case confirmed && !slices.Contains(y.s.roomsOf(y.t, y.c), y.id):
		y.t.Fatalf("%v: in the room, and its set does not know it", order)
	}
}

// interleavings yields every order in which processes of these lengths can take
// their steps.
func interleavings(lengths ...int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		var order []int
		var next func(left []int) bool
		next = func(left []int) bool {
			done := true
			for i := range left {
				if left[i] == 0 {
					continue
				}
				done = false
				left[i]--
				order = append(order, i)
				ok := next(left)
				order = order[:len(order)-1]
				left[i]++
				if !ok {
					return false
				}
			}
			return !done || yield(slices.Clone(order))
		}
		next(slices.Clone(lengths))
	}
}

// The rules of local/model/live, on the store itself.
func TestEveryInterleaving(t *testing.T) {
	if testing.Short() {
		t.Skip("exhaustive, one step after the other")
	}
	for _, of := range []struct {
		what  string
		tells func(y *story) [][]func()
	}{
		{"join and disconnect", func(y *story) [][]func() { return [][]func(){y.joining(false), y.disconnecting()} }},
		{"failing join and disconnect", func(y *story) [][]func() { return [][]func(){y.joining(true), y.disconnecting()} }},
		{"join and removal", func(y *story) [][]func() { return [][]func(){y.joining(false), y.removal()} }},
		{"two joins", func(y *story) [][]func() { return [][]func(){y.joining(false), y.joining(false)} }},
		{"two joins, one failing", func(y *story) [][]func() { return [][]func(){y.joining(true), y.joining(false)} }},
		{"two joins, one failing, and removal", func(y *story) [][]func() {
			return [][]func(){y.joining(true), y.joining(false), y.removal()}
		}},
		{"two joins and removal", func(y *story) [][]func() {
			return [][]func(){y.joining(false), y.joining(false), y.removal()}
		}},
		{"two joins and disconnect", func(y *story) [][]func() {
			return [][]func(){y.joining(false), y.joining(false), y.disconnecting()}
		}},
	} {
		t.Run(of.what, func(t *testing.T) {
			s := onMini(t, presence.Limits{}) // steps are one after the other: any Redis does
			n := 0
			var lengths []int
			for _, process := range of.tells(&story{}) {
				lengths = append(lengths, len(process))
			}
			for order := range interleavings(lengths...) {
				n++
				y := &story{t: t, s: s, id: s.conversation(name(n)), participant: true}
				y.c = s.connected(t, name(n), s.user(name(n)))
				processes := of.tells(y)
				for _, p := range order {
					processes[p][0]()
					processes[p] = processes[p][1:]
				}
				y.check(order)
			}
			t.Logf("%d interleavings", n)
		})
	}
}

func TestConcurrentComingAndGoingEndsWithAnEmptyRoom(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, u1 := s.conversation("k1"), s.user("u1")
		var news, partings atomic.Int32
		together(8, func(i int) {
			c := s.connection(fmt.Sprint(i), u1)
			if _, err := s.Connect(t.Context(), c); err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				if s.joined(t, c, k1).New {
					news.Add(1)
				}
				partings.Add(int32(len(s.takeOut(t, c, k1))))
			}
		})
		if news.Load() < 1 || partings.Load() < 1 {
			t.Errorf("%d times new, %d times gone", news.Load(), partings.Load())
		}
		checkRoom(t, s, k1)
		if company := s.joined(t, s.connected(t, "z", s.user("u2")), k1); !company.New || len(company.Members) != 1 {
			t.Errorf("someone is left behind: %+v", company)
		}
	})
}

func TestAJoinDeletesTheEntriesThatAreOver(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		count := func(when string, want int64) {
			t.Helper()
			if n := s.raw.HLen(t.Context(), roomKey(k1)).Val(); n != want {
				t.Errorf("%s: %d entries, want %d", when, n, want)
			}
		}
		for i := range 10 { // joins whose function died
			s.entered(t, s.connected(t, name(i), s.user(name(i))), k1)
		}
		must(t, s.raw.HSet(t.Context(), roomKey(k1), "broken", "x").Err())
		s.pass(29 * time.Second)
		s.member(t, "early", s.user("u1"), k1)
		count("while they may still be confirmed", 11)
		s.pass(time.Second)
		s.member(t, "late", s.user("u2"), k1)
		count("after that", 2)
		s.pass(longest)
		s.member(t, "later", s.user("u3"), k1)
		count("when no connection can be left", 1)
	})
}

func TestAnEntryMadeAnewIsNotSweptWithTheOneThatWasOver(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		c, dead := s.connected(t, "c1", s.user("u1")), s.connected(t, "c2", s.user("u2"))
		s.entered(t, c, k1)
		s.entered(t, dead, k1)
		s.pass(30 * time.Second)
		fields := []string{string(c.ID), s.recorded(t, roomKey(k1), c), string(dead.ID), s.recorded(t, roomKey(k1), dead)}
		s.joined(t, c, k1) // after somebody's Confirm has read the room
		s.Sweep(ctx, k1, fields)
		checkRoom(t, s, k1, c)
		if got := s.recorded(t, roomKey(k1), dead); got != "" {
			t.Errorf("what is over is left: %q", got)
		}
	})
}

func TestConfirmDoesNotNeedTheAgentsSlot(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1, a1 := s.conversation("k1"), s.agent("a1")
		c := s.connected(t, "c1", s.user("u1"))
		e := s.entered(t, c, k1)
		s.breakKey(t, principalKey(a1))
		company, err := s.Confirm(t.Context(), e, a1)
		if err != nil || !company.New || company.AgentOnline {
			t.Errorf("%+v, %v", company, err)
		}
		checkRoom(t, s, k1, c)
	})
}

func TestOfConcurrentJoinsAsManyEnterAsFit(t *testing.T) {
	eachServer(t, presence.Limits{Rooms: 2}, func(t *testing.T, s *server) {
		for round := range 50 {
			c := s.connected(t, name(round), s.user("u1"))
			var in atomic.Int64
			together(4, func(i int) {
				switch _, err := s.Enter(t.Context(), c, s.conversation(fmt.Sprint(round, "-", i)), false); {
				case err == nil:
					in.Add(1)
				case chat.CodeOf(err) != chat.TooManyRooms:
					t.Error(err)
				}
			})
			if in.Load() != 2 || len(s.roomsOf(t, c)) != 2 {
				t.Fatalf("round %d: %d of 4 entered where 2 fit: %v", round, in.Load(), s.roomsOf(t, c))
			}
		}
	})
}

// A join, a message or a ping that finds out that somebody has no right to be in a
// room puts out the entry that it saw, confirmed or not, and not that of a later
// join, which may have it by now.
func TestALateRefusalDoesNotPutOutALaterJoin(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.connected(t, "c1", s.user("u1"))
		onTrial := s.entered(t, c, k1) // the first join looks, and its principal is no participant
		seen := func() []chat.Entry {
			a, err := s.Audience(t.Context(), k1, chat.Principal{}, 0)
			must(t, err)
			if len(a.Room) != 1 || len(a.Generations) != 1 {
				t.Fatalf("the audience is %+v", a)
			}
			return []chat.Entry{{Connection: a.Room[0], ConversationID: k1, Generation: a.Generations[0]}}
		}
		inAudience := seen()
		s.joined(t, c, k1) // who is added, joins again, and is told conversation:joined
		must(t, s.PutOut(t.Context(), []chat.Entry{onTrial}))
		must(t, s.PutOut(t.Context(), inAudience))
		checkAudience(t, s, k1, c)
		pinged, _, err := s.Ping(t.Context(), c)
		must(t, err)
		s.takeOut(t, c, k1) // it leaves, and joins once more
		s.joined(t, c, k1)
		must(t, s.PutOut(t.Context(), pinged))
		checkRoom(t, s, k1, c)
		checkSame(t, "its rooms", s.roomsOf(t, c), k1)

		for name, read := range map[string]func() []chat.Entry{"by a message": seen, "by a ping": func() []chat.Entry {
			entries, _, err := s.Ping(t.Context(), c)
			must(t, err)
			return entries
		}} {
			s.joined(t, c, k1)
			must(t, s.PutOut(t.Context(), read()))
			checkAudience(t, s, k1)
			if rooms := s.roomsOf(t, c); len(rooms) != 0 {
				t.Errorf("put out %s it is in %v", name, rooms)
			}
		}
	})
}
