package chat_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

// managed is one with nothing but what has no default.
func managed(change func(*chat.Managed)) *chat.Managed {
	m := chat.Managed{Provider: "openai", Model: "m1"}.WithDefaults()
	if change != nil {
		change(&m)
	}
	return &m
}

func TestDefaultsOfAManagedAgent(t *testing.T) {
	t.Parallel()
	m := managed(nil)
	if m.MaxOutputTokens != 1024 || m.History.Messages != 30 || m.History.Tokens != 8000 || m.MaxSteps != 10 || m.MaxSeconds != 300 ||
		m.ApprovalSeconds != 86400 || m.Respond != chat.RespondAlways || m.Busy != chat.BusyEnqueue {
		t.Errorf("%+v", m)
	}
	given := chat.Managed{MaxOutputTokens: 7, History: chat.History{Messages: 1, Tokens: 2}, MaxSteps: 3, MaxSeconds: 4, ApprovalSeconds: 5,
		Respond: chat.RespondNever, Busy: chat.BusyReject}
	if got := given.WithDefaults(); got.MaxOutputTokens != 7 || got.History != given.History || got.MaxSteps != 3 || got.MaxSeconds != 4 ||
		got.ApprovalSeconds != 5 || got.Respond != chat.RespondNever || got.Busy != chat.BusyReject {
		t.Errorf("%+v", got)
	}
}

func TestCheckOfAnAgent(t *testing.T) {
	t.Parallel()
	number := func(x float64) *float64 { return &x }
	for name, c := range map[string]struct {
		change func(*chat.Managed)
		want   string // the field, "" for none
	}{
		"as it is":          {nil, ""},
		"all it can be":     {func(m *chat.Managed) { m.Temperature, m.ReasoningEffort, m.MaxSteps = number(2), "xhigh", 25 }, ""},
		"all variables":     {func(m *chat.Managed) { m.Instructions = "{{user.name}}{{ user.id }}{{conversation.title}}{{now}}" }, ""},
		"braces":            {func(m *chat.Managed) { m.Instructions = `{"a": {"b": 1}}` }, ""},
		"longest":           {func(m *chat.Managed) { m.Instructions = strings.Repeat("x", 16<<10) }, ""},
		"too long":          {func(m *chat.Managed) { m.Instructions = strings.Repeat("x", 16<<10+1) }, "managed.instructions"},
		"unknown variable":  {func(m *chat.Managed) { m.Instructions = "{{now}} {{user.email}}" }, "managed.instructions"},
		"no variable":       {func(m *chat.Managed) { m.Instructions = "{{}}" }, "managed.instructions"},
		"never closed":      {func(m *chat.Managed) { m.Instructions = "{{now}} {{now" }, "managed.instructions"},
		"a URL":             {func(m *chat.Managed) { m.Provider = "https://evil.example" }, "managed.provider"},
		"no provider":       {func(m *chat.Managed) { m.Provider = "" }, "managed.provider"},
		"no model":          {func(m *chat.Managed) { m.Model = " " }, "managed.model"},
		"too hot":           {func(m *chat.Managed) { m.Temperature = number(2.1) }, "managed.temperature"},
		"no number":         {func(m *chat.Managed) { m.Temperature = number(math.NaN()) }, "managed.temperature"},
		"effort":            {func(m *chat.Managed) { m.ReasoningEffort = "some" }, "managed.reasoningEffort"},
		"output":            {func(m *chat.Managed) { m.MaxOutputTokens = -1 }, "managed.maxOutputTokens"},
		"history":           {func(m *chat.Managed) { m.History.Messages = 201 }, "managed.history.messages"},
		"history's tokens":  {func(m *chat.Managed) { m.History.Tokens = 1_000_001 }, "managed.history.tokens"},
		"steps over cap":    {func(m *chat.Managed) { m.MaxSteps = 26 }, "managed.maxSteps"},
		"seconds":           {func(m *chat.Managed) { m.MaxSeconds = 3601 }, "managed.maxSeconds"},
		"approval":          {func(m *chat.Managed) { m.ApprovalSeconds = 7*86400 + 1 }, "managed.approvalSeconds"},
		"respond":           {func(m *chat.Managed) { m.Respond = "sometimes" }, "managed.respond"},
		"busy":              {func(m *chat.Managed) { m.Busy = "wait" }, "managed.busy"},
		"budget":            {func(m *chat.Managed) { m.Budget.TokensPerDay = -1 }, "managed.budget.tokensPerDay"},
		"other budget":      {func(m *chat.Managed) { m.Budget.TokensPerConversation = 1<<40 + 1 }, "managed.budget.tokensPerConversation"},
		"tool of no server": {func(m *chat.Managed) { m.Tools = []chat.ToolSelection{{Allow: []string{"*"}}} }, "managed.tools[0].server"},
	} {
		var f chat.Faults
		a := chat.AgentProfile{ID: "a", Name: "A", Managed: managed(c.change)}
		a.Check(&f)
		if got := faulty(f); got != c.want {
			t.Errorf("%s: %v, want %q", name, f.Err(), c.want)
		}
	}
	for field, a := range map[string]chat.AgentProfile{
		"agentId": {ID: "a b", Name: "A"}, "name": {ID: "a", Name: " "}, "description": {ID: "a", Name: "A", Description: strings.Repeat("é", 2001)},
	} {
		var f chat.Faults
		a.Check(&f)
		if got := faulty(f); got != field {
			t.Errorf("%v, want %q", f.Err(), field)
		}
	}
}

// faulty is the names of the fields at fault.
func faulty(f chat.Faults) string {
	err := f.Err()
	if err == nil {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(chat.Public(err).Details)), ",")
}

func TestBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b        chat.Budget
		in, day  int64
		wantSpnt bool
	}{
		{chat.Budget{}, 1 << 40, 1 << 40, false},
		{chat.Budget{TokensPerConversation: 10}, 9, 100, false},
		{chat.Budget{TokensPerConversation: 10}, 10, 0, true},
		{chat.Budget{TokensPerDay: 10}, 100, 9, false},
		{chat.Budget{TokensPerDay: 10}, 0, 10, true},
	} {
		if got := c.b.Spent(c.in, c.day); got != c.wantSpnt {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestWritesAgents(t *testing.T) {
	t.Parallel()
	for roles, want := range map[string]bool{"": false, "user": false, "admin": true, "x agents:write": true, "agents:read": false, "Admin": false} {
		if got := chat.WritesAgents(strings.Fields(roles)); got != want {
			t.Errorf("%q: %v", roles, got)
		}
	}
}
