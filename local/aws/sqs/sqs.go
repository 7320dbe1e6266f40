// Package sqs is a small Amazon SQS for development: standard queues, reached
// through the unmodified AWS SDKs, and the pollers that Lambda runs
// between a queue and a function. Clients find it by their BaseEndpoint.
//
// It keeps SQS's semantics where a function can tell: at least once, no order,
// visibility timeout, delay, receive count, dead-letter queues, partial batch
// responses, size limits, typed errors. Queues are declared at the start. What
// is in them comes back after the end of the process if there is a directory to
// keep it in. FIFO queues, encryption and permissions are not there.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"aiwm-chat/local/aws/account"
	"aiwm-chat/local/aws/drain"
	"aiwm-chat/local/filelock"
)

const (
	// defaultMaxMessageSize is SQS's limit of a message and of a batch: 1 MiB
	// since 2025, 256 KiB before.
	defaultMaxMessageSize = 1 << 20
	defaultMaxMessages    = 100_000
	// maxQueueBytes bounds what one queue holds, as MaxMessages does.
	maxQueueBytes = 256 << 20

	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
	maxVisibility     = 12 * time.Hour
	maxDelay          = 15 * time.Minute
	maxWait           = 20 * time.Second
)

// A Queue describes one queue, by the names that SQS gives its attributes.
type Queue struct {
	// Name of the queue, at most 80 letters, digits, hyphens and underscores. A
	// FIFO queue (".fifo") is refused.
	Name string
	// VisibilityTimeout is how long a received message stays hidden from
	// others; 30 s if zero.
	VisibilityTimeout time.Duration
	// Delay hides each new message for so long; at most 15 min.
	Delay time.Duration
	// Retention is how long a message is kept; 4 days if zero.
	Retention time.Duration
	// DeadLetterQueue names another queue, which gets the messages that were
	// received MaxReceiveCount times and not deleted.
	DeadLetterQueue string
	// MaxReceiveCount goes with DeadLetterQueue: 1 to 1000. A message that was
	// received so often moves at the next receive; that AWS waits for one is
	// not proven.
	MaxReceiveCount int
}

// Options configures New. Its zero value is ready to use.
type Options struct {
	// TimeScale divides the visibility timeouts, delays, retention and batch
	// windows: 60 makes a minute into a second; 1 if zero. The WaitTimeSeconds
	// of a client is not scaled.
	TimeScale float64
	// DelayScale divides delays alone; TimeScale if zero. It is for jobs that look
	// after something that is not scaled.
	DelayScale float64
	// MaxMessageSize limits a message, and all messages of a batch together, in
	// bytes; 1 MiB if zero.
	MaxMessageSize int
	// MaxMessages limits what one queue holds, so that a consumer that stands
	// still does not take all memory; 100,000 if zero. A send over it, or over
	// 256 MiB, is refused with OverLimit, which SQS itself never does.
	MaxMessages int
	// Dir keeps the messages in journals, one file per queue, over the end of
	// the process, however it ends; a message that was received then and not
	// deleted comes again at once. It is made if it is not there. In memory
	// alone if empty.
	Dir string
	// Logger gets one line per delivery to a function and per dead letter, and
	// never a body; nil: slog.Default.
	Logger *slog.Logger
}

// A Server holds queues, serves them over HTTP and delivers them to functions.
// It is safe for concurrent use.
type Server struct {
	options Options
	queues  map[string]*queue
	names   []string // in the order they were given

	lock       *os.File        // of Options.Dir
	polling    context.Context // ended first, at shutdown
	stopPoll   context.CancelFunc
	invoking   context.Context // ended when the shutdown may wait no longer
	stopInvoke context.CancelFunc

	mu       sync.Mutex
	closed   bool
	pollers  sync.WaitGroup // Add only under mu and while not closed
	inFlight sync.WaitGroup // deliveries; Add only by a running poller
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// New returns a server of the given queues. Every fault in them is reported at
// once.
func New(o Options, queues ...Queue) (*Server, error) {
	if o.TimeScale <= 0 {
		o.TimeScale = 1
	}
	if o.DelayScale <= 0 {
		o.DelayScale = o.TimeScale
	}
	if o.MaxMessageSize <= 0 {
		o.MaxMessageSize = defaultMaxMessageSize
	}
	if o.MaxMessages <= 0 {
		o.MaxMessages = defaultMaxMessages
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{options: o, queues: make(map[string]*queue, len(queues))}
	var faults []error
	for _, config := range queues {
		if err := config.complete(); err != nil {
			faults = append(faults, err)
			continue
		}
		if _, ok := s.queues[config.Name]; ok {
			faults = append(faults, fmt.Errorf("queue %s is declared twice", config.Name))
			continue
		}
		s.queues[config.Name] = newQueue(o, config)
		s.names = append(s.names, config.Name)
	}
	for _, q := range s.queues {
		if name := q.config.DeadLetterQueue; name != "" {
			if q.deadLetters = s.queues[name]; q.deadLetters == nil || q.deadLetters == q {
				faults = append(faults, fmt.Errorf("queue %s: dead-letter queue %s is not another queue", q.config.Name, name))
			}
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.polling, s.stopPoll = context.WithCancel(context.Background())
	s.invoking, s.stopInvoke = context.WithCancel(context.Background())
	return s, nil
}

// load takes what an earlier server left in the directory.
func (s *Server) load() (err error) {
	if s.options.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(s.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if s.lock, err = filelock.Take(s.options.Dir); err != nil {
		return err
	}
	for _, name := range s.names {
		if err := s.queues[name].load(s.options.Dir); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the journals, when Shutdown has returned and no more requests
// come: what is sent after it is refused.
func (s *Server) Close() error {
	var errs []error
	for _, q := range s.queues {
		q.mu.Lock()
		errs = append(errs, q.journal.close())
		q.mu.Unlock()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// complete fills in the defaults and reports what SQS would refuse.
func (c *Queue) complete() error {
	if c.VisibilityTimeout == 0 {
		c.VisibilityTimeout = defaultVisibility
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	switch {
	case strings.HasSuffix(c.Name, ".fifo"):
		return fmt.Errorf("queue %s: fifo queues are not emulated", c.Name)
	case !validName.MatchString(c.Name):
		return fmt.Errorf("queue name %q is not 1 to 80 letters, digits, hyphens and underscores", c.Name)
	case c.VisibilityTimeout < 0 || c.VisibilityTimeout > maxVisibility:
		return fmt.Errorf("queue %s: visibility timeout %v is not within 12 hours", c.Name, c.VisibilityTimeout)
	case c.Delay < 0 || c.Delay > maxDelay:
		return fmt.Errorf("queue %s: delay %v is not within 15 minutes", c.Name, c.Delay)
	case c.Retention < time.Minute || c.Retention > 14*24*time.Hour:
		return fmt.Errorf("queue %s: retention %v is not between 1 minute and 14 days", c.Name, c.Retention)
	case (c.DeadLetterQueue == "") != (c.MaxReceiveCount == 0):
		return fmt.Errorf("queue %s: a dead-letter queue and maxReceiveCount go together", c.Name)
	case c.MaxReceiveCount < 0 || c.MaxReceiveCount > 1000:
		return fmt.Errorf("queue %s: maxReceiveCount %d is not between 1 and 1000", c.Name, c.MaxReceiveCount)
	}
	return nil
}

// URL returns the URL of a queue on a server that clients reach at host (with a
// port), http://HOST/ACCOUNT/NAME.
func URL(host, queue string) string { return "http://" + host + "/" + account.ID + "/" + queue }

// ARN returns the ARN of a queue.
func ARN(queue string) string {
	return "arn:aws:sqs:" + account.Region + ":" + account.ID + ":" + queue
}

// Shutdown ends all polling, that of HTTP clients included, and waits for the
// deliveries in flight. When ctx is done it cancels them, waits on, and returns
// the error of ctx, wrapped. Messages that are left stay in the directory, or
// are lost without one; the log says how many. Close comes after it.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stopPoll()

	err := drain.Wait(ctx, s.stopInvoke, &s.pollers, &s.inFlight)
	if err != nil {
		err = fmt.Errorf("wait for deliveries: %w", err)
	}
	for _, name := range s.names {
		n := s.queues[name].counts().total()
		switch {
		case n > 0 && s.options.Dir != "":
			s.options.Logger.Info("messages kept", "queue", name, "messages", n)
		case n > 0:
			s.options.Logger.Warn("messages lost", "queue", name, "messages", n)
		}
	}
	return err
}
