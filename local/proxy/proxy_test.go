package proxy_test

import (
	"bufio"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiwm-chat/local/proxy"
)

// An echo answers each line with itself, and remembers it.
type echo struct {
	net.Listener
	mu    sync.Mutex
	lines []string
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{Listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for s := bufio.NewScanner(c); s.Scan(); {
					e.mu.Lock()
					e.lines = append(e.lines, s.Text())
					e.mu.Unlock()
					if _, err := c.Write([]byte(s.Text() + "\n")); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return e
}

func (e *echo) got(line string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.lines, line)
}

// start returns a proxy of an echo, and a connection through it that works.
func start(t *testing.T, f proxy.Faults) (*echo, *proxy.Proxy, net.Conn) {
	t.Helper()
	e := newEcho(t)
	p, err := proxy.Listen(e.Addr().String(), 1, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c := dial(t, p)
	if answer, err := ask(c, "first", time.Second); err != nil || answer != "first\n" {
		t.Fatalf("got %q, %v", answer, err)
	}
	return e, p, c
}

func dial(t *testing.T, p *proxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(c net.Conn, line string, patience time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFaults(t *testing.T) {
	const patience = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		faults       proxy.Faults
		arrives      bool // at the server
		answer, ends bool // at the client: an answer, the end of the connection
	}{
		"delayed":                {proxy.Faults{Delay: 1, DelayMax: 50 * time.Millisecond}, true, true, false},
		"reset before":           {proxy.Faults{Reset: 1}, false, false, true},
		"reset after":            {proxy.Faults{Lose: 1}, true, false, true},
		"swallowed":              {proxy.Faults{Swallow: 1}, false, false, false},
		"none":                   {proxy.Faults{}, true, true, false},
		"delayed and then reset": {proxy.Faults{Delay: 1, DelayMax: time.Millisecond, Reset: 1}, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			e, p, c := start(t, tt.faults)
			p.On()
			answer, err := ask(c, "second", patience)
			if tt.answer != (err == nil) || tt.answer && answer != "second\n" {
				t.Errorf("the answer is %q, %v", answer, err)
			}
			if ends := err != nil && !errors.Is(err, os.ErrDeadlineExceeded); ends != tt.ends {
				t.Errorf("the connection ended: %t (%v)", ends, err)
			}
			if e.got("second") != tt.arrives {
				t.Errorf("the server got it: %t", !tt.arrives)
			}
			if happened := p.Happened(); (happened > 0) != (name != "none") {
				t.Errorf("%d faults happened", happened)
			}
			p.Off()
			if answer, err := ask(dial(t, p), "third", 5*time.Second); err != nil || answer != "third\n" {
				t.Errorf("after the faults: %q, %v", answer, err)
			}
		})
	}
}

// Who waits for an answer that was swallowed sees the end when the faults end.
func TestOffEndsSilence(t *testing.T) {
	_, p, c := start(t, proxy.Faults{Swallow: 1})
	p.On()
	time.AfterFunc(50*time.Millisecond, p.Off)
	if _, err := ask(c, "second", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on: %v", err)
	}
}

func TestAway(t *testing.T) {
	_, p, c := start(t, proxy.Faults{})
	p.Away()
	if _, err := ask(c, "second", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on: %v", err)
	}
	if _, err := ask(dial(t, p), "second", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection: %v", err)
	}
	p.Return()
	if answer, err := ask(dial(t, p), "third", 5*time.Second); err != nil || answer != "third\n" {
		t.Errorf("back again: %q, %v", answer, err)
	}
}

// The same seed makes the same decisions.
func TestSeed(t *testing.T) {
	run := func() string {
		_, p, _ := start(t, proxy.Faults{Reset: 0.3})
		p.On()
		var b strings.Builder
		for range 20 {
			c := dial(t, p)
			for {
				if _, err := ask(c, "x", 5*time.Second); err != nil {
					break
				}
				b.WriteByte('.')
			}
			b.WriteByte('|')
		}
		return b.String()
	}
	if first, second := run(), run(); first != second {
		t.Errorf("first  %s\nsecond %s", first, second)
	}
}
