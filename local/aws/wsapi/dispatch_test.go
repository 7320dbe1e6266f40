package wsapi

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"aiwm-chat/local/faults"
)

// TestMessageReplies: what a client sees of an invocation, and that the
// connection stays open.
func TestMessageReplies(t *testing.T) {
	frame := func(text string) string {
		return `^\{"message": "` + text + `", "connectionId":"([A-Za-z0-9_-]{15}=)", "requestId":"[A-Za-z0-9_-]{15}="\}$`
	}
	const nothing = ""
	silent := map[string]string{}
	for _, status := range []int{200, 201, 301, 401, 501} {
		silent[fmt.Sprint(status)] = fmt.Sprintf(`{"statusCode":%d,"body":"secret"}`, status)
	}
	for _, c := range []struct {
		fact    string
		options Options
		serve   func(context.Context, []byte) ([]byte, error) // of route x
		want    string
	}{
		{"[R] exception", Options{}, fails(functionError("boom")), frame("Internal server error")},
		{"[?] missing function or permission", Options{}, fails(errors.New("no such function")), frame("Internal server error")},
		{"[?] malformed response: no status", Options{}, returns(`{"body":"x"}`), frame("Internal server error")},
		{"[?] malformed response: no JSON", Options{}, returns(`x`), frame("Internal server error")},
		{"malformed response: a member that format 1.0 does not have", Options{}, returns(`{"statusCode":200,"foo":1}`), frame("Internal server error")},
		{"malformed response: cookies, of format 2.0", Options{}, returns(`{"statusCode":200,"cookies":[]}`), frame("Internal server error")},
		{"malformed response: another case", Options{}, returns(`{"statusCode":200,"Body":""}`), frame("Internal server error")},
		{"every member of format 1.0", Options{}, returns(`{"statusCode":200,"headers":null,"multiValueHeaders":{},"body":"","isBase64Encoded":false}`), nothing},
		{"[?] Lambda throttles", Options{}, fails(fmt.Errorf("invoke: %w", throttledError{})), frame("Internal server error")},
		{"[?] Lambda throttles, switched", Options{Unproven: Unproven{ThrottledMessage: "Too Many Requests"}}, fails(throttledError{}), frame("Too Many Requests")},
		{"[R] integration timeout", Options{IntegrationTimeout: time.Millisecond}, func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, frame("Endpoint request timed out")},
		{"[D] integration timeout of a route", Options{Routes: []Route{{Key: "x", Function: "x", Timeout: time.Millisecond}}}, func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, frame("Endpoint request timed out")},
		{"a function's own timeout is its own failure", Options{}, fails(functionError("Task timed out after 3.00 seconds")), frame("Internal server error")},
		{"[R] status 200 sends nothing", Options{}, returns(silent["200"]), nothing},
		{"[R] status 201 sends nothing", Options{}, returns(silent["201"]), nothing},
		{"[R] status 301 sends nothing", Options{}, returns(silent["301"]), nothing},
		{"[R] status 401 sends nothing", Options{}, returns(silent["401"]), nothing},
		{"[R] status 501 sends nothing", Options{}, returns(silent["501"]), nothing},
		{"[D] a RouteResponse sends the body", Options{Routes: []Route{{Key: "x", Function: "x", RouteResponse: true}}}, returns(silent["501"]), "^secret$"},
		{"a RouteResponse over 128 KB is not delivered", Options{Routes: []Route{{Key: "x", Function: "x", RouteResponse: true}}},
			returns(`{"statusCode":200,"body":"` + strings.Repeat("x", 128<<10+1) + `"}`), nothing},
		{"a RouteResponse of 128 KB", Options{Routes: []Route{{Key: "x", Function: "x", RouteResponse: true}}},
			returns(`{"statusCode":200,"body":"` + strings.Repeat("x", 128<<10) + `"}`), "^x+$"},
		{"a RouteResponse without body", Options{Routes: []Route{{Key: "x", Function: "x", RouteResponse: true}}}, returns(`{"statusCode":200}`), nothing},
	} {
		t.Run(c.fact, func(t *testing.T) {
			var h *harness
			h = start(t, c.options, functions{"x": c.serve, "echo": func(ctx context.Context, event []byte) ([]byte, error) { return h.echo(ctx, event) }})
			cl := h.dial()
			cl.send(`{"action":"x"}`)
			if c.want != nothing {
				got := cl.receive()
				match := regexp.MustCompile(c.want).FindStringSubmatch(got)
				if match == nil || len(match) > 1 && match[1] != h.only().id {
					t.Errorf("frame %s, want %s", got, c.want)
				}
			} else {
				eventually(t, "the invocation is over", func() bool { return len(h.api.slots) == 0 })
			}
			// Still open, and nothing else came before this.
			if c.options.IntegrationTimeout == 0 {
				cl.send(`{"action":"echo"}`)
				if got := cl.receive(); got != `{"action":"echo"}` {
					t.Errorf("then came %s", got)
				}
			}
		})
	}
	t.Run("[R] no matching route and no $default", func(t *testing.T) {
		h := start(t, Options{}, functions{"$connect": ok})
		c := h.dial()
		for range 2 { // the connection stays open
			c.send(`{"action":"nope"}`)
			if got := c.receive(); !regexp.MustCompile(frame("Forbidden")).MatchString(got) {
				t.Errorf("frame %s", got)
			}
		}
	})
}

func TestDeadlineReachesTheFunction(t *testing.T) {
	remaining := make(chan time.Duration, 1)
	h := start(t, Options{}, functions{"$default": func(ctx context.Context, _ []byte) ([]byte, error) {
		deadline, _ := ctx.Deadline()
		remaining <- time.Until(deadline)
		return ok(ctx, nil)
	}})
	h.dial().send("x")
	if d := <-remaining; d <= 0 || d > 29*time.Second {
		t.Errorf("[D] the integration timeout is 29 s; the deadline is in %v", d)
	}
}

// TestConcurrentDispatch: trap 2. The second frame overtakes a blocked first.
func TestConcurrentDispatch(t *testing.T) {
	g, second := newGate(), newRecorder()
	defer g.release()
	h := start(t, Options{}, functions{"first": g.serve, "second": second.serve})
	c := h.dial()
	c.send(`{"action":"first"}`)
	<-g.entered
	c.send(`{"action":"second"}`)
	second.next(t)
}

// TestFlood: a client that sends more than the functions take is not read any
// further, and others are served.
func TestFlood(t *testing.T) {
	t.Parallel()
	g, other := newGate(), newRecorder()
	defer g.release()
	h := start(t, Options{}, functions{"flood": g.serve, "other": other.serve})
	r := h.raw()
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"action":"flood","x":"` + strings.Repeat("x", 30_000) + `"}`))))
	taken := 0
	for ; taken < 5000; taken++ {
		r.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := r.Write(frame); err != nil {
			break // no more fits between the client and the server
		}
	}
	if taken == 5000 {
		t.Errorf("the server took %d frames of 30 KB with no function done", taken)
	}
	eventually(t, "the limit is reached", func() bool { return len(g.entered) == maxInFlightConnection })
	h.dial().send(`{"action":"other"}`)
	other.next(t)
	if n := len(g.entered); n != maxInFlightConnection {
		t.Errorf("%d invocations of one connection in flight, want %d", n, maxInFlightConnection)
	}
}

// TestManyConnectionsShareTheLimit: invocations in flight are bounded over all
// connections.
func TestManyConnectionsShareTheLimit(t *testing.T) {
	g := newGate()
	defer g.release()
	h := start(t, Options{}, functions{"$default": g.serve})
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x"))))
	clients := make([]raw, maxInFlight/maxInFlightConnection+4)
	for i := range clients {
		clients[i] = h.raw()
	}
	for _, r := range clients {
		for range maxInFlightConnection {
			if _, err := r.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "the limit is reached", func() bool { return len(g.entered) == maxInFlight })
	g.release()
	eventually(t, "the rest is served", func() bool { return len(g.entered) == len(clients)*maxInFlightConnection })
}

func TestInjectedFaults(t *testing.T) {
	inject := func(kind faults.Kind) *faults.Faults {
		f, err := faults.New(1, map[faults.Kind]float64{kind: 1})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Run("duplicate invokes twice", func(t *testing.T) {
		message := newRecorder()
		h := start(t, Options{Faults: inject(faults.Duplicate)}, functions{"$default": message.serve})
		h.dial().send("x")
		first, second := message.next(t), message.next(t)
		if at(first, "requestContext", "messageId") != at(second, "requestContext", "messageId") {
			t.Error("the duplicate is another event")
		}
	})
	t.Run("latency and reorder delay and deliver", func(t *testing.T) {
		for _, kind := range []faults.Kind{faults.Latency, faults.Reorder} {
			message := newRecorder()
			h := start(t, Options{Faults: inject(kind)}, functions{"$default": message.serve})
			h.dial().send("x")
			message.next(t)
		}
	})
	t.Run("drop-disconnect", func(t *testing.T) {
		disconnect := newRecorder()
		h := start(t, Options{Faults: inject(faults.DropDisconnect)}, functions{"$disconnect": disconnect.serve})
		h.dial().Close(1000, "")
		if err := h.api.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(disconnect) != 0 {
			t.Error("$disconnect fired")
		}
	})
	t.Run("throttle", func(t *testing.T) {
		h := start(t, Options{Faults: inject(faults.Throttle)}, functions{})
		h.dial()
		if resp, _ := h.manage("POST", "/@connections/"+h.only().id, "x"); resp.StatusCode != 429 || resp.Header.Get("x-amzn-ErrorType") != "LimitExceededException" {
			t.Errorf("%s, %v", resp.Status, resp.Header)
		}
	})
	t.Run("post-error: every other frame is delivered", func(t *testing.T) {
		h := start(t, Options{Faults: inject(faults.PostError)}, functions{})
		c := h.dial()
		for _, text := range []string{"1", "2", "3", "4"} {
			if resp, _ := h.manage("POST", "/@connections/"+h.only().id, text); resp.StatusCode != 500 {
				t.Errorf("%s", resp.Status)
			}
		}
		if got := c.receive() + c.receive(); got != "24" {
			t.Errorf("delivered %s", got)
		}
	})
}
