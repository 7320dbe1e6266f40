package mongod

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxConnections = 4096
	replyTimeout   = time.Minute // for the client to take a large reply
)

// Options says how a server is run.
type Options struct {
	// Dir is the data directory, made if need be; data is in memory only if
	// empty. One server at a time can use it.
	Dir string
	// Logger gets a line for each connection that is closed because of what the
	// client sent, and for what is cut off a journal, and never a document; nil:
	// nothing is logged.
	Logger *slog.Logger
	// Replica makes it a replica set, for tests; nil: a standalone server. It
	// has no Dir.
	Replica *Replica
}

// A Server serves one store on one loopback port.
type Server struct {
	store    *store
	set      *replicaSet // nil: it is a standalone server
	cursors  cursors
	listener net.Listener
	members  []net.Listener // of the set, but the first
	log      *slog.Logger
	login    atomic.Pointer[login] // nil: everybody is let in

	mu      sync.Mutex
	conns   map[net.Conn]bool
	closing bool
	done    chan struct{} // closed where it closes
	wg      sync.WaitGroup
}

// Listen opens the data and serves it on addr, such as "127.0.0.1:0". It
// returns an error that names the cause when the port is taken or is not a
// loopback one, or when the data directory is in use or damaged.
func Listen(addr string, o Options) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mongod: %w", err)
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("mongod: listen on %s: only loopback addresses are served, there is no authentication", addr), listener.Close())
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Replica != nil && o.Dir != "" {
		return nil, errors.Join(errors.New("mongod: a replica set keeps nothing, so it has no directory"), listener.Close())
	}
	st, err := openStore(o.Dir, o.Logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mongod: %w", err), listener.Close())
	}
	s := &Server{store: st, listener: listener, log: o.Logger, conns: make(map[net.Conn]bool), done: make(chan struct{})}
	if o.Replica != nil {
		s.set = newReplicaSet(s, *o.Replica)
		if err := s.set.listen(listener); err != nil {
			return nil, errors.Join(fmt.Errorf("mongod: %w", err), listener.Close(), s.closeMembers())
		}
	}
	s.Serve(listener)
	if s.set == nil {
		s.wg.Go(s.expire)
	}
	for i, l := range s.members {
		s.wg.Go(func() { s.accept(l, i+1) })
	}
	return s, nil
}

// Addr is the address it listens on, "host:port"; of a replica set, that of the
// first member.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URI is what a driver connects to.
func (s *Server) URI() string {
	if s.set != nil {
		return s.set.uri()
	}
	return "mongodb://" + s.Addr() + "/?directConnection=true"
}

// Close ends all connections, waits for their commands and closes the data.
func (s *Server) Close() error {
	err := errors.Join(s.listener.Close(), s.closeMembers())
	s.mu.Lock()
	if !s.closing {
		close(s.done)
	}
	s.closing = true
	s.mu.Unlock()
	if s.set != nil {
		s.set.close()
	}
	s.disconnect()
	s.wg.Wait()
	return errors.Join(err, s.store.close())
}

func (s *Server) closeMembers() error {
	var errs []error
	for _, l := range s.members {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// disconnect ends all connections.
func (s *Server) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// accept serves the clients of one member.
func (s *Server) accept(l net.Listener, member int) {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of file descriptors: others may be closed meanwhile
			s.log.Warn("mongod: accept", "err", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if !s.admit(conn, member) {
			_ = conn.Close()
		}
	}
}

// Serve accepts clients on another listener too, such as one without a
// network, until that is closed.
func (s *Server) Serve(l net.Listener) { s.wg.Go(func() { s.accept(l, 0) }) }

// admit begins to serve a connection, if there is room for it.
func (s *Server) admit(conn net.Conn, member int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) == maxConnections {
		return false
	}
	s.conns[conn] = true
	s.wg.Go(func() { s.serve(conn, member) })
	return true
}

// serve answers the commands of one connection in turn. A message that cannot
// be read ends the connection and nothing else.
func (s *Server) serve(conn net.Conn, member int) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	r := bufio.NewReaderSize(conn, 4096)
	var msg, reply []byte
	client := peer{member: member}
	for {
		var err error
		if msg, err = readMessage(r, msg); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				s.log.Info("mongod: connection closed", "client", conn.RemoteAddr().String(), "err", err)
			}
			return
		}
		req, err := parseMessage(msg)
		if err != nil {
			s.log.Info("mongod: connection closed: malformed message", "client", conn.RemoteAddr().String(), "err", err)
			return
		}
		req.peer = &client
		var answered bool
		if reply, answered = s.answer(req, reply[:0]); !answered {
			return
		}
		if cap(msg) > keptBuffer {
			msg = nil
		}
		if req.silent {
			continue
		}
		if len(reply) > keptBuffer {
			_ = conn.SetWriteDeadline(time.Now().Add(replyTimeout))
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
		if cap(reply) > keptBuffer {
			reply = nil
			_ = conn.SetWriteDeadline(time.Time{})
		}
	}
}
