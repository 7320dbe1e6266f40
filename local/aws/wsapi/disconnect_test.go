package wsapi

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// TestDisconnect: code and reason of $disconnect for each way in which a
// connection ends, and what the client sees.
func TestDisconnect(t *testing.T) {
	const short = 50 * time.Millisecond
	reset := func(r raw) {
		r.Conn.(*net.TCPConn).SetLinger(0)
		r.Close()
	}
	for _, c := range []struct {
		fact    string
		options Options
		end     func(*harness, raw)
		code    float64
		reason  string
		client  int // close code that the client sees, 0 if it does not look
	}{
		{"[?] IANA's newer codes are codes", Options{}, func(_ *harness, r raw) {
			r.frame(true, ws.OpClose, ws.NewCloseFrameBody(1012, "restart"))
		}, 1012, "restart", 1012},
		{"[?] the last of them", Options{}, func(_ *harness, r raw) {
			r.frame(true, ws.OpClose, ws.NewCloseFrameBody(1014, ""))
		}, 1014, "", 1014},
		{"[R] client close without code", Options{}, func(_ *harness, r raw) { r.frame(true, ws.OpClose, nil) }, 1005, "Client-side close frame status not set", 1005},
		{"[R] browser navigates away", Options{}, func(_ *harness, r raw) { r.frame(true, ws.OpClose, ws.NewCloseFrameBody(1001, "")) }, 1001, "", 1001},
		{"[?] client's code and reason", Options{}, func(_ *harness, r raw) { r.frame(true, ws.OpClose, ws.NewCloseFrameBody(4000, "done")) }, 4000, "done", 4000},
		{"[?] client's code and reason, switched", Options{Unproven: Unproven{HideClientClose: true}}, func(_ *harness, r raw) {
			r.frame(true, ws.OpClose, ws.NewCloseFrameBody(4000, "done"))
		}, 1005, "Client-side close frame status not set", 4000},
		{"[R] idle timeout", Options{IdleTimeout: short}, func(*harness, raw) {}, 1001, "Going away", 1001},
		{"[D] 2 h at most", Options{MaxDuration: short}, func(*harness, raw) {}, 1001, "Going away", 1001},
		{"[?] 2 h, switched", Options{MaxDuration: short, Unproven: Unproven{MaxDurationCode: 1000}}, func(*harness, raw) {}, 1000, "Going away", 1000},
		{"[R] DELETE @connections", Options{}, func(h *harness, _ raw) { h.manage(http.MethodDelete, "/@connections/"+h.only().id, "") }, 1000, "Connection Closed Normally", 1000},
		{"shutdown", Options{}, func(h *harness, _ raw) { go h.api.Shutdown(context.Background()) }, 1001, "Going away", 1001},
		{"[?] TCP ends", Options{}, func(_ *harness, r raw) { r.Close() }, 1006, "", 0},
		{"[?] TCP reset", Options{}, func(_ *harness, r raw) { reset(r) }, 1006, "", 0},
		{"[?] TCP ends inside a frame", Options{}, func(_ *harness, r raw) { r.Write([]byte{0x81, 0xfe, 0x10}); r.Close() }, 1006, "", 0},
		{"[?] TCP ends, switched code", Options{Unproven: Unproven{LostCode: 1001}}, func(_ *harness, r raw) { r.Close() }, 1001, "", 0},
	} {
		t.Run(c.fact, func(t *testing.T) {
			disconnect := newRecorder()
			h := start(t, c.options, functions{"$disconnect": disconnect.serve})
			r := h.raw()
			c.end(h, r)
			if c.client != 0 {
				if code, _ := r.closed(); code != c.client && !(c.client == 1005 && code == 0) {
					t.Errorf("the client sees %d, want %d", code, c.client)
				}
				r.Close()
			}
			e := disconnect.next(t)
			if code, reason := at(e, "requestContext", "disconnectStatusCode"), at(e, "requestContext", "disconnectReason"); code != c.code || reason != c.reason {
				t.Errorf("$disconnect with %v %q, want %v %q", code, reason, c.code, c.reason)
			}
			eventually(t, "the connection is forgotten", func() bool { return h.api.Connections() == 0 })
			if err := h.api.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(disconnect) != 0 {
				t.Error("$disconnect fired twice")
			}
		})
	}
	t.Run("[?] TCP ends, silently", func(t *testing.T) {
		disconnect := newRecorder()
		h := start(t, Options{Unproven: Unproven{LostSilently: true}}, functions{"$disconnect": disconnect.serve})
		r := h.raw()
		h.only()
		r.Close()
		eventually(t, "the connection is forgotten", func() bool { return h.api.Connections() == 0 })
		if err := h.api.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(disconnect) != 0 {
			t.Error("$disconnect fired")
		}
	})
	t.Run("a refused handshake has no $disconnect", func(t *testing.T) {
		disconnect := newRecorder()
		h := start(t, Options{}, functions{"$connect": returns(`{"statusCode":400}`), "$disconnect": disconnect.serve})
		h.handshake("/prod")
		if err := h.api.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(disconnect) != 0 {
			t.Error("$disconnect fired")
		}
	})
}

// TestIdle: trap 7.
func TestIdle(t *testing.T) {
	t.Parallel()
	const idle = time.Second
	for _, c := range []struct {
		fact string
		act  func(*harness, raw)
		kept bool
	}{
		{"[I] pings do not keep the connection", func(_ *harness, r raw) { r.frame(true, ws.OpPing, nil) }, false},
		{"[D] messages from the client keep it", func(_ *harness, r raw) { r.frame(true, ws.OpText, []byte("x")) }, true},
		{"[D] messages to the client keep it", func(h *harness, _ raw) { h.tryManage(http.MethodPost, "/@connections/"+h.only().id, "x") }, true},
	} {
		t.Run(c.fact, func(t *testing.T) {
			t.Parallel()
			h := start(t, Options{IdleTimeout: idle}, functions{"$default": ok})
			r := h.raw()
			begun := h.only()
			for deadline := time.Now().Add(3 * idle); time.Now().Before(deadline); time.Sleep(idle / 20) {
				if begun.end.Load() != nil {
					break
				}
				c.act(h, r)
			}
			if kept := begun.end.Load() == nil; kept != c.kept {
				t.Errorf("connection kept: %v", kept)
			}
		})
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	t.Run("waits for what is in flight", func(t *testing.T) {
		g := newGate()
		defer g.release()
		h := start(t, Options{}, functions{"$default": g.serve})
		h.dial().send("x")
		<-g.entered
		over := make(chan error, 1)
		go func() { over <- h.api.Shutdown(context.Background()) }()
		select {
		case <-over:
			t.Fatal("shutdown did not wait")
		case <-time.After(50 * time.Millisecond):
		}
		g.release()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	t.Run("gives up with its context and cancels invocations", func(t *testing.T) {
		g := newGate()
		defer g.release()
		h := start(t, Options{}, functions{"$default": g.serve})
		h.dial().send("x")
		<-g.entered
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := h.api.Shutdown(ctx); err == nil {
			t.Error("shutdown reports success")
		}
	})
	t.Run("clients see 1001", func(t *testing.T) {
		h := start(t, Options{}, functions{})
		clients := []client{h.dial(), h.dial(), h.dial()}
		go h.api.Shutdown(context.Background())
		for _, c := range clients {
			if code, reason := c.closed(); code != int(websocket.StatusGoingAway) || reason != "Going away" {
				t.Errorf("closed with %d %q", code, reason)
			}
		}
	})
}
