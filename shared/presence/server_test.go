package presence_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/presence"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Looks once a second for a server that did not answer, and then ends.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// A server is one Redis that the suite runs on. Every name that a test uses
// contains its token, so that tests and other users of a real Redis do not meet.
type server struct {
	*presence.Store
	token   string
	raw     redis.UniversalClient
	mini    *miniredis.Miniredis // nil on a real one
	elapsed atomic.Int64         // the time that a test let pass
}

// eachServer runs a test on miniredis and, where REDIS_ADDR is set, on that
// server or cluster (a comma list). Afterwards every key must have a time to
// live.
func eachServer(t *testing.T, o presence.Options, test func(t *testing.T, s *server)) {
	t.Run("miniredis", func(t *testing.T) {
		mini := miniredis.RunT(t)
		o.Addr = mini.Addr()
		s := connect(t, o)
		s.mini = mini
		test(t, s)
		s.checkExpiry(t)
	})
	if o.Addr = os.Getenv("REDIS_ADDR"); o.Addr == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		s := connect(t, o)
		test(t, s)
		s.checkExpiry(t)
	})
}

func connect(t testing.TB, o presence.Options) *server {
	t.Helper()
	s := &server{token: rand.Text()[:10]}
	o.Now = s.now
	store, err := presence.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.Store = store
	s.raw = redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(o.Addr, ",")})
	t.Cleanup(func() { s.raw.Close() })
	return s
}

func (s *server) now() time.Time { return time.Now().Add(time.Duration(s.elapsed.Load())) }

func (s *server) pass(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *server) conversation(name string) chat.ConversationID {
	return chat.ConversationID(name + "." + s.token)
}

func (s *server) principal(t chat.PrincipalType, id string) chat.Principal {
	return chat.Principal{Type: t, ID: chat.PrincipalID(id), OrgID: chat.OrgID("o1." + s.token)}
}

func (s *server) user(id string) chat.Principal { return s.principal(chat.User, id) }

// connection returns a connection that is not registered yet.
func (s *server) connection(id string, p chat.Principal) chat.Connection {
	return chat.Connection{
		ID: chat.ConnectionID(id + s.token + "="), Principal: p,
		ExpiresAt: s.now().Add(24 * time.Hour).Truncate(time.Second).UTC(),
	}
}

func (s *server) connected(t testing.TB, id string, p chat.Principal) chat.Connection {
	t.Helper()
	c := s.connection(id, p)
	if _, err := s.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// keys returns the keys of the test and those that all tests share.
func (s *server) keys(t testing.TB) []string {
	t.Helper()
	var keys []string
	scan := func(ctx context.Context, node redis.UniversalClient) error {
		all := node.Scan(ctx, 0, "*", 1000).Iterator()
		for all.Next(ctx) {
			k := all.Val()
			if strings.Contains(k, s.token) || strings.HasPrefix(k, "pending:") || strings.HasSuffix(k, ":online") {
				keys = append(keys, k)
			}
		}
		return all.Err()
	}
	err := s.onNodes(t.Context(), scan)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (s *server) onNodes(ctx context.Context, do func(context.Context, redis.UniversalClient) error) error {
	cluster, ok := s.raw.(*redis.ClusterClient)
	if !ok {
		return do(ctx, s.raw)
	}
	nodes := make(chan *redis.Client, 1000) // one after the other: do is not concurrent
	if err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error { nodes <- node; return nil }); err != nil {
		return err
	}
	close(nodes)
	for node := range nodes {
		if err := do(ctx, node); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) checkExpiry(t *testing.T) {
	t.Helper()
	for _, key := range s.keys(t) {
		left, err := s.raw.PTTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if left == -1 || left > 2*time.Hour+10*time.Minute {
			t.Errorf("%s lives for %v", key, left)
		}
	}
}

// empty loses everything of the test, as a restarted Redis would.
func (s *server) empty(t *testing.T) {
	t.Helper()
	for _, key := range s.keys(t) {
		if s.mini == nil && !strings.Contains(key, s.token) {
			continue
		}
		if err := s.raw.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(connections []chat.Connection) map[chat.ConnectionID]bool {
	set := map[chat.ConnectionID]bool{}
	for _, c := range connections {
		set[c.ID] = true
	}
	return set
}

// checkConnections reports whether got is want, in any order and each once.
func checkConnections(t *testing.T, what string, got []chat.Connection, want ...chat.Connection) {
	t.Helper()
	found := ids(got)
	if len(got) != len(want) || len(found) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for _, w := range want {
		if !found[w.ID] {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}
