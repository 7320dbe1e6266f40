package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
)

func TestList(t *testing.T) {
	both(t, func(t *testing.T, shop *toolserver.Server) {
		s := open(t, shop)
		for name, tt := range map[string]struct {
			allow, ask, deny []string
			want             []string // with ? where it is asked for
		}{
			"all":      {[]string{"*"}, nil, nil, []string{"get_order", "refund_order", "slow_report"}},
			"named":    {[]string{"slow_report", "get_order"}, nil, nil, []string{"get_order", "slow_report"}},
			"asked":    {[]string{"*"}, []string{"refund_*"}, nil, []string{"get_order", "refund_order?", "slow_report"}},
			"denied":   {[]string{"*"}, []string{"refund_*"}, []string{"*_order"}, []string{"slow_report"}},
			"nothing":  {[]string{"put_*"}, nil, nil, nil},
			"one left": {nil, []string{"??????????"}, []string{"x"}, nil},
		} {
			got, err := s.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: tt.allow, Ask: tt.ask, Deny: tt.deny}})
			var names []string
			for _, g := range got {
				name := g.Tool
				if g.Ask {
					name += "?"
				}
				names = append(names, name)
			}
			if err != nil || !slices.Equal(names, tt.want) {
				t.Errorf("%s: %q, %v", name, names, err)
			}
		}
		order, refund := tool(t, s, "get_order"), tool(t, s, "refund_order")
		if order.Name != "shop__get_order" || order.Server != "shop" || order.Ask || !order.Idempotent || refund.Idempotent || order.Description == "" {
			t.Errorf("%+v, %+v", order, refund)
		}
		var schema struct {
			Type       string
			Properties map[string]struct{ Type, Description string }
			Required   []string
		}
		if err := json.Unmarshal(order.Schema, &schema); err != nil || schema.Type != "object" || schema.Properties["order"].Type != "string" || len(schema.Required) != 1 {
			t.Errorf("%s: %v", order.Schema, err)
		}
	})
}

func TestListRefused(t *testing.T) {
	s := open(t, toolserver.New())
	s.servers.Configured["gone"] = s.servers.Configured["shop"]
	gone := s.servers.Configured["gone"]
	gone.URL = "http://127.0.0.1:1/?key=secret"
	s.servers.Configured["gone"] = gone
	for name, tt := range map[string]struct {
		selection chat.ToolSelection
		want      Error
	}{
		"not configured": {chat.ToolSelection{Server: "other", Allow: []string{"*"}}, Error{Reason: NotConfigured, Server: "other"}},
		"not found":      {chat.ToolSelection{Server: "shop", Allow: []string{"*", "get_orders"}}, Error{Reason: NotFound, Server: "shop", Tool: "get_orders"}},
		"asked for":      {chat.ToolSelection{Server: "shop", Ask: []string{"Refund_order"}}, Error{Reason: NotFound, Server: "shop", Tool: "Refund_order"}},
		"not reachable":  {chat.ToolSelection{Server: "gone", Allow: []string{"*"}}, Error{Reason: Unreachable, Server: "gone"}},
	} {
		got, err := s.List(t.Context(), []chat.ToolSelection{every[0], tt.selection})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Reason != tt.want.Reason || e.Server != tt.want.Server || e.Tool != tt.want.Tool || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.want.Server) || !strings.Contains(err.Error(), tt.want.Tool) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: it says %q", name, err)
		}
		if cause := errors.Unwrap(err); cause != nil && strings.Contains(cause.Error(), "secret") {
			t.Errorf("%s: the log would have the key: %v", name, cause)
		}
	}
	// What is denied need not be there.
	if _, err := s.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: []string{"get_order", "cut"}, Deny: []string{"cut", "gone"}}}); err != nil {
		t.Error(err)
	}
	// Whatever a server has, and a model cannot use.
	many := open(t, custom(nil, func(server *mcp.Server) {
		for i := range MaxTools + 1 {
			answers(server, mcp.Tool{Name: fmt.Sprintf("t%d", i)}, &mcp.CallToolResult{}, nil)
		}
	}))
	_, err := many.List(t.Context(), every)
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason != TooMany {
		t.Errorf("too many: %v", err)
	}
	if got, err := many.List(t.Context(), []chat.ToolSelection{{Server: "shop", Allow: []string{"t*"}, Deny: []string{"t0"}}}); err != nil || len(got) != MaxTools {
		t.Errorf("%d, %v", len(got), err)
	}
}

func TestListInPages(t *testing.T) {
	s := open(t, custom(&mcp.ServerOptions{PageSize: 3}, func(server *mcp.Server) {
		for i := range 10 {
			answers(server, mcp.Tool{Name: fmt.Sprintf("t%d", i)}, &mcp.CallToolResult{}, nil)
		}
	}))
	got, err := s.List(t.Context(), every)
	if err != nil || len(got) != 10 || got[9].Tool != "t9" {
		t.Errorf("%d tools, %v", len(got), err)
	}
}

func TestListOfALiar(t *testing.T) {
	page := 0
	lists := func(tools string) liar { return liar{"tools/list": result(`{"tools":[` + tools + `]}`)} }
	good := `{"name":"good","inputSchema":{"type":"object"}}`
	for name, tt := range map[string]struct {
		server liar
		want   []string // nil: unreachable
	}{
		"no schema":              {lists(`{"name":"a"},` + good), []string{"good"}},
		"schema is a text":       {lists(`{"name":"a","inputSchema":"object"},` + good), []string{"good"}},
		"schema is a list":       {lists(`{"name":"a","inputSchema":[]},` + good), []string{"good"}},
		"schema is true":         {lists(`{"name":"a","inputSchema":true},` + good), []string{"good"}},
		"schema of a text":       {lists(`{"name":"a","inputSchema":{"type":"string"}},` + good), []string{"good"}},
		"properties are a list":  {lists(`{"name":"a","inputSchema":{"type":"object","properties":[]}},` + good), []string{"good"}},
		"schema says too little": {lists(`{"name":"a","inputSchema":{}},` + good), []string{"a", "good"}},
		"schema too long":        {lists(`{"name":"a","inputSchema":{"type":"object","x":"` + strings.Repeat("x", maxSchema) + `"}},` + good), []string{"good"}},
		"null":                   {lists(`null,` + good), []string{"good"}},
		"no name":                {lists(`{"inputSchema":{"type":"object"}},` + good), []string{"good"}},
		"a name that is none":    {lists(`{"name":"a b","inputSchema":{"type":"object"}},` + good), []string{"good"}},
		"invalid UTF-8":          {lists("{\"name\":\"a\xff\",\"inputSchema\":{\"type\":\"object\"}}," + good), []string{"good"}},
		"twice":                  {lists(good + "," + good), []string{"good"}},
		"a list of texts":        {lists(`"a"`), nil},
		"not a list":             {liar{"tools/list": result(`{"tools":"all"}`)}, nil},
		"an error":               {liar{"tools/list": raw(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`)}, nil},
		"not JSON":               {liar{"tools/list": raw(`<html>`)}, nil},
		"deep":                   {liar{"tools/list": raw(strings.Repeat("[", 1<<20))}, nil},
		"another type":           {liar{"tools/list": status(http.StatusOK)}, nil},
		"not found":              {liar{"tools/list": status(http.StatusNotFound)}, nil},
		"too long":               {lists(good + `,{"name":"a","description":"` + strings.Repeat("x", maxBody) + `"}`), nil},
		"in a circle":            {liar{"tools/list": result(`{"tools":[],"nextCursor":"a"}`)}, nil},
		"without an end": {liar{"tools/list": func(w http.ResponseWriter, r *http.Request, id, params json.RawMessage) {
			page++
			result(fmt.Sprintf(`{"tools":[],"nextCursor":"%d"}`, page))(w, r, id, params)
		}}, nil},
		"no such version": {liar{"initialize": result(`{"protocolVersion":"1999-01-01"}`)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, tt.server)
			got, err := s.List(t.Context(), every)
			e, _ := errors.AsType[*Error](err)
			if tt.want == nil {
				if e == nil || e.Reason != Unreachable {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			var names []string
			for _, g := range got {
				names = append(names, g.Tool)
				var schema map[string]any
				if json.Unmarshal(g.Schema, &schema) != nil || schema["type"] != "object" || schema["properties"] == nil {
					t.Errorf("%s: %s", g.Tool, g.Schema)
				}
			}
			if err != nil || !slices.Equal(names, tt.want) {
				t.Errorf("%q, %v", names, err)
			}
		})
	}
}

// A list is asked for again when the server said so, and never where it did not say.
func TestListIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		h     http.Handler
		after time.Duration
		want  int // how often it is asked for, of three
	}{
		"in time":         {toolserver.New(), 20 * time.Second, 1},
		"later":           {toolserver.New(), 40 * time.Second, 2},
		"too late":        {toolserver.New(), time.Minute, 3},
		"says nothing":    {liar{}, 0, 3},
		"says no":         {liar{"tools/list": result(`{"ttlMs":0,` + oneTool[1:])}, 0, 3},
		"says nonsense":   {liar{"tools/list": result(`{"ttlMs":-5,` + oneTool[1:])}, 0, 3},
		"says for ever":   {liar{"tools/list": result(`{"ttlMs":1000000000000000000,` + oneTool[1:])}, 29 * time.Minute, 1},
		"for ever is not": {liar{"tools/list": result(`{"ttlMs":1000000000000000000,` + oneTool[1:])}, time.Hour, 3},
	} {
		t.Run(name, func(t *testing.T) {
			asked := watch(tt.h)
			servers, first := opened(t, asked)
			now := time.Now()
			servers.now = func() time.Time { return now }
			for i := range 3 {
				s := first
				if i > 0 { // another run
					s = servers.Open()
					defer s.Close()
				}
				if got, err := s.List(t.Context(), every); err != nil || len(got) == 0 {
					t.Fatal(got, err)
				}
				now = now.Add(tt.after)
			}
			if got := asked.count("POST tools/list"); got != tt.want {
				t.Errorf("asked %d times", got)
			}
		})
	}
}
