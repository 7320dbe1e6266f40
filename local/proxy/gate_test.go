package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/proxy"
)

// A court decides by a verdict that a test changes, and notes what came.
type court struct {
	mu      sync.Mutex
	verdict func(proxy.Command) proxy.Verdict
	heard   []string
}

func (c *court) judge(command proxy.Command) proxy.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, command.Name)
	if c.verdict == nil {
		return proxy.Verdict{}
	}
	return c.verdict(command)
}

func (c *court) rule(verdict func(proxy.Command) proxy.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdict = verdict
}

func gate(t *testing.T, target string, p proxy.Protocol) (*proxy.Gate, *court) {
	t.Helper()
	c := &court{}
	g, err := proxy.NewGate(target, p, c.judge)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, c
}

// What happens to one command of MongoDB, and what its client and the server know.
func TestMongoDBGate(t *testing.T) {
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	g, c := gate(t, server.Addr(), proxy.MongoDB)
	m, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + g.Addr() + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Disconnect(context.Background()) })
	docs := m.Database("gate").Collection("docs")
	for _, tt := range []struct {
		name    string
		verdict proxy.Verdict
		stored  bool
		is      func(error) bool
	}{
		{"passed", proxy.Verdict{}, true, func(err error) bool { return err == nil }},
		{"dropped", proxy.Verdict{Fate: proxy.Drop}, false, mongo.IsNetworkError},
		{"lost", proxy.Verdict{Fate: proxy.Lose}, true, mongo.IsNetworkError},
		{"refused", proxy.Verdict{Fate: proxy.Refuse, Code: 10107, Reason: "not primary"}, false, func(err error) bool {
			e, ok := errors.AsType[mongo.CommandError](err)
			return ok && e.Code == 10107
		}},
		{"doubtful", proxy.Verdict{Fate: proxy.Doubt, Code: 64, Reason: "waiting for replication timed out"}, true, func(err error) bool {
			e, ok := errors.AsType[mongo.WriteException](err)
			return ok && e.WriteConcernError != nil && e.WriteConcernError.Code == 64 && len(e.WriteErrors) == 0
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := docs.FindOne(t.Context(), bson.M{}).Err(); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
				t.Fatal("before:", err)
			}
			answered := make(chan struct{}, 1)
			c.rule(func(command proxy.Command) proxy.Verdict {
				if command.Name != "insert docs" {
					return proxy.Verdict{}
				}
				if !command.Write {
					t.Error("an insert is no write")
				}
				v := tt.verdict
				v.Answered = func() { answered <- struct{}{} }
				return v
			})
			_, err := docs.InsertOne(t.Context(), bson.M{"_id": tt.name})
			c.rule(nil)
			if !tt.is(err) {
				t.Errorf("the client got %v", err)
			}
			if n, err := docs.CountDocuments(t.Context(), bson.M{"_id": tt.name}); err != nil || (n == 1) != tt.stored {
				t.Errorf("%d are stored, %v", n, err)
			}
			if tt.stored != (len(answered) == 1) {
				t.Errorf("the answer was seen: %t", len(answered) == 1)
			}
		})
	}
	if !slices.Contains(c.heard, "find docs") || slices.ContainsFunc(c.heard, func(s string) bool { return strings.HasPrefix(s, "hello") }) {
		t.Errorf("the commands were %q", c.heard)
	}
}

// Of a pipeline one command is hit, and those before it are done and answered.
func TestRedisGate(t *testing.T) {
	mini := miniredis.RunT(t)
	g, c := gate(t, mini.Addr(), proxy.Redis)
	r := redis.NewClient(&redis.Options{Addr: g.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = r.Close() })
	run := func() ([]redis.Cmder, error) {
		return r.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			p.Incr(t.Context(), "a")
			p.HSet(t.Context(), "h", "long", strings.Repeat("x", 100_000))
			p.HGetAll(t.Context(), "h")
			p.Eval(t.Context(), "return {1, {'two', 3}, redis.call('incr', KEYS[1])}", []string{"b"}, "$9")
			return nil
		})
	}
	for _, tt := range []struct {
		name    string
		verdict proxy.Fate
		b       string
		ends    bool
	}{
		{"passed", proxy.Pass, "1", false},
		{"dropped", proxy.Drop, "1", true},
		{"lost", proxy.Lose, "2", true},
	} {
		c.rule(func(command proxy.Command) proxy.Verdict {
			if command.Name == "eval b" {
				return proxy.Verdict{Fate: tt.verdict}
			}
			return proxy.Verdict{}
		})
		cmds, err := run()
		if (err != nil) != tt.ends {
			t.Errorf("%s: the client got %v", tt.name, err)
		}
		if got, err := mini.Get("b"); err != nil || got != tt.b {
			t.Errorf("%s: b is %q, %v", tt.name, got, err)
		}
		if all := cmds[2].(*redis.MapStringStringCmd).Val(); !tt.ends && len(all["long"]) != 100_000 {
			t.Errorf("%s: %d bytes came back", tt.name, len(all["long"]))
		}
		c.rule(nil)
	}
	if want := []string{"incr a", "hset h", "hgetall h", "eval b"}; !slices.Equal(c.heard[:4], want) {
		t.Errorf("the commands were %q", c.heard)
	}
	sub := r.Subscribe(t.Context(), "news") // what is pushed answers nothing
	t.Cleanup(func() { _ = sub.Close() })
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(t.Context(), "news", "hear").Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != "hear" {
		t.Errorf("the news are %v, %v", m, err)
	}
}

// Whatever comes is one message as it came, or no message.
func FuzzGate(f *testing.F) {
	f.Add([]byte("*3\r\n$4\r\neval\r\n$1\r\nx\r\n$1\r\n0\r\n"))
	f.Add([]byte(">2\r\n+message\r\n%1\r\n,1.5\r\n_\r\n"))
	f.Add([]byte("|1\r\n+a\r\n:1\r\n*-1\r\n$-1\r\n"))
	f.Add(append([]byte{45, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0},
		24, 0, 0, 0, 2, 'i', 'n', 's', 'e', 'r', 't', 0, 2, 0, 0, 0, 'c', 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []proxy.Protocol{proxy.MongoDB, proxy.Redis} {
			for _, read := range []func(*bufio.Reader) ([]byte, error){p.Request, p.Answer} {
				raw, err := read(bufio.NewReader(bytes.NewReader(b)))
				if err == nil && !bytes.HasPrefix(b, raw) {
					t.Errorf("%q was read as %q", b, raw)
				}
			}
		}
	})
}
