package presence_test

import (
	"context"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func (s *server) allow(ctx context.Context, p chat.Principal, u chat.Use) error {
	_, err := s.Allow(ctx, p, u)
	return err
}

// What is left of a limit is said with each use, also of the one that is refused.
func TestQuota(t *testing.T) {
	s := onMini(t, presence.Limits{Writes: rate("60/min burst 3")})
	u1 := s.user("u1")
	for i, want := range []int{2, 1, 0, 0} {
		q, err := s.Allow(t.Context(), u1, chat.UseWrite)
		if (err != nil) != (i == 3) || q == nil || q.Remaining != want || q.Use != chat.UseWrite || q.Count != 60 || q.Window != time.Minute || q.Burst != 3 {
			t.Fatalf("use %d: %+v, %v", i+1, q, err)
		}
		if q.Reset <= 0 || q.Reset > time.Second {
			t.Errorf("use %d: one more after %v", i+1, q.Reset)
		}
	}
	if q, err := s.Allow(t.Context(), u1, chat.UseRead); q != nil || err != nil {
		t.Errorf("without a limit: %+v, %v", q, err)
	}
}
