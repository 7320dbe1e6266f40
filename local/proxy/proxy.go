// Package proxy stands before a database and makes the network bad: it delays,
// loses requests, loses answers to what was done, and falls silent. What
// happens to the n-th connection depends on the seed and n only, as long as its
// bytes come in the same pieces. A Gate, beside it, understands what it forwards,
// and does something to one command and no other.
package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are probabilities, each for one piece of what a client sends, as it is
// read: mostly one request, or several that were pipelined.
type Faults struct {
	Delay    float64       // it waits for up to DelayMax
	DelayMax time.Duration // 100 ms if zero
	Reset    float64       // the connection is reset, and nothing was forwarded
	Lose     float64       // it is forwarded, and the connection reset instead of its answer
	Swallow  float64       // it is not forwarded, and nothing more comes, either way
}

const (
	dialTime  = 2 * time.Second
	delayMax  = 100 * time.Millisecond
	pieceSize = 64 << 10
	// answerTime is how long an answer that is to be lost is waited for.
	answerTime = time.Second
)

// A Proxy forwards connections to one address, faithfully until On.
type Proxy struct {
	target   string
	seed     uint64
	faults   Faults
	listener net.Listener
	on, away atomic.Bool
	happened atomic.Int64
	wg       sync.WaitGroup

	mu     sync.Mutex
	next   uint64
	open   map[*link]bool
	closed bool
}

// Listen starts a proxy of target on a free port of loopback.
func Listen(target string, seed uint64, f Faults) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if f.DelayMax == 0 {
		f.DelayMax = delayMax
	}
	p := &Proxy{target: target, seed: seed, faults: f, listener: l, open: map[*link]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// On makes faults happen, until Off. Connections that swallow are reset by Off,
// as the other side would once it is back.
func (p *Proxy) On() { p.on.Store(true) }

// Off ends them.
func (p *Proxy) Off() {
	p.on.Store(false)
	p.reset(func(l *link) bool { return l.silent.Load() })
}

// Away resets all connections and refuses new ones, until Return.
func (p *Proxy) Away() {
	p.away.Store(true)
	p.happened.Add(1)
	p.reset(func(*link) bool { return true })
}

// Return ends that.
func (p *Proxy) Return() { p.away.Store(false) }

// Happened is the number of faults so far.
func (p *Proxy) Happened() int64 { return p.happened.Load() }

// Close resets all connections and returns when nothing is left running.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.reset(func(*link) bool { return true })
	p.wg.Wait()
	return err
}

func (p *Proxy) reset(which func(*link) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		if which(l) {
			l.reset()
		}
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors
			continue
		}
		p.wg.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer c.Close()
	if p.away.Load() {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, dialTime)
	if err != nil {
		return
	}
	l := &link{proxy: p, client: c, server: server, gone: make(chan struct{})}
	defer l.reset()
	if !p.add(l) {
		return
	}
	defer p.remove(l)
	var wg sync.WaitGroup
	wg.Go(l.answers)
	l.requests()
	wg.Wait()
}

// add numbers a connection.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.random = rand.New(rand.NewPCG(p.seed, p.next))
	p.next++
	if p.closed || p.away.Load() {
		return false
	}
	p.open[l] = true
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
}
