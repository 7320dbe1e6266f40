package presence_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func TestOnlyAPrincipalsFirstConnectionIsToldSo(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		u1 := s.user("u1")
		phone, laptop := s.connection("phone", u1), s.connection("laptop", u1)
		laptop.Dialect = chat.Lean
		for _, step := range []struct {
			c     chat.Connection
			first bool
		}{{phone, true}, {laptop, false}, {phone, true}, {laptop, false}} {
			a, err := s.Connect(t.Context(), step.c)
			if err != nil || a.First != step.first || len(a.Excess) != 0 {
				t.Fatalf("connect %s: %+v, %v", step.c.ID, a, err)
			}
			s.pass(time.Second)
		}
		checkConnections(t, s, u1, phone, laptop)
	})
}

func TestOfConcurrentConnectsAndDisconnectsAtLeastOneIsFirstAndOneLast(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		const devices = 24
		u1 := s.user("u1")
		for round := range 5 {
			var firsts, lasts atomic.Int32
			device := func(i int) chat.Connection { return s.connection(name(round)+name(i), u1) }
			together(devices, func(i int) {
				a, err := s.Connect(t.Context(), device(i))
				if err != nil {
					t.Error(err)
				}
				if a.First {
					firsts.Add(1)
				}
			})
			if got := s.connectionsOf(t, u1); len(got) != devices {
				t.Errorf("%d connections", len(got))
			}
			together(devices, func(i int) {
				last, _, err := s.Disconnect(t.Context(), device(i))
				if err != nil {
					t.Error(err)
				}
				if last {
					lasts.Add(1)
				}
			})
			if firsts.Load() < 1 || lasts.Load() < 1 {
				t.Fatalf("round %d: %d firsts, %d lasts", round, firsts.Load(), lasts.Load())
			}
		}
	})
}

func TestWhoWasClosedBeforeItWasOpenIsRefused(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		c := s.connection("c1", s.user("u1"))
		s.disconnect(t, c)
		s.pass(time.Minute + 59*time.Second)
		_, err := s.Connect(t.Context(), c)
		checkCode(t, "connect after disconnect", err, chat.Unavailable)
		checkConnections(t, s, c.Principal)
	})
}

func TestAgentOverItsLimitIsRefusedAndNotRegistered(t *testing.T) {
	eachServer(t, presence.Limits{AgentConnections: 2, UserConnections: 1}, func(t *testing.T, s *server) {
		a1 := s.agent("a1")
		one, two := s.connected(t, "c1", a1), s.connected(t, "c2", a1)
		_, err := s.Connect(t.Context(), s.connection("c3", a1))
		checkCode(t, "the third of two", err, chat.TooManyConnections)
		checkConnections(t, s, a1, one, two)
		s.connected(t, "other", s.agent("a2"))
		s.connected(t, "abroad", s.abroad(a1))
		_, _, err = s.Disconnect(t.Context(), one)
		must(t, err)
		three := s.connected(t, "c3", a1) // no tombstone was left by the refusal
		checkConnections(t, s, a1, two, three)
		s.connected(t, "c3", a1) // again
		s.pass(longest)
		s.connected(t, "c4", a1) // beside what counts no more
		five := s.connection("c5", a1)
		_, _, err = s.Ping(t.Context(), five) // it was lost
		must(t, err)
		_, err = s.Connect(t.Context(), s.connection("c6", a1))
		checkCode(t, "beside one that was lost", err, chat.TooManyConnections)
	})
}

// Who is refused learns of some that may be gone, and of none that may be opening.
func TestARefusedAgentIsToldOfOthers(t *testing.T) {
	eachServer(t, presence.Limits{AgentConnections: 20}, func(t *testing.T, s *server) {
		a1 := s.agent("a1")
		for i := range 20 {
			s.connected(t, name(i), a1)
		}
		refused := func() map[chat.ConnectionID]bool {
			a, err := s.Connect(t.Context(), s.connection("new", a1))
			checkCode(t, "the connect", err, chat.TooManyConnections)
			ids := map[chat.ConnectionID]bool{}
			for _, c := range a.Others {
				ids[c.ID] = true
			}
			return ids
		}
		if young := refused(); len(young) != 0 {
			t.Errorf("told of %v, which may be opening", young)
		}
		s.pass(10 * time.Second)
		all := map[chat.ConnectionID]bool{}
		for range 1000 { // each has its turn
			some := refused()
			if len(some) != 16 {
				t.Fatalf("told of %d", len(some))
			}
			maps.Copy(all, some)
			if len(all) == 20 {
				return
			}
		}
		t.Errorf("told of %d of 20", len(all))
	})
}

func TestOfConcurrentConnectsOfAnAgentAsManyFitAsMay(t *testing.T) {
	eachServer(t, presence.Limits{AgentConnections: 2}, func(t *testing.T, s *server) {
		for round := range 50 {
			a := s.agent(name(round))
			var in atomic.Int64
			together(6, func(i int) {
				switch _, err := s.Connect(t.Context(), s.connection(fmt.Sprint(round, "-", i), a)); {
				case err == nil:
					in.Add(1)
				case chat.CodeOf(err) != chat.TooManyConnections:
					t.Error(err)
				}
			})
			if in.Load() != 2 {
				t.Errorf("round %d: %d of 6 are in where 2 fit", round, in.Load())
			}
		}
	})
}

func TestConnectForgetsTheOldestOfTooManyTombstones(t *testing.T) {
	eachServer(t, presence.Limits{UserConnections: 20}, func(t *testing.T, s *server) {
		var closed []chat.Connection
		for i := range 66 {
			closed = append(closed, s.connected(t, name(i), s.user("u1")))
			s.pass(10 * time.Millisecond)
			s.disconnect(t, closed[i])
		}
		c := s.connected(t, "new", s.user("u1"))
		if n := s.raw.HLen(t.Context(), principalKey(c.Principal)).Val(); n != 65 {
			t.Errorf("%d records, want 64 tombstones and one connection", n)
		}
		for i, of := range closed {
			if left := s.recorded(t, principalKey(of.Principal), of) != ""; left != (i >= 2) {
				t.Errorf("tombstone %d: left %v", i, left)
			}
		}
		checkConnections(t, s, c.Principal, c)
	})
}

// Who was closed is known to be closed for two minutes, however many others of the
// same principal were closed since: an agent's connections end together when it is
// deployed.
func TestTombstonesOutliveAStorm(t *testing.T) {
	for name, limits := range map[string]presence.Limits{"limited": {AgentConnections: 100}, "any number": {}} {
		t.Run(name, func(t *testing.T) {
			s := onMini(t, limits)
			a1 := s.agent("a1")
			c := s.connected(t, "first", a1)
			s.disconnect(t, c)
			for i := range 199 {
				s.disconnect(t, s.connected(t, fmt.Sprint("storm", i), a1))
				s.pass(10 * time.Millisecond)
			}
			s.connected(t, "new", a1)
			if standing, err := s.Standing(t.Context(), c); err != nil || standing != chat.StandingClosed {
				t.Errorf("it is %s, %v", standing, err)
			}
		})
	}
}

func TestExcessIsExactlyTheOldestOfAUser(t *testing.T) {
	eachServer(t, presence.Limits{AgentConnections: 1, UserConnections: 2}, func(t *testing.T, s *server) {
		u1 := s.user("u1")
		var all []chat.Connection
		open := func(want ...chat.Connection) {
			t.Helper()
			c := s.connection(name(9-len(all)), u1) // younger ones have lower ids
			c.Dialect = chat.Lean
			all = append(all, c)
			s.pass(time.Second)
			for range 2 { // a repeat has the same to close
				a, err := s.Connect(t.Context(), c)
				must(t, err)
				if ids, wanted := idsOf(a.Excess), idsOf(want); !slices.Equal(ids, wanted) {
					t.Errorf("excess %v, want %v", ids, wanted)
				}
			}
		}
		open()
		open()
		open(all[0])
		open(all[1]) // the one before is another's to close
		checkConnections(t, s, u1, all[2], all[3])
		must(t, s.raw.HDel(t.Context(), principalKey(u1), string(all[3].ID)).Err())
		open()
		_, _, err := s.Ping(t.Context(), all[3]) // it was lost
		must(t, err)
		open(all[2], all[4])
		checkConnections(t, s, u1, all[3], all[5])
	})
}

func idsOf(cs []chat.Connection) (ids []chat.ConnectionID) {
	for _, c := range cs {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// Each connection over the limit is somebody's to close, once: else a user who
// opens n at once costs n*n posts.
func TestOfConcurrentConnectsOfAUserEachExcessIsOnesToClose(t *testing.T) {
	const n, limit = 30, 5
	eachServer(t, presence.Limits{UserConnections: limit}, func(t *testing.T, s *server) {
		u1 := s.user("u1")
		var mu sync.Mutex
		var named []chat.ConnectionID
		refused := 0
		together(n, func(i int) {
			a, err := s.Connect(t.Context(), s.connection(name(i), u1))
			mu.Lock()
			defer mu.Unlock()
			named = append(named, idsOf(a.Excess)...)
			if chat.CodeOf(err) == chat.Unavailable { // it had to make room before it was answered
				refused++
			} else if err != nil {
				t.Error(err)
			}
		})
		slices.Sort(named)
		left, err := s.ConnectionsOf(t.Context(), u1)
		if err != nil || len(left) != limit || len(named) != n-limit {
			t.Errorf("%d are left (%v), %d have to be closed, %d are refused, of %d", len(left), err, len(named), refused, n)
		}
		if once := slices.Compact(slices.Clone(named)); len(once) != len(named) {
			t.Errorf("%d of %d are closed twice", len(named)-len(once), len(named))
		}
	})
}

// Whoever was to close it died: its ping does.
func TestAPingOfOneTooManyIsRefused(t *testing.T) {
	eachServer(t, presence.Limits{UserConnections: 1}, func(t *testing.T, s *server) {
		old := s.connected(t, "old", s.user("u1"))
		s.pass(time.Second)
		young := s.connected(t, "young", old.Principal)
		for range 2 {
			_, _, err := s.Ping(t.Context(), old)
			checkCode(t, "the ping", err, chat.TooManyConnections)
		}
		checkPing(t, s, "the other", young, true)
		checkConnections(t, s, old.Principal, young)
	})
}

func TestWithoutALimitThereIsNoExcess(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		for i := range 30 {
			for _, p := range []chat.Principal{s.user("u1"), s.agent("a1")} {
				a, err := s.Connect(t.Context(), s.connection(name(i)+string(p.Type), p))
				if err != nil || len(a.Excess) != 0 {
					t.Fatalf("%+v, %v", a, err)
				}
			}
		}
	})
}

// A $disconnect that never came costs nothing once it is older than any
// connection can be.
func TestConnectForgetsStaleRegistrations(t *testing.T) {
	eachServer(t, presence.Limits{UserConnections: 1}, func(t *testing.T, s *server) {
		lost := s.connected(t, "lost", s.user("u1"))
		s.pass(longest + time.Second)
		checkConnections(t, s, lost.Principal)
		c := s.connection("new", lost.Principal)
		a, err := s.Connect(t.Context(), c)
		if err != nil || !a.First || len(a.Excess) != 0 {
			t.Errorf("%+v, %v beside a stale connection", a, err)
		}
		if n := s.raw.HLen(t.Context(), principalKey(c.Principal)).Val(); n != 1 {
			t.Errorf("%d records, want the stale one forgotten", n)
		}
		if last, _, err := s.Disconnect(t.Context(), c); err != nil || !last {
			t.Errorf("last %v, %v", last, err)
		}
	})
}

func TestConnectForgetsTombstonesOfTwoMinutes(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		closed := s.connected(t, "closed", s.user("u1"))
		s.disconnect(t, closed)
		s.pass(time.Minute + 50*time.Second)
		s.connected(t, "c1", closed.Principal)
		if s.recorded(t, principalKey(closed.Principal), closed) == "" {
			t.Error("the tombstone is gone too early")
		}
		s.pass(11 * time.Second)
		s.connected(t, "c2", closed.Principal)
		if got := s.recorded(t, principalKey(closed.Principal), closed); got != "" {
			t.Errorf("the tombstone is left: %q", got)
		}
	})
}

func TestEqualIdsOfTwoOrganisationsOrTypesNeverMeet(t *testing.T) {
	limits := presence.Limits{
		UserMessages: rate("1/min"), AgentMessages: rate("1/min"), Writes: rate("1/min"), UserConnections: 1, AgentConnections: 1,
	}
	eachServer(t, limits, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		var all []chat.Connection
		for i, p := range []chat.Principal{s.user("x"), s.agent("x"), s.abroad(s.user("x")), s.abroad(s.agent("x"))} {
			c := s.connection(name(i), p)
			all = append(all, c)
			a, err := s.Connect(ctx, c)
			if err != nil || !a.First || len(a.Excess) != 0 {
				t.Errorf("%v: %+v, %v", p, a, err)
			}
			if company := s.joined(t, c, k1); !company.New || len(company.Members) != i+1 {
				t.Errorf("%v: %+v", p, company)
			}
			_, err = s.Admit(ctx, c, k1)
			must(t, err)
			must(t, s.allow(ctx, p, chat.UseWrite))
		}
		checkRoom(t, s, k1, all...)
		for i, c := range all {
			checkConnections(t, s, c.Principal, c)
			out, err := s.Evict(ctx, c.Principal, k1)
			must(t, err)
			checkSame(t, "evicted", out, c)
			if !s.disconnect(t, c) {
				t.Errorf("%v is not the last", c.Principal)
			}
			checkRoom(t, s, k1, all[i+1:]...)
		}
	})
}

func TestWhatIsWrongWithTheOperatorsKeysChangesNothing(t *testing.T) {
	s := onMini(t, presence.Limits{Fanout: rate("10/s")})
	ctx, k1 := t.Context(), s.conversation("k1")
	must(t, s.mini.Set("users:online", "of the wrong type"))
	c := s.connection("c1", s.user("u1"))
	if a, err := s.Connect(ctx, c); err != nil || !a.First {
		t.Errorf("connect: %+v, %v", a, err)
	}
	s.PruneOnline(ctx)
	s.joined(t, c, k1)
	if a, err := s.Admit(ctx, c, k1); err != nil || a != (chat.Admission{Known: true}) {
		t.Errorf("admit: %+v, %v", a, err)
	}
	checkAudience(t, s, k1, c)
	if online, err := s.Online(ctx, c.Principal); err != nil || !online[0] {
		t.Errorf("online %v, %v", online, err)
	}
	if last, _, err := s.Disconnect(ctx, c); err != nil || !last {
		t.Errorf("disconnect: last %v, %v", last, err)
	}
	if a, err := s.Admit(ctx, c, k1); err != nil || a.Away {
		t.Errorf("admit: %+v, %v", a, err)
	}
}

func TestOperatorsCanCountWhoIsOnline(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx := t.Context()
		listed := func(p chat.Principal) bool {
			lease, err := s.raw.ZScore(ctx, string(p.Type)+"s:online", string(p.OrgID)+"/"+string(p.ID)).Result()
			return err == nil && int64(lease) > s.now().Unix()-1
		}
		u1 := s.connected(t, "c1", s.user("u1"))
		a1 := s.connected(t, "c2", s.agent("a1"))
		if !listed(u1.Principal) || !listed(a1.Principal) {
			t.Error("who is connected is not listed")
		}
		s.PruneOnline(ctx)
		if !listed(u1.Principal) || !listed(a1.Principal) {
			t.Error("who is connected is pruned")
		}
		s.disconnect(t, u1)
		if listed(u1.Principal) || !listed(a1.Principal) {
			t.Error("who is gone is listed, or the other is not")
		}
		if s.mini == nil {
			return // others may use the key
		}
		s.pass(longest + time.Second)
		s.PruneOnline(ctx)
		if n := s.raw.ZCard(ctx, "agents:online").Val(); n != 0 {
			t.Errorf("%d agents are left", n)
		}
	})
}

func TestLastSaysThatNothingIsLeftAndARepeatSaysSoAgain(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		phone, laptop := s.connected(t, "phone", s.user("u1")), s.connected(t, "laptop", s.user("u1"))
		for i, step := range []struct {
			c    chat.Connection
			last bool
		}{{phone, false}, {phone, false}, {laptop, true}, {laptop, true}, {phone, true}} {
			if last, _, err := s.Disconnect(t.Context(), step.c); err != nil || last != step.last {
				t.Errorf("disconnect %d: last %v, %v", i, last, err)
			}
		}
		if last, _, err := s.Disconnect(t.Context(), s.connection("never", s.user("u2"))); err != nil || !last {
			t.Errorf("of one that never was: last %v, %v", last, err)
		}
	})
}

func TestWhoWasClosedDoesNotComeBack(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		c := s.member(t, "c1", s.user("u1"), k1)
		s.disconnect(t, c)
		for range 3 {
			s.pass(39 * time.Second) // 1 min 57 s in all
			if _, _, err := s.Ping(t.Context(), c); err != nil {
				t.Error(err)
			}
			s.entered(t, c, k1)
			checkConnections(t, s, c.Principal)
			if !s.closed(t, c) {
				t.Error("it is not closed")
			}
		}
		if s.closed(t, s.connection("other", c.Principal)) {
			t.Error("one that never was is closed")
		}
	})
}

func TestOnlineIsWhoHasAConnectionWhoseTokenIsValid(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx := t.Context()
		u1, a1, nobody := s.user("u1"), s.agent("a1"), s.user("u9")
		s.connected(t, "c1", u1)
		expiring := s.connection("c2", a1)
		expiring.ExpiresAt = s.now().Add(time.Hour)
		_, err := s.Connect(ctx, expiring)
		must(t, err)
		check := func(when string, want ...bool) {
			t.Helper()
			if got, err := s.Online(ctx, u1, nobody, a1); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: online %v, %v, want %v", when, got, err, want)
			}
			if got := s.AgentOnline(ctx, a1); got != want[2] {
				t.Errorf("%s: agent online %v", when, got)
			}
		}
		check("now", true, false, true)
		s.pass(time.Hour + time.Second)
		check("when the token of a1 has expired", true, false, false)
		s.pass(70*time.Minute + time.Second)
		check("when no connection can be left", false, false, false)
	})
}
