package chat_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestStreamPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		since  time.Duration
		slowed int
		want   time.Duration
	}{
		{0, 0, 100 * time.Millisecond},
		{1999 * time.Millisecond, 0, 100 * time.Millisecond},
		{2 * time.Second, 0, 250 * time.Millisecond},
		{time.Hour, 0, 250 * time.Millisecond},
		{0, 1, 200 * time.Millisecond},
		{2 * time.Second, 2, time.Second},
		{0, 100, 4 * time.Second},
	} {
		if got := chat.StreamPace(c.since, c.slowed); got != c.want {
			t.Errorf("%v, slowed %d times: %v, want %v", c.since, c.slowed, got, c.want)
		}
	}
}
