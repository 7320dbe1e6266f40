package presence_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// begin takes a conversation's summary.
func (s *server) begin(t *testing.T, id chat.ConversationID) string {
	t.Helper()
	turn, err := s.BeginSummary(t.Context(), id, time.Minute)
	must(t, err)
	return turn
}

func (s *server) beginRefused(t *testing.T, what string, id chat.ConversationID, wait time.Duration) {
	t.Helper()
	_, err := s.BeginSummary(t.Context(), id, time.Minute)
	ms, _ := chat.Public(err).Details["retryAfterMs"].(int64)
	if got := time.Duration(ms) * time.Millisecond; chat.CodeOf(err) != chat.RateLimited || got > wait || got < wait-5*time.Second {
		t.Errorf("%s: %v after %v, want %v", what, err, got, wait)
	}
}

func TestOneSummaryOfAConversationAtATime(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		first := s.begin(t, k1)
		s.beginRefused(t, "another", k1, time.Second)
		s.begin(t, s.conversation("k2"))
		if ttl := s.raw.PTTL(ctx, "conversation:{"+string(k1)+"}:summary").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("under way for %v, want its patience", ttl)
		}
		s.EndSummary(ctx, k1, first)
		second := s.begin(t, k1)
		s.EndSummary(ctx, k1, first) // too late: it is no longer its turn
		if wait, err := s.PauseSummary(ctx, k1, first, time.Minute, true); err != nil || wait != 0 {
			t.Errorf("a pause by who has lost its turn: %v, %v", wait, err)
		}
		s.beginRefused(t, "the second's", k1, time.Second)
		s.EndSummary(ctx, k1, second)
		s.begin(t, k1)
		if s.mini != nil {
			s.mini.FastForward(time.Minute) // it died
			s.begin(t, k1)
		}
		var began atomic.Int32
		together(20, func(int) {
			if _, err := s.BeginSummary(ctx, s.conversation("k3"), time.Minute); err == nil {
				began.Add(1)
			}
		})
		if began.Load() != 1 {
			t.Errorf("%d began", began.Load())
		}
	})
}

// While the model does not answer a conversation leaves it alone, longer each
// time, and at least as long as it asks.
func TestPauseAfterAFailure(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		ctx, k1 := t.Context(), s.conversation("k1")
		pass := func() { must(t, s.raw.Del(ctx, "conversation:{"+string(k1)+"}:summary").Err()) } // the pause is over
		for i, want := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
			if wait, err := s.PauseSummary(ctx, k1, s.begin(t, k1), time.Second, false); err != nil || wait != want {
				t.Errorf("after %d failures: %v, %v, want %v", i+1, wait, err, want)
			}
			s.beginRefused(t, "in a pause", k1, want)
			s.begin(t, s.conversation("k2")+chat.ConversationID(rune('a'+i))) // another conversation
			pass()
		}
		for wish, want := range map[time.Duration]time.Duration{20 * time.Minute: 20 * time.Minute, 24 * time.Hour: time.Hour} {
			if wait, err := s.PauseSummary(ctx, k1, s.begin(t, k1), wish, false); err != nil || wait != want {
				t.Errorf("a wish of %v: %v, %v", wish, wait, err)
			}
			pass()
		}
		s.EndSummary(ctx, k1, s.begin(t, k1)) // it answers again
		if wait, err := s.PauseSummary(ctx, k1, s.begin(t, k1), 0, false); err != nil || wait != 15*time.Second {
			t.Errorf("the first failure after a success: %v, %v", wait, err)
		}
		pass()
		if wait, err := s.PauseSummary(ctx, k1, s.begin(t, k1), 0, true); err != nil || wait != 15*time.Minute {
			t.Errorf("what an operator must mend: %v, %v", wait, err)
		}
		if _, err := s.BeginSummary(ctx, k1, time.Minute); !errors.Is(err, chat.ErrModelBroken) {
			t.Errorf("while it is broken: %v", err)
		}
	})
}
