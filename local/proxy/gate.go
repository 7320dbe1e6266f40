package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Command is one request to a database.
type Command struct {
	// Name is what it does to what: of MongoDB "insert messages", of Redis
	// "hgetall {user:o/u}", and of a script its first key; "" is what a driver asks for
	// itself.
	Name string
	// Write reports whether it is a write of MongoDB, which Doubt is for.
	Write bool
}

// A Fate is what becomes of a command.
type Fate int

// The fates. Refuse and Doubt are for MongoDB only.
const (
	Pass   Fate = iota
	Drop        // it is not passed on, and the connection is reset
	Lose        // it is passed on, and the connection is reset instead of the answer
	Refuse      // it is not passed on: the answer is that of a server that does not do it
	Doubt       // it is passed on; the answer is that it was done, and may not stay
)

// A Verdict is a fate, and what belongs to it.
type Verdict struct {
	Fate Fate
	// Answered is called when the answer has come and the client has not seen it
	// yet; nil: nothing is.
	Answered func()
	// Code and Reason are the error of Refuse and Doubt.
	Code   int32
	Reason string
}

// A Judge decides about a command when it has come and was not passed on yet. It
// is called for those with a name, by many connections at the same time.
type Judge func(Command) Verdict

// A Gate stands before a database like a Proxy and knows where each command
// begins and ends, so that one can be hit, and no other.
type Gate struct {
	protocol Protocol
	target   string
	judge    Judge
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	open   map[*passage]bool
	closed bool
}

// NewGate starts a gate before target on a free port of loopback.
func NewGate(target string, p Protocol, judge Judge) (*Gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	g := &Gate{protocol: p, target: target, judge: judge, listener: l, open: map[*passage]bool{}}
	g.wg.Go(g.accept)
	return g, nil
}

// Addr is where clients connect.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Close resets all connections and returns when nothing is left running.
func (g *Gate) Close() error {
	err := g.listener.Close()
	g.mu.Lock()
	g.closed = true
	for p := range g.open {
		p.reset()
	}
	g.mu.Unlock()
	g.wg.Wait()
	return err
}

func (g *Gate) accept() {
	for {
		c, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors
			continue
		}
		g.wg.Go(func() { g.serve(c) })
	}
}

func (g *Gate) serve(c net.Conn) {
	defer c.Close()
	server, err := net.DialTimeout("tcp", g.target, dialTime)
	if err != nil {
		return
	}
	p := &passage{gate: g, client: c, server: server}
	defer p.reset()
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return
	}
	g.open[p] = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.open, p)
	}()
	var wg sync.WaitGroup
	wg.Go(p.answers)
	p.requests()
	wg.Wait()
}

// A passage is one connection through a gate.
type passage struct {
	gate           *Gate
	client, server net.Conn
	once           sync.Once

	mu      sync.Mutex // also orders what is written to the client
	pending []waiting  // answers that the client waits for, in order
}

// waiting is a command whose answer is to come, or is known here already.
type waiting struct {
	request message
	verdict Verdict
}

func (p *passage) reset() {
	p.once.Do(func() {
		if tcp, ok := p.client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_, _ = p.client.Close(), p.server.Close()
	})
}

func (p *passage) requests() {
	defer p.reset()
	r := bufio.NewReader(p.client)
	for {
		m, err := p.gate.protocol.request(r)
		if err != nil {
			return
		}
		var v Verdict
		if m.command.Name != "" {
			v = p.gate.judge(m.command)
		}
		if v.Fate == Drop {
			return
		}
		if !m.alone {
			p.mu.Lock()
			p.pending = append(p.pending, waiting{m, v})
			p.mu.Unlock()
		}
		if v.Fate == Refuse {
			if p.known() != nil {
				return
			}
			continue
		}
		if _, err := p.server.Write(m.raw); err != nil {
			return
		}
	}
}

// known gives the client the next answers that the server is not asked for.
func (p *passage) known() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.pending) > 0 && p.pending[0].verdict.Fate == Refuse {
		w := p.pending[0]
		p.pending = p.pending[1:]
		if _, err := p.client.Write(refusal(w.request, w.verdict)); err != nil {
			return err
		}
	}
	return nil
}

func (p *passage) answers() {
	defer p.reset()
	r := bufio.NewReader(p.server)
	for {
		m, err := p.gate.protocol.answer(r)
		if err != nil {
			return
		}
		if !m.alone && !p.answer(&m) {
			return
		}
		if _, err := p.client.Write(m.raw); err != nil || p.known() != nil {
			return
		}
	}
}

// answer takes the command that m answers, and reports whether the client is to
// see it.
func (p *passage) answer(m *message) bool {
	p.mu.Lock()
	if len(p.pending) == 0 { // a server that goes on talking
		p.mu.Unlock()
		return true
	}
	w := p.pending[0]
	p.pending = p.pending[1:]
	p.mu.Unlock()
	if w.verdict.Answered != nil {
		w.verdict.Answered()
	}
	switch w.verdict.Fate {
	case Lose:
		return false
	case Doubt:
		m.raw = doubtful(*m, w.verdict)
	}
	return true
}
