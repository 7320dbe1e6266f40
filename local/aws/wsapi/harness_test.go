package wsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that end early when all is well.
const patience = 20 * time.Second

// functions are Lambda functions in process. In these tests a function's name
// is the route key it serves.
type functions map[string]func(ctx context.Context, event []byte) ([]byte, error)

func (f functions) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	return f[name](ctx, event)
}

func ok(context.Context, []byte) ([]byte, error) { return []byte(`{"statusCode":200}`), nil }

func returns(out string) func(context.Context, []byte) ([]byte, error) {
	return func(context.Context, []byte) ([]byte, error) { return []byte(out), nil }
}

func fails(err error) func(context.Context, []byte) ([]byte, error) {
	return func(context.Context, []byte) ([]byte, error) { return nil, err }
}

// A functionError is what an invoker returns when the function itself failed.
type functionError string

func (e functionError) Error() string        { return "function error: " + string(e) }
func (e functionError) ErrorMessage() string { return string(e) }

type throttledError struct{}

func (throttledError) Error() string   { return "rate exceeded" }
func (throttledError) Throttled() bool { return true }

// A recorder is a function that succeeds and keeps its events.
type recorder chan []byte

func newRecorder() recorder { return make(recorder, 100) }

func (r recorder) serve(_ context.Context, event []byte) ([]byte, error) {
	r <- event
	return []byte(`{"statusCode":200}`), nil
}

func (r recorder) next(t testing.TB) map[string]any {
	t.Helper()
	select {
	case event := <-r:
		return decode(t, event)
	case <-time.After(patience):
		t.Fatal("no event came")
		return nil
	}
}

func decode(t testing.TB, event []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(event, &m); err != nil {
		t.Fatalf("%v in %s", err, event)
	}
	return m
}

// at follows a path of member names, nil if it leads nowhere.
func at(m map[string]any, path ...string) any {
	var v any = m
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

func keys(v any) string {
	m, _ := v.(map[string]any)
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}

type harness struct {
	api  *API
	http *http.Client
	url  string // http://…
	t    testing.TB
}

// start serves an API as the local server mounts it: management and WebSocket
// on one port. Routes are made from the functions.
func start(t testing.TB, o Options, f functions) *harness {
	t.Helper()
	o.APIID, o.Stage = "abcdef123", "prod"
	o.MappingKey, o.RouteSelectionExpression = "ws", "$request.body.action"
	for name := range f {
		if name != o.Authorizer && !slices.ContainsFunc(o.Routes, func(r Route) bool { return r.Function == name }) {
			o.Routes = append(o.Routes, Route{Key: name, Function: name})
		}
	}
	api, err := New(o, f)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/@connections/{id}", api.ManagementHandler())
	mux.Handle("/{stage}/@connections/{id}", api.ManagementHandler())
	mux.Handle("/{stage}", api.ConnectHandler())
	server := httptest.NewUnstartedServer(mux)
	server.Listener = KeepHeaderCase(server.Config, server.Listener)
	server.Start()
	h := &harness{api: api, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, url: server.URL, t: t}
	h.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := api.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		h.http.CloseIdleConnections()
		server.Close()
	})
	return h
}

// handshake sends an upgrade request and returns the response with its body,
// read unless it is 101.
func (h *harness) handshake(path string, header ...string) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequest(http.MethodGet, h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, line := range append([]string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, header...) {
		name, value, _ := strings.Cut(line, ":")
		if r.Header.Set(name, strings.TrimSpace(value)); strings.TrimSpace(value) == "" {
			r.Header.Del(name)
		}
	}
	resp, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(body)
}

// A client is a WebSocket client of one connection.
type client struct {
	*websocket.Conn
	t testing.TB
}

func (h *harness) dial(options ...func(*websocket.DialOptions)) client {
	h.t.Helper()
	o := &websocket.DialOptions{HTTPClient: h.http}
	for _, option := range options {
		option(o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, h.url+"/prod", o)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	h.t.Cleanup(func() { c.CloseNow() })
	return client{c, h.t}
}

func (c client) send(text string) {
	c.t.Helper()
	if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) receive() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := c.Read(ctx)
	if err != nil || kind != websocket.MessageText {
		c.t.Fatalf("read: kind %v, %v", kind, err)
	}
	return string(data)
}

// closed reads until the server closes and returns how it did.
func (c client) closed() (code int, reason string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		var e websocket.CloseError
		if errors.As(err, &e) {
			return int(e.Code), e.Reason
		}
		if err != nil {
			c.t.Fatalf("not closed: %v", err)
		}
	}
}

// drain reads until there is nothing more to read, however that ends.
func (c client) drain() {
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return
		}
	}
}

// raw is a client that sends whatever frames it likes.
type raw struct {
	net.Conn
	t testing.TB
}

func (h *harness) raw() raw {
	h.t.Helper()
	conn, buffered, _, err := ws.Dialer{Timeout: patience}.Dial(context.Background(), "ws"+strings.TrimPrefix(h.url, "http")+"/prod")
	if err != nil {
		h.t.Fatal(err)
	}
	if buffered != nil {
		h.t.Fatal("the server spoke first")
	}
	h.t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return raw{conn, h.t}
}

// frame sends one masked frame. Its payload may be kept.
func (r raw) frame(fin bool, op ws.OpCode, payload []byte) {
	r.t.Helper()
	f := ws.MaskFrame(ws.NewFrame(op, fin, payload))
	if err := ws.WriteFrame(r, f); err != nil {
		r.t.Fatal(err)
	}
}

func (r raw) next() (ws.OpCode, []byte) {
	r.t.Helper()
	h, err := ws.ReadHeader(r)
	if err != nil {
		r.t.Fatalf("read frame: %v", err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		r.t.Fatalf("read payload: %v", err)
	}
	if h.Masked || h.Rsv != 0 || !h.Fin {
		r.t.Errorf("the server sent header %+v", h)
	}
	return h.OpCode, payload
}

// closed reads the close frame and then the end of the stream.
func (r raw) closed() (code int, reason string) {
	r.t.Helper()
	for {
		op, payload := r.next()
		if op != ws.OpClose {
			continue
		}
		status, reason := ws.ParseCloseFrameData(payload)
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			r.t.Errorf("after the close frame: %d bytes, %v", n, err)
		}
		return int(status), reason
	}
}

// signed is a header that has the form of Signature Version 4.
const signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// manage calls the management API.
func (h *harness) manage(method, path, body string) (*http.Response, string) {
	h.t.Helper()
	resp, text, err := h.tryManage(method, path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, text
}

func (h *harness) tryManage(method, path, body string) (*http.Response, string, error) {
	r, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", signed)
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	resp, err := h.http.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// only returns the single open connection, waiting for it.
func (h *harness) only() *conn {
	h.t.Helper()
	var found *conn
	eventually(h.t, "one connection is open", func() bool {
		h.api.mu.RLock()
		defer h.api.mu.RUnlock()
		for _, c := range h.api.connections {
			found = c
		}
		return len(h.api.connections) == 1
	})
	return found
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true that %s", what)
		}
	}
}

// echo posts every body back to its connection over HTTP, as a function would.
func (h *harness) echo(_ context.Context, event []byte) ([]byte, error) {
	var e struct {
		Body           string
		RequestContext struct{ ConnectionID string }
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	resp, text, err := h.tryManage(http.MethodPost, "/prod/@connections/"+e.RequestContext.ConnectionID, e.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, text)
	}
	if err != nil {
		return nil, err
	}
	return []byte(`{"statusCode":200}`), nil
}

// A gate holds invocations until it is released, which a test must do before
// its cleanup begins.
type gate struct {
	entered chan []byte
	open    chan struct{}
	once    sync.Once
}

func newGate() *gate {
	return &gate{entered: make(chan []byte, 10_000), open: make(chan struct{})}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) serve(ctx context.Context, event []byte) ([]byte, error) {
	g.entered <- event
	select {
	case <-g.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return []byte(`{"statusCode":200}`), nil
}
