package handler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"aiwm-chat/functions/search/handler"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

var caller = chat.Principal{Type: chat.User, ID: "u1", OrgID: "acme"}

// A world is the store, with what it is to return, and what it was asked.
type world struct {
	steps    []string
	fail     string
	asked    chat.SearchQuery
	page     chat.CandidatePage
	messages []chat.Message
	more     bool
	limited  error
}

func (w *world) step(name string) error {
	w.steps = append(w.steps, name)
	if w.fail != "" && strings.HasPrefix(name, w.fail) {
		return chat.Errorf(chat.NotFound, "there is no such conversation")
	}
	return nil
}

func (w *world) Verify(context.Context, string) (chat.Bearer, error) {
	return chat.Bearer{Principal: caller, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (w *world) Allow(_ context.Context, _ chat.Principal, u chat.Use) (*chat.Quota, error) {
	if u == chat.UseSearch {
		return nil, w.limited
	}
	return nil, nil
}

func (w *world) Conversation(_ context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: id}, w.step(fmt.Sprint("conversation ", p.ID, " ", id))
}

func (w *world) Latest(_ context.Context, p chat.Principal, agent chat.PrincipalID, limit int) ([]chat.ConversationID, bool, error) {
	return []chat.ConversationID{"c1", "c2"}, w.more, w.step(fmt.Sprint("latest ", p.ID, " ", agent, " ", limit))
}

func (w *world) Search(_ context.Context, q chat.SearchQuery) (chat.CandidatePage, error) {
	w.asked = q
	return w.page, w.step("search")
}

func (w *world) Found(context.Context, []chat.Candidate) ([]chat.Message, error) {
	return w.messages, w.step("found")
}

// get asks, and decodes the answer.
func (w *world) get(t *testing.T, query string) (page protocol.SearchPage, status int) {
	t.Helper()
	w.steps = nil
	r, err := gateway.HTTP(w, w, handler.New(w).Routes())(t.Context(), events.APIGatewayV2HTTPRequest{
		RouteKey: "GET /search", RawQueryString: query, Headers: map[string]string{"authorization": "Bearer x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode == 200 {
		if err := json.Unmarshal([]byte(r.Body), &page); err != nil {
			t.Fatal(err)
		}
	}
	return page, r.StatusCode
}

func message(seq int64, content string) chat.Message {
	return chat.Message{Draft: chat.Draft{Content: content, Role: chat.RoleUser}, ID: chat.MessageID(fmt.Sprint("m", seq)), ConversationID: "c1", Seq: seq, Sender: caller}
}

// What is shown says now what was looked for; the page goes on all the same.
func TestSearch(t *testing.T) {
	w := &world{messages: []chat.Message{message(3, "Hello world"), message(2, "edited meanwhile"), message(1, "the world: hello")}}
	w.page = chat.CandidatePage{More: true, Next: chat.SearchCursor{At: time.UnixMilli(5), ID: "m1"}, Bounded: true}
	page, status := w.get(t, "q=hello+world&conversationId=c1&limit=7&role=user&from=2026-01-01&to=2026-01-02T00:00:00Z&cursor=9/m9")
	if status != 200 || len(page.Data) != 2 || page.Data[0].Seq != 3 || page.Data[1].Seq != 1 || !page.Bounded || page.LatestOnly ||
		page.Pagination != (protocol.SearchCursor{Limit: 7, HasMore: true, Cursor: "5/m1"}) {
		t.Errorf("%d: %+v", status, page)
	}
	if got := fmt.Sprint(page.Data[1].Text, page.Data[1].Ranges); got != "the world: hello[{4 9} {11 16}]" {
		t.Error(got)
	}
	want := chat.SearchQuery{Conversations: []chat.ConversationID{"c1"}, Whole: []string{"hello"}, Begins: []string{"world"}, Role: chat.RoleUser, Limit: 7,
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), After: chat.SearchCursor{At: time.UnixMilli(9).UTC(), ID: "m9"}}
	if fmt.Sprint(w.asked) != fmt.Sprint(want) || fmt.Sprint(w.steps) != "[conversation u1 c1 search found]" {
		t.Errorf("asked is %+v by %v", w.asked, w.steps)
	}
	w.page, w.more = chat.CandidatePage{}, true
	page, _ = w.get(t, "q=x&agentId=a1")
	if fmt.Sprint(w.steps) != "[latest u1 a1 200 search found]" || fmt.Sprint(w.asked.Conversations) != "[c1 c2]" || !page.LatestOnly || page.Pagination.HasMore || page.Data == nil {
		t.Errorf("%v: %+v", w.steps, page)
	}
}

func TestSearchRefuses(t *testing.T) {
	for query, field := range map[string]string{
		"": "q", "q=": "q", "q=%20-%20": "q", "q=" + strings.Repeat("x", 201): "q", "q=x&q=y": "q", "q=x&conversationId=%7B": "conversationId",
		"q=x&conversationId=c&agentId=a": "agentId", "q=x&role=admin": "role", "q=x&from=yesterday": "from", "q=x&to=1": "to", "q=x&from=2026-01-02&to=2026-01-02": "to",
		"q=x&cursor=x": "cursor", "q=x&cursor=1/%7B": "cursor", "q=x&limit=0": "limit", "q=x&limit=51": "limit", "q=x&page=1": "page",
	} {
		w := &world{}
		if _, status := w.get(t, query); status != 400 && status != 422 || len(w.steps) != 0 {
			t.Errorf("%s: %d after %v, want %s refused", query, status, w.steps, field)
		}
	}
	w := &world{fail: "conversation"}
	if _, status := w.get(t, "q=x&conversationId=c1"); status != 404 || len(w.steps) != 1 {
		t.Errorf("a stranger: %d, %v", status, w.steps)
	}
	w = &world{limited: chat.LimitedFor(time.Second)}
	if _, status := w.get(t, "q=x"); status != 429 || len(w.steps) != 0 {
		t.Errorf("too often: %d, %v", status, w.steps)
	}
}
