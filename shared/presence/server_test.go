package presence_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// longest is how long any key may live.
const longest = 2*time.Hour + 10*time.Minute

// A server is one Redis that the suite runs on. Every name that a test uses
// contains its token, so that tests and other users of a real Redis do not meet.
type server struct {
	*presence.Store
	token   string
	raw     redis.UniversalClient
	mini    *miniredis.Miniredis // nil on a real one
	spy     spy
	began   time.Time
	elapsed atomic.Int64 // the time that a test let pass
}

// eachServer runs a test on miniredis and, where REDIS_ADDR is set, on that
// server or cluster (a comma list). Afterwards every key must have a time to
// live.
func eachServer(t *testing.T, limits presence.Limits, test func(t *testing.T, s *server)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		s := onMini(t, limits)
		test(t, s)
		s.checkExpiry(t)
	})
	addrs := os.Getenv("REDIS_ADDR")
	if addrs == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		s := connect(t, presence.Options{Addrs: strings.Split(addrs, ","), Limits: limits})
		test(t, s)
		s.checkExpiry(t)
	})
}

func onMini(t testing.TB, limits presence.Limits) *server {
	t.Helper()
	mini := miniredis.RunT(t)
	s := connect(t, presence.Options{Addrs: []string{mini.Addr()}, Limits: limits})
	s.mini = mini
	return s
}

func connect(t testing.TB, o presence.Options) *server {
	t.Helper()
	s := &server{token: rand.Text()[:10], began: time.Now().UTC()}
	o.Now = s.now
	if o.Dial == nil {
		o.Dial = s.spy.dial
	}
	store, err := presence.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.Store = store
	s.raw = redis.NewUniversalClient(&redis.UniversalOptions{Addrs: o.Addrs, IsClusterMode: isCluster(t, o)})
	t.Cleanup(func() { s.raw.Close() })
	return s
}

// isCluster reports whether a single address is a node of a cluster, which the
// Store finds out by itself.
func isCluster(t testing.TB, o presence.Options) bool {
	if o.Addrs[0] != os.Getenv("REDIS_ADDR") {
		return false
	}
	node := redis.NewClient(&redis.Options{Addr: o.Addrs[0]})
	defer node.Close()
	info, err := node.Info(t.Context(), "cluster").Result()
	must(t, err)
	return strings.Contains(info, "cluster_enabled:1")
}

func (s *server) now() time.Time { return time.Now().Add(time.Duration(s.elapsed.Load())) }

func (s *server) pass(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *server) conversation(name string) chat.ConversationID {
	return chat.ConversationID(name + "." + s.token)
}

func (s *server) principal(t chat.PrincipalType, id string) chat.Principal {
	return chat.Principal{Type: t, ID: chat.PrincipalID(id), OrgID: chat.OrgID("o1." + s.token)}
}

func (s *server) user(id string) chat.Principal  { return s.principal(chat.User, id) }
func (s *server) agent(id string) chat.Principal { return s.principal(chat.Agent, id) }

// abroad is a principal with the same type and id in another organisation.
func (s *server) abroad(p chat.Principal) chat.Principal {
	p.OrgID = chat.OrgID("o2." + s.token)
	return p
}

// connection returns a connection that is not registered yet.
func (s *server) connection(id string, p chat.Principal) chat.Connection {
	return chat.Connection{
		ID: chat.ConnectionID(id + "." + s.token + "="), Principal: p,
		ExpiresAt: s.began.Add(time.Duration(s.elapsed.Load()) + 24*time.Hour).Truncate(time.Second), // the same, whenever the test says it
	}
}

func (s *server) connected(t testing.TB, id string, p chat.Principal) chat.Connection {
	t.Helper()
	c := s.connection(id, p)
	_, err := s.Connect(t.Context(), c)
	must(t, err)
	return c
}

// member returns a connection that is registered and confirmed in a room.
func (s *server) member(t testing.TB, id string, p chat.Principal, room chat.ConversationID) chat.Connection {
	t.Helper()
	c := s.connected(t, id, p)
	s.joined(t, c, room)
	return c
}

func (s *server) entered(t testing.TB, c chat.Connection, id chat.ConversationID) chat.Entry {
	t.Helper()
	e, err := s.Enter(t.Context(), c, id, false)
	must(t, err)
	return e
}

func (s *server) confirm(t testing.TB, e chat.Entry) error {
	t.Helper()
	_, err := s.Confirm(t.Context(), e, chat.Principal{})
	return err
}

func (s *server) joined(t testing.TB, c chat.Connection, id chat.ConversationID) chat.Company {
	t.Helper()
	company, err := s.Confirm(t.Context(), s.entered(t, c, id), chat.Principal{})
	must(t, err)
	return company
}

func (s *server) takeOut(t testing.TB, c chat.Connection, ids ...chat.ConversationID) []chat.Parting {
	t.Helper()
	partings, err := s.TakeOut(t.Context(), []chat.Stay{{Connection: c, Conversations: ids}})
	must(t, err)
	return partings
}

// join is what the handler of join does. It reports whether its client is told
// that it is in the room.
func (s *server) join(t testing.TB, c chat.Connection, id chat.ConversationID) bool {
	t.Helper()
	e := s.entered(t, c, id)
	if s.closed(t, c) {
		must(t, s.PutOut(t.Context(), []chat.Entry{e}))
		return false
	}
	return s.confirm(t, e) == nil
}

func (s *server) closed(t testing.TB, c chat.Connection) bool {
	t.Helper()
	standing, err := s.Standing(t.Context(), c)
	must(t, err)
	return standing == chat.StandingClosed
}

// disconnect is what the handler of $disconnect does.
func (s *server) disconnect(t testing.TB, c chat.Connection) (last bool) {
	t.Helper()
	last, at, err := s.Disconnect(t.Context(), c)
	must(t, err)
	if last {
		must(t, s.Departed(t.Context(), c.Principal, at))
	}
	s.takeOut(t, c, s.roomsOf(t, c)...)
	return last
}

func (s *server) roomsOf(t testing.TB, c chat.Connection) []chat.ConversationID {
	t.Helper()
	ids, err := s.Entered(t.Context(), c.ID)
	must(t, err)
	slices.Sort(ids)
	return ids
}

// connectionsOf returns a principal's connections, as a message to it finds them.
func (s *server) connectionsOf(t testing.TB, p chat.Principal) []chat.Connection {
	t.Helper()
	a, err := s.Audience(t.Context(), s.conversation("nobody"), p, 0)
	must(t, err)
	return a.Agents
}

// recorded is what the server's own key says of a connection: empty where there
// is nothing.
func (s *server) recorded(t testing.TB, key string, c chat.Connection) string {
	t.Helper()
	text, err := s.raw.HGet(t.Context(), key, string(c.ID)).Result()
	if err != nil && err != redis.Nil {
		t.Fatal(err)
	}
	return text
}

func roomKey(id chat.ConversationID) string { return "conversation:{" + string(id) + "}:connections" }

func principalKey(p chat.Principal) string {
	return "{" + string(p.Type) + ":" + string(p.OrgID) + "/" + string(p.ID) + "}"
}

// breakKey makes the commands on a key answer errors until the key is lost.
func (s *server) breakKey(t testing.TB, key string) {
	t.Helper()
	must(t, s.raw.Set(t.Context(), key, "of the wrong type", time.Minute).Err())
}

func roomsKey(c chat.Connection) string { return "connection:{" + string(c.ID) + "}" }

func (s *server) lose(t testing.TB, keys ...string) {
	t.Helper()
	for _, key := range keys {
		must(t, s.raw.Del(t.Context(), key).Err())
	}
}

// keys returns the keys of the test and those that all tests share.
func (s *server) keys(t testing.TB) []string {
	t.Helper()
	var keys []string
	scan := func(ctx context.Context, node redis.UniversalClient) error {
		all := node.Scan(ctx, 0, "*", 1000).Iterator()
		for all.Next(ctx) {
			k := all.Val()
			if strings.Contains(k, s.token) || strings.HasPrefix(k, "health:") || strings.HasSuffix(k, ":online") {
				keys = append(keys, k)
			}
		}
		return all.Err()
	}
	must(t, s.onNodes(t.Context(), scan))
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
		if left == -1 || left > longest {
			t.Errorf("%s lives for %v", key, left)
		}
	}
}

// empty loses everything of the test, as a restarted Redis would.
func (s *server) empty(t *testing.T) {
	t.Helper()
	for _, key := range s.keys(t) {
		if s.mini != nil || strings.Contains(key, s.token) {
			s.lose(t, key)
		}
	}
}

// A spy sees what is sent to Redis while it records.
type spy struct {
	mu        sync.Mutex
	recording bool
	writes    [][]byte // of a small pipeline, one
	read      int      // bytes
}

type spied struct {
	net.Conn
	spy *spy
}

func (s *spy) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return spied{c, s}, nil
}

func (c spied) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.spy.mu.Lock()
	if c.spy.recording {
		c.spy.read += n
	}
	c.spy.mu.Unlock()
	return n, err
}

func (c spied) Write(b []byte) (int, error) {
	c.spy.mu.Lock()
	if c.spy.recording {
		c.spy.writes = append(c.spy.writes, bytes.Clone(b))
	}
	c.spy.mu.Unlock()
	return c.Conn.Write(b)
}

// sent returns the names of the commands that do sends, sorted, and in how many
// writes, without those that begin a connection.
func (s *server) sent(t testing.TB, do func()) (commands []string, writes int) {
	t.Helper()
	s.spy.mu.Lock()
	s.spy.recording, s.spy.writes, s.spy.read = true, nil, 0
	s.spy.mu.Unlock()
	do()
	s.spy.mu.Lock()
	s.spy.recording = false
	s.spy.mu.Unlock()
	var rest []byte
	for _, w := range s.spy.writes {
		var names []string
		names, rest = commandNames(t, append(rest, w...))
		names = slices.DeleteFunc(names, func(n string) bool {
			return slices.Contains([]string{"HELLO", "CLIENT", "CLUSTER", "COMMAND", "PING", "READONLY"}, n)
		})
		if len(names) > 0 {
			writes++
		}
		commands = append(commands, names...)
	}
	slices.Sort(commands)
	return commands, writes
}

// commandNames reads commands in RESP, and returns what is left of one that goes on in
// the next write.
func commandNames(t testing.TB, b []byte) (names []string, rest []byte) {
	t.Helper()
	number := func(kind byte) (int, bool) {
		line, after, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return 0, false
		}
		if len(line) < 2 || line[0] != kind {
			t.Fatalf("no RESP: %q", b)
		}
		n, err := strconv.Atoi(string(line[1:]))
		must(t, err)
		b = after
		return n, true
	}
	for len(b) > 0 {
		begin, name := b, ""
		args, whole := number('*')
		for i := 0; i < args && whole; i++ {
			var n int
			if n, whole = number('$'); !whole || len(b) < n+2 {
				whole = false
				break
			}
			if i == 0 {
				name = strings.ToUpper(string(b[:n]))
			}
			b = b[n+2:]
		}
		if !whole {
			return names, begin
		}
		names = append(names, name)
	}
	return names, nil
}

func together(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func checkCode(t testing.TB, what string, err error, want chat.Code) {
	t.Helper()
	if err == nil || chat.CodeOf(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// checkLimited reports whether err asks to wait, for at most most.
func checkLimited(t testing.TB, what string, err error, most time.Duration) {
	t.Helper()
	checkCode(t, what, err, chat.RateLimited)
	if err == nil {
		return
	}
	wait, _ := chat.Public(err).Details["retryAfterMs"].(int64)
	if wait < 1 || wait > most.Milliseconds() {
		t.Errorf("%s: wait for %d ms, want up to %v", what, wait, most)
	}
}

// checkSame reports whether got is want, in any order and each once.
func checkSame[T comparable](t testing.TB, what string, got []T, want ...T) {
	t.Helper()
	count := map[T]int{}
	for _, g := range got {
		count[g]++
	}
	for _, w := range want {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func checkRoom(t testing.TB, s *server, id chat.ConversationID, want ...chat.Connection) {
	t.Helper()
	rooms, err := s.Rooms(t.Context(), id)
	must(t, err)
	checkSame(t, "room "+string(id), rooms[0], want...)
}

func checkAudience(t testing.TB, s *server, id chat.ConversationID, want ...chat.Connection) {
	t.Helper()
	a, err := s.Audience(t.Context(), id, chat.Principal{}, 0)
	must(t, err)
	checkSame(t, "audience of "+string(id), a.Room, want...)
}

func checkConnections(t testing.TB, s *server, p chat.Principal, want ...chat.Connection) {
	t.Helper()
	checkSame(t, "connections of "+p.String(), s.connectionsOf(t, p), want...)
}

func name(i int) string { return fmt.Sprint("n", i) }

// Confirm has the error that a join answers with in the end where it is out.
func (s *server) Confirm(ctx context.Context, e chat.Entry, agent chat.Principal) (chat.Company, error) {
	company, in, err := s.Store.Confirm(ctx, e, agent)
	if err == nil && !in {
		err = chat.Errorf(chat.Unavailable, "out again")
	}
	return company, err
}
