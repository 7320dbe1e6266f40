// Package handler reports whether the databases answer.
package handler

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"time"

	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/observe"
)

type mongo interface {
	Ping(ctx context.Context) error
}

type redis interface {
	Health(ctx context.Context) error
}

const (
	// limit is how long an answer may take: a database that is slower is down.
	limit = 900 * time.Millisecond
	// sluggish is how long an answer takes where something is wrong: people notice.
	sluggish = 250 * time.Millisecond
)

// Handler handles GET /health.
type Handler struct {
	mongo mongo
	redis redis
}

// New returns a Handler.
func New(m mongo, r redis) *Handler { return &Handler{mongo: m, redis: r} }

// Report is the body of GET /health.
type Report struct {
	Status  string    `json:"status"`       // the worst of the parts
	MongoDB Component `json:"mongodb"`      // where everything lasting is
	Redis   Component `json:"redis"`        // who is connected
	At      string    `json:"at,omitempty"` // RFC 3339; for operators
}

// Component is the health of one part. Why it is down is in the log, and told to
// operators.
type Component struct {
	Status    string  `json:"status"`          // ok, slow or unavailable
	LatencyMs float64 `json:"latencyMs"`       // milliseconds that a round trip took
	Error     string  `json:"error,omitempty"` // why it is down; for operators
}

const (
	ok          = "ok"
	slow        = "slow"
	unavailable = "unavailable"
)

// Handle asks both databases together: 200 if both answer, also where that is slow,
// 503 if not. It takes a second at most. deep is for operators.
func (h *Handler) Handle(ctx context.Context, deep bool) gateway.HTTPResponse {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report := Report{Status: ok}
	var wg sync.WaitGroup
	wg.Go(func() { report.MongoDB = check(ctx, "mongodb", h.mongo.Ping, deep) })
	wg.Go(func() { report.Redis = check(ctx, "redis", h.redis.Health, deep) })
	wg.Wait()
	status := http.StatusOK
	for _, c := range []Component{report.MongoDB, report.Redis} {
		if c.Status == slow && report.Status == ok || c.Status == unavailable {
			report.Status = c.Status
		}
	}
	if report.Status == unavailable {
		status = http.StatusServiceUnavailable
	}
	if deep {
		report.At = time.Now().UTC().Format(time.RFC3339)
	}
	return gateway.HTTPResponse{Status: status, Body: report}
}

func check(ctx context.Context, name string, ask func(context.Context) error, deep bool) Component {
	start := time.Now()
	err := ask(ctx)
	took := time.Since(start)
	c := Component{Status: ok, LatencyMs: observe.Milliseconds(took)}
	switch {
	case err != nil:
		c.Status = unavailable
		slog.ErrorContext(ctx, "health", "component", name, "err", err)
		if deep {
			c.Error = cause(err)
		}
	case took > sluggish:
		c.Status = slow
	}
	return c
}

// userinfo is what stands before the host in a URL: a name and a password.
var userinfo = regexp.MustCompile(`//[^/@\s]*@`)

// cause is why, without what nobody may read.
func cause(err error) string {
	const longest = 500
	s := userinfo.ReplaceAllString(err.Error(), "//…@")
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return s
}
