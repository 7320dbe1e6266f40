// Package handler reports whether the databases answer.
package handler

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

type mongo interface {
	Ping(ctx context.Context) error
}

type redis interface {
	Health(ctx context.Context) error
}

// limit is how long an answer may take: a database that is slower is down.
const limit = 900 * time.Millisecond

// Handler handles GET /health.
type Handler struct {
	mongo mongo
	redis redis
}

// New returns a Handler.
func New(m mongo, r redis) *Handler { return &Handler{mongo: m, redis: r} }

// Report is the body of GET /health.
type Report struct {
	Status  string    `json:"status"`  // ok, or unavailable if any part is
	MongoDB Component `json:"mongodb"` // where everything lasting is
	Redis   Component `json:"redis"`   // who is connected
}

// Component is the health of one part. Why it is down is only in the log.
type Component struct {
	Status    string  `json:"status"`    // ok or unavailable
	LatencyMs float64 `json:"latencyMs"` // milliseconds that a round trip took
}

const (
	ok          = "ok"
	unavailable = "unavailable"
)

// Handle asks both databases together: 200 if both answer, 503 if not. It
// takes a second at most and asks no token.
func (h *Handler) Handle(ctx context.Context, _ events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report := Report{Status: ok}
	var wg sync.WaitGroup
	wg.Go(func() { report.MongoDB = check(ctx, "mongodb", h.mongo.Ping) })
	wg.Go(func() { report.Redis = check(ctx, "redis", h.redis.Health) })
	wg.Wait()
	status := http.StatusOK
	if report.MongoDB.Status != ok || report.Redis.Status != ok {
		status, report.Status = http.StatusServiceUnavailable, unavailable
	}
	body, err := json.Marshal(report)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{}, err
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status, Body: string(body),
		Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"},
	}, nil
}

func check(ctx context.Context, name string, ask func(context.Context) error) Component {
	start := time.Now()
	err := ask(ctx)
	c := Component{Status: ok, LatencyMs: float64(time.Since(start).Microseconds()) / 1000}
	if err != nil {
		c.Status = unavailable
		slog.ErrorContext(ctx, "health", "component", name, "err", err)
	}
	return c
}
