package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// Everybody is told what is slow or down, and operators alone why.
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
		{"slow", database{after: 800 * time.Millisecond}, database{after: 250 * time.Millisecond}, 200, [3]string{"slow", "slow", "ok"}, 800 * time.Millisecond},
		{"one slow, one down", database{after: 300 * time.Millisecond}, database{err: refused}, 503, [3]string{"unavailable", "slow", "unavailable"}, 300 * time.Millisecond},
		{"no MongoDB", database{err: refused}, database{after: 300 * time.Millisecond}, 503, [3]string{"unavailable", "unavailable", "slow"}, 300 * time.Millisecond},
		{"neither", database{err: refused}, database{err: refused}, 503, [3]string{"unavailable", "unavailable", "unavailable"}, 0},
		{"no answer", database{after: time.Hour}, database{}, 503, [3]string{"unavailable", "unavailable", "ok"}, 900 * time.Millisecond},
	}
	for _, tt := range tests {
		for _, deep := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " ", deep), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // the clock is the test's own
					start := time.Now()
					got := handler.New(mongo{tt.mongo}, redis{tt.redis}).Handle(t.Context(), deep)
					if took := time.Since(start); got.Status != tt.status || took != tt.took {
						t.Errorf("got %d after %v", got.Status, took)
					}
					r := got.Body.(handler.Report)
					if report := [3]string{r.Status, r.MongoDB.Status, r.Redis.Status}; report != tt.report {
						t.Errorf("reported %v, want %v", report, tt.report)
					}
					if want := min(tt.mongo.after, 900*time.Millisecond); r.MongoDB.LatencyMs != float64(want.Milliseconds()) {
						t.Errorf("the latency is %v ms, want %v", r.MongoDB.LatencyMs, want)
					}
					if why := tt.mongo.err != nil && deep; (r.At != "") != deep || why && r.MongoDB.Error != "dial mongodb://…@db: refused" {
						t.Errorf("an operator is told %+v", r)
					}
					body, err := json.Marshal(r)
					if err != nil || strings.Contains(string(body), "hunter2") || !deep && strings.Contains(string(body), "refused") {
						t.Errorf("the answer says why: %s", body)
					}
				})
			})
		}
	}
}
