// Package wsapi is an API Gateway WebSocket API with its @connections
// management API, for development machines.
//
// It accepts WebSocket connections, turns each frame into the event JSON that
// API Gateway hands to Lambda, and answers as API Gateway does: same status
// codes, close codes, error frames, ids, limits. What runs the functions is the
// caller's invoker. What AWS has not documented is a switch in Unproven.
//
// Not emulated: rates of the account (500 connections/s, 10,000 requests/s),
// the limit of 300 routes, model validation, IAM authorization of $connect.
package wsapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Quotas of API Gateway (awsdocs:
// apigateway-execution-service-websocket-limits-table).
const (
	maxFrame          = 32 << 10  // bytes of payload in one RFC 6455 frame
	maxMessage        = 128 << 10 // bytes in one message, or in one POST
	maxURL            = 4096      // characters
	maxAuthorizerSize = 8 << 10   // bytes an authorizer may return
)

// Bounds of this emulator, which AWS does not have.
const (
	maxInFlight           = 1000 // invocations at once; Lambda's default concurrency
	maxInFlightConnection = 32   // invocations of one connection at once; its next frame is not read before one ends
	slowWrite             = 250 * time.Millisecond
	closeGrace            = time.Second // how long a client may take to answer a close frame
)

// An invoker runs a function, named by its logical id in the template, with an
// event and returns what the function returned.
//
// The context's deadline is the integration timeout; Invoke returns soon after
// it. Of the errors three kinds are told apart: one with a method
// ErrorMessage() string is the function's own failure, one whose Throttled()
// bool is true is Lambda's 429, and every other is an integration failure. The
// event is the invoker's to keep, but not to change.
type invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// An API is one WebSocket API. It is safe for concurrent use.
type API struct {
	options    Options
	functions  invoker
	selector   selector
	routes     map[string]*route // by route key, for messages; without $connect and $disconnect
	connect    *route            // nil if the API has none
	disconnect *route
	authorize  *route
	variables  []byte // stage variables as a JSON object, nil if none

	base  context.Context // of every invocation; cancelled when Shutdown gives up waiting
	stop  context.CancelFunc
	slots chan struct{}  // one per invocation in flight
	work  sync.WaitGroup // handshakes, connections and their invocations

	frames   sync.Pool     // *[]byte: bodies of posts, with room for a frame header
	failures atomic.Uint32 // post-error faults so far
	in, out  atomic.Int64  // what would have been billed

	mu          sync.RWMutex
	closing     bool
	connections map[string]*conn
}

// New checks the options and returns the API. It serves nothing before its
// handlers are mounted.
func New(o Options, functions invoker) (*API, error) {
	o = o.withDefaults()
	if o.APIID == "" || o.Stage == "" {
		return nil, errors.New("websocket api: APIID and Stage are required")
	}
	expression, err := newSelector(o.RouteSelectionExpression)
	if err != nil {
		return nil, fmt.Errorf("websocket api: %w", err)
	}
	for _, source := range o.IdentitySource {
		if _, err := identity(source, o.StageVariables, nil, nil); err != nil {
			return nil, fmt.Errorf("websocket api: %w", err)
		}
	}
	a := &API{
		options:     o,
		functions:   functions,
		selector:    expression,
		routes:      map[string]*route{},
		slots:       make(chan struct{}, maxInFlight),
		connections: map[string]*conn{},
	}
	if len(o.StageVariables) > 0 {
		a.variables = quoteMap(o.StageVariables)
	}
	for _, r := range o.Routes {
		compiled := newRoute(r)
		switch r.Key {
		case "$connect":
			a.connect = compiled
		case "$disconnect":
			a.disconnect = compiled
		default:
			a.routes[r.Key] = compiled
		}
	}
	if o.Authorizer != "" {
		a.authorize = newRoute(Route{Key: "$connect", Function: o.Authorizer})
	}
	a.base, a.stop = context.WithCancel(context.Background())
	return a, nil
}

// Shutdown closes every connection with 1001, fires their $disconnect, refuses
// new ones with 503 and waits for all invocations in flight. When ctx ends
// first it cancels them and returns ctx's error.
func (a *API) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	a.closing = true
	open := make([]*conn, 0, len(a.connections))
	for _, c := range a.connections {
		open = append(open, c)
	}
	a.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		var closers sync.WaitGroup
		slots := make(chan struct{}, 64) // a slow client holds up its closer; others go on
		for _, c := range open {
			slots <- struct{}{}
			closers.Go(func() {
				c.shut(1001, goingAway)
				<-slots
			})
		}
		closers.Wait()
		a.work.Wait()
	}()
	defer a.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		a.stop()
		return fmt.Errorf("wait for connections to close: %w", ctx.Err())
	}
}

// Connections returns the number of connections that are open.
func (a *API) Connections() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.connections)
}

// begin counts a handshake, which work.Done ends; false once Shutdown has
// begun.
func (a *API) begin() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.closing {
		a.work.Add(1)
	}
	return !a.closing
}

// add makes a connection reachable for @connections; false once Shutdown has
// begun.
func (a *API) add(c *conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closing {
		a.connections[c.id] = c
	}
	return !a.closing
}

func (a *API) remove(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.connections, c.id)
}

func (a *API) lookup(id string) *conn {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.connections[id]
}
