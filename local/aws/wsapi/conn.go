package wsapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	goingAway        = "Going away"
	closedNormally   = "Connection Closed Normally"
	closeNotSet      = "Client-side close frame status not set"
	closeNotSetCode  = 1005
	headerRoom       = 10 // bytes of the longest header of an unmasked frame
	smallReadBuffer  = 1024
	handshakeTimeout = 5 * time.Second // for the client to take the 101
)

var (
	errGone    = errors.New("the connection is gone")
	errBusy    = errors.New("the client's buffer is full")
	errClosing = errors.New("the client did not answer the close frame")
)

// A conn is one WebSocket connection. One goroutine reads it (serve); anybody
// may write who holds its token.
type conn struct {
	api         *API
	id          string
	tail        tail
	host        string // of the handshake
	sourceIP    string
	userAgent   string
	connectedAt time.Time
	repeated    repeated

	nc         net.Conn
	token      chan struct{} // capacity 1: a mutex that can be waited for with a limit
	slots      chan struct{} // one per invocation in flight
	lastActive atomic.Int64  // Unix nanoseconds of the last message in either direction
	end        atomic.Pointer[ending]
	ended      chan struct{} // closed once end is set
}

// An ending is how a connection ended, as $disconnect reports it. The first one
// counts.
type ending struct {
	code   int
	reason string
	lost   bool // TCP broke
}

// setEnd reports whether this is the first ending. From then on the connection
// is gone for @connections.
func (c *conn) setEnd(e ending) bool {
	if !c.end.CompareAndSwap(nil, &e) {
		return false
	}
	close(c.ended)
	c.api.remove(c)
	return true
}

func (c *conn) touch() { c.lastActive.Store(time.Now().UnixNano()) }

// lock takes the write token. It gives up after slowWrite with errBusy, or when
// gone is closed.
func (c *conn) lock(gone <-chan struct{}) error {
	select {
	case c.token <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.token <- struct{}{}:
		return nil
	case <-gone:
		return errGone
	case <-time.After(slowWrite):
		return errBusy
	}
}

func (c *conn) unlock() { <-c.token }

// post sends a sealed data frame. After it has returned nil the frame is on its
// way, before everything posted later; errBusy and errGone mean that no byte of
// it was sent.
func (c *conn) post(frame []byte) error {
	err := c.write(frame)
	if err == nil {
		c.touch()
		c.api.out.Add(billed(len(frame)))
	}
	return err
}

// write sends a sealed frame in one system call. A client that does not read
// holds it up for slowWrite at most: of a frame that is then half sent the rest
// goes out in the background, still holding the token, and so a connection
// buffers one frame and no more.
func (c *conn) write(frame []byte) error {
	if err := c.lock(c.ended); err != nil {
		return err
	}
	if c.end.Load() != nil {
		c.unlock()
		return errGone
	}
	c.nc.SetWriteDeadline(time.Now().Add(slowWrite))
	n, err := c.nc.Write(frame)
	switch {
	case err == nil:
		c.unlock()
		return nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		c.nc.Close() // wakes the reader, which reports the loss
		c.unlock()
		return errGone
	case n == 0:
		c.unlock()
		return errBusy
	}
	rest := bytes.Clone(frame[n:])
	go func() {
		defer c.unlock()
		c.nc.SetWriteDeadline(time.Time{}) // the idle timeout closes the connection in the end
		if _, err := c.nc.Write(rest); err != nil {
			c.nc.Close()
		}
	}()
	return nil
}

// shut closes the connection from this side: close frame, end of stream, and a
// moment for the client to answer, which serve waits for.
func (c *conn) shut(code int, reason string) {
	if !c.setEnd(ending{code: code, reason: reason}) {
		return
	}
	if c.lock(nil) == nil {
		c.writeClose(ws.NewCloseFrameBody(ws.StatusCode(code), reason))
		if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		c.unlock()
	}
	c.nc.SetReadDeadline(time.Now().Add(closeGrace))
}

// writeClose sends a close frame as well as it can; the caller holds the token.
func (c *conn) writeClose(body []byte) {
	c.nc.SetWriteDeadline(time.Now().Add(slowWrite))
	c.nc.Write(newFrame(ws.OpClose, body))
}

// Read reads from the client until the connection is idle, too old, or closing:
// the deadline is moved only when it strikes, so that a message costs no timer.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.nc.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.end.Load() != nil {
			return 0, errClosing
		}
		if err := c.arm(); err != nil {
			return 0, err
		}
	}
}

// arm sets the read deadline to the moment at which the connection will be idle
// or too old, if no message comes before. If that is past it returns the
// closeError that is due.
func (c *conn) arm() error {
	idle := time.Unix(0, c.lastActive.Load()).Add(c.api.options.IdleTimeout)
	old := c.connectedAt.Add(c.api.options.MaxDuration)
	now := time.Now()
	switch {
	case !now.Before(old):
		return closeError{c.api.options.Unproven.MaxDurationCode, goingAway}
	case !now.Before(idle):
		return closeError{1001, goingAway}
	case old.Before(idle):
		idle = old
	}
	c.nc.SetReadDeadline(idle)
	if c.end.Load() != nil { // shut set its own deadline a moment ago
		c.nc.SetReadDeadline(now.Add(closeGrace))
	}
	return nil
}

// newFrame returns a sealed frame with a copy of the payload.
func newFrame[Bytes ~[]byte | ~string](op ws.OpCode, payload Bytes) []byte {
	b := make([]byte, headerRoom, headerRoom+len(payload))
	return seal(op, append(b, payload...))
}

// seal puts the header of an unfragmented, unmasked frame right before the
// payload, which begins at b[headerRoom], and returns the frame.
func seal(op ws.OpCode, b []byte) []byte {
	start, n := headerRoom-2, len(b)-headerRoom
	switch {
	case n < 126:
		b[start+1] = byte(n)
	case n <= 0xffff:
		start = headerRoom - 4
		b[start+1] = 126
		binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	default:
		start = headerRoom - 10
		b[start+1] = 127
		binary.BigEndian.PutUint64(b[start+2:], uint64(n))
	}
	b[start] = 0x80 | byte(op)
	return b[start:]
}
