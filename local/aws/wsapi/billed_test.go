package wsapi

import "testing"

func TestBilled(t *testing.T) {
	for size, want := range map[int]int64{0: 1, 1: 1, 32 << 10: 1, 32<<10 + 1: 2, 64 << 10: 2, 128 << 10: 4} {
		if got := billed(size); got != want {
			t.Errorf("%d bytes are billed as %d messages, want %d", size, got, want)
		}
	}
}
