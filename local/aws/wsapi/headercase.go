package wsapi

import (
	"bytes"
	"context"
	"net"
	"net/http"
)

// maxRecorded bounds what is kept of a request for the spelling of its header
// names.
const maxRecorded = 16 << 10

// KeepHeaderCase prepares a server, before it serves the returned listener, for
// events that spell header names as the client does. API Gateway keeps the
// spelling, so a function that looks for "Authorization" misses a client's
// "authorization" there; net/http forgets it. Without this, events have
// net/http's canonical names.
func KeepHeaderCase(server *http.Server, listener net.Listener) net.Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, recordingKey{}, c)
	}
	return recordingListener{listener}
}

type recordingKey struct{}

type recordingListener struct{ net.Listener }

func (l recordingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recordingConn{Conn: c}, nil
}

// A recordingConn keeps the head of a connection's first request if it is a
// GET: a client opens a connection for a WebSocket.
type recordingConn struct {
	net.Conn
	head []byte // up to the empty line
	done bool
}

// Read records what passes. net/http reads from one goroutine at a time, and
// has read the whole head before it calls a handler.
func (c *recordingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.done || n == 0 {
		return n, err
	}
	c.head = append(c.head, p[:n]...)
	end := bytes.Index(c.head, []byte("\r\n\r\n"))
	if c.done = end >= 0 || len(c.head) > maxRecorded || c.head[0] != 'G'; c.done {
		c.head = bytes.Clone(c.head[:max(end, 0)])
	}
	return n, err
}

// spelling returns how the client wrote each header name, by canonical name;
// nil if that is not known.
func spelling(r *http.Request) map[string]string {
	c, ok := r.Context().Value(recordingKey{}).(*recordingConn)
	// The key is new in every handshake: it tells whether the head is this
	// request's.
	if !ok || !c.done || !bytes.Contains(c.head, []byte(r.Header.Get("Sec-WebSocket-Key"))) {
		return nil
	}
	names := map[string]string{}
	for line := range bytes.SplitSeq(c.head, []byte("\r\n")) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok {
			names[http.CanonicalHeaderKey(string(name))] = string(name)
		}
	}
	return names
}

// bare returns the connection without the recorder.
func bare(c net.Conn) net.Conn {
	if recording, ok := c.(*recordingConn); ok {
		return recording.Conn
	}
	return c
}
