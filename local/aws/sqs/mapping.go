package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	defaultBatchSize = 10
	maxBatchSize     = 10_000
	maxWindow        = 300 * time.Second
	maxConcurrency   = 1000

	// Lambda begins with five batches at a time, and while messages wait it takes up
	// to 300 more a minute: see services-sqs-scaling in its documentation.
	firstConcurrency = 5
	growEvery        = time.Minute / 300

	// maxBatchBytes bounds the messages of one event. JSON at most doubles a
	// text that SQS accepts, so the event stays within the 6 MB that a function
	// can be invoked with.
	maxBatchBytes = 2_900_000

	// A throttled invocation is tried again after these, until the messages
	// become visible again.
	minThrottleDelay = 100 * time.Millisecond
	maxThrottleDelay = 5 * time.Second
)

// A Mapping is an event source mapping: it has Lambda poll a queue and invoke a
// function with batches of its messages.
type Mapping struct {
	// Queue and Function are names.
	Queue, Function string
	// BatchSize is the most messages in one event; 10 if zero. More than 10
	// need a Window, as they do on Lambda.
	BatchSize int
	// Window is how long a batch may wait for more messages after its first;
	// scaled as Options.TimeScale says.
	Window time.Duration
	// ReportBatchItemFailures reads the function's response for the messages
	// that failed.
	ReportBatchItemFailures bool
	// MaximumConcurrency is how many batches are processed at the same time, on
	// AWS 2 to 1000; 1000 if zero. It begins with 5, and goes on to more while all
	// are busy; unlike AWS it does not go back.
	MaximumConcurrency int
}

func (m *Mapping) complete() error {
	if m.BatchSize == 0 {
		m.BatchSize = defaultBatchSize
	}
	if m.MaximumConcurrency == 0 {
		m.MaximumConcurrency = maxConcurrency
	}
	switch {
	case m.BatchSize < 1 || m.BatchSize > maxBatchSize:
		return fmt.Errorf("batch size %d is not between 1 and %d", m.BatchSize, maxBatchSize)
	case m.Window < 0 || m.Window > maxWindow:
		return fmt.Errorf("batch window %v is not within 300 seconds", m.Window)
	case m.BatchSize > 10 && m.Window < time.Second:
		return fmt.Errorf("batch size %d needs a batch window of a second at least", m.BatchSize)
	case m.MaximumConcurrency < 1 || m.MaximumConcurrency > maxConcurrency:
		return fmt.Errorf("maximum concurrency %d is not between 1 and %d", m.MaximumConcurrency, maxConcurrency)
	}
	return nil
}

// An invoker invokes a function and waits for its response. An error with a
// method Throttled that returns true means that the function did not run and
// that a later attempt may succeed.
type invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// Map starts to deliver the messages of a queue to a function, until Shutdown.
// A batch that succeeds is deleted. What fails stays hidden until its
// visibility timeout is over and then comes again, or goes to the dead-letter
// queue. A queue may have several mappings, which then compete for its
// messages.
func (s *Server) Map(m Mapping, functions invoker) error {
	if err := m.complete(); err != nil {
		return fmt.Errorf("map queue %s to %s: %w", m.Queue, m.Function, err)
	}
	q, ok := s.queues[m.Queue]
	if !ok {
		return fmt.Errorf("map queue %s to %s: no such queue", m.Queue, m.Function)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("map queue %s to %s: server is shut down", m.Queue, m.Function)
	}
	p := &poller{Mapping: m, server: s, queue: q, functions: functions, free: make(chan struct{}, m.MaximumConcurrency)}
	for range min(firstConcurrency, m.MaximumConcurrency) {
		p.grow()
	}
	s.pollers.Go(p.run)
	return nil
}

// A poller forms batches of one queue, one after the other, and processes
// several of them at the same time.
type poller struct {
	Mapping
	server    *Server
	queue     *queue
	functions invoker
	free      chan struct{} // one element for each batch more that may be in flight
	slots     int           // batches that may be in flight
}

func (p *poller) grow() {
	p.slots++
	p.free <- struct{}{}
}

func (p *poller) run() {
	ctx := p.server.polling
	for {
		select { // first a slot, then messages: none is taken that nobody can process
		case <-p.free:
		case <-time.After(p.queue.scaled(growEvery)):
			if p.slots < p.MaximumConcurrency {
				p.grow()
			}
			continue
		case <-ctx.Done():
			return
		}
		batch := p.batch(ctx)
		if len(batch) == 0 {
			p.free <- struct{}{}
			if ctx.Err() != nil {
				return
			}
			continue
		}
		p.server.inFlight.Go(func() {
			p.deliver(batch)
			p.free <- struct{}{}
		})
	}
}

// batch waits for a message and takes what else is there, or comes within the
// window.
func (p *poller) batch(ctx context.Context) []message {
	visibility := p.queue.config.VisibilityTimeout
	batch := p.queue.receive(ctx, p.BatchSize, maxBatchBytes, visibility, time.Hour)
	end := time.Now().Add(p.queue.scaled(p.Window))
	room := maxBatchBytes
	for _, m := range batch {
		room -= m.size
	}
	for len(batch) > 0 && len(batch) < p.BatchSize && room > 0 && time.Now().Before(end) {
		more := p.queue.receive(ctx, p.BatchSize-len(batch), room, visibility, time.Until(end))
		if len(more) == 0 {
			break
		}
		for _, m := range more {
			room -= m.size
		}
		batch = append(batch, more...)
	}
	return batch
}

// deliver invokes the function with a batch and deletes the messages it has
// dealt with.
func (p *poller) deliver(batch []message) {
	start := time.Now()
	failed, err := p.process(batch)
	retry := make(map[string]bool, len(failed))
	for _, id := range failed {
		retry[id] = true
	}
	for i := range batch {
		if !retry[batch[i].id] {
			_ = p.queue.delete(p.queue.handle(&batch[i])) // the handle is our own
		}
	}
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.String("queue", p.Queue), slog.String("function", p.Function), slog.Int("messages", len(batch)),
		slog.Int("failed", len(retry)), slog.Duration("duration", time.Since(start)),
	}
	if err != nil {
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("err", err))
	}
	p.server.options.Logger.LogAttrs(context.Background(), level, "deliver", attrs...)
}

// process returns the ids of the messages that failed: all of them with an
// error.
func (p *poller) process(batch []message) (failed []string, err error) {
	ids := make([]string, len(batch))
	for i, m := range batch {
		ids[i] = m.id
	}
	event, err := encodeEvent(p.queue, batch)
	if err != nil {
		return ids, fmt.Errorf("encode event: %w", err)
	}
	response, err := p.invoke(event)
	if err != nil {
		return ids, err
	}
	if !p.ReportBatchItemFailures {
		return nil, nil
	}
	if failed, err = batchItemFailures(response, ids); err != nil {
		return ids, fmt.Errorf("read batch response: %w", err)
	}
	return failed, nil
}

// invoke tries a throttled function again until the messages are about to
// become visible.
func (p *poller) invoke(event []byte) ([]byte, error) {
	ctx := p.server.invoking
	giveUp := time.Now().Add(p.queue.scaled(p.queue.config.VisibilityTimeout))
	for delay := minThrottleDelay; ; delay = min(2*delay, maxThrottleDelay) {
		response, err := p.functions.Invoke(ctx, p.Function, event)
		var throttled interface{ Throttled() bool }
		if err == nil || !errors.As(err, &throttled) || !throttled.Throttled() || time.Now().Add(delay).After(giveUp) {
			return response, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-p.server.polling.Done():
			timer.Stop()
			return nil, err
		}
	}
}
