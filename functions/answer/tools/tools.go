// Package tools calls the tools of MCP servers, over Streamable HTTP, for agents that
// the backend runs. It speaks the specification of 2026-07-28, which has no sessions, and
// the older ones, which may have.
package tools

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/outside"
)

// A Tool is one that an agent may use.
type Tool struct {
	Name        string // for the model: ^[A-Za-z0-9_-]{1,64}$, of no other tool, and always the same
	Server      string // its name in the configuration
	Tool        string // the server's name of it
	Description string
	Schema      json.RawMessage // of its arguments: a JSON schema of an object
	Idempotent  bool            // called twice it does what it does once, as its server says
	Ask         bool            // a user has to approve each call

	// inHeaders is set where arguments are to be sent as headers as well: which, only
	// a session knows that has seen the list.
	inHeaders bool
}

// A Result is what a call came to, for the model to read.
type Result struct {
	Text    string // valid UTF-8, never empty, at most MaxResult bytes
	IsError bool
	// Unknown is set where the call may have been executed, or not: it must not be made
	// again but of a tool that is idempotent.
	Unknown bool
}

// What a run spends on tools at most.
const (
	MaxArguments = 64 << 10 // bytes, of a call
	MaxResult    = 64 << 10 // bytes; what is longer is cut, and says so
	MaxTools     = 128      // of an agent, which is what OpenAI allows

	callTimeout    = 30 * time.Second
	listTimeout    = 10 * time.Second // of one server
	closeTimeout   = time.Second
	tellingTime    = 50 * time.Millisecond
	maxBody        = 2 << 20 // bytes of an answer that are read at all
	maxPages       = 20
	maxListed      = 1000
	maxDescription = 4 << 10
	maxSchema      = 32 << 10
	maxSaid        = 1000 // bytes, of what a server says in place of a result
	maxTTL         = time.Hour
)

// Servers are all that are configured. They keep what servers allow to keep of their
// lists, and are for any number of goroutines.
type Servers struct {
	Options
	now     func() time.Time
	timeout time.Duration // of a call

	mu    sync.Mutex
	lists map[string]list
}

// Options are the servers of a configuration.
type Options struct {
	Configured map[string]config.ToolServer
	Local      bool // they may be anywhere; else only at public addresses

	// Renew returns other headers of a server than those that it has refused, if there are
	// any: they may have been changed where they are kept. nil: there are none.
	Renew func(ctx context.Context, server string, refused map[string]string) (map[string]string, bool)
}

// New returns the servers of a configuration.
func New(o Options) *Servers {
	return &Servers{Options: o, now: time.Now, timeout: callTimeout, lists: map[string]list{}}
}

// Open begins a Session, for one run of an agent. It calls nobody yet, and has to be
// closed.
func (s *Servers) Open() *Session {
	ctx, cancel := context.WithCancel(context.Background())
	transport := outside.Transport(s.Local)
	transport.MaxConnsPerHost = 16
	return &Session{servers: s, transport: transport, ended: ctx, end: cancel, links: map[string]*link{}}
}

// A Session lists and calls tools, with one connection to each server, which may
// remember it. It is for any number of goroutines, but of several calls at once to
// one server the end of the connection ends all.
type Session struct {
	servers   *Servers
	transport *http.Transport
	ended     context.Context
	end       context.CancelFunc

	mu          sync.Mutex
	links       map[string]*link
	interrupted bool // a call was: its server is being told
}

// A link is the connection to a server: whoever needs it first makes it, and others
// wait.
type link struct {
	ready chan struct{}
	to    *mcp.ClientSession // nil where it could not be made
	end   context.CancelFunc // of all its requests
	err   error
}

// Close ends the connections, within about a second also where a server does not
// answer. No goroutine of the session is left.
func (s *Session) Close() {
	defer s.transport.CloseIdleConnections()
	defer s.end()
	impatient := time.AfterFunc(closeTimeout, s.end)
	defer impatient.Stop()
	s.mu.Lock()
	links, interrupted := s.links, s.interrupted
	s.links = map[string]*link{}
	s.mu.Unlock()
	if interrupted && len(links) > 0 {
		// The library tells the server behind our back, and not once it is closed.
		time.Sleep(tellingTime)
	}
	var wg sync.WaitGroup
	for _, l := range links {
		wg.Go(func() {
			<-l.ready
			if l.to != nil {
				_ = l.to.Close() // what is wrong with it is not ours to mend
			}
		})
	}
	wg.Wait()
}

// connect returns the connection to a server that is configured.
func (s *Session) connect(ctx context.Context, server string) (*mcp.ClientSession, error) {
	for {
		s.mu.Lock()
		l, made := s.links[server]
		if !made {
			l = &link{ready: make(chan struct{})}
			s.links[server] = l
		}
		s.mu.Unlock()
		if !made {
			if l.err = s.dial(ctx, l, server); l.err != nil {
				s.forget(server, l)
			}
			close(l.ready)
			return l.to, l.err
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if l.err == nil || !errors.Is(l.err, context.Canceled) {
			return l.to, l.err
		}
		// Whoever was making it did not wait for it. That is not our end.
	}
}

// forget has the next one make a new connection. It reports whether this was in use.
func (s *Session) forget(server string, l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l == nil || s.links[server] != l {
		return false
	}
	delete(s.links, server)
	return true
}

// drop ends a connection that has failed, without a word to the server.
func (s *Session) drop(server string, failed *mcp.ClientSession) {
	s.mu.Lock()
	l := s.links[server]
	s.mu.Unlock()
	if l != nil && isReady(l) && l.to == failed && s.forget(server, l) {
		l.end()
		_ = failed.Close()
	}
}

func isReady(l *link) bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

// dial makes a connection. What does not answer is not waited for longer than ctx:
// neither by what the library says goodbye with.
func (s *Session) dial(ctx context.Context, l *link, name string) (err error) {
	server := s.servers.Configured[name]
	alive, end := context.WithCancel(s.ended)
	stop := context.AfterFunc(ctx, end)
	defer stop()
	client := mcp.NewClient(&mcp.Implementation{Name: "aiwm-chat", Version: "1"}, &mcp.ClientOptions{
		Capabilities:   &mcp.ClientCapabilities{},
		MultiRoundTrip: &mcp.MultiRoundTripOptions{Disabled: true},
	})
	l.end = end
	l.to, err = client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: server.URL,
		HTTPClient: &http.Client{
			Transport:     newBounded(s.transport, alive, server.Headers, s.servers.renewing(name)),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		MaxRetries:           -1, // of reading on where a stream broke
		DisableStandaloneSSE: true,
		MaxEventSize:         maxBody,
	}, nil)
	if err != nil {
		end()
	}
	return err
}
