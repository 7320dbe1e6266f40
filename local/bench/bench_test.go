package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"aiwm-chat/local/client"
	"aiwm-chat/local/prometheus"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stub speaks just enough of the protocol: it knows one room for each
// conversation, and delivers everything twice, which it may.
type stub struct {
	t       *testing.T
	refusal error // of every send

	mu            sync.Mutex
	conversations int
	participants  int
	rooms         map[chat.ConversationID][]*websocket.Conn
	seq           int64

	leak   int // bytes that each ping costs for ever
	leaked [][]byte
	silent bool // tells nothing of its memory
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		s.metrics(w)
		return
	}
	if r.Method == http.MethodPost {
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "/participants") {
			s.participants++
		} else {
			s.conversations++
		}
		fmt.Fprintf(w, `{"id":"c%d"}`, s.conversations)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"bearer"}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	s.post(conn, protocol.Frame(protocol.EventConnected, "", protocol.Connected{Type: chat.User}, time.Now()))
	for {
		_, text, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var in protocol.Send
		if err := json.Unmarshal(text, &in); err != nil {
			s.t.Errorf("%v in %s", err, text)
			return
		}
		switch in.Action {
		case protocol.ActionJoin:
			s.join(conn, in.ConversationID)
		case protocol.ActionSend:
			s.send(conn, in)
		case protocol.ActionPing:
			s.mu.Lock()
			s.leaked = append(s.leaked, make([]byte, s.leak))
			s.mu.Unlock()
			s.post(conn, protocol.Frame(protocol.EventPong, in.ID, protocol.Pong{}, time.Now()))
		}
	}
}

// metrics tells of a heap of 40 MB and what pings have cost, or of none.
func (s *stub) metrics(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		http.NotFound(w, nil)
		return
	}
	fmt.Fprintf(w, "%s %d\n%s %d\n", prometheus.HeapLive, 39<<20+len(s.leaked)*s.leak, prometheus.Stacks, 1<<20)
}

func (s *stub) join(conn *websocket.Conn, id chat.ConversationID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms[id] = append(s.rooms[id], conn)
	s.post(conn, protocol.Frame(protocol.EventJoined, "", protocol.Joined{ConversationID: id}, time.Now()))
	s.post(conn, protocol.HistoryFrames("", chat.Principal{}, id, nil, protocol.Older, false, time.Now())[0])
}

func (s *stub) send(conn *websocket.Conn, in protocol.Send) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		s.post(conn, protocol.ErrorFrame(in.ID, s.refusal, time.Now()))
		return
	}
	s.seq++
	m := chat.Message{
		Draft: chat.Draft{Content: in.Content}, ConversationID: in.ConversationID,
		Seq: s.seq, ClientMessageID: in.ClientMessageID, CreatedAt: time.Now(),
	}
	s.post(conn, protocol.Frame(protocol.EventMessageSent, in.ID, protocol.SentOf(m, false), time.Now()))
	for _, member := range s.rooms[in.ConversationID] {
		for _, event := range []string{protocol.EventMessageFromUser, protocol.EventMessageNew, protocol.EventMessageNew} {
			s.post(member, protocol.MessageFrame(event, m, time.Now()))
		}
	}
}

func (s *stub) post(conn *websocket.Conn, frame []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn.Write(ctx, websocket.MessageText, frame) //nolint:errcheck // the client may have left
}

func start(t *testing.T) (*stub, Options) {
	t.Helper()
	s := &stub{t: t, rooms: map[chat.ConversationID][]*websocket.Conn{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, Options{
		WebSocketURL: "ws" + strings.TrimPrefix(server.URL, "http"), HTTPURL: server.URL,
		Token: func(p chat.Principal, _ time.Duration) (string, error) { return "token-of-" + string(p.ID), nil },
	}
}

func TestRunReportsEveryMeasurement(t *testing.T) {
	s, o := start(t)
	o.Conversations, o.Duration, o.Room, o.Connections = 3, 200*time.Millisecond, 20, 10
	var out strings.Builder
	if err := Run(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`server and load generator in one process`,
		`Closed loop: 3 conversations for 200ms, after 50ms of warm-up\n  messages +[1-9]\d*, \d+ a second\n`,
		`send -> ack +p50 [\d.]+ ms   p95 [\d.]+ ms   p99 [\d.]+ ms   max [\d.]+ ms\n`,
		`send -> delivery +p50 [\d.]+ ms `,
		`CPU +(unknown|[\d.]+ ms) a message, .* load generator included`,
		`Room: 20 connections of 20 users in one conversation, 100 messages one by one\n`,
		`until all have it +p50 [\d.]+ ms`,
		`Idle: 10 connections .*\n  connects +\d+ a second`,
		`memory +-?[\d.]+ KB a connection resident, -?[\d.]+ KB heap \+ -?[\d.]+ KB stack, load generator included`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the report lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conversations != 4 || s.participants != 19 {
		t.Errorf("%d conversations and %d participants were made, want 4 and 19", s.conversations, s.participants)
	}
}

func TestRunFailsWhenRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"loop": {Conversations: 2, Duration: time.Second},
		"room": {Room: 3},
	} {
		s, at := start(t)
		s.refusal = chat.LimitedFor(time.Second)
		o.WebSocketURL, o.HTTPURL, o.Token = at.WebSocketURL, at.HTTPURL, at.Token
		err := Run(t.Context(), o, &strings.Builder{})
		refused, ok := errors.AsType[*client.Error](err)
		if !ok || refused.Code != chat.RateLimited {
			t.Errorf("%s: got %v, want rate_limited", name, err)
		}
	}
}

// A server that keeps something of each ping fails, and one that does not is well.
func TestMemoryWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("a quarter of a minute, and nothing in it that could race")
	}
	for leak, fails := range map[int]bool{0: false, 1 << 20: true} {
		s, o := start(t)
		s.leak = leak
		o.Connections, o.MemoryWatch = 20, 2*time.Second
		var out, shown strings.Builder
		o.Progress = &shown
		err := Run(t.Context(), o, &out)
		if fails != (err != nil && strings.Contains(err.Error(), "memory grows: ")) {
			t.Errorf("%d bytes a ping: %v", leak, err)
		}
		if !fails && !regexp.MustCompile(`memory watch +[\d.]+ MB after the warm-up, [\d.]+ MB at the end of 2s, [1-9]\d* pings\n`).MatchString(out.String()) {
			t.Errorf("reported %s", out.String())
		}
		if !strings.Contains(shown.String(), "\rmemory watch, pings: [") || !strings.HasSuffix(shown.String(), " \r") {
			t.Errorf("showed %q", shown.String())
		}
		s.mu.Lock()
		s.leaked = nil
		s.mu.Unlock()
	}
}

func TestGrowth(t *testing.T) {
	const mb = 1 << 20
	for name, row := range map[string]struct {
		seen []int64
		grew bool
	}{
		"none":                 {nil, false},
		"a warm-up":            {[]int64{10 * mb, 20 * mb, 30 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb}, false},
		"less":                 {[]int64{10 * mb, 20 * mb, 30 * mb, 40 * mb, 40 * mb, 40 * mb, 30 * mb, 30 * mb, 30 * mb}, false},
		"one collection later": {[]int64{40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 90 * mb, 40 * mb}, false},
		"a twentieth":          {[]int64{40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 42 * mb, 42 * mb, 42 * mb}, false},
		"more than that":       {[]int64{40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 40 * mb, 43 * mb, 43 * mb, 43 * mb}, true},
	} {
		if before, after, grew := growth(row.seen); grew != row.grew {
			t.Errorf("%s: from %d to %d: %t", name, before, after, grew)
		}
	}
}

func TestProgress(t *testing.T) {
	var p progress
	p.step("room", 4)
	p.done.Add(2)
	if got, want := p.line(), "room: [===============               ] 2 of 4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for length, want := range map[time.Duration]string{
		0:              "messages: [                              ] 0s of 0s, 7",
		48 * time.Hour: "messages: [===============               ] 24h0m0s of 48h0m0s, 7",
		time.Hour:      "messages: [==============================] 1h0m0s of 1h0m0s, 7",
	} {
		p.spell("messages", length)
		p.done.Add(7)
		p.begun = p.begun.Add(-24 * time.Hour)
		if got := p.line(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.show()() // nobody looks
}

// A server elsewhere is loaded with tokens of its key; what cannot be seen from here
// is refused.
func TestTarget(t *testing.T) {
	s, o := start(t)
	secret := strings.Repeat("k", 32)
	run := func(secret string, args ...string) (string, error) {
		var out strings.Builder
		err := Command(t.Context(), args, &out, func(name string) string { return map[string]string{"JWT_SECRET": secret}[name] })
		return out.String(), err
	}
	out, err := run(secret, "-target", o.WebSocketURL, "-rest", o.HTTPURL+"/", "-conversations", "2", "-seconds", "1")
	if err != nil || !strings.Contains(out, "CPU and memory of the load generator alone") || strings.Contains(out, "included") || !strings.Contains(out, "Closed loop: 2 conversations") {
		t.Errorf("%v: %s", err, out)
	}
	s.mu.Lock()
	made := s.conversations
	s.mu.Unlock()
	if made != 2 {
		t.Errorf("%d conversations were made there", made)
	}
	for want, args := range map[string][]string{
		"-rest must be":   {"-target", o.WebSocketURL},
		"-target must be": {"-rest", o.HTTPURL},
		"-exec":           {"-target", o.WebSocketURL, "-rest", o.HTTPURL, "-exec", ".build"},
		"JWT_SECRET":      {"-target", o.WebSocketURL, "-rest", o.HTTPURL, ""},
	} {
		key := secret
		if want == "JWT_SECRET" {
			key, args = "", args[:4]
		}
		if _, err := run(key, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// The memory of a server elsewhere is watched where it tells of it, and nothing is
// loaded where it does not.
func TestMemoryWatchElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("a quarter of a minute, and nothing in it that could race")
	}
	for name, tt := range map[string]struct {
		leak   int
		silent bool
		want   string // of the error; "" is none
	}{
		"it is well":     {0, false, ""},
		"it grows":       {1 << 20, false, "memory grows: "},
		"it is not told": {0, true, "not to be seen"},
	} {
		s, o := start(t)
		s.leak, s.silent = tt.leak, tt.silent
		o.Connections, o.MemoryWatch, o.Elsewhere = 20, 2*time.Second, true
		var out, shown strings.Builder
		o.Progress = &shown
		err := Run(t.Context(), o, &out)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.want == "" && !strings.Contains(out.String(), "memory watch       40.0 MB after the warm-up, 40.0 MB at the end of 2s, ") {
			t.Errorf("%s: reported %s", name, out.String())
		}
		if tt.want == "" && !strings.Contains(shown.String(), "idle connections: [==============================] 84 of 84") {
			t.Errorf("%s: showed %q", name, shown.String())
		}
		if tt.silent && out.String() != "" {
			t.Errorf("%s: reported %s", name, out.String())
		}
	}
}

func TestLimited(t *testing.T) {
	err := limited(fmt.Errorf("ping: %w", &client.Error{Code: chat.RateLimited}))
	if !strings.Contains(err.Error(), "LIMIT_USER_MESSAGES=0") {
		t.Errorf("got %v", err)
	}
	if other := limited(context.Canceled); other != context.Canceled { //nolint:errorlint // it is the same
		t.Errorf("got %v", other)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	_, o := start(t)
	o.Conversations, o.Duration = 2, maxDuration
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := Run(ctx, o, &strings.Builder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestOptionsAreBounded(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing":       {},
		"conversations": {Conversations: maxConversations + 1, Duration: time.Second},
		"no duration":   {Conversations: 1},
		"duration":      {Conversations: 1, Duration: maxDuration + 1},
		"streams":       {Streams: maxConversations + 1, Duration: time.Second},
		"short streams": {Streams: 1, Duration: time.Millisecond},
		"room":          {Room: maxRoom + 1},
		"connections":   {Connections: maxConnections + 1},
		"negative":      {Connections: -1},
		"watch":         {Connections: 1, MemoryWatch: maxWatch + 1},
		"watch nobody":  {Room: 1, MemoryWatch: time.Second},
	} {
		if err := Run(t.Context(), o, &strings.Builder{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
