package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/protocol"
)

// A memory watch looks at the memory of the server while connections do what
// connections do all day: ping. Nothing of that is stored, so after a warm-up,
// the first third, nothing may grow.
const (
	looks    = 12                    // in three thirds: warm-up, before, after
	pingers  = 8                     // connections that ping at the same time
	pingRest = 25 * time.Millisecond // between two pings of one of them: some 300 a second
)

var prefixPong = []byte(`{"event":"` + protocol.EventPong + `"`)

type watchReport struct {
	pings         int64
	took          time.Duration
	before, after int64
}

func (r watchReport) String() string {
	return fmt.Sprintf("  memory watch       %.1f MB after the warm-up, %.1f MB at the end of %v, %d pings\n",
		float64(r.before)/(1<<20), float64(r.after)/(1<<20), r.took, r.pings)
}

// watch fails where memory grows.
func (b *bench) watch(ctx context.Context, open []net.Conn) (watchReport, error) {
	b.progress.spell("memory watch, pings", b.MemoryWatch)
	end := time.Now().Add(b.MemoryWatch)
	g, gctx := errgroup.WithContext(ctx)
	for i := range pingers {
		g.Go(func() error { return b.pingInTurn(gctx, open, i, end) })
	}
	var seen []int64
	for n := 1; n <= looks && gctx.Err() == nil; n++ {
		wait(gctx, end.Add(-b.MemoryWatch*time.Duration(looks-n)/looks))
		used, err := b.inUse(gctx)
		if err != nil {
			g.Go(func() error { return err }) // which ends the pings
			break
		}
		seen = append(seen, used)
	}
	if err := g.Wait(); err != nil {
		return watchReport{}, err
	}
	r := watchReport{pings: b.progress.done.Load(), took: b.MemoryWatch}
	var grew bool
	if r.before, r.after, grew = growth(seen); grew {
		return r, fmt.Errorf("memory grows: %.1f MB after the warm-up, %.1f MB at the end of %v and %d pings",
			float64(r.before)/(1<<20), float64(r.after)/(1<<20), r.took, r.pings)
	}
	return r, ctx.Err()
}

// pingInTurn pings by every connection whose turn is the i-th, again and again.
func (b *bench) pingInTurn(ctx context.Context, open []net.Conn, i int, end time.Time) error {
	frame, err := textFrame(protocol.Ping{Envelope: protocol.Envelope{Action: protocol.ActionPing}})
	if err != nil {
		return err
	}
	for n := i; time.Now().Before(end) && ctx.Err() == nil && i < len(open); n += pingers {
		if n >= len(open) {
			n = i
		}
		if err := ping(open[n], frame); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		b.progress.done.Add(1)
		wait(ctx, time.Now().Add(pingRest))
	}
	return ctx.Err()
}

func ping(c net.Conn, frame []byte) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write(frame); err != nil {
		return err
	}
	for {
		h, err := ws.ReadHeader(c)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(c, h.Length))
		if err == nil {
			err = fault(text)
		}
		if err != nil || bytes.HasPrefix(text, prefixPong) {
			return err
		}
		if h.OpCode == ws.OpClose {
			return fmt.Errorf("the server closed the connection")
		}
	}
}

// inUse is what must not grow: what is alive in this process, or all of another's.
func (f footprint) inUse() int64 {
	if f.heap > 0 {
		return f.heap + f.stacks
	}
	return f.rss
}

// growth compares the middle of the looks with their end. A twentieth, or a megabyte,
// is what collections and pools differ by.
func growth(seen []int64) (before, after int64, grew bool) {
	third := len(seen) / 3
	if third == 0 {
		return 0, 0, false
	}
	before, after = median(seen[third:2*third]), median(seen[len(seen)-third:])
	return before, after, after-before > max(before/20, 1<<20)
}

func median(of []int64) int64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
