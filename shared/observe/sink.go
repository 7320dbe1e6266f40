package observe

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A Sink gets the numbers of the invocations of one process, each invocation's as
// one line of CloudWatch's embedded metric format.
type Sink struct {
	stack  string
	mu     sync.Mutex
	out    io.Writer
	daemon io.Writer // of X-Ray; nil: there is none
	warm   atomic.Bool
}

// NewSink returns a Sink that writes each line with one call of out, which fails
// at nobody's cost. stack tells the numbers of several installations apart.
func NewSink(stack string, out io.Writer) *Sink { return &Sink{stack: stack, out: out} }

// To has the invocations of a context send their numbers to s.
func To(ctx context.Context, s *Sink) context.Context { return context.WithValue(ctx, sinkKey, s) }

// isCold is true once.
func (s *Sink) isCold() bool { return s != nil && !s.warm.Load() && s.warm.CompareAndSwap(false, true) }

// End writes the numbers of the invocation, if there are any, and tells X-Ray of its
// calls. Nothing may be added to it afterwards.
func (i *Invocation) End() {
	if i == nil {
		return
	}
	i.whole.take(i)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell()
	if i.sink == nil {
		return
	}
	line := i.emf(make([]byte, 0, 1024), time.Now())
	if line == nil {
		return
	}
	i.sink.mu.Lock()
	defer i.sink.mu.Unlock()
	_, _ = i.sink.out.Write(line) // numbers are worth no failure
}
