package presence_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

// A deaf client does not hear one answer, because the connection is lost then: what
// it asked for was done.
type deaf struct {
	mu   sync.Mutex
	word []byte // in the request whose answer is lost; nil: of none
	lost int
}

func (d *deaf) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &deafened{Conn: c, deaf: d}, nil
}

func (d *deaf) lose(word string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.word = []byte(word)
}

type deafened struct {
	net.Conn
	deaf  *deaf
	loses bool
}

func (c *deafened) Write(b []byte) (int, error) {
	c.deaf.mu.Lock()
	if c.deaf.word != nil && bytes.Contains(b, c.deaf.word) {
		c.loses, c.deaf.word = true, nil
		c.deaf.lost++
	}
	c.deaf.mu.Unlock()
	return c.Conn.Write(b)
}

// Read waits for the answer, so that all of it was done, and resets.
func (c *deafened) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.loses {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// What Redis did, and could not say that it did, is done again: it must be told of as
// if it had been done once.
func TestALostAnswerHidesNoChange(t *testing.T) {
	t.Parallel()
	for what, row := range map[string]struct {
		word string // of the request whose answer is lost
		do   func(t *testing.T, s *server, lose func())
	}{
		"who leaves a room": {"srem", func(t *testing.T, s *server, lose func()) {
			k1 := s.conversation("k1")
			c, other := s.member(t, "c1", s.user("u1"), k1), s.member(t, "c2", s.user("u2"), k1)
			lose()
			checkPartings(t, "left", s.takeOut(t, c, k1), chat.Parting{ConversationID: k1, Principal: c.Principal, Left: chat.Room{other}})
			checkPartings(t, "again", s.takeOut(t, c, k1))
		}},
		"who joins": {"HSET", func(t *testing.T, s *server, lose func()) {
			k1 := s.conversation("k1")
			e := s.entered(t, s.connected(t, "c1", s.user("u1")), k1)
			lose()
			company, err := s.Confirm(t.Context(), e, chat.Principal{})
			if err != nil || !company.New {
				t.Errorf("%+v, %v", company, err)
			}
			if company := s.joined(t, e.Connection, k1); company.New {
				t.Errorf("again: %+v", company)
			}
		}},
		"who is pruned": {"HDEL", func(t *testing.T, s *server, lose func()) {
			c := s.connected(t, "c1", s.agent("a1"))
			s.pass(10 * time.Second)
			lose()
			checkOffline(t, s.prune(t, s.now(), "", c), c.Principal)
			checkNoDeparture(t, "again", s.prune(t, s.now(), "", c))
		}},
		"who is pruned after a $disconnect that died": {"HDEL", func(t *testing.T, s *server, lose func()) {
			c := s.connected(t, "c1", s.agent("a1"))
			_, _, err := s.Disconnect(t.Context(), c)
			must(t, err)
			s.pass(10 * time.Second)
			lose()
			checkOffline(t, s.prune(t, s.now(), "", c), c.Principal)
			checkNoDeparture(t, "again", s.prune(t, s.now(), "", c))
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			mini := miniredis.RunT(t)
			var d deaf
			s := connect(t, presence.Options{Addrs: []string{mini.Addr()}, Dial: d.dial})
			s.mini = mini
			row.do(t, s, func() { d.lose(row.word) })
			if d.lost != 1 {
				t.Errorf("%d answers were lost", d.lost)
			}
			s.checkExpiry(t)
		})
	}
}
