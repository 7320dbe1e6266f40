package proxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is one connection and the one behind it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	random         *rand.Rand  // of requests only
	losing         atomic.Bool // the next answer is lost
	silent         atomic.Bool // nothing is forwarded any more
	once           sync.Once
	gone           chan struct{} // closed by reset
}

// reset ends both connections at once; a client sees that it was no regular end.
func (l *link) reset() {
	l.once.Do(func() {
		if tcp, ok := l.client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_, _ = l.client.Close(), l.server.Close()
		close(l.gone)
	})
}

// requests forwards what the client sends, or does not.
func (l *link) requests() {
	defer l.reset()
	buffer := make([]byte, pieceSize)
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			return
		}
		if l.proxy.on.Load() && !l.misbehave() {
			return
		}
		if l.silent.Load() {
			continue
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
		if l.losing.Load() {
			l.wait(answerTime)
			return
		}
	}
}

// misbehave decides what happens to a piece; false: the connection is over. All
// decisions are drawn each time, so that one probability moves no other's.
func (l *link) misbehave() bool {
	f := l.proxy.faults
	delay, share := l.random.Float64() < f.Delay, l.random.Float64()
	reset, lose, swallow := l.random.Float64() < f.Reset, l.random.Float64() < f.Lose, l.random.Float64() < f.Swallow
	if delay || reset || lose || swallow {
		l.proxy.happened.Add(1)
	}
	if delay {
		l.wait(time.Duration(share * float64(f.DelayMax)))
	}
	switch {
	case reset:
		return false
	case lose:
		l.losing.Store(true)
	case swallow:
		l.silent.Store(true)
	}
	return true
}

// answers forwards what the server sends. The answer that is to be lost may
// have come in part before, as that of a request before it.
func (l *link) answers() {
	defer l.reset()
	buffer := make([]byte, pieceSize)
	for {
		n, err := l.server.Read(buffer)
		if err != nil || l.losing.Load() {
			return
		}
		if l.silent.Load() {
			continue
		}
		if _, err := l.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *link) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.gone:
	}
}
