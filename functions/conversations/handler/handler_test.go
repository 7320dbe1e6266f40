package handler_test

import (
	"cmp"
	"context"
	"encoding/base64"
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
	"aiwm-chat/shared/protocol"
)

var (
	errDown = errors.New("no route to host")
	noRedis = chat.Unavailablef(errDown, "presence does not answer; try again")
	limited = chat.LimitedFor(1500 * time.Millisecond)
	now     = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when a synctest bubble begins
	owner   = chat.Principal{Type: chat.User, ID: "owner", OrgID: "acme"}
	member  = chat.Principal{Type: chat.User, ID: "member", OrgID: "acme"}
	agent   = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "acme"}

	stranger = chat.Principal{Type: chat.User, ID: "x", OrgID: "acme"}
)

// A world is one conversation and its room. It records the steps of a call
// and fails those it is told to.
type world struct {
	conversation chat.Conversation
	caller       chat.Principal
	query        chat.ConversationQuery
	key          chat.IdempotencyKey // of the last creation

	idempotencyKey string // the header
	change         chat.ConversationChange
	deleted        bool
	onDelete       func()        // at its beginning
	patience       time.Duration // of the function: 0 is none
	took           time.Duration // a call
	fail           map[string]error
	steps          []string
	managed        chat.PrincipalID // the backend answers for it
	content        string           // of each message
	servers        handler.Servers
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
	if id != w.conversation.ID || w.deleted || !w.conversation.HasParticipant(w.caller) {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return w.conversation, nil
}

func (w *world) Verify(context.Context, string) (chat.Bearer, error) {
	return chat.Bearer{Principal: w.caller, ExpiresAt: now.Add(time.Hour)}, nil
}

func (w *world) CreateConversation(_ context.Context, c chat.Conversation, key chat.IdempotencyKey) (chat.Conversation, bool, error) {
	c.ID = "new"
	again := key != "" && key == w.key
	w.key = key
	return c, again, w.step("create", c.CreatedBy.ID, " ", len(c.Participants), " ", c.CreatedAt.Equal(now))
}

func (w *world) Conversation(_ context.Context, _ chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	return w.at("read", id)
}

func (w *world) Conversations(_ context.Context, _ chat.Principal, q chat.ConversationQuery) (chat.ConversationPage, error) {
	w.query = q
	return chat.ConversationPage{Conversations: []chat.Conversation{w.conversation}, Total: 1000, TotalIsMore: true, Next: "next"}, w.step("list")
}

func (w *world) UpdateConversation(_ context.Context, _ chat.Principal, id chat.ConversationID, change chat.ConversationChange, _ time.Time) (chat.Conversation, error) {
	w.change = change
	c, err := w.at("update", id)
	if err == nil && change.Status != nil {
		c.Status = *change.Status
	}
	return c, err
}

func (w *world) DeleteConversation(_ context.Context, _ chat.Principal, id chat.ConversationID, _ time.Time) (chat.Conversation, error) {
	if w.onDelete != nil {
		w.onDelete()
	}
	c, err := w.at("delete", id)
	w.deleted = w.deleted || err == nil
	return c, err
}

// DeletedConversation is the store's: it knows those that the caller created.
func (w *world) DeletedConversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	if err := w.step("read deleted"); err != nil {
		return chat.Conversation{}, err
	}
	if by := w.conversation.CreatedBy; id != w.conversation.ID || !w.deleted || by.Type != p.Type || by.ID != p.ID {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return w.conversation, nil
}

func (w *world) AddParticipant(_ context.Context, _ chat.Principal, id chat.ConversationID, who chat.Principal, _ time.Time) (chat.Conversation, error) {
	c, err := w.at("add", id, who.OrgID, "/", who)
	if err == nil && !c.HasParticipant(who) {
		c.Participants = append(slices.Clone(c.Participants), chat.Participant{Type: who.Type, ID: who.ID, Joined: time.Now(), Invited: true})
	}
	return c, err
}

// RemoveParticipant is the store's: only the creator removes others.
func (w *world) RemoveParticipant(_ context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, _ time.Time) (chat.Conversation, bool, error) {
	c, err := w.at("remove", id, who)
	switch {
	case err != nil:
		return chat.Conversation{}, false, err
	case who != p && !c.IsCreator(p):
		return chat.Conversation{}, false, chat.Errorf(chat.Forbidden, "only the creator may remove others")
	case !c.HasParticipant(who):
		return c, false, nil
	}
	c.Participants = slices.DeleteFunc(slices.Clone(c.Participants), func(p chat.Participant) bool { return p.Type == who.Type && p.ID == who.ID })
	w.conversation = c
	return c, true, nil
}

// Readings are what the caller has read of each: the first message of three.
func (w *world) Readings(_ context.Context, p chat.Principal, all []chat.Conversation) ([]chat.Reading, error) {
	if err := w.step("readings", len(all), " ", p); err != nil {
		return nil, err
	}
	return slices.Repeat([]chat.Reading{{Mark: chat.Mark{By: p, Seq: 1, Version: 5}, Unread: chat.Unread{Count: 2, More: true}}}, len(all)), nil
}

func (w *world) Marks(_ context.Context, c chat.Conversation) ([]chat.Mark, error) {
	return []chat.Mark{{By: owner, Seq: 9, PublicSeq: 3, At: now}, {By: member, Seq: 9}}, w.step("marks", c.ID)
}

func (w *world) Messages(_ context.Context, id chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	after := int64(0)
	if q.AfterSeq != nil {
		after = *q.AfterSeq
	}
	m := chat.Message{ID: "m1", ConversationID: id, Seq: after + 1, Sender: owner, Draft: chat.Draft{Content: w.content, ParentID: "m0"}}
	return []chat.Message{m}, false, w.step("messages", id, " ", after)
}

func (w *world) Places(_ context.Context, id chat.ConversationID, ids []chat.MessageID) (map[chat.MessageID]int64, error) {
	return nil, w.step("places", id, " ", ids)
}

func (w *world) ReadREST(_ context.Context, p chat.Principal, c chat.Conversation, in protocol.ReadBody) (protocol.ReadUpdate, error) {
	return protocol.ReadUpdate{ConversationID: c.ID, Identity: protocol.IdentityOf(p), Seq: in.Seq}, w.step("mark", in)
}

func (w *world) UnreadREST(_ context.Context, p chat.Principal, c chat.Conversation, in protocol.UnreadBody) (protocol.ReadUpdate, error) {
	return protocol.ReadUpdate{ConversationID: c.ID, Identity: protocol.IdentityOf(p), Seq: in.FromSeq - 1}, w.step("unmark", in)
}

// Allow has no step for what every call is counted as.
func (w *world) Allow(_ context.Context, p chat.Principal, u chat.Use) (*chat.Quota, error) {
	if u == chat.UseRead || u == chat.UseWrite {
		return nil, w.fail[string(u)]
	}
	return nil, w.step("allow", u, " ", p)
}

func (w *world) AllowSummary(_ context.Context, id chat.ConversationID) error {
	return w.step("allow summary", id)
}

func (w *world) Evict(_ context.Context, p chat.Principal, _ chat.ConversationID) ([]chat.Connection, error) {
	if err := w.step("evict", p); err != nil {
		return nil, err
	}
	return []chat.Connection{{ID: "M=", Principal: p}}, nil
}

// DropStreams finds one that the agent writes.
func (w *world) DropStreams(_ context.Context, _ chat.ConversationID, of chat.Principal, reason string) ([]string, error) {
	if err := w.step("drop", cmp.Or(of.ID, "anybody"), " ", reason); err != nil {
		return nil, err
	}
	if of == agent || of.IsZero() {
		return []string{"s1"}, nil
	}
	return nil, nil
}

func (w *world) Clear(context.Context, chat.ConversationID) error { return w.step("clear") }

func (w *world) Online(_ context.Context, ps ...chat.Principal) ([]bool, error) {
	online := make([]bool, len(ps))
	for i, p := range ps {
		online[i] = p == agent
	}
	return online, w.step("online")
}

func (w *world) Agent(_ context.Context, p chat.Principal) (chat.AgentProfile, error) {
	if p.ID != w.managed {
		return chat.AgentProfile{}, chat.Errorf(chat.NotFound, "no such agent")
	}
	return chat.AgentProfile{ID: p.ID, Managed: &chat.Managed{}}, nil
}

// Added is the announcer's.
func (w *world) Added(_ context.Context, c chat.Conversation, who ...chat.Principal) {
	w.step("added", who)
}

// Left is the announcer's.
func (w *world) Left(_ context.Context, id chat.ConversationID, who chat.Principal, told []chat.Connection) {
	line := fmt.Sprint("left ", who)
	for _, c := range told {
		line += " but " + string(c.ID)
	}
	_ = w.step(line)
}

// Everywhere is Tell, and for the devices outside.
func (w *world) Everywhere(ctx context.Context, c chat.Conversation, frame []byte) {
	w.Tell(ctx, c, frame)
}

// Tell is the announcer's: it tells those in the room who are participants.
func (w *world) Tell(ctx context.Context, c chat.Conversation, frame []byte) {
	room := []chat.Connection{{ID: "O=", Principal: owner}, {ID: "M=", Principal: member}, {ID: "X=", Principal: stranger}}
	if w.step("room") == nil {
		w.Broadcast(ctx, c.Entitled(room), frame, delivery.Once)
	}
}

func (w *world) Broadcast(_ context.Context, to []chat.Connection, frame []byte, passes delivery.Passes) delivery.Result {
	var f struct{ Event string }
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	line := f.Event
	for _, c := range to {
		line += " " + string(c.ID)
	}
	if passes != delivery.Once {
		line += " with patience"
	}
	w.step(line)
	return delivery.Result{}
}

func (w *world) Summarize(ctx context.Context, _ chat.Conversation) (string, error) {
	return "a summary", w.step("summarize")
}

// call makes a REST call; what stands for a parameter in route comes from path.
func (w *world) call(t *testing.T, route string, path map[string]string, query, body string) (int, string) {
	t.Helper()
	status, _, body := w.answer(t, route, path, query, body)
	return status, body
}

// answer is call with the headers of the answer.
func (w *world) answer(t *testing.T, route string, path map[string]string, query, body string) (int, map[string]string, string) {
	t.Helper()
	h := handler.New(w, w, w, w, w, w, w.servers)
	headers := map[string]string{"authorization": "Bearer x", "content-type": "application/json"}
	if w.idempotencyKey != "" {
		headers["idempotency-key"] = w.idempotencyKey
	}
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: route, PathParameters: path, RawQueryString: query, Body: body, Headers: headers,
	}
	event.RequestContext.HTTP.Method, _, _ = strings.Cut(route, " ")
	var got events.APIGatewayV2HTTPResponse
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := t.Context(), func() {}
		if w.patience > 0 {
			ctx, cancel = context.WithTimeout(ctx, w.patience)
		}
		defer cancel()
		var err error
		defer func() { w.took = time.Since(now) }()
		if got, err = gateway.HTTP(w, w, h.Routes())(ctx, event); err != nil {
			t.Fatal(err)
		}
	})
	return got.StatusCode, got.Headers, got.Body
}

const (
	routeParticipants = "POST /conversations/{id}/participants"
	routeParticipant  = "DELETE /conversations/{id}/participants/{type}/{participantId}"
)

func TestCalls(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	theMember := map[string]string{"id": "c1", "type": "user", "participantId": "member"}
	theAgent := map[string]string{"id": "c1", "type": "agent", "participantId": "a1"}
	tests := []struct {
		name   string
		caller chat.Principal
		route  string
		path   map[string]string
		body   string
		fail   string // this step, as if there were no route
		status int
		steps  []string
	}{
		{"create", owner, "POST /conversations", nil, `{"title":"t","agentId":"a1"}`, "", 201, []string{"allow creation user:owner", "create owner 2 true", "added [user:owner agent:a1]"}},
		{"create, not now", owner, "POST /conversations", nil, `{"title":"t","agentId":"a1"}`, "create", 500, []string{"allow creation user:owner", "create owner 2 true"}},
		{"create nothing", owner, "POST /conversations", nil, `{}`, "", 400, nil},
		{"get", member, "GET /conversations/{id}", c1, "", "", 200, []string{"read", "readings 1 user:member"}},
		{"get, not all of it", member, "GET /conversations/{id}", c1, "", "readings", 500, []string{"read", "readings 1 user:member"}},
		{"list", member, "GET /conversations", nil, "", "", 200, []string{"list", "readings 1 user:member"}},
		{"list, not all of it", member, "GET /conversations", nil, "", "readings", 500, []string{"list", "readings 1 user:member"}},
		{"mark as read", member, "PUT /conversations/{id}/read", c1, `{"seq":7}`, "", 200, []string{"allow mark user:member", "read", "mark {7 false}"}},
		{"mark privately", member, "PUT /conversations/{id}/read", c1, `{"seq":7,"private":true}`, "", 200, []string{"allow mark user:member", "read", "mark {7 true}"}},
		{"mark nothing", member, "PUT /conversations/{id}/read", c1, `{}`, "", 400, nil},
		{"mark both ways", member, "PUT /conversations/{id}/read", c1, `{"seq":7,"fromSeq":7}`, "", 400, nil},
		{"mark another", member, "PUT /conversations/{id}/read", map[string]string{"id": "c2"}, `{"seq":7}`, "", 404, []string{"allow mark user:member", "read"}},
		{"mark, not now", member, "PUT /conversations/{id}/read", c1, `{"seq":7}`, "mark", 500, []string{"allow mark user:member", "read", "mark {7 false}"}},
		{"mark too often", member, "PUT /conversations/{id}/read", c1, `{"seq":7}`, "allow", 500, []string{"allow mark user:member"}},
		{"mark as unread", member, "PUT /conversations/{id}/unread", c1, `{"fromSeq":7}`, "", 200, []string{"allow mark user:member", "read", "unmark {7}"}},
		{"mark as unread by a stranger", stranger, "PUT /conversations/{id}/unread", c1, `{"fromSeq":7}`, "", 404, []string{"allow mark user:x", "read"}},
		{"who has read", member, "GET /conversations/{id}/reads", c1, "", "", 200, []string{"read", "marks c1"}},
		{"who has read another", stranger, "GET /conversations/{id}/reads", c1, "", "", 404, []string{"read"}},
		{"who has read, not now", member, "GET /conversations/{id}/reads", c1, "", "marks", 500, []string{"read", "marks c1"}},
		{"export", member, "GET /conversations/{id}/export", c1, "", "", 200, []string{"allow export user:member", "read", "messages c1 0", "messages c1 0"}},
		{"export another", stranger, "GET /conversations/{id}/export", c1, "", "", 404, []string{"allow export user:x", "read"}},
		{"export too often", member, "GET /conversations/{id}/export", c1, "", "allow", 500, []string{"allow export user:member"}},
		{"export, not now", member, "GET /conversations/{id}/export", c1, "", "messages", 500, []string{"allow export user:member", "read", "messages c1 0"}},
		{"export no id", member, "GET /conversations/{id}/export", map[string]string{"id": "{c1}"}, "", "", 400, nil},
		{"get another", member, "GET /conversations/{id}", map[string]string{"id": "c2"}, "", "", 404, []string{"read"}},
		{"get no id", member, "GET /conversations/{id}", map[string]string{"id": "{c1}"}, "", "", 400, nil},
		{"update", member, "PUT /conversations/{id}", c1, `{"title":"t"}`, "", 200, []string{"update", "room", "conversation:updated O= M="}},
		{"close", member, "PUT /conversations/{id}", c1, `{"status":"closed"}`, "", 200, []string{"update", "room", "conversation:updated O= M=", "drop anybody closed", "room", "stream:dropped O= M="}},
		{"archive", member, "PUT /conversations/{id}", c1, `{"status":"archived"}`, "", 200, []string{"update", "room", "conversation:updated O= M=", "drop anybody archived", "room", "stream:dropped O= M="}},
		{"close, streams not ended", member, "PUT /conversations/{id}", c1, `{"status":"closed"}`, "drop", 500, []string{"update", "room", "conversation:updated O= M=", "drop anybody closed"}},
		{"open again", member, "PUT /conversations/{id}", c1, `{"status":"active"}`, "", 200, []string{"update", "room", "conversation:updated O= M="}},
		{"update nothing", member, "PUT /conversations/{id}", c1, `{}`, "", 400, nil},
		{"update with nulls", member, "PUT /conversations/{id}", c1, `{"title":null,"tags":null}`, "", 400, nil},
		{"update, not now", member, "PUT /conversations/{id}", c1, `{"title":"t"}`, "update", 500, []string{"update"}},
		{"update, nobody to be found", member, "PUT /conversations/{id}", c1, `{"title":"t"}`, "room", 200, []string{"update", "room"}},
		{"delete", owner, "DELETE /conversations/{id}", c1, "", "", 204, []string{"read", "delete", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}},
		{"delete another's", member, "DELETE /conversations/{id}", c1, "", "", 403, []string{"read"}},
		{"delete, not read", owner, "DELETE /conversations/{id}", c1, "", "read", 500, []string{"read"}},
		{"delete, not now", owner, "DELETE /conversations/{id}", c1, "", "delete", 500, []string{"read", "delete"}},
		{"delete, nobody to be found", owner, "DELETE /conversations/{id}", c1, "", "room", 204, []string{"read", "delete", "room", "drop anybody deleted", "clear"}},
		{"delete, streams not ended", owner, "DELETE /conversations/{id}", c1, "", "drop", 500, []string{"read", "delete", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}},
		{"delete what never was", owner, "DELETE /conversations/{id}", map[string]string{"id": "c2"}, "", "", 404, []string{"read", "read deleted"}},
		{"delete another's, unseen", stranger, "DELETE /conversations/{id}", c1, "", "", 404, []string{"read", "read deleted"}},
		{"delete, not cleared", owner, "DELETE /conversations/{id}", c1, "", "clear", 500, []string{"read", "delete", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}},
		{"add", member, routeParticipants, c1, `{"type":"user","id":"new"}`, "", 201, []string{"allow addition user:member", "add acme/user:new", "room", "conversation:updated O= M=", "added [user:new]"}},
		{"add again", member, routeParticipants, c1, `{"type":"user","id":"owner"}`, "", 201, []string{"allow addition user:member", "add acme/user:owner", "room", "conversation:updated O= M="}}, // long ago
		{"add, not now", member, routeParticipants, c1, `{"type":"user","id":"new"}`, "add", 500, []string{"allow addition user:member", "add acme/user:new"}},
		{"remove", owner, routeParticipant, theMember, "", "", 204, []string{"remove user:member", "evict user:member", "conversation:left M=", "left user:member but M=", "room", "conversation:updated O="}},
		{"remove the agent", owner, routeParticipant, theAgent, "", "", 204, []string{"remove agent:a1", "evict agent:a1", "conversation:left M=", "left agent:a1 but M=", "room", "conversation:updated O= M=", "drop a1 removed", "room", "stream:dropped O= M="}},
		{"remove the agent, streams not ended", owner, routeParticipant, theAgent, "", "drop", 500, []string{"remove agent:a1", "evict agent:a1", "conversation:left M=", "left agent:a1 but M=", "room", "conversation:updated O= M=", "drop a1 removed"}},
		{"leave for good", member, routeParticipant, theMember, "", "", 204, []string{"remove user:member", "evict user:member", "conversation:left M=", "left user:member but M=", "room", "conversation:updated O="}},
		{"remove another", member, routeParticipant, map[string]string{"id": "c1", "type": "user", "participantId": "owner"}, "", "", 403, []string{"remove user:owner"}},
		{"remove a robot", owner, routeParticipant, map[string]string{"id": "c1", "type": "robot", "participantId": "x"}, "", "", 400, nil},
		{"remove, not now", owner, routeParticipant, theMember, "", "remove", 500, []string{"remove user:member"}},
		{"leave, not now", member, routeParticipant, theMember, "", "remove", 500, []string{"remove user:member"}},
		{"remove, not put out", owner, routeParticipant, theMember, "", "evict", 500, []string{"remove user:member", "evict user:member"}},
		{"remove by a stranger", stranger, routeParticipant, theMember, "", "", 404, []string{"remove user:member"}},
		{"leave what one is not in", stranger, routeParticipant, map[string]string{"id": "c1", "type": "user", "participantId": "x"}, "", "", 204, []string{"remove user:x", "evict user:x", "conversation:left M="}},
		{"leave what never was", member, routeParticipant, map[string]string{"id": "c2", "type": "user", "participantId": "member"}, "", "", 204, []string{"remove user:member", "evict user:member", "conversation:left M="}},
		{"summarize", member, "POST /conversations/{id}/summary", c1, "", "", 200, []string{"read", "allow summary c1", "summarize"}},
		{"summarize another", member, "POST /conversations/{id}/summary", map[string]string{"id": "c2"}, "", "", 404, []string{"read"}},
		{"summarize, not now", member, "POST /conversations/{id}/summary", c1, "", "summarize", 500, []string{"read", "allow summary c1", "summarize"}},
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

// Removal and deletion are done when MongoDB and the room agree: what failed
// between the two is one to try again, and the repeat, of which MongoDB has
// nothing left to change, empties the room again. Of a deletion, and of a removal by
// the creator, it tells once more who is still there: who told them may have died
// before.
func TestRepeats(t *testing.T) {
	theMember := map[string]string{"id": "c1", "type": "user", "participantId": "member"}
	tests := []struct {
		name   string
		caller chat.Principal
		route  string
		path   map[string]string
		fail   string
		first  []string
		repeat []string
		status int // of the repeat
	}{
		{
			"remove", owner, routeParticipant, theMember, "evict",
			[]string{"remove user:member", "evict user:member"},
			[]string{"remove user:member", "evict user:member", "conversation:left M=", "left user:member but M=", "room", "conversation:updated O="}, 204,
		}, {
			"leave", member, routeParticipant, theMember, "evict",
			[]string{"remove user:member", "evict user:member"},
			[]string{"remove user:member", "evict user:member", "conversation:left M="}, 204,
		}, {
			"the creator leaves", owner, routeParticipant, map[string]string{"id": "c1", "type": "user", "participantId": "owner"}, "evict",
			[]string{"remove user:owner", "evict user:owner"},
			[]string{"remove user:owner", "evict user:owner", "conversation:left M="}, 204,
		}, {
			"delete", owner, "DELETE /conversations/{id}", map[string]string{"id": "c1"}, "clear",
			[]string{"read", "delete", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"},
			[]string{"read", "read deleted", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}, 204,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.caller)
			w.fail[tt.fail] = noRedis
			for range 2 { // the fault may last
				w.steps = nil
				if status, body := w.call(t, tt.route, tt.path, "", ""); status != 503 || !strings.Contains(body, `"unavailable"`) {
					t.Errorf("got %d %s", status, body)
				}
				if tt.first != nil && !slices.Equal(w.steps, tt.first) {
					t.Errorf("the steps were %q, want %q", w.steps, tt.first)
				}
				tt.first = nil
			}
			clear(w.fail)
			for range 2 { // and it may be repeated as often as one likes
				w.steps = nil
				if status, body := w.call(t, tt.route, tt.path, "", ""); status != tt.status || !slices.Equal(w.steps, tt.repeat) {
					t.Errorf("the repeat: got %d %s, the steps were %q, want %q", status, body, w.steps, tt.repeat)
				}
			}
		})
	}
}

// Of a deleted conversation only its creator learns that it was one.
func TestDeletedConversation(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	theMember := map[string]string{"id": "c1", "type": "user", "participantId": "member"}
	tests := []struct {
		name   string
		caller chat.Principal
		route  string
		path   map[string]string
		fail   string
		status int
		steps  []string
	}{
		{"delete", owner, "DELETE /conversations/{id}", c1, "", 204, []string{"read", "read deleted", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}},
		{"delete, not known", owner, "DELETE /conversations/{id}", c1, "read deleted", 500, []string{"read", "read deleted"}},
		{"delete, by a participant", member, "DELETE /conversations/{id}", c1, "", 404, []string{"read", "read deleted"}},
		{"delete, by a stranger", stranger, "DELETE /conversations/{id}", c1, "", 404, []string{"read", "read deleted"}},
		{"delete, by a namesake", chat.Principal{Type: chat.Agent, ID: owner.ID, OrgID: "acme"}, "DELETE /conversations/{id}", c1, "", 404, []string{"read", "read deleted"}},
		{"remove", owner, routeParticipant, theMember, "", 404, []string{"remove user:member"}},
		{"leave", member, routeParticipant, theMember, "", 204, []string{"remove user:member", "evict user:member", "conversation:left M="}},
		{"read", owner, "GET /conversations/{id}", c1, "", 404, []string{"read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.caller)
			w.deleted, w.fail[tt.fail] = true, errDown
			if status, body := w.call(t, tt.route, tt.path, "", ""); status != tt.status || !slices.Equal(w.steps, tt.steps) {
				t.Errorf("got %d %s, the steps were %q, want %q", status, body, w.steps, tt.steps)
			}
		})
	}
}

// An agent of the creator's id is not the creator.
func TestNamesake(t *testing.T) {
	namesake := chat.Principal{Type: chat.Agent, ID: owner.ID, OrgID: "acme"}
	for route, path := range map[string]map[string]string{
		"DELETE /conversations/{id}": {"id": "c1"},
		routeParticipant:             {"id": "c1", "type": "user", "participantId": "owner"},
	} {
		step := map[string]string{routeParticipant: "remove user:owner"}[route]
		w := newWorld(namesake)
		w.conversation.Participants = append(w.conversation.Participants, chat.Participant{Type: namesake.Type, ID: namesake.ID})
		if status, body := w.call(t, route, path, "", ""); status != 403 || !slices.Equal(w.steps, []string{cmp.Or(step, "read")}) {
			t.Errorf("%s: got %d %s, the steps were %q", route, status, body, w.steps)
		}
	}
}

// Two deletions at once: the later one finds nothing to delete, and is done.
func TestDeletionBesideAnother(t *testing.T) {
	w := newWorld(owner)
	w.fail["delete"] = chat.Errorf(chat.NotFound, "there is no such conversation")
	c1 := map[string]string{"id": "c1"}
	if status, _ := w.call(t, "DELETE /conversations/{id}", c1, "", ""); status != 404 || slices.Contains(w.steps, "clear") {
		t.Errorf("not deleted: got %d, the steps were %q", status, w.steps)
	}
	w.steps, w.onDelete = nil, func() { w.deleted = true }
	if status, _ := w.call(t, "DELETE /conversations/{id}", c1, "", ""); status != 204 ||
		!slices.Equal(w.steps, []string{"read", "delete", "read deleted", "room", "conversation:deleted O= M=", "drop anybody deleted", "clear"}) {
		t.Errorf("deleted: got %d, the steps were %q", status, w.steps)
	}
}

// What is over a limit writes nothing, and says when to come back.
func TestLimits(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	tests := []struct {
		name, route string
		path        map[string]string
		body, fail  string
		steps       []string
	}{
		{"creations", "POST /conversations", nil, `{"title":"t","agentId":"a1"}`, "allow", []string{"allow creation user:member"}},
		{"additions", routeParticipants, c1, `{"type":"user","id":"new"}`, "allow", []string{"allow addition user:member"}},
		{"summaries", "POST /conversations/{id}/summary", c1, "", "allow summary", []string{"read", "allow summary c1"}},
		{"writes", "PUT /conversations/{id}", c1, `{"title":"t"}`, "write", nil},
		{"reads", "GET /conversations/{id}", c1, "", "read", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(member)
			w.fail[tt.fail] = limited
			status, header, body := w.answer(t, tt.route, tt.path, "", tt.body)
			if status != 429 || header["retry-after"] != "2" || !strings.Contains(body, `"retryAfterMs":1500`) {
				t.Errorf("got %d %v %s", status, header, body)
			}
			if !slices.Equal(w.steps, tt.steps) {
				t.Errorf("the steps were %q, want %q", w.steps, tt.steps)
			}
		})
	}
}

// Who deletes and dies before the members are told, repeats it: then they are.
func TestDeletionIsToldByTheRepeat(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	w := newWorld(owner)
	w.fail["room"] = errDown
	w.call(t, "DELETE /conversations/{id}", c1, "", "")
	if slices.Contains(w.steps, "conversation:deleted O= M=") {
		t.Fatalf("told without the room: %q", w.steps)
	}
	clear(w.fail)
	w.steps = nil
	status, _ := w.call(t, "DELETE /conversations/{id}", c1, "", "")
	if told := slices.Index(w.steps, "conversation:deleted O= M="); status != 204 || told < 0 || told > slices.Index(w.steps, "clear") {
		t.Errorf("the repeat: got %d, the steps were %q", status, w.steps)
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
	if !strings.Contains(body, `"pagination":{"page":1,"limit":20,"total":1000,"totalIsMore":true,"hasMore":true,"cursor":"next"}`) || !strings.Contains(body, `"id":"c1"`) {
		t.Errorf("got %s", body)
	}
	w.call(t, "GET /conversations", nil, "status=closed&agentId=a1&userId=u1&tag=x&sort=title&page=3&limit=100", "")
	if want := (chat.ConversationQuery{Status: "closed", AgentID: "a1", UserID: "u1", Tag: "x", Sort: "title", Page: 3, Limit: 100}); w.query != want {
		t.Errorf("asked for %+v", w.query)
	}
	_, body = w.call(t, "GET /conversations", nil, "cursor=next&limit=1", "")
	if want := (chat.ConversationQuery{Sort: "-updatedAt", Cursor: "next", Limit: 1}); w.query != want || strings.Contains(body, `"page"`) {
		t.Errorf("asked for %+v, got %s", w.query, body)
	}
	for _, query := range []string{
		"cursor=next&page=2", "cursor=a&cursor=b",
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
	w.conversation.Participants = append(w.conversation.Participants, chat.Participant{Type: chat.Agent, ID: "ours"}, chat.Participant{Type: chat.Agent, ID: "theirs"})
	w.managed = "ours"
	if _, body := w.call(t, "GET /presence", nil, "conversationId=c1", ""); !strings.HasSuffix(body, `{"type":"agent","id":"ours","status":"online"},{"type":"agent","id":"theirs","status":"offline"}]}`) {
		t.Errorf("of managed agents: %s", body)
	}
	invited := newWorld(member)
	invited.conversation.Participants[2].Invited = true // who never asked to be there is not watched
	if _, body := invited.call(t, "GET /presence", nil, "conversationId=c1", ""); strings.Contains(body, "online") {
		t.Errorf("got %s", body)
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

// A creation under a key is repeated under the same one, as it is or quoted.
func TestCreateUnderAKey(t *testing.T) {
	w := newWorld(owner)
	create := func(key string) (int, map[string]string, string) {
		w.idempotencyKey = key
		return w.answer(t, "POST /conversations", nil, "", `{"title":"t","agentId":"a1"}`)
	}
	for i, tt := range []struct {
		key    string
		status int
	}{{"", 201}, {"k1", 201}, {"k1", 200}, {`"k1"`, 200}, {`"k2"`, 201}, {"", 201}} {
		status, header, body := create(tt.key)
		if status != tt.status || header["location"] != "/conversations/new" || !strings.Contains(body, `"id":"new"`) {
			t.Errorf("%d, key %s: got %d %v %s", i, tt.key, status, header, body)
		}
	}
	w.steps = nil
	for _, key := range []string{`"`, `""`, " ", `""x"`, "{k}", "a b", strings.Repeat("k", 129)} {
		if status, _, body := create(key); status != 400 || !strings.Contains(body, "Idempotency-Key") || len(w.steps) > 0 {
			t.Errorf("key %s: got %d %s, the steps were %q", key, status, body, w.steps)
		}
	}
}

func TestExport(t *testing.T) {
	c1 := map[string]string{"id": "c1"}
	w := newWorld(member)
	w.content = strings.Repeat("x", 200_000)
	status, header, body := w.answer(t, "GET /conversations/{id}/export", c1, "format=markdown", "")
	page, err := base64.StdEncoding.DecodeString(body)
	if status != 200 || err != nil || header["content-type"] != "text/markdown; charset=utf-8" || header["content-disposition"] != "attachment; filename=conversation-c1.md" || !strings.HasPrefix(string(page), "# ") {
		t.Errorf("got %d %v %.80s, %v", status, header, page, err)
	}
	if !slices.Equal(w.steps, []string{"allow export user:member", "read", "messages c1 0", "messages c1 0", "places c1 [m0]"}) || header["link"]+header["next-cursor"] != "" || header["etag"] != "" {
		t.Errorf("did %v, told %v", w.steps, header)
	}
	// Of a long log a page says where the next one is; each message of this one is there.
	status, header, _ = w.answer(t, "GET /conversations/{id}/export", c1, "cursor=ndjson-1-1000", "")
	if want := `<?cursor=ndjson-21-1000&format=ndjson>; rel="next"`; status != 200 || header["link"] != want || header["next-cursor"] != "ndjson-21-1000" {
		t.Errorf("got %d %v", status, header)
	}
	for _, query := range []string{"format=html", "cursor=x", "cursor=ndjson-2-1", "cursor=markdown-1-2", "format=markdown&cursor=ndjson-1-2", "limit=1", "format=ndjson&format=ndjson"} {
		w := newWorld(member)
		if status, body := w.call(t, "GET /conversations/{id}/export", c1, query, ""); status != 400 || len(w.steps) != 0 {
			t.Errorf("%s: got %d %.200s after %v", query, status, body, w.steps)
		}
	}
}

// The servers are those of the configuration; those that relay have credentials that coturn
// takes, as computed by openssl, and others have none.
func TestICE(t *testing.T) {
	w := newWorld(member)
	if status, body := w.call(t, "GET /calls/ice", nil, "", ""); status != 200 || body != `{"iceServers":[],"expiresAt":"2000-01-01T01:00:00.000Z"}` {
		t.Errorf("without servers: %d %s", status, body)
	}
	secret := "north"
	w.servers = handler.Servers{URLs: []string{"stun:s.example.org", "turn:t.example.org:3478?transport=udp"}, Secret: func(context.Context) string { return secret }}
	want := `{"iceServers":[{"urls":["stun:s.example.org"]},{"urls":["turn:t.example.org:3478?transport=udp"],"username":"946688400:acme/user:member","credential":"k0bx80n0cAT5Y9ODR1P+K12jyd8="}],"expiresAt":"2000-01-01T01:00:00.000Z"}`
	if status, body := w.call(t, "GET /calls/ice", nil, "", ""); status != 200 || body != want {
		t.Errorf("got %d %s", status, body)
	}
	secret = ""
	if _, body := w.call(t, "GET /calls/ice", nil, "", ""); strings.Contains(body, "credential") {
		t.Errorf("without a secret: %s", body)
	}
	if status, _ := w.call(t, "GET /calls/ice", nil, "ttl=1", ""); status != 400 {
		t.Errorf("with a parameter: %d", status)
	}
}
