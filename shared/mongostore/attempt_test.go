package mongostore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/embedded/pipe"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// A swallower is the way to a server. It can stop forwarding what goes over the
// connections that it has: they stay open and say nothing, as after a firewall
// has forgotten them.
type swallower struct {
	wg sync.WaitGroup

	mu    sync.Mutex
	links []*link
}

type link struct {
	mu               sync.Mutex
	requests, answer bool // swallowed
	client, server   net.Conn
}

// through returns the fixture with a store that reaches the server so.
func (f fixture) through(t *testing.T) (fixture, *swallower) {
	t.Helper()
	p := &swallower{}
	s, err := mongostore.Open(serverURI, f.db.Name(), mongostore.Options{Dial: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		for _, l := range p.links {
			l.client.Close()
			l.server.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	if err := s.Ping(t.Context()); err != nil { // there is a connection
		t.Fatal(err)
	}
	return fixture{Store: s, db: f.db}, p
}

// DialContext connects a client to a server through memory.
func (p *swallower) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, far := pipe.New()
	l := &link{client: far, server: server}
	p.mu.Lock()
	p.links = append(p.links, l)
	p.mu.Unlock()
	p.wg.Go(func() { l.copy(server, far, &l.requests) })
	p.wg.Go(func() { l.copy(far, server, &l.answer) })
	return near, nil
}

func (l *link) copy(to, from net.Conn, swallowed *bool) {
	defer to.Close()
	for b := make([]byte, 64<<10); ; {
		n, err := from.Read(b)
		l.mu.Lock()
		drop := *swallowed
		l.mu.Unlock()
		if drop {
			_, err = io.Copy(io.Discard, from)
		} else if n > 0 {
			if _, werr := to.Write(b[:n]); werr != nil {
				return
			}
		}
		if err != nil || drop {
			return
		}
	}
}

// swallow makes a black hole of every connection there is, or of their answers
// only.
func (p *swallower) swallow(requests bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.mu.Lock()
		l.requests, l.answer = requests, true
		l.mu.Unlock()
	}
}

// What the network swallows costs one attempt, and no operation is done twice
// or not at all: the request is lost, or the server's answer.
func TestASwallowedPacketCostsOneAttempt(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, requests := range map[string]bool{"request": true, "answer": false} {
		for op, run := range map[string]func(t *testing.T, f fixture, c chat.Conversation) error{
			"read": func(t *testing.T, f fixture, c chat.Conversation) error {
				_, err := f.Conversation(t.Context(), alice, c.ID)
				return err
			},
			"query": func(t *testing.T, f fixture, c chat.Conversation) error {
				page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 5})
				if len(page.Conversations) != 1 || page.Total != 1 {
					t.Errorf("%d of %d conversations, want 1", len(page.Conversations), page.Total)
				}
				return err
			},
			"append": func(t *testing.T, f fixture, c chat.Conversation) error {
				m, duplicate, err := f.Append(t.Context(), chat.Head{}, newMessage(t, c.ID, alice, "m1", draftOf("x")))
				if m.Seq != 1 || duplicate {
					t.Errorf("seq %d, duplicate %v", m.Seq, duplicate)
				}
				page, more, err2 := f.Messages(t.Context(), c.ID, chat.MessageQuery{Limit: 5})
				if len(page) != 1 || more || err2 != nil {
					t.Errorf("the log has %d messages, error %v, want 1", len(page), err2)
				}
				return err
			},
			"project": func(t *testing.T, f fixture, c chat.Conversation) error {
				m := newMessage(t, c.ID, alice, "m1", draftOf("x"))
				m.Seq = 1
				return f.Project(t.Context(), chat.Conversation{}, m)
			},
			"create": func(t *testing.T, f fixture, c chat.Conversation) error {
				f.newConversation(t, "another", start)
				if page, err := f.Conversations(t.Context(), alice, chat.ConversationQuery{Limit: 5}); page.Total != 2 || err != nil {
					t.Errorf("%d conversations, error %v, want 2", page.Total, err)
				}
				return nil
			},
			"add": func(t *testing.T, f fixture, c chat.Conversation) error {
				got, err := f.AddParticipant(t.Context(), alice, c.ID, bob, start)
				if len(got.Participants) != 3 {
					t.Errorf("%d participants, want 3", len(got.Participants))
				}
				return err
			},
			"agent": func(t *testing.T, f fixture, c chat.Conversation) error {
				return f.SetAgentStatus(t.Context(), bot, true, start)
			},
			"create an agent": func(t *testing.T, f fixture, c chat.Conversation) error {
				a, err := f.CreateAgent(t.Context(), profile("helper"))
				if a.Version != 1 {
					t.Errorf("version %d, want 1", a.Version)
				}
				return err
			},
			"take a run": func(t *testing.T, f fixture, c chat.Conversation) error {
				r, taken, err := f.TakeRun(t.Context(), "c1", bot.ID, start, later(leaseFor))
				if !taken || r.Attempt != 1 {
					t.Errorf("taken %v, attempt %d, want 1", taken, r.Attempt)
				}
				return err
			},
			"begin a call": func(t *testing.T, f fixture, c chat.Conversation) error {
				r := runOf("active", 0, 1)
				r.Attempt = 1
				v, err := f.BeginCall(t.Context(), r, r.ID.Call(0, 1))
				if v != chat.RunHeld {
					t.Errorf("verdict %s", v)
				}
				return err
			},
		} {
			wg.Go(func() { // all at once, which t.Parallel does not do
				t.Run(name+"/"+op, func(t *testing.T) {
					direct := open(t)
					c := direct.newConversation(t, "t", start)
					active := runOf("active", 0, 1)
					active.ConversationID = "c2"
					direct.queue(t, active)
					if _, taken, err := direct.TakeRun(t.Context(), "c2", bot.ID, start, later(leaseFor)); !taken || err != nil {
						t.Fatal(taken, err)
					}
					direct.queue(t, runOf("m1", 0, 1))
					f, p := direct.through(t)
					p.swallow(requests)
					begin := time.Now()
					err := run(t, f, c)
					if took := time.Since(begin); err != nil || took > 10*time.Second || took < time.Second {
						t.Errorf("error %v after %v, want none after 2 s", err, took)
					}
				})
			})
		}
	}
}

// What must not be done twice is Unavailable after one attempt.
func TestDeletionIsNotAttemptedTwice(t *testing.T) {
	t.Parallel()
	direct := open(t)
	c := direct.newConversation(t, "t", start)
	f, p := direct.through(t)
	p.swallow(false)
	begin := time.Now()
	_, err := f.DeleteConversation(t.Context(), alice, c.ID, start)
	wantCode(t, err, chat.Unavailable)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	_, err = f.DeleteConversation(t.Context(), alice, c.ID, start) // the caller's repeat
	wantCode(t, err, chat.NotFound)
	if _, err := f.DeletedConversation(t.Context(), alice, c.ID); err != nil {
		t.Error(err)
	}
}

// The caller's time is the end of it: no second attempt begins.
func TestNoAttemptOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	direct := open(t)
	f, p := direct.through(t)
	p.swallow(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := f.Conversation(ctx, alice, "c")
	wantCode(t, err, chat.Unavailable)
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// An election is waited for: there is no primary at first.
func TestAnElectionIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := open(t)
	c := f.newConversation(t, "t", start)
	s, err := mongostore.Open(serverURI, f.db.Name(), mongostore.Options{Dial: absent(time.Now().Add(3 * time.Second))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if _, err := s.Conversation(t.Context(), alice, c.ID); err != nil {
		t.Error(err)
	}
}

// absent is when the server comes.
type absent time.Time

func (a absent) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if time.Now().Before(time.Time(a)) {
		return nil, errors.New("connection refused")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
