package server

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
)

// A Usage is what would have been billed since the start, and what was asked of the
// databases where that can be seen from here.
type Usage struct {
	FramesIn, FramesOut int64 // of the WebSocket API, each begun 32 KB
	Requests            int64 // of the HTTP API
	Jobs                int64 // messages of queues that functions were given
	Functions           []FunctionUsage
	// Databases reports whether the rest is counted: of embedded databases, and of
	// functions in this process.
	Databases                       bool
	RedisCommands, RedisRoundTrips  int64
	MongoOperations, MongoRoundTrip int64
}

// A FunctionUsage is that of one function.
type FunctionUsage struct {
	Name                string // its folder
	Memory              int    // MB
	Invocations, Failed int64
	Billed              time.Duration // each invocation's begun milliseconds
	// Of the last ones: the median, the slowest of ninety-five in a hundred, and the
	// slowest.
	Median, P95, Slowest time.Duration
}

// remembered is how many durations of each function are kept.
const remembered = 256

// A meter counts. It is safe for concurrent use.
type meter struct {
	requests, jobs                                 atomic.Int64
	redisCommands, redisTrips, mongoOps, mongoTrip atomic.Int64
	databases                                      bool // set before the server runs

	mu   sync.Mutex
	used map[string]*used // by logical id
}

type used struct {
	FunctionUsage
	last []time.Duration // a ring
	next int
}

func newMeter() *meter { return &meter{used: map[string]*used{}} }

// functions counts the invocations of the functions of a template.
func (m *meter) functions(t *template.Template, next lambda.Invoker) lambda.Invoker {
	for _, f := range t.Functions {
		m.used[f.LogicalID] = &used{FunctionUsage: FunctionUsage{Name: path.Base(f.CodeURI), Memory: f.MemorySize}}
	}
	return metered{m, next}
}

type metered struct {
	meter *meter
	next  lambda.Invoker
}

// Invoke implements lambda.Invoker.
func (f metered) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	start := time.Now()
	out, err := f.next.Invoke(ctx, function, event)
	// What a client says comes escaped, so these bytes are the event's own.
	f.meter.jobs.Add(int64(bytes.Count(event, []byte(`"eventSource":"aws:sqs"`))))
	f.meter.ran(function, time.Since(start), err != nil)
	return out, err
}

func (m *meter) ran(function string, took time.Duration, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.used[function]
	if u == nil {
		return
	}
	u.Invocations++
	if failed {
		u.Failed++
	}
	u.Billed += time.Duration(math.Ceil(float64(took)/float64(time.Millisecond))) * time.Millisecond
	if len(u.last) < remembered {
		u.last = append(u.last, took)
		return
	}
	u.last[u.next] = took
	u.next = (u.next + 1) % remembered
}

// Usage returns what was used so far.
func (s *Server) Usage() Usage {
	m := s.meter
	u := Usage{
		Requests: m.requests.Load(), Jobs: m.jobs.Load(), Databases: m.databases,
		RedisCommands: m.redisCommands.Load(), RedisRoundTrips: m.redisTrips.Load(),
		MongoOperations: m.mongoOps.Load(), MongoRoundTrip: m.mongoTrip.Load(),
	}
	if s.websocket != nil {
		u.FramesIn, u.FramesOut = s.websocket.Billed()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.used {
		one := f.FunctionUsage
		if last := slices.Sorted(slices.Values(f.last)); len(last) > 0 {
			one.Median, one.P95, one.Slowest = last[(len(last)-1)/2], last[(len(last)-1)*95/100], last[len(last)-1]
		}
		u.Functions = append(u.Functions, one)
	}
	slices.SortFunc(u.Functions, func(a, b FunctionUsage) int { return cmp.Compare(a.Name, b.Name) })
	return u
}
