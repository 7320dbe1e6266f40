package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"aiwm-chat/shared/chat"
)

const (
	dialTimeout = 30 * time.Second
	tokenTTL    = time.Hour
	bufferSize  = 4 << 10
)

// A conn is one connection whose frames are read without a copy.
type conn struct {
	net.Conn
	reader  *bufio.Reader
	header  [ws.MaxHeaderSize]byte
	pending int // bytes of the last frame that are still in the reader
}

// Lines are open connections that end together.
type lines struct {
	mu   sync.Mutex
	open []net.Conn
	down bool
}

// dial opens a connection of p. What the server sent together with its answer
// to the handshake is in the reader, which is nil when there is nothing.
func (b *bench) dial(ctx context.Context, l *lines, p chat.Principal) (net.Conn, *bufio.Reader, error) {
	token, err := b.Token(p, tokenTTL)
	if err != nil {
		return nil, nil, fmt.Errorf("make a token: %w", err)
	}
	dialer := ws.Dialer{Protocols: []string{"bearer", token}, Timeout: dialTimeout}
	c, reader, _, err := dialer.Dial(ctx, b.WebSocketURL)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	return c, reader, l.add(c)
}

// open opens a connection whose frames will be read.
func (b *bench) open(ctx context.Context, l *lines, p chat.Principal) (*conn, error) {
	c, reader, err := b.dial(ctx, l, p)
	if err != nil {
		return nil, err
	}
	if reader == nil {
		reader = bufio.NewReaderSize(c, bufferSize)
	}
	return &conn{Conn: c, reader: reader}, nil
}

// next returns the text of the next frame, or its first 4 KB. It is valid
// until the next call.
func (c *conn) next() ([]byte, error) {
	for {
		if _, err := c.reader.Discard(c.pending); err != nil {
			return nil, err
		}
		h, err := ws.ReadHeaderBuffer(c.reader, c.header[:])
		if err != nil {
			return nil, err
		}
		c.pending = int(h.Length)
		text, err := c.reader.Peek(min(c.pending, c.reader.Size()))
		if err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpText:
			return text, nil
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(text)
			return nil, fmt.Errorf("the server closed the connection: %d %s", code, reason)
		}
	}
}

func (l *lines) add(c net.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		c.Close()
		return net.ErrClosed
	}
	l.open = append(l.open, c)
	return nil
}

// all returns the connections that are open.
func (l *lines) all() []net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.open)
}

// hangUp ends all connections, in order as far as each takes the close frame
// at once, and all that will still be added.
func (l *lines) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		c.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // it is closed in any case
		c.Write(closeFrame)                             //nolint:errcheck // as above
		c.Close()
	}
	l.open, l.down = nil, true
}

// readOne reads a single frame and forgets it.
func readOne(r io.Reader) error {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return err
	}
	if h.OpCode != ws.OpText {
		return fmt.Errorf("the first frame has opcode %d", h.OpCode)
	}
	_, err = io.CopyN(io.Discard, r, h.Length)
	return err
}
