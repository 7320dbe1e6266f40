// Package toolserver is an MCP server with tools of a shop, for development and
// tests: always the same answers, and nothing that it needs.
package toolserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Lists are good for this long.
const listTTL = time.Minute

// MaxSeconds is how long slow_report can take.
const MaxSeconds = 120

// A Server has three tools: get_order, which reads, refund_order, which should be
// asked for, and slow_report, which takes its time.
type Server struct {
	http.Handler
	server  *mcp.Server
	mu      sync.Mutex
	refunds map[string]int
}

// Close ends the sessions that clients have not ended.
func (s *Server) Close() {
	for session := range s.server.Sessions() {
		_ = session.Close()
	}
}

// New returns a server of the newest specification, without sessions.
func New() *Server {
	return newServer(&mcp.ServerOptions{}, &mcp.StreamableHTTPOptions{Stateless: true})
}

// NewWithSessions returns a server of the specification of 2025-06-18, which gives each
// client a session.
func NewWithSessions() *Server {
	return newServer(&mcp.ServerOptions{SupportedProtocolVersions: []string{"2025-06-18"}}, &mcp.StreamableHTTPOptions{SessionTimeout: time.Minute})
}

func newServer(of *mcp.ServerOptions, over *mcp.StreamableHTTPOptions) *Server {
	s := &Server{refunds: map[string]int{}}
	of.SetCacheable = func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.TTLMs = int(listTTL.Milliseconds()) }
	over.PropagateRequestCancellation = true
	s.server = mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, of)
	reads := &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true}
	mcp.AddTool(s.server, &mcp.Tool{Name: "get_order", Description: "What is known of an order: its state, its total and when it arrives.", Annotations: reads}, s.order)
	mcp.AddTool(s.server, &mcp.Tool{Name: "refund_order", Description: "Pays an order back to the customer. It cannot be undone."}, s.refund)
	mcp.AddTool(s.server, &mcp.Tool{Name: "slow_report", Description: "A report of the day, which takes as long as it is told to.", Annotations: reads}, s.report)
	s.Handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.server }, over)
	return s
}

// Refunds returns how often an order was paid back: more than once is a fault of the
// caller.
func (s *Server) Refunds(order string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refunds[order]
}

type orderArguments struct {
	Order string `json:"order" jsonschema:"the number of the order, four digits such as 1042"`
}

var validOrder = regexp.MustCompile(`^\d{4}$`)

var errNoOrder = errors.New("there is no such order: their numbers have four digits")

// states are those of orders, by their last digit.
var states = []string{"received", "packed", "on its way", "delivered"}

func (s *Server) order(_ context.Context, _ *mcp.CallToolRequest, in orderArguments) (*mcp.CallToolResult, any, error) {
	if !validOrder.MatchString(in.Order) {
		return nil, nil, errNoOrder
	}
	digit := int(in.Order[3] - '0')
	state := states[digit%len(states)]
	if s.Refunds(in.Order) > 0 {
		state = "refunded"
	}
	return said("Order %s is %s. Total: %d.%d0 EUR. Arrives in %d days.", in.Order, state, 20+digit, digit, 1+digit%3), nil, nil
}

type refundArguments struct {
	Order  string `json:"order" jsonschema:"the number of the order, four digits such as 1042"`
	Reason string `json:"reason,omitempty" jsonschema:"why, for the customer"`
}

func (s *Server) refund(_ context.Context, _ *mcp.CallToolRequest, in refundArguments) (*mcp.CallToolResult, any, error) {
	if !validOrder.MatchString(in.Order) {
		return nil, nil, errNoOrder
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refunds[in.Order]++
	return said("Order %s is refunded (refund %d of this order).", in.Order, s.refunds[in.Order]), nil, nil
}

type reportArguments struct {
	Seconds float64 `json:"seconds,omitempty" jsonschema:"how long it takes, 5 if not given, at most 120"`
}

func (s *Server) report(ctx context.Context, _ *mcp.CallToolRequest, in reportArguments) (*mcp.CallToolResult, any, error) {
	if in.Seconds == 0 {
		in.Seconds = 5
	}
	if !(in.Seconds > 0 && in.Seconds <= MaxSeconds) {
		return nil, nil, fmt.Errorf("seconds must be from 0 to %d", MaxSeconds)
	}
	select {
	case <-time.After(time.Duration(in.Seconds * float64(time.Second))):
		return said("The report took %g seconds: 12 orders, 1 refund.", in.Seconds), nil, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func said(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}
