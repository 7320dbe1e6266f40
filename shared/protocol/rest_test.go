package protocol_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func TestProblemOf(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		title  string
		code   chat.Code
		retry  bool
	}{
		{chat.Errorf(chat.BadRequest, "d"), 400, "Bad Request", chat.BadRequest, false},
		{chat.Errorf(chat.ValidationFailed, "d"), 400, "Bad Request", chat.ValidationFailed, false},
		{chat.Errorf(chat.Unauthorized, "d"), 401, "Unauthorized", chat.Unauthorized, false},
		{chat.Errorf(chat.TokenExpired, "d"), 401, "Unauthorized", chat.TokenExpired, false},
		{chat.Errorf(chat.Forbidden, "d"), 403, "Forbidden", chat.Forbidden, false},
		{fmt.Errorf("step: %w", chat.Errorf(chat.NotFound, "d")), 404, "Not Found", chat.NotFound, false},
		{chat.Errorf(chat.Conflict, "d"), 409, "Conflict", chat.Conflict, false},
		{chat.Errorf(chat.ConversationClosed, "d"), 409, "Conflict", chat.ConversationClosed, false},
		{chat.Errorf(chat.PayloadTooLarge, "d"), 413, "Request Entity Too Large", chat.PayloadTooLarge, false},
		{chat.Errorf(chat.UnsupportedMedia, "d"), 415, "Unsupported Media Type", chat.UnsupportedMedia, false},
		{chat.Errorf(chat.RateLimited, "d"), 429, "Too Many Requests", chat.RateLimited, true},
		{chat.Errorf(chat.TooManyConnections, "d"), 429, "Too Many Requests", chat.TooManyConnections, false},
		{chat.Errorf(chat.TooManyRooms, "d"), 429, "Too Many Requests", chat.TooManyRooms, false},
		{chat.Unavailablef(errors.New("secret"), "d"), 503, "Service Unavailable", chat.Unavailable, true},
		{chat.Errorf("new_code", "d"), 500, "Internal Server Error", "new_code", false},
	} {
		p := protocol.ProblemOf(tt.err)
		if p.Type != "about:blank" || p.Status != tt.status || p.Title != tt.title || p.Detail != "d" || p.Code != tt.code || p.Retryable != tt.retry {
			t.Errorf("%v: %+v", tt.err, p)
		}
	}
	hidden := protocol.ProblemOf(errors.New("secret"))
	if hidden.Status != 500 || hidden.Code != chat.Internal || hidden.Detail != "something went wrong on our side" || hidden.Details != nil {
		t.Errorf("%+v", hidden)
	}
	invalid, err := protocol.Marshal(protocol.ProblemOf(chat.Invalid("title", "is required")))
	if want := `{"type":"about:blank","title":"Bad Request","status":400,"detail":"some fields are not valid","code":"validation_failed","retryable":false,"details":{"title":"is required"}}`; err != nil || string(invalid) != want {
		t.Errorf("got %s, %v\nwant %s", invalid, err, want)
	}
}

func TestConversationOf(t *testing.T) {
	c, err := chat.NewConversation(user, "Title", "About", "a1", nil, now)
	if err != nil {
		t.Fatal(err)
	}
	c.ID = "c1"
	const empty = `{"id":"c1","orgId":"o1","title":"Title","description":"About","agentId":"a1","status":"active","tags":[],` +
		`"participants":[{"type":"user","id":"u1","joined":"` + stamp + `"},{"type":"agent","id":"a1","joined":"` + stamp + `"}],` +
		`"totalMessages":0,"totalTokens":0,"contextSummary":"","createdBy":{"type":"user","id":"u1"},"createdAt":"` + stamp + `","updatedAt":"` + stamp + `"}`
	if got, err := protocol.Marshal(protocol.ConversationOf(c)); err != nil || string(got) != empty {
		t.Errorf("got %s, %v\nwant %s", got, err, empty)
	}
	c.TotalMessages, c.TotalTokens, c.ContextSummary = 3, 40, "They met."
	c.LastMessage = &chat.LastMessage{Seq: 3, Content: "bye", Role: chat.RoleAgent, CreatedAt: now}
	c.Summary = &chat.Summary{FromSeq: 1, ToSeq: 3, Model: "offline", At: now}
	out := protocol.ConversationOf(c)
	if *out.LastMessage != (protocol.LastMessage{Seq: 3, Content: "bye", Role: chat.RoleAgent, CreatedAt: stamp}) ||
		*out.Summary != (protocol.Summary{FromSeq: 1, ToSeq: 3, Model: "offline", At: stamp}) ||
		out.TotalMessages != 3 || out.TotalTokens != 40 || out.ContextSummary != "They met." {
		t.Errorf("%+v", out)
	}
}

func TestWelcomeJob(t *testing.T) {
	for _, dialect := range []chat.Dialect{chat.AIWM, chat.Lean} {
		c := chat.Connection{ID: "PJqB0fHsqRcCHlw=", Principal: agent, ExpiresAt: time.Unix(1_800_000_000, 0), Dialect: dialect}
		body, err := protocol.Marshal(protocol.WelcomeJobOf(c))
		if err != nil {
			t.Fatal(err)
		}
		job, err := protocol.Decode[protocol.WelcomeJob](body)
		if got := job.Connection(); err != nil || got.ID != c.ID || got.Principal != c.Principal || !got.ExpiresAt.Equal(c.ExpiresAt) || got.Dialect != c.Dialect {
			t.Errorf("%s became %+v, %v", body, got, err)
		}
	}
}

func TestBacklogPage(t *testing.T) {
	for want, page := range map[string]protocol.BacklogPage{
		`{"data":[],"pagination":{"limit":200,"hasMore":false}}`:              {Data: []protocol.Message{}, Pagination: protocol.BacklogCursor{Limit: 200}},
		`{"data":[],"pagination":{"limit":1,"hasMore":true,"cursor":"here"}}`: {Data: []protocol.Message{}, Pagination: protocol.BacklogCursor{Limit: 1, HasMore: true, Cursor: "here"}},
	} {
		if got, err := protocol.Marshal(page); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
