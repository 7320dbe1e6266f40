package wsapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// TestFrames sends raw frames: each row either closes the connection with a
// code and invokes nothing, or delivers one message.
func TestFrames(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	masked := func(h ws.Header) []byte { // a header with an empty mask, for what gobwas/ws would not write itself
		var b bytes.Buffer
		h.Masked = true
		if err := ws.WriteHeader(&b, h); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	fragments := func(sizes ...int) func(raw) {
		return func(r raw) {
			for i, n := range sizes {
				op := ws.OpContinuation
				if i == 0 {
					op = ws.OpText
				}
				r.frame(i == len(sizes)-1, op, text(n))
			}
		}
	}
	one := func(op ws.OpCode, payload []byte) func(raw) { return func(r raw) { r.frame(true, op, payload) } }
	bytes := func(b []byte) func(raw) {
		return func(r raw) {
			if _, err := r.Write(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		fact string
		send func(raw)
		code int    // of the close frame, or
		body string // of the event
	}{
		{"[D] a frame of 32 KB is fine", one(ws.OpText, text(32<<10)), 0, string(text(32 << 10))},
		{"[D] a frame over 32 KB closes 1009", one(ws.OpText, text(32<<10+1)), 1009, ""},
		{"[D] 128 KB in frames of 32 KB are fine", fragments(32<<10, 32<<10, 32<<10, 32<<10), 0, string(text(128 << 10))},
		{"[D] a message over 128 KB closes 1009", fragments(32<<10, 32<<10, 32<<10, 32<<10, 1), 1009, ""},
		{"[D] the frame rule holds for fragments", fragments(1, 32<<10+1), 1009, ""},
		{"a huge announced length closes 1009", bytes(masked(ws.Header{Fin: true, OpCode: ws.OpText, Length: 1 << 62})), 1009, ""},
		{"[D] binary closes 1003", one(ws.OpBinary, text(3)), 1003, ""},
		{"[D] an empty binary frame closes 1003", one(ws.OpBinary, nil), 1003, ""},
		{"fragmented text", fragments(1, 0, 2), 0, "xxx"},
		{"an empty message", one(ws.OpText, nil), 0, ""},
		{"larger than the read buffer", one(ws.OpText, text(smallReadBuffer+1)), 0, string(text(smallReadBuffer + 1))},
		{"as large as the read buffer", one(ws.OpText, text(smallReadBuffer)), 0, string(text(smallReadBuffer))},
		{"a ping between fragments", func(r raw) {
			r.frame(false, ws.OpText, text(1))
			r.frame(true, ws.OpPing, []byte("p"))
			r.frame(true, ws.OpContinuation, text(1))
		}, 0, "xx"},
		{"a character split between fragments", func(r raw) {
			r.frame(false, ws.OpText, []byte("\xc3"))
			r.frame(true, ws.OpContinuation, []byte("\xa9"))
		}, 0, "é"},
		{"a frame arriving byte by byte", func(r raw) {
			f := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("slow"))))
			for i := range f {
				r.Write(f[i : i+1])
				time.Sleep(time.Millisecond)
			}
		}, 0, "slow"},
		{"RFC 6455: invalid UTF-8 closes 1007", one(ws.OpText, []byte("a\xff")), 1007, ""},
		{"RFC 6455: an unmasked frame closes 1002", bytes(ws.MustCompileFrame(ws.NewTextFrame(text(1)))), 1002, ""},
		{"RFC 6455: a reserved bit closes 1002", bytes(masked(ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText})), 1002, ""},
		{"RFC 6455: a reserved opcode closes 1002", bytes(masked(ws.Header{Fin: true, OpCode: 3})), 1002, ""},
		{"RFC 6455: a long ping closes 1002", one(ws.OpPing, text(126)), 1002, ""},
		{"RFC 6455: a fragmented ping closes 1002", bytes(masked(ws.Header{OpCode: ws.OpPing})), 1002, ""},
		{"RFC 6455: a continuation of nothing closes 1002", one(ws.OpContinuation, text(1)), 1002, ""},
		{"RFC 6455: a message inside a message closes 1002", func(r raw) {
			r.frame(false, ws.OpText, text(1))
			r.frame(true, ws.OpText, text(1))
		}, 1002, ""},
		{"RFC 6455: a length with the top bit closes 1002", bytes([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 1002, ""},
		{"RFC 6455: a close code of one byte closes 1002", one(ws.OpClose, text(1)), 1002, ""},
		{"RFC 6455: close code 1005 on the wire closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(1005, "")), 1002, ""},
		{"RFC 6455: close code 999 closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(999, "")), 1002, ""},
		{"RFC 6455: close code 1015 closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(1015, "")), 1002, ""},
		{"RFC 6455: close code 2999 closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(2999, "")), 1002, ""},
		{"RFC 6455: close code 5000 closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(5000, "")), 1002, ""},
		{"RFC 6455: close code 65535 closes 1002", one(ws.OpClose, ws.NewCloseFrameBody(65535, "")), 1002, ""},
		{"RFC 6455: a close reason that is no UTF-8 closes 1007", one(ws.OpClose, ws.NewCloseFrameBody(1000, "\xff")), 1007, ""},
		{"RFC 6455: a short length in two bytes closes 1002", bytes([]byte{0x81, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'}), 1002, ""},
		{"RFC 6455: a short length in eight bytes closes 1002", bytes(append([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, text(0xffff)...)), 1002, ""},
		{"RFC 6455: a close frame's length in two bytes closes 1002", bytes([]byte{0x88, 0x80 | 126, 0, 2, 0, 0, 0, 0, 3, 0xe8}), 1002, ""},
	} {
		t.Run(c.fact, func(t *testing.T) {
			message, disconnect := newRecorder(), newRecorder()
			h := start(t, Options{}, functions{"$default": message.serve, "$disconnect": disconnect.serve})
			r := h.raw()
			c.send(r)
			if c.code == 0 {
				if got := at(message.next(t), "body"); got != c.body {
					t.Errorf("body of %d characters, want %d", len(got.(string)), len(c.body))
				}
				return
			}
			if code, _ := r.closed(); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			r.Close()
			if got := at(disconnect.next(t), "requestContext", "disconnectStatusCode"); got != float64(c.code) {
				t.Errorf("$disconnect with %v, want %d", got, c.code)
			}
			if len(message) != 0 {
				t.Error("something was invoked")
			}
		})
	}
}

// TestCloseFrameSurvivesUnreadData: a client that is still sending when it
// breaks a rule gets the close frame, not a reset.
func TestCloseFrameSurvivesUnreadData(t *testing.T) {
	t.Parallel()
	h := start(t, Options{}, functions{"$default": ok})
	r := h.raw()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		r.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(bytes.Repeat([]byte("x"), 8<<20)))))
	}()
	if code, _ := r.closed(); code != 1009 {
		t.Errorf("closed with %d", code)
	}
	r.Close()
	<-sent
}

func TestPing(t *testing.T) {
	t.Run("[?] a ping gets its pong", func(t *testing.T) {
		h := start(t, Options{}, functions{})
		r := h.raw()
		r.frame(true, ws.OpPing, []byte("abc"))
		if op, payload := r.next(); op != ws.OpPong || string(payload) != "abc" {
			t.Errorf("opcode %v, %q", op, payload)
		}
	})
	t.Run("[?] no pong, switched", func(t *testing.T) {
		h := start(t, Options{Unproven: Unproven{IgnorePings: true}}, functions{})
		r := h.raw()
		r.frame(true, ws.OpPing, nil)
		r.frame(true, ws.OpText, []byte("x")) // no route: an error frame comes
		if op, _ := r.next(); op != ws.OpText {
			t.Errorf("opcode %v", op)
		}
	})
	t.Run("trap 2: a ping is answered while a function runs", func(t *testing.T) {
		g := newGate()
		defer g.release()
		h := start(t, Options{}, functions{"$default": g.serve})
		r := h.raw()
		r.frame(true, ws.OpText, []byte("x"))
		<-g.entered
		r.frame(true, ws.OpPing, nil)
		if op, _ := r.next(); op != ws.OpPong {
			t.Errorf("opcode %v", op)
		}
	})
}

func TestSeal(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 128 << 10} {
		payload := strings.Repeat("x", n)
		want := ws.MustCompileFrame(ws.NewTextFrame([]byte(payload)))
		if got := newFrame(ws.OpText, payload); !bytes.Equal(got, want) {
			t.Errorf("a frame of %d bytes begins with %x, want %x", n, got[:min(10, len(got))], want[:min(10, len(want))])
		}
	}
}

// FuzzFrames: whatever a client sends, the connection ends when the client is
// gone, and what reaches a function is a legal message.
func FuzzFrames(f *testing.F) {
	frame := func(op ws.OpCode, fin bool, payload string) []byte {
		return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
	}
	f.Add(frame(ws.OpText, true, `{"action":"x"}`))
	f.Add(append(frame(ws.OpText, false, "a"), frame(ws.OpContinuation, true, "b")...))
	f.Add(append(frame(ws.OpPing, true, "p"), frame(ws.OpClose, true, "\x03\xe8bye")...))
	f.Add(frame(ws.OpBinary, true, "\xff"))
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0})
	message := make(recorder, 1000)
	h := start(f, Options{}, functions{"$default": message.serve})
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 4096 {
			t.Skip("could be more messages than the recorder holds")
		}
		client, server := net.Pipe()
		c := h.api.newConn(httptest.NewRequest(http.MethodGet, "/prod", nil), time.Now())
		c.nc = server
		c.touch()
		if !h.api.begin() || !h.api.add(c) {
			t.Fatal("shutting down")
		}
		go c.serve(bufio.NewReaderSize(c, smallReadBuffer))
		received := make(chan struct{})
		go func() {
			defer close(received)
			io.Copy(io.Discard, client)
		}()
		client.Write(sent)
		client.Close()
		<-received
		eventually(t, "the connection is forgotten and its functions are done", func() bool { return h.api.Connections() == 0 && len(h.api.slots) == 0 })
		for len(message) > 0 {
			if body := at(message.next(t), "body").(string); len(body) > len(sent) || !utf8.ValidString(body) {
				t.Errorf("%x became body %q", sent, body)
			}
		}
	})
}
