package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/conversations/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
)

var (
	errDown = errors.New("no route to host")
	now     = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a synctest bubble begins
	owner   = chat.Principal{Type: chat.User, ID: "owner", OrgID: "acme"}
	member  = chat.Principal{Type: chat.User, ID: "member", OrgID: "acme"}
	agent   = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}
)

// A world is one conversation and its room. It records the steps of a call
// and fails those it is told to.
type world struct {
	conversation chat.Conversation
	caller       chat.Principal
	query        chat.ConversationQuery
	change       chat.ConversationChange
	fail         map[string]error
	steps        []string
}

func newWorld(caller chat.Principal) *world {
	return &world{caller: caller, fail: map[string]error{}, conversation: chat.Conversation{
		ID: "c1", OrgID: "acme", AgentID: agent.ID, Status: chat.Active, CreatedBy: chat.Participant{Type: owner.Type, ID: owner.ID},
		Participants: []chat.Participant{{Type: owner.Type, ID: owner.ID}, {Type: member.Type, ID: member.ID}, {Type: agent.Type, ID: agent.ID}},
	}}
}

func (w *world) step(name string, args ...any) error {
	w.steps = append(w.steps, strings.TrimSpace(name+" "+fmt.Sprint(args...)))
	return w.fail[name]
}

// at is a step on the conversation: its result is the conversation only where
// it does not fail.
func (w *world) at(name string, id chat.ConversationID, args ...any) (chat.Conversation, error) {
	if err := w.step(name, args...); err != nil {
		return chat.Conversation{}, err
	}
	if id != w.conversation.ID {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return w.conversation, nil
}

func (w *world) Verify(context.Context, string) (chat.Principal, time.Time, error) {
	return w.caller, now.Add(time.Hour), nil
}

func (w *world) CreateConversation(_ context.Context, c chat.Conversation) (chat.Conversation, error) {
	c.ID = "new"
	return c, w.step("create", c.CreatedBy.ID, " ", len(c.Participants), " ", c.CreatedAt.Equal(now))
}

func (w *world) Conversation(_ context.Context, _ chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	return w.at("read", id)
}

func (w *world) Conversations(_ context.Context, _ chat.Principal, q chat.ConversationQuery) ([]chat.Conversation, int64, error) {
	w.query = q
	return []chat.Conversation{w.conversation}, 41, w.step("list")
}

func (w *world) UpdateConversation(_ context.Context, _ chat.Principal, id chat.ConversationID, change chat.ConversationChange, _ time.Time) (chat.Conversation, error) {
	w.change = change
	return w.at("update", id)
}

func (w *world) DeleteConversation(_ context.Context, _ chat.Principal, id chat.ConversationID, _ time.Time) (chat.Conversation, error) {
	return w.at("delete", id)
}

func (w *world) AddParticipant(_ context.Context, _ chat.Principal, id chat.ConversationID, who chat.Principal, _ time.Time) (chat.Conversation, error) {
	return w.at("add", id, who.OrgID, "/", who)
}

func (w *world) RemoveParticipant(_ context.Context, _ chat.Principal, id chat.ConversationID, who chat.Principal, _ time.Time) (chat.Conversation, error) {
	c, err := w.at("remove", id, who)
	c.Participants = slices.DeleteFunc(slices.Clone(c.Participants), func(p chat.Participant) bool { return p.ID == who.ID })
	return c, err
}

func (w *world) Room(context.Context, ...chat.ConversationID) ([]chat.Connection, error) {
	return []chat.Connection{{ID: "O=", Principal: owner}, {ID: "M=", Principal: member}, {ID: "X=", Principal: chat.Principal{Type: chat.User, ID: "x", OrgID: "acme"}}}, w.step("room")
}

func (w *world) Evict(_ context.Context, p chat.Principal, _ chat.ConversationID) ([]chat.Connection, error) {
	if err := w.step("evict", p); err != nil {
		return nil, err
	}
	return []chat.Connection{{ID: "M=", Principal: p}}, nil
}

func (w *world) Clear(context.Context, chat.ConversationID) error { return w.step("clear") }

func (w *world) Online(_ context.Context, ps ...chat.Principal) ([]bool, error) {
	online := make([]bool, len(ps))
	for i, p := range ps {
		online[i] = p == agent
	}
	return online, w.step("online")
}

func (w *world) Broadcast(_ context.Context, to []chat.Connection, frame []byte) delivery.Result {
	var f struct{ Event string }
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	line := f.Event
	for _, c := range to {
		line += " " + string(c.ID)
	}
	w.step(line)
	return delivery.Result{}
}

func (w *world) Summarize(context.Context, chat.Conversation) (string, error) {
	return "a summary", w.step("summarize")
}

// call makes a REST call; what stands for a parameter in route comes from path.
func (w *world) call(t *testing.T, route string, path map[string]string, query, body string) (int, string) {
	t.Helper()
	h := handler.New(w, w, w, live.NewAnnouncer(w, w), w)
	var got events.APIGatewayV2HTTPResponse
	synctest.Test(t, func(t *testing.T) {
		var err error
		got, err = gateway.HTTP(w, h.Routes())(t.Context(), events.APIGatewayV2HTTPRequest{
			RouteKey: route, PathParameters: path, RawQueryString: query, Body: body,
			Headers: map[string]string{"authorization": "Bearer x", "content-type": "application/json"},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return got.StatusCode, got.Body
}

const (
	routeParticipants = "POST /conversations/{id}/participants"
	routeParticipant  = "DELETE /conversations/{id}/participants/{type}/{participantId}"
)

func TestCalls(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	theMember := map[string]string{"id": "c1", "type": "user", "participantId": "member"}
	tests := []struct {
		name   string
		caller chat.Principal
		route  string
		path   map[string]string
		body   string
		fail   string // this step
		status int
		steps  []string
	}{
		{"create", owner, "POST /conversations", nil, `{"title":"t","agentId":"a1"}`, "", 201, []string{"create owner 2 true"}},
		{"create, not now", owner, "POST /conversations", nil, `{"title":"t","agentId":"a1"}`, "create", 500, []string{"create owner 2 true"}},
		{"create nothing", owner, "POST /conversations", nil, `{}`, "", 400, nil},
		{"get", member, "GET /conversations/{id}", c1, "", "", 200, []string{"read"}},
		{"get another", member, "GET /conversations/{id}", map[string]string{"id": "c2"}, "", "", 404, []string{"read"}},
		{"get no id", member, "GET /conversations/{id}", map[string]string{"id": "{c1}"}, "", "", 400, nil},
		{"update", member, "PUT /conversations/{id}", c1, `{"status":"closed"}`, "", 200, []string{"update", "room", "conversation:updated O= M="}},
		{"update nothing", member, "PUT /conversations/{id}", c1, `{}`, "", 400, nil},
		{"update with nulls", member, "PUT /conversations/{id}", c1, `{"title":null,"tags":null}`, "", 400, nil},
		{"update, not now", member, "PUT /conversations/{id}", c1, `{"title":"t"}`, "update", 500, []string{"update"}},
		{"update, nobody to be found", member, "PUT /conversations/{id}", c1, `{"title":"t"}`, "room", 200, []string{"update", "room"}},
		{"delete", owner, "DELETE /conversations/{id}", c1, "", "", 204, []string{"read", "delete", "room", "conversation:deleted O= M=", "clear"}},
		{"delete another's", member, "DELETE /conversations/{id}", c1, "", "", 403, []string{"read"}},
		{"delete by a namesake", chat.Principal{Type: chat.Agent, ID: owner.ID, OrgID: "acme"}, "DELETE /conversations/{id}", c1, "", "", 403, []string{"read"}},
		{"delete, not read", owner, "DELETE /conversations/{id}", c1, "", "read", 500, []string{"read"}},
		{"delete, not now", owner, "DELETE /conversations/{id}", c1, "", "delete", 500, []string{"read", "delete"}},
		{"delete, nobody to be found", owner, "DELETE /conversations/{id}", c1, "", "room", 204, []string{"read", "delete", "room", "clear"}},
		{"delete, not cleared", owner, "DELETE /conversations/{id}", c1, "", "clear", 204, []string{"read", "delete", "room", "conversation:deleted O= M=", "clear"}},
		{"add", member, routeParticipants, c1, `{"type":"user","id":"new"}`, "", 201, []string{"add acme/user:new", "room", "conversation:updated O= M="}},
		{"add, not now", member, routeParticipants, c1, `{"type":"user","id":"new"}`, "add", 500, []string{"add acme/user:new"}},
		{"remove", owner, routeParticipant, theMember, "", "", 204, []string{"read", "remove user:member", "evict user:member", "conversation:left M=", "room", "conversation:updated O="}},
		{"leave for good", member, routeParticipant, theMember, "", "", 204, []string{"read", "remove user:member", "evict user:member", "conversation:left M=", "room", "conversation:updated O="}},
		{"remove another", member, routeParticipant, map[string]string{"id": "c1", "type": "user", "participantId": "owner"}, "", "", 403, []string{"read"}},
		{"remove a robot", owner, routeParticipant, map[string]string{"id": "c1", "type": "robot", "participantId": "x"}, "", "", 400, nil},
		{"remove, not now", owner, routeParticipant, theMember, "", "remove", 500, []string{"read", "remove user:member"}},
		{"remove, not put out", owner, routeParticipant, theMember, "", "evict", 204, []string{"read", "remove user:member", "evict user:member", "conversation:left", "room", "conversation:updated O="}},
		{"summarize", member, "POST /conversations/{id}/summary", c1, "", "", 200, []string{"read", "summarize"}},
		{"summarize another", member, "POST /conversations/{id}/summary", map[string]string{"id": "c2"}, "", "", 404, []string{"read"}},
		{"summarize, not now", member, "POST /conversations/{id}/summary", c1, "", "summarize", 500, []string{"read", "summarize"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.caller)
			w.fail[tt.fail] = errDown
			status, body := w.call(t, tt.route, tt.path, "", tt.body)
			if status != tt.status || strings.Contains(body, errDown.Error()) || (status == 204) != (body == "") {
				t.Errorf("got %d %s", status, body)
			}
			if !slices.Equal(w.steps, tt.steps) {
				t.Errorf("the steps were %q, want %q", w.steps, tt.steps)
			}
		})
	}
}

func TestUpdateChangesWhatIsGiven(t *testing.T) {
	w := newWorld(member)
	w.call(t, "PUT /conversations/{id}", map[string]string{"id": "c1"}, "", `{"title":"new","tags":[]}`)
	c := w.change
	if c.Title == nil || *c.Title != "new" || c.Tags == nil || len(*c.Tags) != 0 || c.Description != nil || c.Status != nil {
		t.Errorf("the change is %+v", c)
	}
}

func TestList(t *testing.T) {
	w := newWorld(member)
	status, body := w.call(t, "GET /conversations", nil, "", "")
	if want := (chat.ConversationQuery{Sort: "-updatedAt", Page: 1, Limit: 20}); status != 200 || w.query != want {
		t.Errorf("got %d, asked for %+v", status, w.query)
	}
	if !strings.Contains(body, `"pagination":{"page":1,"limit":20,"total":41}`) || !strings.Contains(body, `"id":"c1"`) {
		t.Errorf("got %s", body)
	}
	w.call(t, "GET /conversations", nil, "status=closed&agentId=a1&userId=u1&tag=x&sort=title&page=3&limit=100", "")
	if want := (chat.ConversationQuery{Status: "closed", AgentID: "a1", UserID: "u1", Tag: "x", Sort: "title", Page: 3, Limit: 100}); w.query != want {
		t.Errorf("asked for %+v", w.query)
	}
	for _, query := range []string{
		"status=gone", "agentId=%7B%7D", "userId=a%20b", "sort=secret", "page=0", "page=10001", "limit=101", "other=1",
		"tag=" + strings.Repeat("x", 51), "tag=%ff",
	} {
		w := newWorld(member)
		if status, body := w.call(t, "GET /conversations", nil, query, ""); status != 400 || len(w.steps) != 0 {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
}

func TestPresence(t *testing.T) {
	w := newWorld(member)
	status, body := w.call(t, "GET /presence", nil, "conversationId=c1", "")
	want := `{"conversationId":"c1","data":[{"type":"user","id":"owner","status":"offline"},{"type":"user","id":"member","status":"offline"},{"type":"agent","id":"a1","status":"online"}]}`
	if status != 200 || body != want {
		t.Errorf("got %d %s", status, body)
	}
	for query, want := range map[string]int{"": 400, "conversationId=c2": 404, "conversationId=c1&page=1": 400} {
		if status, body := newWorld(member).call(t, "GET /presence", nil, query, ""); status != want {
			t.Errorf("%q: got %d %s", query, status, body)
		}
	}
	w.fail["online"] = errDown
	if status, _ := w.call(t, "GET /presence", nil, "conversationId=c1", ""); status != 500 {
		t.Errorf("without Redis: %d", status)
	}
}
