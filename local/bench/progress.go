package bench

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A progress is what is done of a step, on one line that is written again and
// again. The zero value writes nothing.
type progress struct {
	out  io.Writer // nil: nobody looks
	mu   sync.Mutex
	what string
	of   int // 0: what ends it is the time
	done atomic.Int64

	begun  time.Time
	length time.Duration // where the time ends it
}

// step begins another one, of which there are so many parts.
func (p *progress) step(what string, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.of = what, of
	p.done.Store(0)
}

// spell begins a step that lasts so long, however much is done in it.
func (p *progress) spell(what string, length time.Duration) {
	p.step(what, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun, p.length = time.Now(), length
}

func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	const width = 30
	done := int(p.done.Load())
	if p.of <= 0 {
		passed := min(time.Since(p.begun), p.length).Truncate(time.Second)
		full := int(width * passed / max(p.length, 1))
		return fmt.Sprintf("%s: [%s%s] %v of %v, %d", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), passed, p.length, done)
	}
	full := min(width*done/p.of, width)
	return fmt.Sprintf("%s: [%s%s] %d of %d", p.what, strings.Repeat("=", full), strings.Repeat(" ", width-full), done, p.of)
}

// show writes the line each second until the returned function is called, which
// takes it away.
func (p *progress) show() (end func()) {
	if p.out == nil {
		return func() {}
	}
	const blank, every = 79, time.Second
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_, _ = fmt.Fprintf(p.out, "\r%-*s", blank, p.line())
			case <-over:
				_, _ = fmt.Fprintf(p.out, "\r%*s\r", blank, "")
				return
			}
		}
	})
	return func() { close(over); wg.Wait() }
}
