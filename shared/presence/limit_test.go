package presence_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/presence"
)

// rate reads what Rate.String writes, and "1/s" for "1/s burst 1".
func rate(text string) config.Rate {
	r := config.Rate{Per: time.Minute}
	var unit string
	if _, err := fmt.Sscanf(strings.Replace(text, "/", " ", 1), "%d %s burst %d", &r.Count, &unit, &r.Burst); unit == "" {
		panic(fmt.Sprint(text, err))
	}
	if unit == "s" {
		r.Per = time.Second
	}
	if r.Burst == 0 {
		r.Burst = r.Count
	}
	return r
}

func TestEachUseHasItsOwnRate(t *testing.T) {
	limits := presence.Limits{
		Reads: rate("60/min burst 4"), Writes: rate("60/min burst 3"), Creations: rate("60/min burst 2"), Additions: rate("60/min burst 1"),
	}
	eachServer(t, limits, func(t *testing.T, s *server) {
		ctx, u1 := t.Context(), s.user("u1")
		for u, burst := range map[chat.Use]int{chat.UseRead: 4, chat.UseWrite: 3, chat.UseCreation: 2, chat.UseAddition: 1} {
			for range burst {
				must(t, s.allow(ctx, u1, u))
			}
			for range 3 { // a refusal costs nothing
				checkLimited(t, string(u), s.allow(ctx, u1, u), time.Second)
			}
			must(t, s.allow(ctx, s.user("u2"), u))
			must(t, s.allow(ctx, s.abroad(u1), u))
			must(t, s.allow(ctx, s.agent("u1"), u))
		}
		s.pass(time.Second)
		must(t, s.allow(ctx, u1, chat.UseAddition))
		checkLimited(t, "a second later", s.allow(ctx, u1, chat.UseAddition), time.Second)
	})
}

// One fewer may be: the clocks of those who ask differ by their way to Redis.
func TestOfConcurrentUsesTheBurstIsAllowed(t *testing.T) {
	eachServer(t, presence.Limits{Writes: rate("1/min burst 7")}, func(t *testing.T, s *server) {
		var allowed atomic.Int32
		together(30, func(int) {
			if s.allow(t.Context(), s.user("u1"), chat.UseWrite) == nil {
				allowed.Add(1)
			}
		})
		if n := allowed.Load(); n > 7 || n < 6 {
			t.Errorf("%d are allowed, want 7", n)
		}
	})
}

func TestWithoutALimitRedisIsNotAsked(t *testing.T) {
	s := onMini(t, presence.Limits{})
	commands, _ := s.sent(t, func() {
		for _, u := range []chat.Use{chat.UseRead, chat.UseWrite, chat.UseCreation, chat.UseAddition, "another"} {
			for range 100 {
				must(t, s.allow(t.Context(), s.user("u1"), u))
			}
		}
	})
	if len(commands) != 0 {
		t.Errorf("sends %v", commands)
	}
}

func TestSummariesOnDemandHaveARate(t *testing.T) {
	eachServer(t, presence.Limits{Summaries: rate("60/min burst 2")}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		for range 2 {
			must(t, s.AllowSummary(ctx, k1))
		}
		checkLimited(t, "the third of two", s.AllowSummary(ctx, k1), time.Second)
		must(t, s.AllowSummary(ctx, s.conversation("k2")))
		s.pass(time.Second)
		must(t, s.AllowSummary(ctx, k1))
	})
}

// What a crash leaves behind goes away by itself.
func TestEverythingExpires(t *testing.T) {
	one := rate("1000/s")
	s := onMini(t, presence.Limits{
		Joins: one, UserMessages: one, AgentMessages: one, Fanout: one, Typing: one, Pings: one, Reads: one, Summaries: one,
	})
	ctx, k1 := t.Context(), s.conversation("k1")
	c := s.member(t, "c1", s.user("u1"), k1)
	s.entered(t, s.connection("c2", s.agent("a1")), k1)
	_, err := s.Typing(ctx, c, k1)
	must(t, err)
	must(t, s.NoteTyping(ctx, c.Principal, k1, true))
	_, err = s.Admit(ctx, c, k1)
	must(t, err)
	checkAudience(t, s, k1, c, s.connection("c2", s.agent("a1")))
	must(t, s.allow(ctx, c.Principal, chat.UseRead))
	must(t, s.AllowSummary(ctx, k1))
	must(t, s.AllowRemake(ctx, k1))
	checkCode(t, "again within a minute", s.AllowRemake(ctx, k1), chat.RateLimited)
	must(t, s.AllowRemake(ctx, s.conversation("k2")))
	turn, err := s.BeginSummary(ctx, k1, time.Minute)
	must(t, err)
	_, err = s.PauseSummary(ctx, k1, turn, 24*time.Hour, false)
	must(t, err)
	_, err = s.BeginSummary(ctx, s.conversation("k2"), time.Minute)
	must(t, err)
	must(t, s.Health(ctx))
	_, _, err = s.Disconnect(ctx, s.connection("c3", s.user("u3")))
	must(t, err)
	s.checkExpiry(t)
	s.mini.FastForward(longest)
	if left := s.mini.Keys(); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestABudgetFarOverdrawnDoesNotOutliveTheLongest(t *testing.T) {
	eachServer(t, presence.Limits{Fanout: rate("1/min burst 1")}, func(t *testing.T, s *server) {
		k1 := s.conversation("k1")
		var all []chat.Connection
		for i := range 30 {
			all = append(all, s.member(t, name(i), s.user(name(i)), k1))
		}
		for range 10 { // 5 h ahead; the keys are checked at the end
			checkAudience(t, s, k1, all...)
		}
	})
}
