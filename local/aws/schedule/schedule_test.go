package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"aiwm-chat/local/aws/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type function func(ctx context.Context, name string, event []byte) ([]byte, error)

func (f function) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	return f(ctx, name, event)
}

func start(t *testing.T, log *slog.Logger, fn function, rules ...schedule.Rule) *schedule.Scheduler {
	t.Helper()
	s, err := schedule.Start(fn, schedule.Options{TimeScale: 10_000, Logger: log}, rules...) // a minute is 6 ms
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEvent(t *testing.T) {
	got := make(chan []byte, 100)
	s := start(t, discard(), func(_ context.Context, name string, event []byte) ([]byte, error) {
		if name != "Sweep" {
			t.Errorf("function %q", name)
		}
		select {
		case got <- event:
		default:
		}
		return nil, nil
	}, schedule.Rule{Name: "EachMinute", Function: "Sweep", Every: time.Minute})
	first, second := <-got, <-got
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var a, b events.EventBridgeEvent
	if err := errors.Join(json.Unmarshal(first, &a), json.Unmarshal(second, &b)); err != nil {
		t.Fatal(err)
	}
	if a.Version != "0" || a.DetailType != "Scheduled Event" || a.Source != "aws.events" || a.AccountID != "123456789012" ||
		a.Region != "us-east-1" || string(a.Detail) != "{}" || a.Time.IsZero() || len(a.Resources) != 1 ||
		a.Resources[0] != "arn:aws:events:us-east-1:123456789012:rule/EachMinute" || a.ID == b.ID {
		t.Errorf("events %s and %s", first, second)
	}
}

func TestOwnInput(t *testing.T) {
	got := make(chan []byte, 100)
	s := start(t, discard(), func(_ context.Context, _ string, event []byte) ([]byte, error) {
		select {
		case got <- event:
		default:
		}
		return nil, nil
	}, schedule.Rule{Function: "Sweep", Every: time.Minute, Input: `{"a": 1}`})
	if event := <-got; string(event) != `{"a": 1}` {
		t.Errorf("the event is %s", event)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOverlapIsBounded(t *testing.T) {
	var running, most atomic.Int32
	release, logged := make(chan struct{}), make(chan struct{}, 1)
	log := slog.New(slog.NewTextHandler(writer(func(line string) {
		if strings.Contains(line, "left out") {
			select {
			case logged <- struct{}{}:
			default:
			}
		}
	}), nil))
	s := start(t, log, func(context.Context, string, []byte) ([]byte, error) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		running.Add(-1)
		return nil, nil
	}, schedule.Rule{Function: "Slow", Every: time.Minute})
	<-logged
	close(release)
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := most.Load(); n != 2 {
		t.Errorf("%d at the same time", n)
	}
	if n := running.Load(); n != 0 {
		t.Errorf("stop returned with %d running", n)
	}
}

func TestErrorsAreLoggedAndTheRuleGoesOn(t *testing.T) {
	var once sync.Once
	again, logged := make(chan struct{}), make(chan string, 1000)
	var calls atomic.Int32
	log := slog.New(slog.NewTextHandler(writer(func(line string) {
		select {
		case logged <- line:
		default:
		}
	}), nil))
	s := start(t, log, func(context.Context, string, []byte) ([]byte, error) {
		if calls.Add(1) == 3 {
			once.Do(func() { close(again) })
		}
		return nil, errors.New("broken")
	}, schedule.Rule{Name: "R", Function: "Sweep", Every: time.Minute})
	<-again
	if line := <-logged; !strings.Contains(line, "function=Sweep") || !strings.Contains(line, "err=broken") {
		t.Errorf("log: %s", line)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopCancels(t *testing.T) {
	started := make(chan struct{}, 10)
	s := start(t, discard(), func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}, schedule.Rule{Function: "Stuck", Every: time.Minute})
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	_, err := schedule.Start(function(nil), schedule.Options{}, schedule.Rule{Name: "Often", Every: time.Second},
		schedule.Rule{Name: "Broken", Every: time.Minute, Input: "{"})
	if err == nil || !strings.Contains(err.Error(), "Often") || !strings.Contains(err.Error(), "Broken") {
		t.Errorf("err = %v", err)
	}
}

// A writer is an io.Writer that calls itself with each line of a log.
type writer func(line string)

func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}
