package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"aiwm-chat/functions/answer/runlog"
	expire "aiwm-chat/functions/expire/handler"
	send "aiwm-chat/functions/send/handler"
	"aiwm-chat/functions/stream/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/protocol"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

var (
	user     = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}
	agent    = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
	other    = chat.Principal{Type: chat.Agent, ID: "a2", OrgID: "acme"} // takes part as well
	stranger = chat.Principal{Type: chat.Agent, ID: "a3", OrgID: "acme"}
	errDead  = errors.New("the process is dead")
)

// redis is a presence store on miniredis, for all worlds of a test: each has a
// conversation of its own.
type redis struct {
	*presence.Store
	mini   *miniredis.Miniredis
	worlds int
	ago    time.Duration // how long ago its clock says it is
}

func newRedis(t testing.TB, ago time.Duration) *redis {
	t.Helper()
	r := &redis{mini: miniredis.RunT(t), ago: ago}
	store, err := presence.Open(presence.Options{Addrs: []string{r.mini.Addr()}, Now: func() time.Time { return time.Now().Add(-r.ago) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r.Store = store
	return r
}

// A world is a conversation of a user and two agents: its log and its queue in memory,
// or the log in a real store, and its streams in a real presence store. The handlers
// of stream, send and expire are the real ones. Each step that one of them takes is
// recorded; it may be the last that is done, or wait until a schedule lets it go on.
type world struct {
	*redis
	log logs
	id  chat.ConversationID

	mu      sync.Mutex
	steps   []string
	fail    map[string]error
	mortal  bool
	lives   int // steps until the process dies: what it does then is not done
	queue   []protocol.StreamJob
	frames  []frame // replies, and what the room and the agents were told
	runs    []chat.Run
	runJobs []protocol.RunJob
	ended   []chat.RunID // at once
}

// frame is one that was posted.
type frame struct {
	To    chat.ConnectionID `json:"-"`
	Event string            `json:"event"`
	Data  struct {
		MessageID chat.MessageID
		StreamID  string
		StreamIDs []string
		RunIDs    []chat.RunID
		Status    string
		Reason    string
		Part      string
		Offset    *int
		Length    int
		Text      string
		Epoch     int64
		Next      map[string]int
		StoppedBy *protocol.Identity
		By        protocol.Identity
	} `json:"data"`
	Error *struct {
		Code    chat.Code
		Message string
		Details map[string]any
	} `json:"error"`
}

// logs is what the handlers ask of the store.
type logs interface {
	Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error)
	AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error)
	Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error)
	Append(ctx context.Context, head chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error)
	Sent(ctx context.Context, id chat.ConversationID, sender chat.Principal, client chat.ClientMessageID) (chat.Message, bool, error)
	Project(ctx context.Context, c chat.Conversation, m chat.Message) error
	Settle(ctx context.Context, m chat.Message, left *chat.Due) error
	ForgetMessage(ctx context.Context, c chat.Conversation, m chat.Message) (now chat.Conversation, dropped bool, err error)
}

// memory is a log in memory, with the unique index of the store.
type memory struct {
	mu           sync.Mutex
	conversation chat.Conversation
	messages     []chat.Message
}

func (m *memory) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.conversation; id == c.ID && c.HasParticipant(p) {
		return c, nil
	}
	return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
}

func (m *memory) AnyConversation(context.Context, chat.OrgID, chat.ConversationID) (chat.Conversation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conversation, nil
}

func (m *memory) Message(_ context.Context, _ chat.OrgID, id chat.MessageID) (chat.Message, error) {
	switch id {
	case "q1", "q2":
		return chat.Message{ID: id, ConversationID: m.conversation.ID}, nil
	case "elsewhere":
		return chat.Message{ID: id, ConversationID: "elsewhere"}, nil
	}
	return chat.Message{}, chat.Errorf(chat.NotFound, "there is no such message")
}

func (m *memory) Append(_ context.Context, _ chat.Head, in chat.Message) (chat.Message, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.messages {
		if old.Sender == in.Sender && old.ClientMessageID == in.ClientMessageID {
			if !in.Repeats(old) {
				return old, true, chat.Errorf(chat.Conflict, "this clientMessageId was used for another message")
			}
			return old, true, nil
		}
	}
	in.Seq = int64(len(m.messages) + 1)
	in.ID, in.Due = chat.MessageID(fmt.Sprint("m", in.Seq)), in.Due.For(in.Seq)
	m.messages = append(m.messages, in)
	return in, false, nil
}

func (m *memory) Sent(_ context.Context, _ chat.ConversationID, p chat.Principal, id chat.ClientMessageID) (chat.Message, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range m.messages {
		if old.Sender == p && old.ClientMessageID == id {
			return old, true, nil
		}
	}
	return chat.Message{}, false, nil
}

func (m *memory) Project(context.Context, chat.Conversation, chat.Message) error { return nil }

func (m *memory) Settle(_ context.Context, in chat.Message, left *chat.Due) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[in.Seq-1].Due = left
	return nil
}

func (m *memory) ForgetMessage(context.Context, chat.Conversation, chat.Message) (chat.Conversation, bool, error) {
	return m.conversation, false, nil
}

func (*world) Attachable(context.Context, chat.Principal, chat.ConversationID, chat.MessageID, []chat.UploadID, time.Time) ([]chat.Upload, error) {
	panic("nothing is attached")
}

func (*world) AttachUploads(context.Context, chat.Message) error { panic("nothing is attached") }

func (*world) EraseUploads(context.Context, chat.Message, time.Time) ([]chat.UploadID, error) {
	panic("nothing was attached")
}

// change changes the conversation, as another function does.
func (m *memory) change(how func(c *chat.Conversation)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conversation.Participants = slices.Clone(m.conversation.Participants)
	how(&m.conversation)
}

func newWorld(r *redis) *world {
	r.worlds++
	id := chat.ConversationID(fmt.Sprint("c", r.worlds))
	return &world{
		redis: r, id: id, fail: map[string]error{},
		log: &memory{conversation: chat.Conversation{
			ID: id, OrgID: "acme", AgentID: agent.ID, Status: chat.Active,
			Participants: []chat.Participant{{Type: chat.User, ID: user.ID}, {Type: chat.Agent, ID: agent.ID}, {Type: chat.Agent, ID: other.ID}},
		}},
	}
}

func (w *world) memory() *memory { return w.log.(*memory) }

// actor is who takes steps, where a schedule decides whose is next.
type actor struct {
	arrived chan bool // at a step; false: it is done
	turn    chan struct{}
	waits   chan struct{} // held while one of its goroutines waits
}

type actorKey struct{}

// step takes a step, unless it is to fail or the process is dead.
func (w *world) step(ctx context.Context, name string, gated bool, do func() error) error {
	if a, ok := ctx.Value(actorKey{}).(*actor); ok && gated {
		select {
		case a.waits <- struct{}{}: // of two steps at once the second need not wait
			a.arrived <- true
			<-a.turn
			<-a.waits
		default:
		}
	}
	w.mu.Lock()
	dead := w.mortal && len(w.steps) >= w.lives
	err := w.fail[name]
	if !dead {
		w.steps = append(w.steps, name)
	}
	w.mu.Unlock()
	switch {
	case dead:
		return errDead
	case err != nil:
		return err
	}
	return do()
}

// The store.

func (w *world) Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (c chat.Conversation, err error) {
	err = w.step(ctx, "Conversation", true, func() (err error) { c, err = w.log.Conversation(ctx, p, id); return err })
	return c, err
}

func (w *world) AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error) {
	return w.log.AnyConversation(ctx, org, id)
}

func (w *world) Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (m chat.Message, err error) {
	err = w.step(ctx, "Message", false, func() (err error) { m, err = w.log.Message(ctx, org, id); return err })
	return m, err
}

func (w *world) Append(ctx context.Context, head chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error) {
	err = w.step(ctx, "Append", true, func() (err error) { stored, duplicate, err = w.log.Append(ctx, head, m); return err })
	return stored, duplicate, err
}

func (w *world) Sent(ctx context.Context, id chat.ConversationID, p chat.Principal, client chat.ClientMessageID) (m chat.Message, found bool, err error) {
	err = w.step(ctx, "Sent", true, func() (err error) { m, found, err = w.log.Sent(ctx, id, p, client); return err })
	return m, found, err
}

func (w *world) Project(ctx context.Context, c chat.Conversation, m chat.Message) error {
	return w.step(ctx, "Project", false, func() error { return w.log.Project(ctx, c, m) })
}

func (w *world) Settle(ctx context.Context, m chat.Message, left *chat.Due) error {
	return w.step(ctx, "Settle", false, func() error { return w.log.Settle(ctx, m, left) })
}

func (w *world) ForgetMessage(ctx context.Context, c chat.Conversation, m chat.Message) (chat.Conversation, bool, error) {
	return w.log.ForgetMessage(ctx, c, m)
}

// Presence: what is not here is the real one's.

func (w *world) WatchStream(ctx context.Context, by chat.Principal, id chat.ConversationID, stream string) error {
	return w.step(ctx, "WatchStream", false, func() error { return w.Store.WatchStream(ctx, by, id, stream) })
}

func (w *world) EnterStream(ctx context.Context, st chat.Stream, gone chat.ConnectionID) (v chat.StreamVerdict, found chat.Stream, err error) {
	err = w.step(ctx, "EnterStream", true, func() (err error) { v, found, err = w.Store.EnterStream(ctx, st, gone); return err })
	return v, found, err
}

func (w *world) ConfirmStream(ctx context.Context, st chat.Stream, lease time.Duration) (v chat.StreamVerdict, opened chat.Stream, room chat.Room, err error) {
	err = w.step(ctx, "ConfirmStream", true, func() (err error) { v, opened, room, err = w.Store.ConfirmStream(ctx, st, lease); return err })
	return v, opened, room, err
}

func (w *world) AppendStream(ctx context.Context, st chat.Stream, piece chat.StreamPiece, lease time.Duration) (v chat.StreamVerdict, d chat.StreamDelta, stop chat.Principal, room chat.Room, err error) {
	err = w.step(ctx, "AppendStream", true, func() (err error) { v, d, stop, room, err = w.Store.AppendStream(ctx, st, piece, lease); return err })
	return v, d, stop, room, err
}

func (w *world) EndStream(ctx context.Context, id chat.ConversationID, stream string, end chat.StreamEnd, force bool) (v chat.StreamVerdict, err error) {
	err = w.step(ctx, "EndStream", true, func() (err error) { v, err = w.Store.EndStream(ctx, id, stream, end, force); return err })
	return v, err
}

func (w *world) Stream(ctx context.Context, id chat.ConversationID, stream string) (st chat.Stream, err error) {
	err = w.step(ctx, "Stream", true, func() (err error) { st, err = w.Store.Stream(ctx, id, stream); return err })
	return st, err
}

func (w *world) Streams(ctx context.Context, id chat.ConversationID) (ids []string, err error) {
	err = w.step(ctx, "Streams", true, func() (err error) { ids, err = w.Store.Streams(ctx, id); return err })
	return ids, err
}

func (w *world) StopStream(ctx context.Context, id chat.ConversationID, stream string, by chat.Principal) (v chat.StreamVerdict, err error) {
	err = w.step(ctx, "StopStream", true, func() (err error) { v, err = w.Store.StopStream(ctx, id, stream, by); return err })
	return v, err
}

func (w *world) StopQuestion(ctx context.Context, id chat.ConversationID, question chat.MessageID, by chat.Principal) error {
	return w.step(ctx, "StopQuestion", true, func() error { return w.Store.StopQuestion(ctx, id, question, by) })
}

func (w *world) QuestionStopped(ctx context.Context, id chat.ConversationID, question chat.MessageID) (by chat.Principal, stopped bool, err error) {
	err = w.step(ctx, "QuestionStopped", true, func() (err error) { by, stopped, err = w.Store.QuestionStopped(ctx, id, question); return err })
	return by, stopped, err
}

func (w *world) Rooms(ctx context.Context, ids ...chat.ConversationID) (rooms []chat.Room, err error) {
	err = w.step(ctx, "Rooms", false, func() (err error) { rooms, err = w.Store.Rooms(ctx, ids...); return err })
	return rooms, err
}

func (w *world) Connections(ctx context.Context, ps ...chat.Principal) (cs []chat.Connection, err error) {
	err = w.step(ctx, "Connections", false, func() (err error) { cs, err = w.Store.Connections(ctx, ps...); return err })
	return cs, err
}

// The queue, and what is posted.

func (w *world) EnqueueStream(ctx context.Context, job protocol.StreamJob, _ time.Duration) error {
	return w.step(ctx, "EnqueueStream", true, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queue = append(w.queue, job)
		return nil
	})
}

func (w *world) EnqueueSummary(context.Context, protocol.SummaryJob) error { return nil }

func (w *world) Forget(context.Context, []chat.Gone, chat.ConversationID) {}

func (w *world) Activity(context.Context, chat.Conversation, int64, []chat.Connection) {}
func (w *world) Tell(context.Context, chat.Conversation, []byte)                       {}

func (w *world) Close(context.Context, chat.Connection) {}

func (w *world) posted(to chat.ConnectionID, b []byte) {
	f := frame{To: to}
	if err := json.Unmarshal(b, &f); err != nil || len(b) > protocol.MaxFrame {
		panic(fmt.Sprintf("%d bytes, %v", len(b), err))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames = append(w.frames, f)
}

func (w *world) Broadcast(ctx context.Context, to []chat.Connection, b []byte, _ delivery.Passes) delivery.Result {
	_ = w.step(ctx, "Broadcast", false, func() error {
		for _, c := range to {
			w.posted(c.ID, b)
		}
		return nil
	})
	return delivery.Result{Posted: len(to)}
}

func (w *world) Deliver(ctx context.Context, posts []delivery.Post, _ delivery.Passes) delivery.Result {
	_ = w.step(ctx, "Deliver", false, func() error {
		for _, p := range posts {
			w.posted(p.To.ID, p.Frame)
		}
		return nil
	})
	return delivery.Result{Posted: len(posts)}
}

func (w *world) Post(ctx context.Context, c chat.Connection, b []byte) error {
	return w.step(ctx, "Reply", false, func() error { w.posted(c.ID, b); return nil })
}

// The functions.

func (w *world) sender() *send.Handler { return send.New(w, w, w, w, w) }

func (w *world) handler() *handler.Handler {
	return handler.New(w, w, w.sender(), w, w, runlog.NewStopper(w, w, w, w))
}

func connectionOf(p chat.Principal, id string) chat.Connection {
	return chat.Connection{ID: chat.ConnectionID(id), Principal: p, ExpiresAt: time.Now().Add(time.Hour), Dialect: chat.Lean}
}

var (
	first  = connectionOf(agent, "A=")
	second = connectionOf(agent, "B=")
	reader = connectionOf(user, "U=")
)

// frame sends a frame on a connection, with the world's conversation, and returns its
// answer: none has no event.
func (w *world) frame(ctx context.Context, c chat.Connection, action, fields string) frame {
	return w.frameTo(ctx, w.handler(), c, action, fields)
}

func (w *world) frameTo(ctx context.Context, h *handler.Handler, c chat.Connection, action, fields string) (answer frame) {
	body := fmt.Sprintf(`{"action":%q,"id":"f","conversationId":%q%s}`, action, w.id, fields)
	serve := gateway.Decoded(h.Handle)
	if action == protocol.ActionStop {
		serve = gateway.Decoded(h.Stop)
	}
	var answers answering
	_, err := gateway.Frames(&answers, serve)(ctx, events.APIGatewayWebsocketProxyRequest{
		Body: body,
		RequestContext: events.APIGatewayWebsocketProxyRequestContext{
			ConnectionID: string(c.ID), RouteKey: action, Authorizer: gateway.AuthorizerContext(c.Principal, c.ExpiresAt, c.Dialect),
		},
	})
	if err != nil {
		panic(err)
	}
	for _, a := range answers.all {
		if a.Event != protocol.EventStreamStop { // that is told beside the answer
			answer = a
		}
		w.mu.Lock()
		w.frames = append(w.frames, a)
		w.mu.Unlock()
	}
	return answer
}

// answering is the caller's connection.
type answering struct {
	mu  sync.Mutex
	all []frame
}

func (a *answering) Post(_ context.Context, to chat.Connection, b []byte) error {
	f := frame{To: to.ID}
	err := json.Unmarshal(b, &f)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, f)
	return err
}

func (a *answering) Close(context.Context, chat.Connection) {}

// stream takes a step of the stream s1.
func (w *world) stream(ctx context.Context, c chat.Connection, state, fields string) frame {
	return w.frame(ctx, c, protocol.ActionStream, fmt.Sprintf(`,"streamId":"s1","state":%q%s`, state, fields))
}

func (w *world) append(ctx context.Context, c chat.Connection, index int, text string) frame {
	return w.stream(ctx, c, "append", fmt.Sprintf(`,"index":%d,"text":%q`, index, text))
}

// code is the code of an answer that refuses, else "".
func (f frame) code() chat.Code {
	if f.Error == nil {
		return ""
	}
	return f.Error.Code
}

// lease and enforcement are the jobs of the stream.
func (w *world) job(stop bool) protocol.StreamJob {
	return protocol.StreamJob{ConversationID: w.id, StreamID: "s1", OrgID: agent.OrgID, AgentID: agent.ID, Stop: stop}
}

func (w *world) expire(ctx context.Context, job protocol.StreamJob) error {
	return expire.New(w, w.sender(), w, w, nil).Handle(ctx, job)
}

// drain runs the jobs that are in the queue, and what comes into it: once more where
// one failed.
func (w *world) drain(t testing.TB) {
	t.Helper()
	for range 50 {
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.mu.Unlock()
			return
		}
		job := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Unlock()
		if err := w.expire(context.Background(), job); err != nil {
			w.mu.Lock()
			w.queue = append(w.queue, job)
			w.mu.Unlock()
		}
	}
	t.Fatalf("jobs without an end: %+v", w.queue)
}

// told returns the events of s1 that were posted to a connection.
func (w *world) told(to chat.ConnectionID) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.frames {
		if f.To == to {
			all = append(all, f.Event)
		}
	}
	return all
}
