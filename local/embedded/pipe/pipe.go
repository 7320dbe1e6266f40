// Package pipe is a network connection without a network: what one end writes
// the other reads, through memory. The drivers of the databases speak their
// protocols over it to the embedded servers of the same process, at a fraction
// of the cost of a TCP socket.
//
// Unlike net.Pipe it has a buffer, as a socket has: a client may write a whole
// pipeline of commands before it reads the first answer.
package pipe

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// maxBuffered is how much one end may write ahead of the other's reading. A
// writer that has written more waits, as on a socket.
const maxBuffered = 1 << 20

// New returns the two ends of a connection.
func New() (net.Conn, net.Conn) {
	a, b := newStream(), newStream()
	return &end{in: a, out: b}, &end{in: b, out: a}
}

// An end implements net.Conn.
type end struct{ in, out *stream }

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }

// Close ends both directions. What was written before can still be read.
func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

func (e *end) LocalAddr() net.Addr  { return address{} }
func (e *end) RemoteAddr() net.Addr { return address{} }

func (e *end) SetDeadline(t time.Time) error {
	e.in.reader.set(t)
	e.out.writer.set(t)
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error  { e.in.reader.set(t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { e.out.writer.set(t); return nil }

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "pipe" }

// A stream is one direction.
type stream struct {
	mu     sync.Mutex
	buf    []byte // what is written and not read, from start
	start  int
	closed bool

	reader, writer waiter // who waits for data, and who for room
}

func newStream() *stream {
	return &stream{reader: waiter{woken: make(chan struct{}, 1)}, writer: waiter{woken: make(chan struct{}, 1)}}
}

func (s *stream) read(p []byte) (int, error) {
	for {
		s.mu.Lock()
		if s.start < len(s.buf) {
			n := copy(p, s.buf[s.start:])
			s.start += n
			if s.start == len(s.buf) {
				s.reset()
			}
			s.mu.Unlock()
			s.writer.wake()
			return n, nil
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if err := s.reader.wait(); err != nil {
			return 0, err
		}
	}
}

// reset empties the buffer, and lets go of one that a large message needed.
func (s *stream) reset() {
	const keep = 64 << 10
	if cap(s.buf) > keep {
		s.buf = nil
	}
	s.buf, s.start = s.buf[:0], 0
}

func (s *stream) write(p []byte) (written int, err error) {
	for len(p) > 0 {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return written, io.ErrClosedPipe
		}
		n := min(len(p), maxBuffered-(len(s.buf)-s.start))
		if n > 0 {
			s.buf = append(s.buf, p[:n]...)
			s.mu.Unlock()
			s.reader.wake()
			written, p = written+n, p[n:]
			continue
		}
		s.mu.Unlock()
		if err := s.writer.wait(); err != nil {
			return written, err
		}
	}
	return written, nil
}

func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.reader.wake()
	s.writer.wake()
}

// A waiter lets one goroutine wait for another, until a deadline. A wake that
// nobody waits for is kept, so that none is missed between a look and the wait.
type waiter struct {
	woken chan struct{}
	mu    sync.Mutex
	until time.Time
}

func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// set changes the deadline, also that of a wait that is going on.
func (w *waiter) set(t time.Time) {
	w.mu.Lock()
	w.until = t
	w.mu.Unlock()
	w.wake()
}

func (w *waiter) wait() error {
	w.mu.Lock()
	until := w.until
	w.mu.Unlock()
	if until.IsZero() {
		<-w.woken
		return nil
	}
	left := time.Until(until)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-w.woken:
	case <-timer.C: // the next look finds the deadline passed, unless it was moved
	}
	return nil
}
