package wsapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// A closeError says that the server must close the connection, and how.
type closeError struct {
	code   int
	reason string
}

func (e closeError) Error() string { return fmt.Sprintf("close %d %s", e.code, e.reason) }

// serve reads the connection until it ends, whoever ends it, and then fires
// $disconnect.
func (c *conn) serve(r *bufio.Reader) {
	defer c.api.work.Done()
	err := c.arm()
	if err == nil {
		err = c.readFrames(r)
	}
	var fault closeError
	if errors.As(err, &fault) {
		c.shut(fault.code, fault.reason)
		// What the client has already sent must be read: closing over it would
		// reset the connection and lose the close frame.
		io.Copy(io.Discard, c.nc)
	} else if err != nil {
		c.setEnd(ending{code: c.api.options.Unproven.LostCode, lost: true})
	}
	c.nc.Close()
	c.token <- struct{}{} // the last writer is through, and there will be none
	c.disconnected(*c.end.Load())
}

// readFrames handles frames until one ends the connection. It returns nil after
// a close frame, which it has answered.
func (c *conn) readFrames(r *bufio.Reader) error {
	var (
		message []byte // fragments so far
		state   = ws.StateServerSide
		scratch = make([]byte, ws.MaxHeaderSize)
	)
	for {
		h, err := readHeader(r, scratch)
		if err != nil {
			return err
		}
		if ws.CheckHeader(h, state) != nil {
			return closeError{code: 1002}
		}
		n := int(min(h.Length, maxMessage+1))
		switch {
		case h.OpCode.IsControl():
			payload, err := peek(r, h)
			if err != nil {
				return err
			}
			if done, err := c.control(h.OpCode, payload); done || err != nil {
				return err
			}
			r.Discard(n)
			continue
		case h.OpCode == ws.OpBinary:
			return closeError{code: 1003}
		case n > maxFrame || len(message)+n > maxMessage:
			return closeError{code: 1009}
		}
		if h.Fin && !state.Fragmented() && n <= r.Size() { // the common case: nothing is copied
			payload, err := peek(r, h)
			if err != nil {
				return err
			}
			if err := c.message(payload); err != nil {
				return err
			}
			r.Discard(n)
			continue
		}
		start := len(message)
		message = slices.Grow(message, n)[:start+n]
		if _, err := io.ReadFull(r, message[start:]); err != nil {
			return err
		}
		ws.Cipher(message[start:], h.Mask, 0)
		if state = state.Set(ws.StateFragmented); h.Fin {
			if err := c.message(message); err != nil {
				return err
			}
			state, message = state.Clear(ws.StateFragmented), nil
		}
	}
}

// readHeader reads a frame's header. It refuses a length that is not in its
// shortest form, as RFC 6455 (5.2) demands.
func readHeader(r *bufio.Reader, scratch []byte) (ws.Header, error) {
	start, err := r.Peek(2)
	if err != nil {
		return ws.Header{}, err
	}
	form := start[1] & 0x7f
	h, err := ws.ReadHeaderBuffer(r, scratch)
	if errors.Is(err, ws.ErrHeaderLengthMSB) || err == nil && (form == 126 && h.Length < 126 || form == 127 && h.Length <= 0xffff) {
		err = closeError{code: 1002}
	}
	return h, err
}

// peek returns a payload unmasked in the reader's own buffer. It is valid until
// the caller discards it.
func peek(r *bufio.Reader, h ws.Header) ([]byte, error) {
	payload, err := r.Peek(int(h.Length))
	if err != nil {
		return nil, err
	}
	ws.Cipher(payload, h.Mask, 0)
	return payload, nil
}

// control answers a control frame. done is true after a close frame.
func (c *conn) control(op ws.OpCode, payload []byte) (done bool, err error) {
	switch op {
	case ws.OpPing:
		if !c.api.options.Unproven.IgnorePings {
			// A client that does not read gets no pong; if it is gone the next
			// read says so.
			_ = c.write(newFrame(ws.OpPong, payload))
		}
	case ws.OpClose:
		e := ending{code: closeNotSetCode, reason: closeNotSet}
		if len(payload) > 0 {
			code, reason := ws.ParseCloseFrameData(payload)
			switch {
			case len(payload) == 1 || !closeCode(int(code)):
				return false, closeError{code: 1002}
			case !utf8.ValidString(reason):
				return false, closeError{code: 1007}
			}
			if !c.api.options.Unproven.HideClientClose {
				e = ending{code: int(code), reason: reason}
			}
			payload = payload[:2] // the answer repeats the code alone
		}
		if c.setEnd(e) && c.lock(nil) == nil { // otherwise it answers our own close frame
			c.writeClose(payload)
			c.unlock()
		}
		return true, nil
	}
	return false, nil
}

// closeCode reports whether a client may close with code: with one that is
// registered for close frames (RFC 6455, 7.4, and IANA's list, which goes on to
// 1014) or is left to libraries and applications. 1004 to 1006 never travel.
func closeCode(code int) bool {
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006) || code >= 3000 && code <= 4999
}

// message checks a complete message and dispatches it.
func (c *conn) message(body []byte) error {
	if !utf8.Valid(body) {
		return closeError{code: 1007}
	}
	if c.end.Load() == nil { // a message that crosses our close frame is lost
		c.touch()
		c.api.in.Add(billed(len(body)))
		c.dispatch(body)
	}
	return nil
}
