package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// A gateway takes what is sent to the Management API.
type gateway struct {
	mu     sync.Mutex
	frames map[string][]string   // by connection: event and principal
	gone   string                // a connection that is no more
	late   time.Duration         // how far presence's clock is ahead
	status []string              // of the agents
	in     []chat.ConversationID // of whoever is asked about
}

func (g *gateway) SetAgentStatus(_ context.Context, p chat.Principal, online bool, _ time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = append(g.status, fmt.Sprint(p, " ", online))
	return nil
}

func (g *gateway) ConversationsOf(context.Context, chat.Principal, int) ([]chat.ConversationID, error) {
	return g.in, nil
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, err := url.PathUnescape(path.Base(r.URL.EscapedPath()))
	if err != nil {
		return nil, err
	}
	if id == g.gone {
		gone := answer(r, http.StatusGone)
		gone.Header.Set("X-Amzn-Errortype", "GoneException")
		return gone, nil
	}
	if r.Method == http.MethodDelete {
		return answer(r, http.StatusNoContent), nil
	}
	var f struct {
		Event string
		Data  struct{ ID, Status, At string }
	}
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		return nil, err
	}
	r.Body.Close()
	text := f.Event + " " + f.Data.ID + " " + f.Data.Status
	if f.Data.Status != "" && f.Data.At == "" {
		text += ", nobody knows when"
	}
	g.frames[id] = append(g.frames[id], text)
	return answer(r, http.StatusOK), nil
}

func answer(r *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}

// A process has what is live in it.
type process struct {
	presence *presence.Store
	deliver  *delivery.Deliverer
	announce *live.Announcer
}

// start returns a process over a Redis of its own, and the gateway it posts to.
func start(t *testing.T) (process, *gateway, *miniredis.Miniredis) {
	t.Helper()
	redis := miniredis.RunT(t)
	g := &gateway{frames: map[string][]string{}}
	now := func() time.Time { return time.Now().Add(g.late) }
	store, err := presence.Open(presence.Options{Addrs: []string{redis.Addr()}, Mode: config.RedisSingle, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	poster, err := apigateway.New(apigateway.Options{
		Endpoint: "http://gateway.test/prod", Transport: g,
		AWS: config.AWS{Region: "eu-central-1", AccessKeyID: "id", SecretAccessKey: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := wire.NewProcess(config.Config{})
	wire.Put(p, store)
	wire.Put(p, poster)
	return process{store, live.Deliverer(p), live.Announcements(p, g)}, g, redis
}

func connection(id chat.ConnectionID, name chat.PrincipalID, expires time.Time) chat.Connection {
	return chat.Connection{ID: id, Principal: chat.Principal{Type: chat.User, ID: name, OrgID: "acme"}, ExpiresAt: expires}
}

// enter connects and brings a connection into rooms.
func enter(t *testing.T, l process, c chat.Connection, rooms ...chat.ConversationID) chat.Connection {
	t.Helper()
	if _, err := l.presence.Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, id := range rooms {
		entry, err := l.presence.Enter(t.Context(), c, id, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, in, err := l.presence.Confirm(t.Context(), entry, chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}); err != nil || !in {
			t.Fatal(in, err)
		}
	}
	return c
}

// present tells whether the principal of a connection is there.
func present(ctx context.Context, l process, c chat.Connection, online bool) {
	if err := l.announce.Presence(ctx, c.Principal, online, time.Now()); err != nil {
		panic(err)
	}
}

func TestAnnouncements(t *testing.T) {
	later := time.Now().Add(time.Hour)
	tests := []struct {
		name     string
		in       []chat.ConversationID // Ann's, by MongoDB
		announce func(ctx context.Context, l process, ann chat.Connection)
		want     map[string][]string // Ann herself, on two devices, hears nothing
	}{
		{"online", []chat.ConversationID{"c1", "c2"}, func(ctx context.Context, l process, ann chat.Connection) {
			present(ctx, l, ann, true)
		}, map[string][]string{"bob=": {"presence:update ann online"}, "cid=": {"presence:update ann online"}}}, // Bob shares two, and hears it once
		{"offline", []chat.ConversationID{"c2"}, func(ctx context.Context, l process, ann chat.Connection) {
			present(ctx, l, ann, false)
		}, map[string][]string{"bob=": {"presence:update ann offline"}, "cid=": {"presence:update ann offline"}}},
		{"nowhere", nil, func(ctx context.Context, l process, ann chat.Connection) {
			present(ctx, l, ann, true)
		}, nil},
		{"joined", nil, func(ctx context.Context, l process, ann chat.Connection) {
			rooms, err := l.presence.Rooms(ctx, "c1")
			if err != nil {
				panic(err)
			}
			l.announce.Joined(ctx, ann.Principal, "c1", rooms[0])
		}, map[string][]string{"bob=": {"user:joined ann "}}},
		{"another device left", nil, func(ctx context.Context, l process, ann chat.Connection) {
			part(ctx, l, ann, "c1")
		}, nil},
		{"left", nil, func(ctx context.Context, l process, ann chat.Connection) {
			part(ctx, l, chat.Connection{ID: "ann2=", Principal: ann.Principal}, "c1")
			part(ctx, l, ann, "c1", "c2")
		}, map[string][]string{"bob=": {"user:left ann ", "user:left ann "}, "cid=": {"user:left ann "}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, g, _ := start(t)
			g.in = tt.in
			ann := enter(t, l, connection("ann=", "ann", later), "c1", "c2")
			enter(t, l, connection("ann2=", "ann", later), "c1")
			enter(t, l, connection("bob=", "bob", later), "c1", "c2")
			enter(t, l, connection("cid=", "cid", later), "c2")
			enter(t, l, connection("dan=", "dan", later), "c3")
			tt.announce(t.Context(), l, ann)
			mustHear(t, g, tt.want)
		})
	}
}

// part takes a connection out of rooms and announces it.
func part(ctx context.Context, l process, c chat.Connection, ids ...chat.ConversationID) {
	partings, err := l.presence.TakeOut(ctx, []chat.Stay{{Connection: c, Conversations: ids}})
	if err != nil {
		panic(err)
	}
	l.announce.Parted(ctx, partings)
}

func mustHear(t *testing.T, g *gateway, want map[string][]string) {
	t.Helper()
	if len(g.frames) != len(want) {
		t.Errorf("posted %v, want %v", g.frames, want)
	}
	for id, frames := range want {
		if got := slices.Sorted(slices.Values(g.frames[id])); !slices.Equal(got, frames) {
			t.Errorf("%s hears %q, want %q", id, got, frames)
		}
	}
}

// A connection that delivery finds gone has departed: the others hear of it,
// though no $disconnect may ever come. One that has just connected may not be open
// yet, and stays.
func TestDeparture(t *testing.T) {
	for _, age := range []time.Duration{time.Second, time.Minute} {
		l, g, _ := start(t)
		g.late = -age
		agent := connection("agent=", "a1", time.Now().Add(time.Hour))
		agent.Principal.Type = chat.Agent
		agent = enter(t, l, agent, "c1", "c2")
		bob := enter(t, l, connection("bob=", "bob", time.Now().Add(time.Hour)), "c1")
		enter(t, l, connection("cid=", "cid", time.Now().Add(time.Hour)), "c2")
		g.gone, g.late = "agent=", 0
		r := l.deliver.Broadcast(t.Context(), []chat.Connection{agent, bob}, []byte(`{"event":"news"}`), delivery.Once)
		if r.Posted != 1 || len(r.Gone) != 1 || r.Gone[0].Connection.ID != "agent=" {
			t.Errorf("the result is %+v", r)
		}
		l.announce.Forget(t.Context(), r.Gone, "c1")
		want, status := map[string][]string{"bob=": {"news  "}}, []string(nil)
		if age == time.Minute {
			want = map[string][]string{
				"bob=": {"news  ", "presence:update a1 offline", "user:left a1 "},
				"cid=": {"presence:update a1 offline", "user:left a1 "},
			}
			status = []string{"agent:a1 false"}
		}
		mustHear(t, g, want)
		if !slices.Equal(g.status, status) {
			t.Errorf("after %v: set %v, want %v", age, g.status, status)
		}
	}
}

// What is told is a convenience: without Redis nobody is told, and nothing
// else happens.
func TestNoRedis(t *testing.T) {
	l, g, redis := start(t)
	ann := enter(t, l, connection("ann=", "ann", time.Now().Add(time.Hour)), "c1")
	redis.SetError("no route to host")
	g.in = []chat.ConversationID{"c1"}
	present(t.Context(), l, ann, true)
	l.announce.Tell(t.Context(), chat.Conversation{ID: "c1"}, []byte(`{"event":"news"}`))
	l.announce.Forget(t.Context(), []chat.Gone{{Connection: ann, At: time.Now()}}, "c1")
	mustHear(t, g, nil)
}

func TestOpen(t *testing.T) {
	var cfg config.Config
	cfg.Redis.Addrs = []string{"localhost:6379"}
	cfg.ConnectionsURL = "https://gateway.test/prod"
	cfg.AWS.Region = "eu-central-1"
	f := wire.Function{Wire: func(p *wire.Process) any { return live.Deliverer(p) }}
	p := wire.NewProcess(cfg)
	if _, err := f.Handler(p); err != nil {
		t.Fatalf("a Config that is valid, and needs no network: %v", err)
	}
	presence.In(p).Close()
	cfg.ConnectionsURL = "gateway.test"
	if _, err := f.Handler(wire.NewProcess(cfg)); err == nil {
		t.Error("a URL without a host is accepted")
	}
}
