package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"aiwm-chat/local/toolserver"
)

func TestCall(t *testing.T) {
	both(t, func(t *testing.T, shop *toolserver.Server) {
		asked := watch(shop)
		s := open(t, asked)
		order, refund := tool(t, s, "get_order"), tool(t, s, "refund_order")
		for name, tt := range map[string]struct {
			tool      Tool
			arguments string
			want      string // "!": an error
		}{
			"read":              {order, `{"order":"1042"}`, "Order 1042 is on its way. Total: 22.20 EUR. Arrives in 3 days."},
			"white space":       {order, " \n{\"order\":\"1042\"}\n", "Order 1042 is on its way. Total: 22.20 EUR. Arrives in 3 days."},
			"write":             {refund, `{"order":"1043"}`, "Order 1043 is refunded (refund 1 of this order)."},
			"the tool says no":  {order, `{"order":"x"}`, "!there is no such order: their numbers have four digits"},
			"not as the schema": {order, `{"order":1042}`, "!"},
			"not in the schema": {order, `{"order":"1042","x":1}`, "!"},
			"no arguments":      {order, ``, "!"},
			"no JSON":           {order, `{"order":`, "!The arguments are not valid JSON. The tool was not called."},
			"two values":        {order, `{}{}`, "!The arguments are not valid JSON. The tool was not called."},
			"a name twice":      {order, `{"order":"1042","order":"1043"}`, "!The arguments are not valid JSON. The tool was not called."},
			"a list":            {order, `["1042"]`, "!The arguments are no JSON object. The tool was not called."},
			"null":              {order, `null`, "!The arguments are no JSON object. The tool was not called."},
			"a text":            {order, `"{}"`, "!The arguments are no JSON object. The tool was not called."},
			"invalid UTF-8":     {order, "{\"order\":\"\xff\"}", "!there is no such order: their numbers have four digits"},
			"too long":          {order, `{"order":"` + strings.Repeat("1", MaxArguments) + `"}`, "!The arguments are longer than 65536 bytes. The tool was not called."},
			"no such tool":      {Tool{Server: "shop", Tool: "cut"}, `{}`, "!"},
			"no such server":    {Tool{Server: "other", Tool: "cut"}, `{}`, "!The server of this tool is not configured any more."},
		} {
			got, err := s.Call(t.Context(), tt.tool, tt.arguments)
			text, isError := strings.CutPrefix(tt.want, "!")
			if err != nil || got.IsError != isError || got.Unknown || got.Text == "" || text != "" && got.Text != text {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		if n := shop.Refunds("1043"); n != 1 {
			t.Errorf("refunded %d times", n)
		}
		if got := asked.last.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("the headers of the configuration are not sent: %q", got)
		}
		if got := asked.count("GET "); got != 0 {
			t.Errorf("%d streams were opened beside", got)
		}
	})
}

// Calls at once do not wait for each other, and a session serves all of them.
func TestCallsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, shop *toolserver.Server) {
		s := open(t, shop)
		refund := tool(t, s, "refund_order")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				got, err := s.Call(t.Context(), refund, fmt.Sprintf(`{"order":"%d"}`, 1000+i))
				if err != nil || got.IsError {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		for i := range 20 {
			if n := shop.Refunds(fmt.Sprint(1000 + i)); n != 1 {
				t.Errorf("%d: refunded %d times", 1000+i, n)
			}
		}
	})
}

func TestCallTimesOut(t *testing.T) {
	both(t, func(t *testing.T, shop *toolserver.Server) {
		servers, s := opened(t, shop)
		slow := tool(t, s, "slow_report")
		servers.timeout = 100 * time.Millisecond
		got, err := s.Call(t.Context(), slow, `{"seconds":60}`)
		if err != nil || !got.IsError || !got.Unknown || got.Text != "The tool did not answer within 100ms. Whether it was executed is not known." {
			t.Errorf("%+v, %v", got, err)
		}
		servers.timeout = callTimeout
		if got, err := s.Call(t.Context(), slow, `{"seconds":0.01}`); err != nil || got.IsError {
			t.Errorf("then: %+v, %v", got, err)
		}
	})
}

// Who stops is not kept waiting, whatever the server does; and that is an error, not
// something that a model is told.
func TestCallIsCancelled(t *testing.T) {
	hanging := func(method string) liar {
		return liar{method: hang, "notifications/cancelled": hang, "server/discover": status(http.StatusBadRequest)}
	}
	for name, h := range map[string]http.Handler{
		"slow tool":            toolserver.New(),
		"slow tool, session":   toolserver.NewWithSessions(),
		"hangs when called":    hanging("tools/call"),
		"hangs at the door":    liar{"server/discover": hang, "initialize": hang, "notifications/cancelled": hang},
		"hangs after the door": hanging("initialize"),
		"half an answer": liar{"tools/call": func(w http.ResponseWriter, r *http.Request, _, _ json.RawMessage) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(w, "data: {\"jsonrpc\"")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "notifications/cancelled": hang},
	} {
		t.Run(name, func(t *testing.T) {
			if shop, ok := h.(*toolserver.Server); ok {
				t.Cleanup(shop.Close)
			}
			s := open(t, h)
			ctx, cancel := context.WithCancelCause(t.Context())
			stopped := errors.New("stopped")
			time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
			begun := time.Now()
			_, err := s.Call(ctx, Tool{Server: "shop", Tool: "slow_report"}, `{"seconds":60}`)
			if took := time.Since(begun); !errors.Is(err, stopped) || took > 3*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			begun = time.Now()
			s.Close()
			if took := time.Since(begun); took > 10*closeTimeout {
				t.Errorf("closed after %v", took)
			}
		})
	}
	s := open(t, toolserver.New())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Call(ctx, Tool{Server: "shop", Tool: "get_order"}, `{}`); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if _, err := s.List(ctx, every); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestCallOfALiar(t *testing.T) {
	calls := func(a answer) liar { return liar{"tools/call": a} }
	text := func(s string) string { return `{"content":[{"type":"text","text":"` + s + `"}]}` }
	big := strings.Repeat("x", 10<<20)
	const (
		fine = "" // no error
		ours = "The server of this tool did not answer as it should. Whether the tool was executed is not known."
		none = "The server refused the request. The tool was not called."
		long = "The tool was called, but its answer is too long to be read."
	)
	for name, tt := range map[string]struct {
		answer  answer
		want    string
		unknown bool
	}{
		"as it should":       {result(text("hello")), fine, false},
		"as an event":        {events(text("hello")), fine, false},
		"unknown tool":       {raw(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"unknown tool one"}}`), "The server refused the call: unknown tool one", false},
		"says nothing":       {raw(`{"jsonrpc":"2.0","id":%s,"error":{"code":1,"message":""}}`), "The server refused the call: it does not say why", false},
		"says too much":      {raw(`{"jsonrpc":"2.0","id":%s,"error":{"code":1,"message":"` + strings.Repeat("x", 5000) + `"}}`), "The server refused the call: " + strings.Repeat("x", 1000), false},
		"another type":       {result(`"hello"`), ours, true},
		"content is a text":  {result(`{"content":"hello"}`), ours, true},
		"content of no type": {result(`{"content":[{"type":"smell"}]}`), ours, true},
		"isError is a text":  {result(`{"content":[],"isError":"yes"}`), ours, true},
		"not JSON":           {raw(`<html>`), ours, true},
		"deep":               {raw(strings.Repeat("[", 1<<20)), ours, true},
		"another question's": {raw(`{"jsonrpc":"2.0","id":777,"result":{"content":[]}}`), "The tool did not answer within 500ms. Whether it was executed is not known.", true},
		"nothing":            {status(http.StatusOK), ours, true},
		"an empty stream": {func(w http.ResponseWriter, _ *http.Request, _, _ json.RawMessage) {
			w.Header().Set("Content-Type", "text/event-stream")
		}, ours, true},
		"not for us":      {status(http.StatusUnauthorized), none, false},
		"not there":       {status(http.StatusNotFound), ours, true}, // it may be a proxy's, after the call
		"gave up waiting": {status(http.StatusRequestTimeout), ours, true},
		"too often":       {status(http.StatusTooManyRequests), none, false},
		"refused, broken": {func(w http.ResponseWriter, r *http.Request, id, _ json.RawMessage) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"database gone"}}`, id)
		}, ours, true},
		"broken":           {status(http.StatusInternalServerError), ours, true},
		"behind a gateway": {status(http.StatusBadGateway), ours, true},
		"hangs up": {func(http.ResponseWriter, *http.Request, json.RawMessage, json.RawMessage) {
			panic(http.ErrAbortHandler)
		}, ours, true},
		"10 MB":                {result(text(big)), long, true},
		"10 MB as an event":    {events(text(big)), long, true},
		"10 MB in small lines": {raw(strings.Repeat("\n", 10<<20)), long, true},
		"10 MB of an error": {func(w http.ResponseWriter, r *http.Request, id, _ json.RawMessage) {
			w.WriteHeader(http.StatusBadRequest)
			raw(big)(w, r, id, nil)
		}, long, true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := watch(calls(tt.answer))
			servers, s := opened(t, asked)
			one := tool(t, s, "one")
			servers.timeout = 500 * time.Millisecond
			if strings.HasPrefix(name, "10 MB") || name == "deep" {
				servers.timeout = callTimeout // a machine may be slow
			}
			got, err := s.Call(t.Context(), one, "{}")
			if err != nil || got.IsError != (tt.want != fine) || tt.want != fine && got.Text != tt.want || got.Unknown != tt.unknown {
				t.Errorf("%+v, %v", got, err)
			}
			// Whatever it was, it was asked once, and the session goes on.
			if n := asked.count("POST tools/call"); n != 1 {
				t.Errorf("called %d times", n)
			}
			if got, err := s.Call(t.Context(), one, "{}"); err != nil || got.IsError != (tt.want != fine) {
				t.Errorf("again: %+v, %v", got, err)
			}
			if n := asked.count("POST tools/call"); n != 2 {
				t.Errorf("called %d times", n)
			}
		})
	}
}

// However much a server sends, little of it is in memory.
func TestCallReadsLittle(t *testing.T) {
	const sent = 200 << 20
	s := open(t, liar{"tools/call": func(w http.ResponseWriter, _ *http.Request, _, _ json.RawMessage) {
		w.Header().Set("Content-Type", "application/json")
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range sent / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}})
	one := tool(t, s, "one")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := s.Call(t.Context(), one, "{}")
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; err != nil || !got.Unknown || allocated > sent/4 {
		t.Errorf("%+v, %v: allocated %d bytes", got, err, allocated)
	}
}

func TestLongResultsAreCut(t *testing.T) {
	for name, text := range map[string]string{"ASCII": strings.Repeat("x", 100_000), "longer characters": "x" + strings.Repeat("€", 40_000)} {
		s := open(t, custom(nil, func(server *mcp.Server) {
			answers(server, mcp.Tool{Name: "one"}, &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil)
		}))
		got, err := s.Call(t.Context(), tool(t, s, "one"), "{}")
		if err != nil || got.IsError || len(got.Text) > MaxResult || len(got.Text) < MaxResult-8 || !utf8.ValidString(got.Text) ||
			!strings.HasSuffix(got.Text, fmt.Sprintf("\n[cut here: the result has %d bytes]", len(text))) {
			t.Errorf("%s: %d bytes, %q, %v", name, len(got.Text), got.Text[max(0, len(got.Text)-60):], err)
		}
	}
}

// Who is sent elsewhere does not go: neither with the headers nor without.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		there := func(w http.ResponseWriter, r *http.Request, _, _ json.RawMessage) {
			http.Redirect(w, r, elsewhere.URL, code)
		}
		s := open(t, liar{"tools/call": there})
		got, err := s.Call(t.Context(), tool(t, s, "one"), "{}")
		if err != nil || got.Text != "The server refused the request. The tool was not called." {
			t.Errorf("%d: %+v, %v", code, got, err)
		}
		s = open(t, liar{"server/discover": there, "initialize": there})
		if _, err := s.List(t.Context(), every); err == nil {
			t.Errorf("%d: listed", code)
		}
	}
	if followed.Load() != 0 {
		t.Errorf("followed %d times", followed.Load())
	}
}

// A server that was started again has forgotten its sessions. It has not executed what it
// refuses for that; but only of an idempotent tool is that worth the risk that it was
// somebody else who refused.
func TestCallOfAForgottenSession(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		var h atomic.Pointer[toolserver.Server]
		h.Store(toolserver.NewWithSessions())
		t.Cleanup(h.Load().Close)
		s := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Load().ServeHTTP(w, r) }))
		refund := tool(t, s, "refund_order")
		refund.Idempotent = idempotent
		h.Store(toolserver.NewWithSessions())
		t.Cleanup(h.Load().Close)
		got, err := s.Call(t.Context(), refund, `{"order":"1042"}`)
		if n := h.Load().Refunds("1042"); err != nil || got.Unknown == idempotent || n > 0 != idempotent {
			t.Errorf("idempotent %v: %+v, %v: %d refunds", idempotent, got, err, n)
		}
		n := h.Load().Refunds("1042")
		got, err = s.Call(t.Context(), refund, `{"order":"1042"}`)
		if err != nil || got.IsError || h.Load().Refunds("1042") != n+1 {
			t.Errorf("then: %+v, %v: %d refunds", got, err, h.Load().Refunds("1042"))
		}
	}
}

// Some servers want to see arguments in headers, which only a session knows that has
// seen their lists.
func TestArgumentsInHeaders(t *testing.T) {
	asked := watch(custom(&mcp.ServerOptions{SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.TTLMs = 60_000 }}, func(server *mcp.Server) {
		schema := json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`)
		answers(server, mcp.Tool{Name: "one", InputSchema: schema}, &mcp.CallToolResult{}, nil)
	}))
	servers, first := opened(t, asked)
	one := tool(t, first, "one")
	another := servers.Open()
	defer another.Close()
	for _, s := range []*Session{first, another} {
		if got, err := s.Call(t.Context(), one, `{"region":"eu"}`); err != nil || got.IsError || asked.last.Get("Mcp-Param-Region") != "eu" {
			t.Errorf("%+v, %v: header %q", got, err, asked.last.Get("Mcp-Param-Region"))
		}
	}
}

// A tool that asks people something in the middle asks in vain.
func TestToolsThatAsk(t *testing.T) {
	s := open(t, custom(nil, func(server *mcp.Server) {
		answers(server, mcp.Tool{Name: "one"}, &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"q": &mcp.ElicitParams{Message: "Really?"}}}, nil)
	}))
	got, err := s.Call(t.Context(), tool(t, s, "one"), "{}")
	if err != nil || !got.IsError || got.Unknown {
		t.Errorf("%+v, %v", got, err)
	}
}
