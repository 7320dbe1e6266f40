package chat

import "time"

// How pieces of an answer follow each other: the first at once, then so often that it
// reads as if each word came by itself, then so often that it still does.
const (
	paceAtFirst  = 100 * time.Millisecond
	paceLater    = 250 * time.Millisecond
	paceLaterAt  = 2 * time.Second // after the first piece
	paceSlowest  = 4 * time.Second
	repairsEvery = 5 * time.Second
)

// MaxRepair is the most bytes of JSON of a part that is sent whole in place of a piece.
const MaxRepair = 20_000

// A Pace says when pieces of an answer are sent: whoever writes streams puts together
// what comes in between, because each frame is billed, for each device. The zero Pace
// is of an answer of which nothing was sent. It is not for concurrent use.
type Pace struct {
	first, last, repaired time.Time
	widened               int // how often
}

// Due returns when the next piece may be sent; the zero time is at once.
func (p *Pace) Due() time.Time {
	if p.first.IsZero() {
		return time.Time{}
	}
	every := paceAtFirst
	if p.last.Sub(p.first) >= paceLaterAt {
		every = paceLater
	}
	return p.last.Add(min(every<<p.widened, paceSlowest))
}

// Repairs reports whether the piece that is sent now should be the whole part, if
// that has at most MaxRepair bytes: it costs the same, and heals what was lost.
func (p *Pace) Repairs(now time.Time) bool {
	return !p.first.IsZero() && now.Sub(p.repaired) >= repairsEvery
}

// Sent notes that a piece was sent, or the whole part.
func (p *Pace) Sent(now time.Time, whole bool) {
	if p.first.IsZero() {
		p.first, p.repaired = now, now
	}
	p.last = now
	if whole {
		p.repaired = now
	}
}

// Narrow takes one Widen back: it is for who is not told so any more.
func (p *Pace) Narrow() { p.widened = max(p.widened-1, 0) }

// Widen is for who is told to send less: the pieces come half as often from now on, up
// to one every four seconds.
func (p *Pace) Widen() {
	if p.widened < 5 {
		p.widened++
	}
}
