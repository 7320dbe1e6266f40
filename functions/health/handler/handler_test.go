package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/health/handler"
)

// A database answers after a time, with an error or without.
type database struct {
	after time.Duration
	err   error
}

func (d database) answer(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.after):
		return d.err
	}
}

// MongoDB is asked for a ping; of Redis that is not enough, it has to be able to
// write.
type (
	mongo struct{ database }
	redis struct{ database }
)

func (m mongo) Ping(ctx context.Context) error   { return m.answer(ctx) }
func (r redis) Health(ctx context.Context) error { return r.answer(ctx) }

func TestHealth(t *testing.T) {
	refused := errors.New("dial mongodb://admin:hunter2@db: refused")
	tests := []struct {
		name         string
		mongo, redis database
		status       int
		report       [3]string // of the whole, MongoDB and Redis
		took         time.Duration
	}{
		{"well", database{after: 3 * time.Millisecond}, database{after: time.Millisecond}, 200, [3]string{"ok", "ok", "ok"}, 3 * time.Millisecond},
		{"slow but well", database{after: 800 * time.Millisecond}, database{after: 800 * time.Millisecond}, 200, [3]string{"ok", "ok", "ok"}, 800 * time.Millisecond},
		{"no MongoDB", database{err: refused}, database{}, 503, [3]string{"unavailable", "unavailable", "ok"}, 0},
		{"no Redis", database{}, database{err: refused}, 503, [3]string{"unavailable", "ok", "unavailable"}, 0},
		{"neither", database{err: refused}, database{err: refused}, 503, [3]string{"unavailable", "unavailable", "unavailable"}, 0},
		{"no answer", database{after: time.Hour}, database{}, 503, [3]string{"unavailable", "unavailable", "ok"}, 900 * time.Millisecond},
		{"no answer of either", database{after: time.Hour}, database{after: time.Hour}, 503, [3]string{"unavailable", "unavailable", "unavailable"}, 900 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the clock is the test's own
				start := time.Now()
				got, err := handler.New(mongo{tt.mongo}, redis{tt.redis}).Handle(t.Context(), events.APIGatewayV2HTTPRequest{})
				took := time.Since(start)
				if err != nil || got.StatusCode != tt.status || got.Headers["content-type"] != "application/json" || got.Headers["cache-control"] != "no-store" || got.Headers["x-content-type-options"] != "nosniff" {
					t.Errorf("got %+v, %v", got, err)
				}
				if took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				var r handler.Report
				if err := json.Unmarshal([]byte(got.Body), &r); err != nil {
					t.Fatal(err)
				}
				if report := [3]string{r.Status, r.MongoDB.Status, r.Redis.Status}; report != tt.report {
					t.Errorf("reported %v, want %v", report, tt.report)
				}
				if want := min(tt.mongo.after, 900*time.Millisecond); r.MongoDB.LatencyMs != float64(want.Milliseconds()) {
					t.Errorf("the latency is %v ms, want %v", r.MongoDB.LatencyMs, want)
				}
				if strings.Contains(got.Body, "hunter2") {
					t.Errorf("the answer says why: %s", got.Body)
				}
			})
		})
	}
}
