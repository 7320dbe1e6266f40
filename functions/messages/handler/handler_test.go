package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/functions/messages/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/delivery"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var (
	errDown  = errors.New("no route to host")
	notFound = chat.Errorf(chat.NotFound, "there is no such conversation")
	author   = chat.Principal{Type: chat.User, ID: "author", OrgID: "acme"}
	reader   = chat.Principal{Type: chat.User, ID: "reader", OrgID: "acme"}
)

// A world is one conversation with messages m1 to m3, of which m2 is deleted,
// and its room. It records the steps of a call and fails those it is told to.
type world struct {
	caller chat.Principal
	query  chat.MessageQuery
	more   bool
	due    bool // what follows from the deletion of m2
	fail   map[string]error
	steps  []string
	sent   protocol.Sent
	input  protocol.MessageInput
	from   chat.Principal
	waits  []chat.Message // the backlog of every agent
	page   string         // what Backlog was asked for

	key     string // of a path
	version string
	headers map[string]string // of the last answer
}

func newWorld(caller chat.Principal) *world {
	return &world{caller: caller, fail: map[string]error{}, sent: protocol.Sent{MessageID: "m4", Seq: 4}}
}

func (w *world) step(name string) error {
	w.steps = append(w.steps, name)
	return w.fail[name]
}

func message(id chat.MessageID) chat.Message {
	m := chat.Message{
		ID: id, ConversationID: "c1", Seq: int64(id[1] - '0'), Sender: author, Deleted: id == "m2",
		Draft: chat.Draft{Content: "content of " + string(id), Role: chat.RoleUser, Type: chat.TypeText},
	}
	if id == "m3" {
		m.Role = chat.RoleTool
	}
	return m
}

func (w *world) Verify(context.Context, string) (chat.Bearer, error) {
	return chat.Bearer{Principal: w.caller, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (w *world) Conversation(context.Context, chat.Principal, chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: "c1", OrgID: "acme", CreatedBy: chat.Participant{Type: chat.User, ID: "founder"}, Participants: []chat.Participant{{Type: author.Type, ID: author.ID}, {Type: reader.Type, ID: reader.ID}}}, w.step("conversation")
}

func (w *world) Messages(_ context.Context, _ chat.ConversationID, q chat.MessageQuery) ([]chat.Message, bool, error) {
	w.query = q
	return []chat.Message{message("m1"), message("m3")}, w.more, w.step("messages")
}

func (w *world) MessagesAround(_ context.Context, _ chat.ConversationID, seq int64, limit int) ([]chat.Message, bool, bool, error) {
	w.query = chat.MessageQuery{AroundSeq: &seq, Limit: limit}
	return []chat.Message{message("m1"), message("m3")}, w.more, w.more, w.step("messages")
}

func (w *world) Message(_ context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error) {
	err := w.step("message")
	if err == nil && (org != "acme" || id != "m1" && id != "m2" && id != "m3") {
		return chat.Message{}, chat.Errorf(chat.NotFound, "there is no such message")
	}
	m := message(id)
	if m.Deleted && w.due {
		m.Due = &chat.Due{Left: []chat.Effect{chat.EffectForget}}
	}
	return m, err
}

// LogVersion has no step: it is asked beside the conversation.
func (w *world) LogVersion(context.Context, chat.ConversationID) (string, error) {
	return w.version, w.fail["version"]
}

func (w *world) Changes(_ context.Context, _ chat.ConversationID, after chat.ChangeCursor, limit int) ([]chat.Message, chat.ChangeCursor, bool, error) {
	w.page = fmt.Sprint(after, " ", limit)
	return []chat.Message{message("m1")}, chat.ChangeCursor{Since: 9}, w.more, w.step("changes")
}

func (w *world) DeleteMessage(_ context.Context, m chat.Message, by chat.Principal, due time.Time) (chat.Message, error) {
	if in := time.Until(due); in < 15*time.Second || in > 20*time.Second {
		panic("sweep would be early or late")
	}
	m.Deleted, m.DeletedBy, m.Due = true, &by, &chat.Due{At: due, Left: []chat.Effect{chat.EffectForget, chat.EffectTell}}
	return m, w.step("delete")
}

// ReactREST and EditREST are the annotator's.
func (w *world) ReactREST(_ context.Context, by chat.Principal, c chat.Conversation, r chat.ReactionChange) (chat.Message, error) {
	m := message(r.MessageID)
	m.Reactions, m.ReactionVersion = []chat.Reaction{{Key: "👍", By: author}, {Key: r.Key, By: by}}, 2
	return m, w.step(fmt.Sprint("react ", by.ID, " ", c.ID, " ", r.MessageID, " ", r.Key, " ", r.On))
}

func (w *world) EditREST(_ context.Context, by chat.Principal, c chat.Conversation, e chat.Edit) (chat.Message, error) {
	m := message(e.MessageID)
	m.Content, m.Edits = e.Content, e.Edits+1
	return m, w.step(fmt.Sprint("edit ", by.ID, " ", c.ID, " ", e.MessageID, " ", e.Content, " ", e.Edits, " ", e.Attachments))
}

// Changed is the sender's.
func (w *world) Changed(_ context.Context, caller chat.Connection, c chat.Conversation, m chat.Message, passes delivery.Passes, _ chat.Effect, answer func()) {
	answer()
	_ = w.step(fmt.Sprint("changed ", caller.Principal.ID, " ", c.ID, " ", m.ID, " ", m.Due.Left, " ", passes == delivery.Once))
}

// Allow counts every call, and fails as it is told to.
func (w *world) Allow(_ context.Context, _ chat.Principal, u chat.Use) (*chat.Quota, error) {
	return nil, w.fail["allow "+string(u)]
}

// Backlog is the store's: its cursor is the place in the list.
func (w *world) Backlog(_ context.Context, agent chat.Principal, cursor string, limit int) ([]chat.Message, string, error) {
	w.page = fmt.Sprint(agent.OrgID, "/", agent, " ", cursor, " ", limit)
	from := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n > len(w.waits) {
			return nil, "", chat.Invalid("cursor", "is none of ours")
		}
		from = n
	}
	to, next := min(from+limit, len(w.waits)), ""
	if to < len(w.waits) {
		next = strconv.Itoa(to)
	}
	return w.waits[from:to], next, w.step("backlog")
}

func (w *world) SendREST(_ context.Context, from chat.Principal, in protocol.MessageInput, ack func(protocol.Sent)) error {
	w.from, w.input = from, in
	err := w.step("send")
	if err == nil {
		ack(w.sent)
	}
	return err
}

func (w *world) call(t *testing.T, route, id, query, body string, header map[string]string) (int, string) {
	t.Helper()
	h := handler.New(w, w, w)
	headers := map[string]string{"authorization": "Bearer x", "content-type": "application/json"}
	for name, value := range header {
		headers[name] = value
	}
	event := events.APIGatewayV2HTTPRequest{
		RouteKey: route, PathParameters: map[string]string{"id": id, "key": w.key}, RawQueryString: query, Body: body, Headers: headers,
	}
	event.RequestContext.HTTP.Method, _, _ = strings.Cut(route, " ")
	got, err := gateway.HTTP(w, w, h.Routes())(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	w.headers = got.Headers
	return got.StatusCode, got.Body
}

func TestCalls(t *testing.T) {
	const get, remove = "GET /messages/{id}", "DELETE /messages/{id}"
	gone := func(by string) []string {
		return []string{"message", "conversation", "delete", "changed " + by + " c1 m1 [forget tell] true"}
	}
	founder := chat.Principal{Type: chat.User, ID: "founder", OrgID: "acme"}
	tests := []struct {
		name      string
		caller    chat.Principal
		route, id string
		fail      string
		err       error
		status    int
		steps     []string
	}{
		{"get", reader, get, "m1", "", nil, 200, []string{"message", "conversation"}},
		{"get a deleted one", reader, get, "m2", "", nil, 404, []string{"message", "conversation"}},
		{"get none", reader, get, "m9", "", nil, 404, []string{"message", "conversation"}}, // as one that is another's
		{"delete none", author, remove, "m9", "", nil, 404, []string{"message", "conversation"}},
		{"get no id", reader, get, "m{1}", "", nil, 400, nil},
		{"get another's", reader, get, "m1", "conversation", notFound, 404, []string{"message", "conversation"}},
		{"get, not now", reader, get, "m1", "message", errDown, 500, []string{"message"}},
		{"get, no right to be read", reader, get, "m1", "conversation", errDown, 500, []string{"message", "conversation"}},
		{"delete", author, remove, "m1", "", nil, 204, gone("author")},
		{"delete by the creator", founder, remove, "m1", "", nil, 204, gone("founder")},
		{"delete a tool's by the creator", founder, remove, "m3", "", nil, 403, []string{"message", "conversation"}},
		{"delete again, what is done", author, remove, "m2", "", nil, 204, []string{"message", "conversation"}},
		{"delete another's", reader, remove, "m1", "", nil, 403, []string{"message", "conversation"}},
		{"delete by a namesake", chat.Principal{Type: chat.Agent, ID: author.ID, OrgID: "acme"}, remove, "m1", "", nil, 403, []string{"message", "conversation"}},
		{"delete when removed", author, remove, "m1", "conversation", notFound, 404, []string{"message", "conversation"}},
		{"delete, not now", author, remove, "m1", "delete", errDown, 500, []string{"message", "conversation", "delete"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.caller)
			w.fail[tt.fail] = tt.err
			status, body := w.call(t, tt.route, tt.id, "", "", nil)
			if status != tt.status || status != 200 && strings.Contains(body, "content of") {
				t.Errorf("got %d %s", status, body)
			}
			if status == 404 && !strings.Contains(body, "there is no such message") {
				t.Errorf("it says more than of a message that never was: %s", body)
			}
			if !slices.Equal(w.steps, tt.steps) {
				t.Errorf("the steps were %q, want %q", w.steps, tt.steps)
			}
		})
	}
}

func TestSend(t *testing.T) {
	tests := []struct {
		name, body, key string
		duplicate       bool
		fail            error
		status          int
		id              chat.ClientMessageID // what send got, where it was called
	}{
		{"new", `{"conversationId":"c1","content":"hi"}`, "", false, nil, 201, ""},
		{"with an id", `{"conversationId":"c1","content":"hi","clientMessageId":"k1"}`, "", false, nil, 201, "k1"},
		{"with a key", `{"conversationId":"c1","content":"hi"}`, "k1", false, nil, 201, "k1"},
		{"with a quoted key", `{"conversationId":"c1","content":"hi"}`, `"k1"`, false, nil, 201, "k1"},
		{"with a key in half a quote", `{"conversationId":"c1","content":"hi"}`, `"k1`, false, nil, 201, `"k1`}, // which the message refuses
		{"with an empty key", `{"conversationId":"c1","content":"hi"}`, ` `, false, nil, 201, `""`},
		{"with nothing in quotes", `{"conversationId":"c1","content":"hi"}`, `""`, false, nil, 201, `""`},
		{"with a quoted one and the same", `{"conversationId":"c1","content":"hi","clientMessageId":"k1"}`, ` "k1" `, false, nil, 201, "k1"},
		{"with both", `{"conversationId":"c1","content":"hi","clientMessageId":"k1"}`, "k1", false, nil, 201, "k1"},
		{"with two", `{"conversationId":"c1","content":"hi","clientMessageId":"k1"}`, "k2", false, nil, 400, ""},
		{"a repeat", `{"conversationId":"c1","content":"hi"}`, "k1", true, nil, 200, "k1"},
		{"another body", `{"conversationId":"c1","content":"hi"}`, "k1", false, chat.Errorf(chat.Conflict, "no"), 409, "k1"},
		{"closed", `{"conversationId":"c1","content":"hi"}`, "", false, chat.Errorf(chat.ConversationClosed, "no"), 409, ""},
		{"too many", `{"conversationId":"c1","content":"hi"}`, "", false, chat.LimitedFor(time.Second), 429, ""},
		{"what is not the caller's to set", `{"conversationId":"c1","content":"hi","seq":7}`, "", false, nil, 400, ""},
		{"an action", `{"action":"send","conversationId":"c1","content":"hi"}`, "", false, nil, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(author)
			w.sent.Duplicate, w.fail["send"] = tt.duplicate, tt.fail
			header := map[string]string{}
			if tt.key != "" {
				header["idempotency-key"] = tt.key
			}
			status, body := w.call(t, "POST /messages", "", "", tt.body, header)
			if status != tt.status || w.input.ClientMessageID != tt.id {
				t.Errorf("got %d %s, sent %+v", status, body, w.input)
			}
			if status < 300 && w.headers["location"] != "/messages/m4" {
				t.Errorf("the headers are %v", w.headers)
			}
			if status < 300 && (!strings.Contains(body, `"messageId":"m4"`) || w.from != author) {
				t.Errorf("got %s from %v", body, w.from)
			}
		})
	}
}

// What is over the limits of REST reaches nothing.
func TestLimits(t *testing.T) {
	for route, use := range map[string]string{
		"POST /messages": "write", "DELETE /messages/{id}": "write", "PUT /messages/{id}": "edit", "PUT /messages/{id}/reactions/{key}": "reaction", "DELETE /messages/{id}/reactions/{key}": "reaction", "GET /messages/{id}": "read", "GET /messages": "read", "GET /agents/{id}/backlog": "read",
	} {
		w := newWorld(author)
		w.fail["allow "+use] = chat.LimitedFor(time.Second)
		w.key = "👍"
		body := `{"conversationId":"c1","content":"hi"}`
		if use == "edit" {
			body = `{"content":"hi","edits":0}`
		}
		if status, body := w.call(t, route, "m1", "", body, nil); status != 429 || len(w.steps) > 0 {
			t.Errorf("%s: got %d %s, the steps were %q", route, status, body, w.steps)
		}
	}
}

func TestBacklog(t *testing.T) {
	robot := chat.Principal{Type: chat.Agent, ID: "robot", OrgID: "acme"}
	tests := []struct {
		name      string
		caller    chat.Principal
		id, query string
		fail      error
		status    int
		page      string // what the store was asked for, where it was
		answer    string // a part of it
	}{
		{"all", robot, "robot", "", nil, 200, "acme/agent:robot  50", `"pagination":{"limit":50,"hasMore":false}`},
		{"the first page", robot, "robot", "limit=2", nil, 200, "acme/agent:robot  2", `"pagination":{"limit":2,"hasMore":true,"cursor":"2"}`},
		{"the last page", robot, "robot", "cursor=2&limit=200", nil, 200, "acme/agent:robot 2 200", `"pagination":{"limit":200,"hasMore":false}`},
		{"of nothing", robot, "robot", "cursor=3", nil, 200, "acme/agent:robot 3 50", `{"data":[],`},
		{"a cursor of another time", robot, "robot", "cursor=x", nil, 400, "acme/agent:robot x 50", `"cursor"`},
		{"too much", robot, "robot", "limit=201", nil, 400, "", `"limit"`},
		{"nothing", robot, "robot", "limit=0", nil, 400, "", `"limit"`},
		{"what there is not", robot, "robot", "page=1", nil, 400, "", `"page"`},
		{"of another agent", robot, "robot2", "", nil, 403, "", "forbidden"},
		{"of an agent, by a user", author, "robot", "", nil, 403, "", "forbidden"},
		{"of an agent, by a namesake", chat.Principal{Type: chat.User, ID: "robot", OrgID: "acme"}, "robot", "", nil, 403, "", "forbidden"},
		{"not now", robot, "robot", "", chat.Unavailablef(errDown, "try again"), 503, "acme/agent:robot  50", "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.caller)
			w.waits, w.fail["backlog"] = []chat.Message{message("m1"), message("m3"), message("m4")}, tt.fail
			status, body := w.call(t, "GET /agents/{id}/backlog", tt.id, tt.query, "", nil)
			if status != tt.status || w.page != tt.page || !strings.Contains(body, tt.answer) || status != 200 && strings.Contains(body, "content of") {
				t.Errorf("got %d %s, asked for %q", status, body, w.page)
			}
		})
	}
}

// The pages together are the backlog, each message once.
func TestBacklogPages(t *testing.T) {
	w := newWorld(chat.Principal{Type: chat.Agent, ID: "robot", OrgID: "acme"})
	for _, id := range []chat.MessageID{"m1", "m2", "m3", "m4", "m5"} {
		w.waits = append(w.waits, message(id))
	}
	var got []string
	for cursor, more := "", true; more; {
		_, body := w.call(t, "GET /agents/{id}/backlog", "robot", "limit=2&cursor="+cursor, "", nil)
		var page protocol.BacklogPage
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Data {
			got = append(got, string(m.ID))
		}
		cursor, more = page.Pagination.Cursor, page.Pagination.HasMore
	}
	if strings.Join(got, " ") != "m1 m2 m3 m4 m5" {
		t.Errorf("got %v", got)
	}
}

func TestList(t *testing.T) {
	int64s := func(n int64) *int64 { return &n }
	tests := []struct {
		query string
		more  bool
		want  chat.MessageQuery
		page  string
	}{
		{"conversationId=c1", false, chat.MessageQuery{Limit: 50}, `{"limit":50,"hasMore":false}`},
		{"conversationId=c1&limit=2", true, chat.MessageQuery{Limit: 2}, `{"limit":2,"hasMore":true,"nextBeforeSeq":1}`},
		{"conversationId=c1&aroundSeq=2&limit=9", true, chat.MessageQuery{Limit: 9, AroundSeq: int64s(2)}, `{"limit":9,"hasMore":true,"nextAfterSeq":3,"nextBeforeSeq":1}`},
		{"conversationId=c1&aroundSeq=2", false, chat.MessageQuery{Limit: 50, AroundSeq: int64s(2)}, `{"limit":50,"hasMore":false}`},
		{"conversationId=c1&threadId=m1&afterSeq=2&limit=9", true, chat.MessageQuery{Limit: 9, AfterSeq: int64s(2), ThreadID: "m1"}, `{"limit":9,"hasMore":true,"nextAfterSeq":3}`},
		{"conversationId=c1&beforeSeq=9", true, chat.MessageQuery{Limit: 50, BeforeSeq: int64s(9)}, `{"limit":50,"hasMore":true,"nextBeforeSeq":1}`},
		{"conversationId=c1&afterSeq=0&role=agent", true, chat.MessageQuery{Limit: 50, AfterSeq: int64s(0), Role: "agent"}, `{"limit":50,"hasMore":true,"nextAfterSeq":3}`},
		{"conversationId=c1&afterSeq=0", false, chat.MessageQuery{Limit: 50, AfterSeq: int64s(0)}, `{"limit":50,"hasMore":false}`},
	}
	for _, tt := range tests {
		w := newWorld(reader)
		w.more = tt.more
		status, body := w.call(t, "GET /messages", "", tt.query, "", nil)
		got, _ := json.Marshal(w.query)
		want, _ := json.Marshal(tt.want)
		if status != 200 || string(got) != string(want) || !strings.Contains(body, `"pagination":`+tt.page) {
			t.Errorf("%s: got %d %s, asked for %s", tt.query, status, body, got)
		}
	}
	for _, query := range []string{
		"", "conversationId=%7B%7D", "conversationId=c1&afterSeq=-1", "conversationId=c1&beforeSeq=0", "conversationId=c1&afterSeq=1&beforeSeq=2", "conversationId=c1&threadId=%7B%7D", "conversationId=c1&aroundSeq=0", "conversationId=c1&aroundSeq=1&afterSeq=1", "conversationId=c1&aroundSeq=1&role=user", "conversationId=c1&aroundSeq=1&threadId=m1", "conversationId=c1&threadId=m1&role=user",
		"conversationId=c1&limit=101", "conversationId=c1&role=boss", "conversationId=c1&page=2",
	} {
		w := newWorld(reader)
		if status, body := w.call(t, "GET /messages", "", query, "", nil); status != 400 || len(w.steps) != 0 {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
	for step, err := range map[string]error{"conversation": notFound, "messages": errDown} {
		w := newWorld(reader)
		w.fail[step] = err
		status, body := w.call(t, "GET /messages", "", "conversationId=c1", "", nil)
		if want := map[string]int{"conversation": 404, "messages": 500}[step]; status != want || strings.Contains(body, "content of") {
			t.Errorf("%s fails: got %d %s", step, status, body)
		}
	}
}

// Who repeats a deletion does what an error left.
func TestDeletionIsFinished(t *testing.T) {
	w := newWorld(author)
	w.due = true
	want := []string{"message", "conversation", "changed author c1 m2 [forget] true"}
	if status, body := w.call(t, "DELETE /messages/{id}", "m2", "", "", nil); status != 204 || !slices.Equal(w.steps, want) {
		t.Errorf("got %d %s, the steps were %q", status, body, w.steps)
	}
}

func TestAnnotations(t *testing.T) {
	const edit, react, unreact, who = "PUT /messages/{id}", "PUT /messages/{id}/reactions/{key}", "DELETE /messages/{id}/reactions/{key}", "GET /messages/{id}/reactions"
	found := []string{"message", "conversation"}
	for _, tt := range []struct {
		name, route, id, key, body string
		status                     int
		steps                      []string
		answer                     string // a part of it
	}{
		{"edit", edit, "m1", "", `{"content":"new","edits":2}`, 200, append(found, "edit reader c1 m1 new 2 []"), `"content":"new"`},
		{"edit with attachments", edit, "m1", "", `{"content":"new","edits":0,"attachments":["document:d1"]}`, 200, append(found, "edit reader c1 m1 new 0 [document:d1]"), `"edits":1`},
		{"edit without its number", edit, "m1", "", `{"content":"new"}`, 400, nil, `"edits"`},
		{"edit to nothing", edit, "m1", "", `{"content":" ","edits":0}`, 400, nil, `"content"`},
		{"edit what is not one's own to set", edit, "m1", "", `{"content":"new","edits":0,"seq":1}`, 400, nil, `"seq"`},
		{"edit none", edit, "m9", "", `{"content":"new","edits":0}`, 404, found, "no such message"},
		{"react", react, "m1", "🎉", "", 200, append(found, "react reader c1 m1 🎉 true"), `"reactions":[{"key":"👍","count":1},{"key":"🎉","count":1,"mine":true}]`},
		{"react, percent-encoded", react, "m1", "%F0%9F%8E%89", "", 200, append(found, "react reader c1 m1 🎉 true"), `"reactionVersion":2`},
		{"take it back", unreact, "m1", ":party:", "", 200, append(found, "react reader c1 m1 :party: false"), `"seq":1`},
		{"react with two", react, "m1", "👍👍", "", 400, nil, `"key"`},
		{"react with white space", react, "m1", "%20", "", 400, nil, `"key"`},
		{"react to none", react, "m9", "👍", "", 404, found, "no such message"},
		{"who", who, "m1", "", "", 200, found, `{"data":[]}`},
		{"who, of a deleted one", who, "m2", "", "", 404, found, "no such message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(reader)
			w.key = tt.key
			status, body := w.call(t, tt.route, tt.id, "", tt.body, nil)
			if status != tt.status || !slices.Equal(w.steps, tt.steps) || !strings.Contains(body, tt.answer) {
				t.Errorf("got %d %s, the steps were %q", status, body, w.steps)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	w := newWorld(reader)
	w.more = true
	status, body := w.call(t, "GET /messages", "", "conversationId=c1&changedAfter=5-6-m7&limit=3", "", nil)
	if status != 200 || w.page != "5-6-m7 3" || !strings.Contains(body, `"pagination":{"limit":3,"hasMore":true,"changedAfter":"9"}`) || !slices.Equal(w.steps, []string{"conversation", "changes"}) {
		t.Errorf("got %d %s, asked for %q, the steps were %q", status, body, w.page, w.steps)
	}
	for _, query := range []string{"changedAfter=x", "changedAfter=-1", "changedAfter=1-2", "changedAfter=1-2-%7B", "changedAfter=1&afterSeq=1", "changedAfter=1&beforeSeq=2", "changedAfter=1&role=user", "changedAfter=1&threadId=m1", "changedAfter=1&aroundSeq=1"} {
		w := newWorld(reader)
		if status, body := w.call(t, "GET /messages", "", "conversationId=c1&"+query, "", nil); status != 400 || len(w.steps) > 0 || !strings.Contains(body, `"changedAfter"`) {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
}

// Who has a page asks whether it is still so, and gets it only if it is not.
func TestPageIsReadOnlyIfItChanged(t *testing.T) {
	w := newWorld(reader)
	w.version = "c1 3"
	ask := func(etag string) (int, string) {
		w.steps = nil
		return w.call(t, "GET /messages", "", "conversationId=c1", "", map[string]string{"if-none-match": etag})
	}
	status, body := ask("")
	etag := w.headers["etag"]
	if status != 200 || etag == "" || !slices.Equal(w.steps, []string{"conversation", "messages"}) {
		t.Fatalf("got %d %s with %v, the steps were %q", status, body, w.headers, w.steps)
	}
	if status, body := ask(etag); status != 304 || body != "" || w.headers["etag"] != etag || !slices.Equal(w.steps, []string{"conversation"}) {
		t.Errorf("unchanged: got %d %s with %v, the steps were %q", status, body, w.headers, w.steps)
	}
	other := newWorld(chat.Principal{Type: reader.Type, ID: "another", OrgID: reader.OrgID})
	other.version = w.version
	if status, _ := other.call(t, "GET /messages", "", "conversationId=c1", "", map[string]string{"if-none-match": etag}); status != 200 {
		t.Errorf("somebody else, whose reactions are others: got %d", status)
	}
	w.version = "c1 4"
	if status, body := ask(etag); status != 200 || body == "" || w.headers["etag"] == etag {
		t.Errorf("changed: got %d %s with %v", status, body, w.headers)
	}
	w.version = "c1 3"
	w.fail["conversation"] = notFound // removed meanwhile
	if status, _ := ask(etag); status != 404 || w.headers["etag"] != "" {
		t.Errorf("a stranger got %d with %v", status, w.headers)
	}
	clear(w.fail)
	w.fail["version"] = chat.Unavailablef(errDown, "try again")
	if status, _ := ask(etag); status != 503 {
		t.Errorf("not now: got %d", status)
	}
}
