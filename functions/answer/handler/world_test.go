package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/functions/answer/tools"
	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/toolserver"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/completion"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
)

var serverURI string

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serverURI = server.URI()
	code := m.Run()
	server.Close()
	os.Exit(code)
}

var (
	user    = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	another = chat.Principal{Type: chat.User, ID: "u2", OrgID: "acme"}
	bot     = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "acme"}
	errDead = errors.New("the process is dead")
)

// A world is a conversation with an agent that the backend runs: real stores, the real handlers of
// send and answer, real tools, and a model that the test makes up. Each write of a process
// is a step, before which it may die.
type world struct {
	*mongostore.Store
	presence *presence.Store
	mini     *miniredis.Miniredis
	db       *mongo.Database
	shop     *toolserver.Server
	servers  *tools.Servers
	id       chat.ConversationID
	calls    []string
	tune     func(*times)
	model    func(ctx context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error)

	mu     sync.Mutex
	asked  []completion.Request
	queue  []protocol.RunJob
	later  []time.Duration // the delays of other jobs
	frames []string
	deltas []protocol.StreamDelta
	steps  []string
	mortal bool
	lives  int
	before func(step string) // called before a step, without the lock
}

func newWorld(t testing.TB, m chat.Managed) *world {
	t.Helper()
	name := "test_" + bson.NewObjectID().Hex()
	store, err := mongostore.Open(serverURI, name, mongostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(serverURI))
	if err != nil {
		t.Fatal(err)
	}
	mini := miniredis.RunT(t)
	redis, err := presence.Open(presence.Options{Addrs: []string{mini.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Store: store, presence: redis, mini: mini, db: client.Database(name), shop: toolserver.New(), before: func(string) {}}
	server := httptest.NewServer(w.shop)
	w.servers = tools.New(tools.Options{Configured: map[string]config.ToolServer{"shop": {URL: server.URL}}, Local: true})
	t.Cleanup(func() {
		_ = w.db.Drop(context.Background())
		_ = client.Disconnect(context.Background())
		_ = store.Close(context.Background())
		redis.Close()
		server.Close()
	})
	ctx := t.Context()
	if err := store.CreateIndexes(ctx); err != nil {
		t.Fatal(err)
	}
	m.Provider, m.Model = "p", "m"
	m.History.Summary = true
	m = m.WithDefaults()
	if _, err := store.CreateAgent(ctx, chat.AgentProfile{OrgID: bot.OrgID, ID: bot.ID, Name: "Bot", Managed: &m, CreatedBy: user.ID, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	c, err := chat.NewConversation(user, "Orders", "", bot.ID, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = store.CreateConversation(ctx, c, ""); err != nil {
		t.Fatal(err)
	}
	w.id = c.ID
	w.model = func(_ context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		on(completion.Piece{Content: "Hello"})
		on(completion.Piece{Content: " you"})
		return completion.Answer{Content: "Hello you", Usage: chat.Usage{PromptTokens: 10, CompletionTokens: 2, TotalTokens: 12}, Finish: "stop"}, nil
	}
	return w
}

func (w *world) Stream(ctx context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
	if w.isDead() {
		return completion.Answer{}, errDead
	}
	w.mu.Lock()
	w.asked = append(w.asked, r)
	w.mu.Unlock()
	return w.model(ctx, r, on)
}

// process is what one invocation has: of a dead one nothing is done any more.
type process struct{ *world }

func (w *world) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mortal && w.lives <= 0
}

// step is a write.
func (w *world) step(name string) error {
	w.before(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mortal && w.lives <= 0 {
		return errDead
	}
	w.lives--
	w.steps = append(w.steps, name)
	return nil
}

func (p process) Append(ctx context.Context, head chat.Head, m chat.Message) (chat.Message, bool, error) {
	if err := p.step("Append " + string(m.Type)); err != nil {
		return m, false, err
	}
	return p.Store.Append(ctx, head, m)
}

func (p process) QueueRun(ctx context.Context, r chat.Run) (chat.Run, bool, error) {
	if err := p.step("QueueRun"); err != nil {
		return r, false, err
	}
	return p.Store.QueueRun(ctx, r)
}

func (p process) TakeRun(ctx context.Context, id chat.ConversationID, agent chat.PrincipalID, now, lease time.Time) (chat.Run, bool, error) {
	if err := p.step("TakeRun"); err != nil {
		return chat.Run{}, false, err
	}
	return p.Store.TakeRun(ctx, id, agent, now, lease)
}

func (p process) TakeOverRun(ctx context.Context, r chat.Run, now, lease time.Time) (chat.Run, bool, error) {
	if err := p.step("TakeOverRun"); err != nil {
		return r, false, err
	}
	return p.Store.TakeOverRun(ctx, r, now, lease)
}

func (p process) RenewRun(ctx context.Context, r chat.Run, now, lease time.Time) (chat.Run, chat.RunVerdict, error) {
	if p.isDead() {
		return r, "", errDead
	}
	return p.Store.RenewRun(ctx, r, now, lease)
}

func (p process) HandOverRun(ctx context.Context, r chat.Run, now time.Time) (chat.RunVerdict, error) {
	if err := p.step("HandOverRun"); err != nil {
		return "", err
	}
	return p.Store.HandOverRun(ctx, r, now)
}

func (p process) BeginCall(ctx context.Context, r chat.Run, call chat.CallID) (chat.RunVerdict, error) {
	if err := p.step("BeginCall"); err != nil {
		return "", err
	}
	return p.Store.BeginCall(ctx, r, call)
}

func (p process) WaitRun(ctx context.Context, r chat.Run, call chat.CallID, seq int64, expires, now time.Time) (chat.Run, chat.RunVerdict, error) {
	if err := p.step("WaitRun"); err != nil {
		return r, "", err
	}
	return p.Store.WaitRun(ctx, r, call, seq, expires, now)
}

func (p process) RequeueRun(ctx context.Context, r chat.Run, now time.Time) (chat.Run, bool, error) {
	if err := p.step("RequeueRun"); err != nil {
		return r, false, err
	}
	return p.Store.RequeueRun(ctx, r, now)
}

func (p process) EndRun(ctx context.Context, r chat.Run, status chat.RunStatus, now time.Time) (chat.Run, bool, error) {
	if err := p.step("EndRun"); err != nil {
		return r, false, err
	}
	return p.Store.EndRun(ctx, r, status, now)
}

func (p process) StopRun(ctx context.Context, org chat.OrgID, id chat.RunID, by chat.PrincipalID, now time.Time) (chat.Run, error) {
	if err := p.step("StopRun"); err != nil {
		return chat.Run{}, err
	}
	return p.Store.StopRun(ctx, org, id, by, now)
}

func (p process) RunDecided(ctx context.Context, id chat.RunID, now time.Time) error {
	if err := p.step("RunDecided"); err != nil {
		return err
	}
	return p.Store.RunDecided(ctx, id, now)
}

func (p process) CountReplies(ctx context.Context, reply chat.Message, due time.Time) (*chat.Message, error) {
	if err := p.step("CountReplies"); err != nil {
		return nil, err
	}
	return p.Store.CountReplies(ctx, reply, due)
}

func (p process) Settle(ctx context.Context, m chat.Message, left *chat.Due) error {
	if err := p.step("Settle"); err != nil {
		return err
	}
	return p.Store.Settle(ctx, m, left)
}

func (p process) EnqueueRun(_ context.Context, job protocol.RunJob) error {
	if err := p.step("EnqueueRun"); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, job)
	return nil
}

func (process) EnqueueWebhook(context.Context, protocol.WebhookJob, time.Duration) error {
	panic("there are no webhooks")
}

// EnqueueRunIn notes how long a job is to wait. It never comes by itself.
func (p process) EnqueueRunIn(ctx context.Context, job protocol.RunJob, delay time.Duration) error {
	if delay == 0 {
		return p.EnqueueRun(ctx, job)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.later = append(p.later, delay)
	return nil
}

func (p process) EnqueueStream(context.Context, protocol.StreamJob, time.Duration) error { return nil }
func (p process) EnqueueSummary(context.Context, protocol.SummaryJob) error              { return nil }
func (p process) Forget(context.Context, []chat.Gone, chat.ConversationID)               {}
func (p process) Activity(context.Context, chat.Conversation, int64, []chat.Connection)  {}
func (p process) Tell(context.Context, chat.Conversation, []byte)                        {}
func (p process) Deliver(context.Context, []delivery.Post, delivery.Passes) delivery.Result {
	return delivery.Result{}
}

// Broadcast is what the room sees of streams.
func (p process) Broadcast(_ context.Context, _ []chat.Connection, frame []byte, _ delivery.Passes) delivery.Result {
	var f struct {
		Event string
		Data  protocol.StreamDelta
	}
	_ = json.Unmarshal(frame, &f)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames, f.Event)
	if f.Event == protocol.EventStreamDelta {
		p.deltas = append(p.deltas, f.Data)
	}
	return delivery.Result{}
}

func (w *world) sender() *send.Handler {
	p := process{w}
	return send.New(p, w.presence, p, p, p)
}

func (w *world) handler() *Handler {
	p := process{w}
	h := New(p, w.presence, w.sender(), p, p, map[string]Model{"p": w}, w.servers)
	h.times.backOff, h.times.look = time.Millisecond, 20*time.Millisecond
	if w.tune != nil {
		w.tune(&h.times)
	}
	return h
}

// say sends a message of a user.
func (w *world) say(t testing.TB, by chat.Principal, text string) (m chat.Message) {
	t.Helper()
	return w.reply(t, by, "", text)
}

// reply is say, to a message.
func (w *world) reply(t testing.TB, by chat.Principal, to chat.MessageID, text string) (m chat.Message) {
	t.Helper()
	id := chat.ClientMessageID(bson.NewObjectID().Hex())
	err := w.sender().SendREST(context.Background(), by, protocol.MessageInput{ConversationID: w.id, ClientMessageID: id, Content: text, ParentID: to}, func(protocol.Sent) {})
	if err != nil && !w.isDead() {
		t.Fatal(err)
	}
	m, _, err = w.Sent(context.Background(), w.id, by, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// work does the jobs of the queue until there are none, and returns what went wrong.
func (w *world) work(ctx context.Context) (err error) {
	for range 50 {
		w.mu.Lock()
		if len(w.queue) == 0 || w.mortal && w.lives <= 0 {
			w.mu.Unlock()
			return err
		}
		job := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Unlock()
		err = errors.Join(err, w.handler().Handle(ctx, job))
	}
	return errors.Join(err, errors.New("the jobs do not come to an end"))
}

// working does so beside the test, which it never outlives for want of a reader.
func (w *world) working() <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.work(context.Background()) }()
	return done
}

// until waits for what must come before the work is done.
func (w *world) until(t testing.TB, what string, done <-chan error, is func() bool) {
	t.Helper()
	for !is() {
		if len(done) > 0 && !is() {
			t.Fatalf("the work was done before %s: %v\n%s", what, <-done, w.told(t))
		}
		time.Sleep(time.Millisecond)
	}
}

// recover is what happens when a process has died: time passes, and sweep comes, as
// often as it takes.
func (w *world) recover(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	w.mu.Lock()
	w.mortal = false
	w.mu.Unlock()
	for range 6 {
		past := time.Now().Add(-time.Minute)
		if _, err := w.db.Collection("runs").UpdateMany(ctx, bson.M{"status": "active"}, bson.M{"$set": bson.M{"leaseUntil": past}}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.db.Collection("messages").UpdateMany(ctx, bson.M{"due": bson.M{"$exists": true}}, bson.M{"$set": bson.M{"due.at": past}}); err != nil {
			t.Fatal(err)
		}
		due, err := w.DueBefore(ctx, time.Now(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range due {
			c, err := w.AnyConversation(ctx, user.OrgID, w.id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.sender().Finish(ctx, c, m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.db.Collection("runs").UpdateMany(ctx, bson.M{"dueAt": bson.M{"$exists": true}}, bson.M{"$set": bson.M{"dueAt": past}}); err != nil {
			t.Fatal(err)
		}
		runs, err := w.DueRuns(ctx, time.Now(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			w.queue = append(w.queue, protocol.RunJobOf(r))
		}
		if err := w.work(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// messages is the log, in words.
func (w *world) messages(t testing.TB) (all []chat.Message) {
	t.Helper()
	all, _, err := w.Messages(context.Background(), w.id, chat.MessageQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// told is the log in short: type, status, and the beginning of what is said.
func (w *world) told(t testing.TB) string {
	t.Helper()
	var out []string
	for _, m := range w.messages(t) {
		out = append(out, fmt.Sprintf("%s %s %s: %.60s", m.Sender.ID, m.Type, m.Status, m.Content))
	}
	return strings.Join(out, "\n")
}

// last is the only run, or the newest.
func (w *world) last(t testing.TB) chat.Run {
	t.Helper()
	runs, _, err := w.Runs(context.Background(), user.OrgID, w.id, "", 100)
	if err != nil || len(runs) == 0 {
		t.Fatalf("no run: %v", err)
	}
	return runs[0]
}

// shoppingModel calls refund_order until there is a result, and then answers; each time
// that it is asked it says something else.
func (w *world) shopping(calls ...string) {
	n := 0
	w.calls = calls
	w.model = func(_ context.Context, r completion.Request, on func(completion.Piece)) (completion.Answer, error) {
		w.mu.Lock()
		n++
		answer := completion.Answer{Content: fmt.Sprintf("answer %d", n), Usage: chat.Usage{PromptTokens: 10, CompletionTokens: 2, TotalTokens: 12}, Finish: "stop"}
		w.mu.Unlock()
		results := 0
		for _, m := range r.Messages {
			if m.Role == completion.RoleTool {
				results++
			}
		}
		if results < len(w.calls) {
			name, arguments, _ := strings.Cut(w.calls[results], " ")
			answer.ToolCalls = []completion.ToolCall{{ID: "call_0", Name: "shop__" + name, Arguments: arguments}}
			return answer, nil
		}
		on(completion.Piece{Content: answer.Content})
		return answer, nil
	}
}

func allowing(globs ...string) chat.Managed {
	return chat.Managed{Tools: []chat.ToolSelection{{Server: "shop", Allow: globs}}}
}

func asking(globs ...string) chat.Managed {
	return chat.Managed{Tools: []chat.ToolSelection{{Server: "shop", Allow: []string{"get_order"}, Ask: globs}}}
}

// decide decides a call as approve does.
func (w *world) decide(t testing.TB, v chat.Verdict, d chat.Decision) {
	t.Helper()
	d.By = user.ID
	m, err := chat.NewDecision(user.OrgID, w.id, v, d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.sender().Place(context.Background(), m); err != nil && !w.isDead() {
		t.Fatal(err)
	}
}

// check is what must be true when all is quiet.
func (w *world) check(t testing.TB) {
	t.Helper()
	runs, _, err := w.Runs(context.Background(), user.OrgID, w.id, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if !r.Status.Over() {
			t.Errorf("run %s is still %s", r.ID, r.Status)
		}
		l, err := runlog.Read(context.Background(), w, r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != l.Status() {
			t.Errorf("run is %s, the log says %s", r.Status, l.Status())
		}
		if r.Usage != l.Usage() {
			t.Errorf("run cost %+v, its messages %+v", r.Usage, l.Usage())
		}
		ends := 0
		for _, m := range w.messages(t) {
			if strings.HasPrefix(string(m.ClientMessageID), string(r.ID)+":") && m.Type != chat.TypeToolCall && m.Type != chat.TypeToolResult {
				ends++
			}
		}
		if ends > 1 {
			t.Errorf("%d ends of a run:\n%s", ends, w.told(t))
		}
	}
}

// join adds a user.
func (w *world) join(t testing.TB, who chat.Principal) {
	t.Helper()
	if _, err := w.AddParticipant(context.Background(), user, w.id, who, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// lapse has the leases of all runs run out.
func (w *world) lapse(t testing.TB) {
	t.Helper()
	_, err := w.db.Collection("runs").UpdateMany(context.Background(), bson.M{"status": "active"}, bson.M{"$set": bson.M{"leaseUntil": time.Now().Add(-time.Minute)}})
	if err != nil {
		t.Error(err)
	}
}

// job is that of the first run for a question.
func (w *world) job(q chat.Message) protocol.RunJob {
	return protocol.RunJob{RunID: chat.NewRunID(bot, q.ID, 0), OrgID: bot.OrgID, ConversationID: w.id}
}
