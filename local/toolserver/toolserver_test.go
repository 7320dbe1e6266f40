package toolserver_test

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"aiwm-chat/functions/answer/tools"
	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTools(t *testing.T) {
	for name, tt := range map[string]struct {
		shop    *toolserver.Server
		version string
	}{
		"stateless": {toolserver.New(), "2026-07-28"},
		"sessions":  {toolserver.NewWithSessions(), "2025-06-18"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tt.shop)
			defer server.Close()
			defer tt.shop.Close()
			to, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
				&mcp.StreamableClientTransport{Endpoint: server.URL, HTTPClient: server.Client(), DisableStandaloneSSE: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer to.Close()
			if got := to.InitializeResult().ProtocolVersion; got != tt.version || (to.ID() != "") != (name == "sessions") {
				t.Errorf("version %s, session %q", got, to.ID())
			}
			list, err := to.ListTools(t.Context(), nil)
			if err != nil || list.TTLMs != 60_000 {
				t.Fatal(list, err)
			}
			var names []string
			for _, tool := range list.Tools {
				names = append(names, tool.Name)
				if reads := tool.Annotations != nil && tool.Annotations.ReadOnlyHint && tool.Annotations.IdempotentHint; reads != (tool.Name != "refund_order") {
					t.Errorf("%s: %+v", tool.Name, tool.Annotations)
				}
			}
			if !slices.Equal(names, []string{"get_order", "refund_order", "slow_report"}) {
				t.Errorf("%q", names)
			}
			for _, call := range []struct {
				tool      string
				arguments map[string]any
				want      string
				isError   bool
			}{
				{"get_order", map[string]any{"order": "1042"}, "Order 1042 is on its way. Total: 22.20 EUR. Arrives in 3 days.", false},
				{"get_order", map[string]any{"order": "12"}, "there is no such order: their numbers have four digits", true},
				{"refund_order", map[string]any{"order": "1042", "reason": "late"}, "Order 1042 is refunded (refund 1 of this order).", false},
				{"get_order", map[string]any{"order": "1042"}, "Order 1042 is refunded. Total: 22.20 EUR. Arrives in 3 days.", false},
				{"refund_order", map[string]any{"order": "1042"}, "Order 1042 is refunded (refund 2 of this order).", false},
				{"refund_order", map[string]any{"order": "x"}, "there is no such order: their numbers have four digits", true},
				{"slow_report", map[string]any{"seconds": 0.01}, "The report took 0.01 seconds: 12 orders, 1 refund.", false},
				{"slow_report", map[string]any{"seconds": 121}, "seconds must be from 0 to 120", true},
				{"slow_report", map[string]any{"seconds": -1}, "seconds must be from 0 to 120", true},
			} {
				got, err := to.CallTool(t.Context(), &mcp.CallToolParams{Name: call.tool, Arguments: call.arguments})
				if err != nil || len(got.Content) != 1 {
					t.Errorf("%s %v: %+v, %v", call.tool, call.arguments, got, err)
					continue
				}
				if text := got.Content[0].(*mcp.TextContent).Text; text != call.want || got.IsError != call.isError {
					t.Errorf("%s %v: %q, %v", call.tool, call.arguments, text, got.IsError)
				}
			}
			if tt.shop.Refunds("1042") != 2 || tt.shop.Refunds("1043") != 0 {
				t.Error(tt.shop.Refunds("1042"), tt.shop.Refunds("1043"))
			}
		})
	}
}

// Agents are told of it as they are of any server: what reads may be repeated, and
// what pays is asked for.
func TestForAgents(t *testing.T) {
	shop := toolserver.New()
	server := httptest.NewServer(shop)
	defer server.Close()
	defer shop.Close()
	session := tools.New(tools.Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL}}, Local: true}).Open()
	defer session.Close()
	all, err := session.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: []string{"*"}, Ask: []string{"refund_*"}}})
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for _, tool := range all {
		if pays := tool.Name == "shop__refund_order"; tool.Ask != pays || tool.Idempotent == pays {
			t.Errorf("%+v", tool)
		}
	}
}

// A report that nobody waits for ends.
func TestSlowReportIsCancelled(t *testing.T) {
	shop := toolserver.New()
	server := httptest.NewServer(shop)
	defer shop.Close()
	to, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: server.URL, HTTPClient: server.Client(), DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = to.CallTool(t.Context(), &mcp.CallToolParams{Name: "slow_report", Arguments: map[string]any{"seconds": 120}})
	}()
	time.Sleep(50 * time.Millisecond)
	server.CloseClientConnections()
	<-ended
	server.Close() // waits for its handlers
}
