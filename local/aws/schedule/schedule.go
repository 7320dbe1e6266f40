// Package schedule invokes functions at a fixed rate, as an EventBridge rule
// with a rate() expression does.
//
// The invocation is asynchronous in AWS: the rule does not wait for the
// function, so a slow function overlaps itself. It does so here too, up to a
// bound. A failed invocation is logged and not repeated, where Lambda would try
// twice more.
package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"aiwm-chat/local/aws/account"
	"aiwm-chat/local/aws/drain"
)

const (
	// maxOverlap is how many invocations of one rule may run at the same time.
	// A tick over that is left out and logged.
	maxOverlap = 2
	// minInterval is the shortest time between two ticks, whatever the time
	// scale.
	minInterval = time.Millisecond
)

// A Rule is one schedule.
type Rule struct {
	// Name of the rule, which the function finds in the ARN in resources.
	Name string
	// Function is the name of the function to invoke.
	Function string
	// Every is the time between two invocations, of which the first comes after
	// as long; at least a minute, as in AWS.
	Every time.Duration
	// Input is the event, JSON; EventBridge's own if empty.
	Input string
}

// Options configures Start. Its zero value is ready to use.
type Options struct {
	// TimeScale divides the time between invocations: 60 makes a minute into a
	// second; 1 if zero.
	TimeScale float64
	// Logger gets one line per invocation; nil: slog.Default.
	Logger *slog.Logger
}

// An invoker invokes a function and waits for its response.
type invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// A Scheduler runs rules from Start to Scheduler.Stop.
type Scheduler struct {
	options   Options
	functions invoker

	ticking  context.Context // ended first
	stopTick context.CancelFunc
	invoking context.Context // ended when Stop may wait no longer
	cancel   context.CancelFunc
	rules    sync.WaitGroup
	inFlight sync.WaitGroup // Add only by a running rule
}

// Start starts the rules. Every fault in them is reported at once, and then
// none runs.
func Start(functions invoker, o Options, rules ...Rule) (*Scheduler, error) {
	if o.TimeScale <= 0 {
		o.TimeScale = 1
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	var faults []error
	for _, r := range rules {
		if r.Every < time.Minute {
			faults = append(faults, fmt.Errorf("rule %s: %v is less than a minute", r.Name, r.Every))
		}
		if r.Input != "" && !json.Valid([]byte(r.Input)) {
			faults = append(faults, fmt.Errorf("rule %s: its input is no JSON", r.Name))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s := &Scheduler{options: o, functions: functions}
	s.ticking, s.stopTick = context.WithCancel(context.Background())
	s.invoking, s.cancel = context.WithCancel(context.Background())
	for _, r := range rules {
		s.rules.Go(func() { s.run(r) })
	}
	return s, nil
}

// Stop starts no more invocations and waits for those in flight. When ctx is
// done it cancels them, waits on, and returns the error of ctx, wrapped.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.stopTick()
	if err := drain.Wait(ctx, s.cancel, &s.rules, &s.inFlight); err != nil {
		return fmt.Errorf("wait for scheduled functions: %w", err)
	}
	return nil
}

func (s *Scheduler) run(r Rule) {
	ticker := time.NewTicker(max(time.Duration(float64(r.Every)/s.options.TimeScale), minInterval))
	defer ticker.Stop()
	slots := make(chan struct{}, maxOverlap)
	for {
		select {
		case <-s.ticking.Done():
			return
		case <-ticker.C:
		}
		select {
		case slots <- struct{}{}:
			s.inFlight.Go(func() {
				s.invoke(r)
				<-slots
			})
		default:
			s.options.Logger.Warn("scheduled invocation left out: too many still run", "rule", r.Name, "function", r.Function)
		}
	}
}

func (s *Scheduler) invoke(r Rule) {
	start := time.Now()
	event, err := newEvent(r, start)
	if err == nil {
		_, err = s.functions.Invoke(s.invoking, r.Function, event)
	}
	if err != nil {
		s.options.Logger.Warn("scheduled", "rule", r.Name, "function", r.Function, "duration", time.Since(start), "err", err)
		return
	}
	s.options.Logger.Debug("scheduled", "rule", r.Name, "function", r.Function, "duration", time.Since(start))
}

// newEvent returns the rule's own event, or EventBridge's "Scheduled Event",
// key by key.
func newEvent(r Rule, at time.Time) ([]byte, error) {
	if r.Input != "" {
		return []byte(r.Input), nil
	}
	return json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     struct{} `json:"detail"`
	}{
		Version:    "0",
		ID:         uuid.NewString(),
		DetailType: "Scheduled Event",
		Source:     "aws.events",
		Account:    account.ID,
		Time:       at.UTC().Format("2006-01-02T15:04:05Z"),
		Region:     account.Region,
		Resources:  []string{"arn:aws:events:" + account.Region + ":" + account.ID + ":rule/" + r.Name},
	})
}
