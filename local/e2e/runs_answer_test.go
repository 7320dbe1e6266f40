package e2e_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// A managed agent is online wherever one looks: it answers, though it has no connection.
func TestManagedAgentIsOnline(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	if joined := data[protocol.Joined](t, a.device().must("join", fields{"conversationId": a.id})); !joined.AgentOnline {
		t.Errorf("joined: %+v", joined)
	}
	if sent := a.say(a.id, "Hello"); !sent.IsAgentOnline() {
		t.Errorf("sent: %+v", sent)
	}
	var page protocol.PresencePage
	a.call(http.MethodGet, "/presence?conversationId="+string(a.id), nil, &page)
	for _, p := range page.Data {
		if p.Type == chat.Agent && p.Status != protocol.Online {
			t.Errorf("presence: %+v", p)
		}
	}
	var agent protocol.Agent
	if a.call(http.MethodGet, "/agents/"+string(a.agent), nil, &agent); !agent.Online {
		t.Errorf("GET /agents: %+v", agent)
	}
}

// An answer of a managed agent appears on every device as it is written, also on one that
// comes back in the middle; it ends as the same text everywhere, and what it has cost is
// the same wherever one looks.
func TestRunIsSeenByAll(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, fields{"instructions": "You speak with {{user.id}} about {{conversation.title}}."})
	phone, laptop := newScreen(a.device()), newScreen(a.device())
	phone.join(a.id)
	laptop.join(a.id)
	before := a.tokens()
	question := a.say(a.id, "How is the sea? #think 5 #tokens 60 #slow 15")
	stream := a.stream(question, 0)
	begins := func(s *screen) string {
		s.t.Helper()
		text := ""
		s.until("the beginning of the answer", func() bool {
			shown, _ := s.Show(a.id, stream, time.Now())
			text = shown.Text(protocol.PartContent)
			return text != ""
		})
		return text
	}
	begun := begins(a.screen)
	begins(laptop)
	laptop.Close()
	back := newScreen(laptop.device())
	back.join(a.id)
	if text := begins(back); !strings.HasPrefix(text, begun) && !strings.HasPrefix(begun, text) {
		t.Errorf("who comes back sees %q, the others %q", text, begun)
	}
	final := a.ended(a.id, stream)
	if !strings.HasPrefix(final.Content, begun) || final.Status != chat.StatusSent || final.ParentID != question.MessageID || final.Thinking == nil || final.Usage == nil {
		t.Fatalf("it ended as %+v", final)
	}
	for _, s := range []*screen{phone, back} {
		if m := s.ended(a.id, stream); m.Content != final.Content || m.ID != final.ID {
			t.Errorf("%q, elsewhere %q", m.Content, final.Content)
		}
	}
	if a.pieces < 2 {
		t.Errorf("it came in %d pieces", a.pieces)
	}
	run, said := a.over(question, 0)
	if run.Status != chat.RunComplete || len(said) != 1 || said[0].Content != final.Content || run.UserID != a.principal.ID || run.Steps != 1 {
		t.Errorf("%+v: %+v", run, said)
	}
	a.costs(before, run)
}

// costs holds what a run has cost against the conversation, and against the sums.
func (a *asking) costs(before int64, runs ...protocol.Run) {
	a.t.Helper()
	var sum protocol.Usage
	for _, r := range runs {
		sum.PromptTokens += r.Usage.PromptTokens
		sum.CompletionTokens += r.Usage.CompletionTokens
		sum.TotalTokens += r.Usage.TotalTokens
	}
	if sum.TotalTokens == 0 {
		a.t.Error("it has cost nothing")
	}
	eventually(a.t, "the conversation has cost as much", func() bool { return a.tokens()-before == sum.TotalTokens })
	var page protocol.RunPage
	a.call(http.MethodGet, "/conversations/"+string(a.id)+"/runs", nil, &page)
	if len(page.Data) != len(runs) || page.Pagination.HasMore {
		a.t.Errorf("the runs are %+v", page)
	}
	today := time.Now().UTC()
	for _, by := range []string{"agent", "user", "day"} {
		var report protocol.UsageReport
		days := "from=" + today.AddDate(0, 0, -1).Format(time.DateOnly) + "&to=" + today.AddDate(0, 0, 1).Format(time.DateOnly)
		a.call(http.MethodGet, "/usage?"+days+"&groupBy="+by, nil, &report)
		if report.Total.Runs != int64(len(runs)) || report.Total.Usage != sum || len(report.Data) < 1 {
			a.t.Errorf("the usage by %s is %+v, want %+v", by, report, sum)
		}
	}
}

// A tool that is allowed is called, and the answer is made of what it said.
func TestRunCallsTools(t *testing.T) {
	t.Parallel()
	a := asks(t, shared, nil)
	before := a.tokens()
	question := a.say(a.id, `Where is it? #tool shop__get_order {"order": "1042"} #tool shop__get_order {"order": "7"} #tool no_such_tool`)
	run, said := a.over(question, 0)
	if run.Status != chat.RunComplete || len(said) != 5 {
		t.Fatalf("%+v: %+v", run, said)
	}
	for i, want := range []string{"Order 1042 is", "four digits", "no such tool"} {
		if m := said[1+i]; m.Type != chat.TypeToolResult || !strings.Contains(m.Content, want) {
			t.Errorf("the result %d is %+v", i, m)
		}
	}
	if m := said[4]; !strings.Contains(m.Content, "The tool shop__get_order said: Order 1042 is") || m.Status != chat.StatusSent {
		t.Errorf("the answer is %+v", m)
	}
	a.costs(before, run)
}

// An agent names what is configured, or is refused when it is written, with the field.
func TestAgentNamesWhatIsConfigured(t *testing.T) {
	t.Parallel()
	admin, id := newAdmin(t, shared), unique("managed")
	tools := func(server string) fields {
		return managed(fields{"tools": []fields{{"server": server, "allow": []string{"*"}}}})
	}
	refused := func(field, method, path string, in fields) {
		t.Helper()
		refusal, ok := errors.AsType[*client.Error](admin.try(method, path, in, nil))
		if !ok || refusal.Code != chat.ValidationFailed || refusal.Details[field] == nil || len(refusal.Details) != 1 {
			t.Errorf("%s %s: %+v", method, path, refusal)
		}
	}
	refused("managed.provider", http.MethodPost, "/agents", fields{"agentId": id, "name": "A", "managed": managed(fields{"provider": "nobody"})})
	refused("managed.tools[0].server", http.MethodPost, "/agents", fields{"agentId": id, "name": "A", "managed": tools("nobody")})
	var made protocol.Agent
	admin.call(http.MethodPost, "/agents", fields{"agentId": id, "name": "A", "managed": tools(server.ShopServer)}, &made)
	refused("managed.tools[0].server", http.MethodPut, "/agents/"+id, fields{"version": made.Version, "name": "A", "managed": tools("nobody")})
	admin.call(http.MethodPut, "/agents/"+id, fields{"version": made.Version, "name": "B", "managed": tools(server.ShopServer)}, nil)
}
