package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"aiwm-chat/functions/agents/handler"
	"aiwm-chat/functions/answer/runlog"
	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/protocol"
)

var serverURI string

func TestMain(m *testing.M) {
	code := run(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "leaked:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) int {
	server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Close()
	serverURI = server.URI()
	return m.Run()
}

// The cast: alice and the agent bot are in the conversation, bob was, eve never; mallory has
// alice's id in another organisation, and every role there. A token is a name, with "+" and its
// roles.
var cast = map[string]chat.Principal{
	"alice":   {Type: chat.User, ID: "alice", OrgID: "o1"},
	"bob":     {Type: chat.User, ID: "bob", OrgID: "o1"},
	"eve":     {Type: chat.User, ID: "eve", OrgID: "o1"},
	"mallory": {Type: chat.User, ID: "alice", OrgID: "o2"},
	"bot":     {Type: chat.Agent, ID: "bot", OrgID: "o1"},
}

// A world is a database with one conversation, and what left it.
type world struct {
	*mongostore.Store
	c       chat.Conversation
	jobs    []protocol.RunJob
	stopped []chat.MessageID // runs, under their ids
	fail    error            // of the queue and of Redis
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := mongostore.Open(serverURI, "test_"+bson.NewObjectID().Hex(), mongostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx := t.Context()
	if err := s.CreateIndexes(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := chat.NewConversation(cast["alice"], "t", "", "bot", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = s.CreateConversation(ctx, c, ""); err == nil {
		_, err = s.AddParticipant(ctx, cast["alice"], c.ID, cast["bob"], time.Now())
	}
	if err == nil {
		_, _, err = s.RemoveParticipant(ctx, cast["alice"], c.ID, cast["bob"], time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	return &world{Store: s, c: c}
}

func (w *world) Verify(_ context.Context, token string) (chat.Bearer, error) {
	name, roles, _ := strings.Cut(token, "+")
	p, ok := cast[name]
	if !ok {
		return chat.Bearer{}, chat.Refused(errors.New("nobody's"))
	}
	return chat.Bearer{Principal: p, Roles: strings.Fields(roles), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (w *world) Allow(context.Context, chat.Principal, chat.Use) (*chat.Quota, error) {
	return nil, nil
}

func (w *world) EnqueueRun(ctx context.Context, job protocol.RunJob) error {
	return w.EnqueueRunIn(ctx, job, 0)
}

func (w *world) EnqueueRunIn(_ context.Context, job protocol.RunJob, delay time.Duration) error {
	if delay == 0 {
		w.jobs = append(w.jobs, job)
	}
	return w.fail
}

func (w *world) StopQuestion(_ context.Context, _ chat.ConversationID, question chat.MessageID, _ chat.Principal) error {
	w.stopped = append(w.stopped, question)
	return w.fail
}

// Place adds a message as send does.
func (w *world) Place(ctx context.Context, m chat.Message) (chat.Message, bool, error) {
	m, duplicate, err := w.Append(ctx, chat.Head{}, m)
	return m, !duplicate, err
}

// call returns the status and the body of a call, whose path has an id.
func (w *world) call(t *testing.T, token, route, id, query, body string) (int, string) {
	t.Helper()
	known := func(name string) bool { return name == "known" }
	h := handler.New(w, runlog.NewStopper(w, w, w, runlog.NewEnder(w, w)), w, handler.Configured{Provider: known, ToolServer: known})
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: route, PathParameters: map[string]string{"id": id}, RawQueryString: query, Body: body,
		Headers: map[string]string{"authorization": "Bearer " + token, "content-type": "application/json"},
	}
	event.RequestContext.HTTP.Method, _, _ = strings.Cut(route, " ")
	got, err := gateway.HTTP(w, w, h.Routes())(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, got.Body
}

// want calls and compares the status; it returns the body, decoded.
func want[T any](t *testing.T, w *world, status int, token, route, id, query, body string) (out T) {
	t.Helper()
	got, text := w.call(t, token, route, id, query, body)
	if got != status {
		t.Fatalf("%s %s by %s: %d %s, want %d", route, id, token, got, text, status)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return out
}

// say appends a message.
func (w *world) say(t *testing.T, sender string, id string, parent chat.MessageID) chat.Message {
	t.Helper()
	m, err := chat.NewMessage(w.c.ID, cast[sender], chat.ClientMessageID(id), chat.Draft{Content: id, ParentID: parent}, chat.MaxContentREST, time.Now())
	if err == nil {
		m, _, err = w.Append(t.Context(), chat.Head{}, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// asked is a question of alice, and bot's run for it.
func (w *world) asked(t *testing.T, id string) (chat.Message, chat.Run) {
	t.Helper()
	q := w.say(t, "alice", id, "")
	run, _, err := w.QueueRun(t.Context(), chat.NewRun(chat.AgentProfile{OrgID: "o1", ID: "bot"}, q, 0, "alice", q.Seq, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return q, run
}

// active takes the oldest run.
func (w *world) active(t *testing.T) chat.Run {
	t.Helper()
	run, taken, err := w.TakeRun(t.Context(), w.c.ID, "bot", time.Now(), time.Now().Add(time.Minute))
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	return run
}

func (w *world) end(t *testing.T, run chat.Run, status chat.RunStatus) {
	t.Helper()
	if _, ended, err := w.EndRun(t.Context(), run, status, time.Now()); err != nil || !ended {
		t.Fatal(ended, err)
	}
}

const managedBot = `{"agentId":"bot","name":"Bot","managed":{"instructions":"be kind to {{user.name}}","provider":"known","model":"m1"}}`
