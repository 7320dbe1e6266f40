package presence_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	redisserver "github.com/alicebob/miniredis/v2/server"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/presence"
)

func TestOpenNeedsAddressesThatFitTheMode(t *testing.T) {
	for what, o := range map[string]presence.Options{
		"none":                  {},
		"several of one server": {Addrs: []string{"a:1", "b:1"}, Mode: config.RedisSingle},
	} {
		if s, err := presence.Open(o); err == nil {
			s.Close()
			t.Errorf("opened with %s", what)
		}
	}
}

// A fault is a server that does something else on the connections that it had
// when it failed, and works on new ones unless it fails for ever.
type fault struct {
	mu      sync.Mutex
	peers   map[*redisserver.Peer]bool // true: from before it failed
	forever bool
	count   int // of commands that failed
	do      func(p *redisserver.Peer, command string) bool
}

func faulty(s *server, do func(p *redisserver.Peer, command string) bool) *fault {
	f := &fault{peers: map[*redisserver.Peer]bool{}, do: do}
	s.mini.Server().SetPreHook(func(p *redisserver.Peer, command string, args ...string) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, known := f.peers[p]; !known {
			f.peers[p] = false
		}
		if (f.peers[p] || f.forever) && f.do(p, command) {
			f.count++
			return true
		}
		return false
	})
	return f
}

func (f *fault) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.peers {
		f.peers[p] = true
	}
}

func (f *fault) failures() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func answers(text string, commands ...string) func(*redisserver.Peer, string) bool {
	return func(p *redisserver.Peer, command string) bool {
		if !slices.Contains(commands, command) {
			return false
		}
		p.WriteError(text)
		return true
	}
}

var writes = []string{"SET", "HSET", "HSETNX", "HDEL", "EVAL", "SADD", "SREM", "EXPIRE", "ZADD", "ZREM", "DEL"}

const readOnly = "READONLY You can't write against a read only replica."

func TestWhatANewConnectionHealsIsTriedAgainOnOne(t *testing.T) {
	for what, do := range map[string]func(*redisserver.Peer, string) bool{
		"a master that became a replica": answers(readOnly, writes...),
		"a script on one, as old servers say": answers(
			"ERR Error running script (call to f_1): @user_script:5: @user_script: 5: -"+readOnly, "EVAL"),
		"a server that loads":          answers("LOADING Redis is loading the dataset in memory", append(writes, "HGETALL", "HGET", "GET")...),
		"a connection that is reset":   func(p *redisserver.Peer, _ string) bool { p.Close(); return true },
		"several of them, all in turn": nil,
	} {
		t.Run(what, func(t *testing.T) {
			s := onMini(t, presence.Limits{UserMessages: rate("1000/s"), Fanout: rate("1000/s")})
			k1 := s.conversation("k1")
			warm := 1
			if do == nil {
				do, warm = func(p *redisserver.Peer, _ string) bool { p.Close(); return true }, 6
			}
			f := faulty(s, do)
			c := s.connected(t, "c1", s.user("u1"))
			together(warm, func(int) { s.Health(t.Context()) }) //nolint:errcheck // only opens connections
			f.fail()
			if a, err := s.Admit(t.Context(), c, k1); err != nil || a != (chat.Admission{Known: true}) {
				t.Errorf("admit: %+v, %v", a, err)
			}
			f.fail() // also the new ones
			s.joined(t, c, k1)
			f.fail()
			checkAudience(t, s, k1, c)
			if f.failures() < 3 {
				t.Errorf("only %d commands failed", f.failures())
			}
		})
	}
}

func TestOfManyAtOnceNoneFailsWhenTheConnectionsAreRenewed(t *testing.T) {
	for what, do := range map[string]func(*redisserver.Peer, string) bool{
		"read only": answers(readOnly, writes...),
		"reset":     func(p *redisserver.Peer, _ string) bool { p.Close(); return true },
	} {
		t.Run(what, func(t *testing.T) {
			s := onMini(t, presence.Limits{})
			f := faulty(s, do)
			for round := range 20 {
				f.fail()
				together(8, func(i int) {
					if _, _, err := s.Disconnect(t.Context(), s.connection(name(i), s.user(name(i)))); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
		})
	}
}

func TestAFailureThatStaysIsTriedAFewTimesAndToldSo(t *testing.T) {
	for what, do := range map[string]func(*redisserver.Peer, string) bool{
		"read only":     answers(readOnly, writes...),
		"reset":         func(p *redisserver.Peer, _ string) bool { p.Close(); return true },
		"out of memory": answers("OOM command not allowed when used memory > 'maxmemory'.", "SET", "HSETNX"),
	} {
		t.Run(what, func(t *testing.T) {
			s := onMini(t, presence.Limits{})
			f := faulty(s, do)
			must(t, s.Health(t.Context()))
			f.mu.Lock()
			f.forever, f.count = true, 0
			f.mu.Unlock()
			checkCode(t, "health", s.Health(t.Context()), chat.Unavailable)
			if n := f.failures(); n == 0 || n > 16 {
				t.Errorf("%d commands failed in one call", n)
			}
			began := f.failures()
			_, err := s.Enter(t.Context(), s.connection("c1", s.user("u1")), s.conversation("k1"), false)
			checkCode(t, "enter", err, chat.Unavailable)
			if n := f.failures() - began; n > 32 {
				t.Errorf("%d commands failed in one call", n)
			}
		})
	}
}

func TestAnErrorThatRedisAnswersIsNoSilence(t *testing.T) {
	s := onMini(t, presence.Limits{})
	c := s.connected(t, "c1", s.user("u1"))
	f := faulty(s, answers("OOM command not allowed when used memory > 'maxmemory'.", "HGET"))
	f.forever = true
	if a, err := s.Admit(t.Context(), c, s.conversation("k1")); err != nil || !a.Away {
		t.Errorf("admit: %+v, %v", a, err)
	}
	if left := s.SilentFor(); left > 0 {
		t.Errorf("silent for %v", left)
	}
}

func TestACallersOwnHasteIsNoSilence(t *testing.T) {
	s := connect(t, presence.Options{Addrs: []string{blackHole(t)}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s.AgentOnline(ctx, s.agent("a1"))
	if left := s.SilentFor(); left > 0 {
		t.Errorf("silent for %v", left)
	}
}

func TestANodeOfAClusterIsFoundToBeOne(t *testing.T) {
	s := onMini(t, presence.Limits{})
	var clustered atomic.Bool
	f := faulty(s, nil)
	f.do = func(p *redisserver.Peer, command string) bool {
		if command == "CLUSTER" {
			clustered.Store(true) // who asks for the slots knows
		}
		if clustered.Load() || !slices.Contains(writes, command) && !strings.HasPrefix(command, "HGET") {
			return false
		}
		p.WriteError("MOVED 1 " + s.mini.Addr())
		return true
	}
	f.forever = true
	c := s.member(t, "c1", s.user("u1"), s.conversation("k1"))
	checkRoom(t, s, s.conversation("k1"), c)
	if !clustered.Load() {
		t.Error("nobody asked for the slots")
	}
}

// What is done again, because a part of it went to the wrong node, has the same
// results.
func TestWhatIsDoneTwiceSaysTheSame(t *testing.T) {
	partly := func(t *testing.T, command string) *server {
		s := onMini(t, presence.Limits{Rooms: 1})
		var clustered atomic.Bool
		addr := s.mini.Addr() // not in a script: it locks
		f := faulty(s, nil)
		f.do = func(p *redisserver.Peer, got string) bool {
			if got == "CLUSTER" { // who asks for the slots knows
				clustered.Store(true)
			}
			if clustered.Load() || got != command {
				return false
			}
			p.WriteError("MOVED 1 " + addr)
			return true
		}
		f.forever = true
		t.Cleanup(func() {
			if !clustered.Load() {
				t.Error("nothing was done twice")
			}
		})
		return s
	}
	t.Run("a ping that registers", func(t *testing.T) {
		s := partly(t, "SMEMBERS")
		checkPing(t, s, "twice", s.connection("c1", s.user("u1")), false)
	})
	t.Run("a join over the limit", func(t *testing.T) {
		s := partly(t, "HSETNX")
		c := s.connection("c1", s.user("u1"))
		must(t, s.raw.SAdd(t.Context(), roomsKey(c), "another").Err())
		entry := fmt.Sprintf("c g1 %d %d - o1/user:u1", s.now().UnixMilli(), c.ExpiresAt.Unix())
		must(t, s.raw.HSet(t.Context(), roomKey("another"), string(c.ID), entry).Err())
		_, err := s.Enter(t.Context(), c, s.conversation("k1"), false)
		checkCode(t, "the second of one", err, chat.TooManyRooms)
	})
	t.Run("a join that fits", func(t *testing.T) {
		s := partly(t, "HSETNX")
		s.entered(t, s.connection("c1", s.user("u1")), s.conversation("k1"))
	})
}

func TestAClosedStoreStaysClosed(t *testing.T) {
	s := onMini(t, presence.Limits{})
	must(t, s.Health(t.Context()))
	must(t, s.Close())
	checkCode(t, "health", s.Health(t.Context()), chat.Unavailable)
	checkCode(t, "again", s.Health(t.Context()), chat.Unavailable)
}

func TestHealthReadsWhatItWrites(t *testing.T) {
	eachServer(t, presence.Limits{}, func(t *testing.T, s *server) {
		together(5, func(int) {
			if err := s.Health(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	s := onMini(t, presence.Limits{})
	s.mini.Server().SetPreHook(func(p *redisserver.Peer, command string, args ...string) bool {
		if command == "GET" {
			p.WriteBulk("something else")
		}
		return command == "GET"
	})
	checkCode(t, "another value", s.Health(t.Context()), chat.Unavailable)
}
