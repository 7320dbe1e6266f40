package chat

import (
	"testing"
	"time"
)

// frames is how many are sent of an answer whose tokens come at a rate.
func frames(tokens int, every time.Duration, p *Pace) (n, whole int) {
	start := time.Date(2026, 11, 25, 4, 51, 0, 0, time.UTC)
	send := func(at time.Time) {
		repairs := p.Repairs(at)
		p.Sent(at, repairs)
		if n++; repairs {
			whole++
		}
	}
	pending := false
	for i := range tokens {
		now := start.Add(time.Duration(i) * every)
		if pending && !p.Due().After(now) { // a timer went off before
			send(p.Due())
			pending = false
		}
		if pending = p.Due().After(now); !pending {
			send(now)
		}
	}
	if pending {
		n++
	}
	return n, whole
}

func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name        string
		tokens      int
		every       time.Duration
		widen       int
		least, most int
		whole       int
	}{
		{"one token", 1, time.Second, 0, 1, 1, 0},
		{"500 tokens in 8 s", 500, time.Second / 60, 0, 45, 50, 1},
		{"a slow model is not held up", 20, time.Second, 0, 20, 20, 3},
		{"the same, told to send less", 500, time.Second / 60, 1, 22, 30, 1},
		{"told so very often", 500, time.Second / 60, 20, 3, 5, 1},
	} {
		var p Pace
		for range tt.widen {
			p.Widen()
		}
		n, whole := frames(tt.tokens, tt.every, &p)
		if n < tt.least || n > tt.most || whole < min(tt.whole, 1) || whole > tt.whole {
			t.Errorf("%s: %d frames, %d of them whole; want %d to %d, %d", tt.name, n, whole, tt.least, tt.most, tt.whole)
		}
	}
}

// Who is told to send less does, and who is not any more comes back.
func TestPaceRecovers(t *testing.T) {
	var p Pace
	now := time.Date(2026, 11, 25, 4, 51, 0, 0, time.UTC)
	p.Sent(now, false)
	for i, step := range []struct {
		do   func()
		want time.Duration
	}{{func() {}, 100}, {p.Widen, 200}, {p.Widen, 400}, {p.Narrow, 200}, {p.Narrow, 100}, {p.Narrow, 100}} {
		if step.do(); p.Due().Sub(now) != step.want*time.Millisecond {
			t.Errorf("step %d: the next one is due after %v, want %d ms", i, p.Due().Sub(now), step.want)
		}
	}
}
