package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both runs a test against a server of either specification.
func both(t *testing.T, test func(t *testing.T, shop *toolserver.Server)) {
	for name, shop := range map[string]func() *toolserver.Server{"stateless": toolserver.New, "sessions": toolserver.NewWithSessions} {
		t.Run(name, func(t *testing.T) {
			server := shop()
			t.Cleanup(server.Close)
			test(t, server)
		})
	}
}

// open serves a handler as the server "shop", and returns a session that may call it.
func open(t *testing.T, h http.Handler) *Session {
	t.Helper()
	_, s := opened(t, h)
	return s
}

func opened(t *testing.T, h http.Handler) (*Servers, *Session) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	servers := New(Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL, Headers: map[string]string{"Authorization": "Bearer secret"}}}, Local: true})
	session := servers.Open()
	t.Cleanup(session.Close)
	return servers, session
}

// every selects all tools of the shop.
var every = []chat.ToolSelection{{Server: "shop", Allow: []string{"*"}}}

// tool returns one that was listed.
func tool(t *testing.T, s *Session, name string) Tool {
	t.Helper()
	all, err := s.List(t.Context(), every)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range all {
		if each.Tool == name {
			return each
		}
	}
	t.Fatalf("no %s in %+v", name, all)
	return Tool{}
}

// seen counts what a handler is asked, by method.
type seen struct {
	http.Handler
	mu      sync.Mutex
	methods map[string]int
	last    http.Header
}

func watch(h http.Handler) *seen { return &seen{Handler: h, methods: map[string]int{}} }

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	var message struct{ Method string }
	_ = json.Unmarshal(text, &message)
	s.mu.Lock()
	s.methods[r.Method+" "+message.Method]++
	s.last = r.Header.Clone()
	s.mu.Unlock()
	s.Handler.ServeHTTP(w, r)
}

func (s *seen) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.methods[method]
}

// A liar is a server that no library wrote: it answers as the test says, and what the
// test leaves out as it should.
type liar map[string]func(w http.ResponseWriter, r *http.Request, id, params json.RawMessage)

const oneTool = `{"tools":[{"name":"one","inputSchema":{"type":"object"}}]}`

func (l liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if answer := l[message.Method]; answer != nil {
		answer(w, r, message.ID, message.Params)
		return
	}
	switch message.Method {
	case "initialize":
		result(`{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"liar","version":"1"}}`)(w, r, message.ID, nil)
	case "tools/list":
		result(oneTool)(w, r, message.ID, nil)
	case "server/discover":
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

type answer = func(w http.ResponseWriter, r *http.Request, id, params json.RawMessage)

// result answers with a result.
func result(text string) answer { return raw(`{"jsonrpc":"2.0","id":%s,"result":` + text + `}`) }

// raw answers with a text, in which %s is the id.
func raw(text string) answer {
	return func(w http.ResponseWriter, _ *http.Request, id, _ json.RawMessage) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Replace([]byte(text), []byte("%s"), id, 1))
	}
}

// events answers with a stream of one event.
func events(text string) answer {
	return func(w http.ResponseWriter, _ *http.Request, id, _ json.RawMessage) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", id, text)
	}
}

// status answers with a status and no more.
func status(code int) answer {
	return func(w http.ResponseWriter, _ *http.Request, _, _ json.RawMessage) { w.WriteHeader(code) }
}

// hang answers when whoever asked has gone.
func hang(w http.ResponseWriter, r *http.Request, _, _ json.RawMessage) { <-r.Context().Done() }

// custom serves tools of a test with the library.
func custom(options *mcp.ServerOptions, add func(*mcp.Server)) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "custom", Version: "1"}, options)
	add(server)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true})
}

// answers adds a tool that answers each call in the same way.
func answers(server *mcp.Server, tool mcp.Tool, answer *mcp.CallToolResult, called *atomic.Int64) {
	if tool.InputSchema == nil {
		tool.InputSchema = json.RawMessage(`{"type":"object"}`)
	}
	server.AddTool(&tool, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if called != nil {
			called.Add(1)
		}
		return answer, nil
	})
}
