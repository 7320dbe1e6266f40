package chat_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"aiwm-chat/shared/chat"
)

var (
	now   = time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)
	user  = chat.Principal{Type: chat.User, ID: "u1", OrgID: "o1"}
	agent = chat.Principal{Type: chat.Agent, ID: "a1", OrgID: "o1"}
)

// faults returns the fields that err names.
func faults(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	if chat.CodeOf(err) != chat.ValidationFailed {
		t.Errorf("error %v, want validation_failed", err)
	}
	return slices.Sorted(maps.Keys(chat.Public(err).Details))
}

func objects(n int) []json.RawMessage {
	return slices.Repeat([]json.RawMessage{json.RawMessage(`{"a":1}`)}, n)
}

func TestNewMessageDefaults(t *testing.T) {
	for _, tt := range []struct {
		sender chat.Principal
		role   chat.Role
	}{{user, chat.RoleUser}, {agent, chat.RoleAgent}} {
		m, err := chat.NewMessage("c1", tt.sender, "k1", chat.Draft{Content: "hello"}, chat.MaxContentFrame, now)
		if err != nil {
			t.Fatal(err)
		}
		if m.Role != tt.role || m.Type != chat.TypeText || m.Status != chat.StatusSent || m.Sender != tt.sender || m.ConversationID != "c1" ||
			m.ClientMessageID != "k1" || !m.CreatedAt.Equal(now) || !m.UpdatedAt.Equal(now) || m.Fingerprint == "" {
			t.Errorf("%+v", m)
		}
		if m.ID != "" || m.Seq != 0 || m.RunningTokens != 0 || m.Deleted {
			t.Errorf("what the store sets is set: %+v", m)
		}
	}
}

func TestDraftAccepted(t *testing.T) {
	full := chat.Draft{
		Content: "x", Role: chat.RoleTool, Type: chat.TypeToolResult, Name: strings.Repeat("é", chat.MaxMessageName), ParentID: "m1",
		Attachments: slices.Repeat([]chat.Attachment{"document:d1"}, chat.MaxAttachments),
		Mentions:    slices.Repeat([]chat.Mention{chat.MentionOf(user)}, chat.MaxMentions),
		Thinking:    &chat.Thinking{Content: strings.Repeat("x", chat.MaxThinking), Duration: time.Second},
		ToolCalls:   objects(chat.MaxTools), ToolResults: objects(chat.MaxTools),
		Usage:   &chat.Usage{PromptTokens: chat.MaxTokens, CompletionTokens: 0, TotalTokens: chat.MaxTokens},
		Latency: time.Second, Error: strings.Repeat("é", chat.MaxMessageError),
	}
	for name, tt := range map[string]struct {
		sender chat.Principal
		d      chat.Draft
	}{
		"user":              {user, chat.Draft{Content: "x", Role: chat.RoleUser, Type: chat.TypeText, Name: "n", ParentID: "m1"}},
		"all are mentioned": {user, chat.Draft{Content: "x", Mentions: []chat.Mention{{Type: chat.Everybody}, chat.MentionOf(agent)}}},
		"longest content":   {user, chat.Draft{Content: strings.Repeat("x", chat.MaxContentFrame)}},
		"attachment alone":  {user, chat.Draft{Attachments: []chat.Attachment{"https://example.com/a"}}},
		"agent":             {agent, full},
		"agent as system":   {agent, chat.Draft{Content: "x", Role: chat.RoleSystem, Type: chat.TypeSystem}},
		"thinking alone":    {agent, chat.Draft{Type: chat.TypeThinking, Thinking: &chat.Thinking{Content: "hm"}}},
		"tool call alone":   {agent, chat.Draft{Type: chat.TypeToolCall, ToolCalls: objects(1)}},
		"tool result alone": {agent, chat.Draft{Type: chat.TypeToolResult, ToolResults: objects(1)}},
		"error alone":       {agent, chat.Draft{Type: chat.TypeError, Error: "failed"}},
		"largest tools":     {agent, chat.Draft{ToolCalls: []json.RawMessage{json.RawMessage(`{"a":"` + strings.Repeat("x", chat.MaxToolsBytes-8) + `"}`)}}},
	} {
		if _, err := chat.NewMessage("c1", tt.sender, "k1", tt.d, chat.MaxContentFrame, now); err != nil {
			t.Errorf("%s: %v %v", name, err, chat.Public(err).Details)
		}
	}
}

func TestDraftRefused(t *testing.T) {
	text := func(d chat.Draft) chat.Draft { d.Content = "x"; return d }
	for name, tt := range map[string]struct {
		sender chat.Principal
		d      chat.Draft
		want   string
	}{
		"empty":                    {user, chat.Draft{}, "content"},
		"white space":              {user, chat.Draft{Content: " \t\n\u2003"}, "content"},
		"content too long":         {user, chat.Draft{Content: strings.Repeat("x", chat.MaxContentFrame+1)}, "content"},
		"content too long, UTF-8":  {user, chat.Draft{Content: strings.Repeat("é", chat.MaxContentFrame/2+1)}, "content"},
		"name too long":            {user, text(chat.Draft{Name: strings.Repeat("é", chat.MaxMessageName+1)}), "name"},
		"parent":                   {user, text(chat.Draft{ParentID: "{"}), "parentId"},
		"attachment":               {user, text(chat.Draft{Attachments: []chat.Attachment{"javascript:x"}}), "attachments"},
		"attachments":              {user, text(chat.Draft{Attachments: slices.Repeat([]chat.Attachment{"document:d"}, chat.MaxAttachments+1)}), "attachments"},
		"mentions":                 {user, text(chat.Draft{Mentions: slices.Repeat([]chat.Mention{chat.MentionOf(agent)}, chat.MaxMentions+1)}), "mentions"},
		"mention of nobody":        {user, text(chat.Draft{Mentions: []chat.Mention{chat.MentionOf(agent), {Type: chat.MentionUser}}}), "mentions[1].id"},
		"mention of no id":         {user, text(chat.Draft{Mentions: []chat.Mention{{Type: chat.MentionUser, ID: "{"}}}), "mentions[0].id"},
		"mention of no type":       {user, text(chat.Draft{Mentions: []chat.Mention{{Type: "system", ID: "aiwm"}}}), "mentions[0].type"},
		"mention of all by id":     {user, text(chat.Draft{Mentions: []chat.Mention{{Type: chat.Everybody, ID: "u1"}}}), "mentions[0].id"},
		"agent mentions all":       {agent, text(chat.Draft{Mentions: []chat.Mention{chat.MentionOf(user), {Type: chat.Everybody}}}), "mentions[1]"},
		"nobody mentions all":      {chat.Backend("o"), text(chat.Draft{Mentions: []chat.Mention{{Type: chat.Everybody}}}), "mentions[0]"},
		"unknown role":             {agent, text(chat.Draft{Role: "assistant"}), "role"},
		"unknown type":             {agent, text(chat.Draft{Type: "image"}), "type"},
		"role in capitals":         {user, text(chat.Draft{Role: "User"}), "role"},
		"user as agent":            {user, text(chat.Draft{Role: chat.RoleAgent}), "role"},
		"user as tool":             {user, text(chat.Draft{Role: chat.RoleTool}), "role"},
		"user as system":           {user, text(chat.Draft{Role: chat.RoleSystem}), "role"},
		"agent as user":            {agent, text(chat.Draft{Role: chat.RoleUser}), "role"},
		"nobody as agent":          {chat.Principal{Type: "x", ID: "y"}, text(chat.Draft{Role: chat.RoleAgent}), "role"},
		"user thinking":            {user, text(chat.Draft{Type: chat.TypeThinking}), "type"},
		"user tool call":           {user, text(chat.Draft{Type: chat.TypeToolCall}), "type"},
		"user tool result":         {user, text(chat.Draft{Type: chat.TypeToolResult}), "type"},
		"user error":               {user, text(chat.Draft{Type: chat.TypeError}), "type"},
		"user system":              {user, text(chat.Draft{Type: chat.TypeSystem}), "type"},
		"user with thinking":       {user, text(chat.Draft{Thinking: &chat.Thinking{}}), "thinking"},
		"user with calls":          {user, text(chat.Draft{ToolCalls: []json.RawMessage{}}), "toolCalls"},
		"user with results":        {user, text(chat.Draft{ToolResults: objects(1)}), "toolResults"},
		"user with usage":          {user, text(chat.Draft{Usage: &chat.Usage{}}), "usage"},
		"user with latency":        {user, text(chat.Draft{Latency: 1}), "latency"},
		"user with error":          {user, text(chat.Draft{Error: "x"}), "error"},
		"thinking too long":        {agent, chat.Draft{Thinking: &chat.Thinking{Content: strings.Repeat("x", chat.MaxThinking+1)}}, "thinking"},
		"thinking negative":        {agent, chat.Draft{Thinking: &chat.Thinking{Duration: -1}}, "thinking"},
		"too many calls":           {agent, chat.Draft{ToolCalls: objects(chat.MaxTools + 1)}, "toolCalls"},
		"too many results":         {agent, chat.Draft{ToolResults: objects(chat.MaxTools + 1)}, "toolResults"},
		"calls too large together": {agent, chat.Draft{ToolCalls: slices.Repeat([]json.RawMessage{json.RawMessage(`{"a":"` + strings.Repeat("x", chat.MaxToolsBytes/2) + `"}`)}, 2)}, "toolCalls"},
		"call is a list":           {agent, chat.Draft{ToolCalls: []json.RawMessage{json.RawMessage(`[]`)}}, "toolCalls"},
		"call is null":             {agent, chat.Draft{ToolCalls: []json.RawMessage{json.RawMessage(`null`)}}, "toolCalls"},
		"call is nothing":          {agent, chat.Draft{ToolCalls: []json.RawMessage{nil}}, "toolCalls"},
		"call is not JSON":         {agent, chat.Draft{ToolCalls: []json.RawMessage{json.RawMessage(`{"a":`)}}, "toolCalls"},
		"result is a string":       {agent, chat.Draft{ToolResults: []json.RawMessage{json.RawMessage(`"x"`)}}, "toolResults"},
		"prompt tokens":            {agent, text(chat.Draft{Usage: &chat.Usage{PromptTokens: -1}}), "usage"},
		"completion tokens":        {agent, text(chat.Draft{Usage: &chat.Usage{CompletionTokens: chat.MaxTokens + 1}}), "usage"},
		"total tokens":             {agent, text(chat.Draft{Usage: &chat.Usage{TotalTokens: -1}}), "usage"},
		"latency":                  {agent, text(chat.Draft{Latency: -1}), "latency"},
		"error too long":           {agent, text(chat.Draft{Error: strings.Repeat("é", chat.MaxMessageError+1)}), "error"},
	} {
		m, err := chat.NewMessage("c1", tt.sender, "k1", tt.d, chat.MaxContentFrame, now)
		if got := faults(t, err); !slices.Equal(got, []string{tt.want}) || !reflect.DeepEqual(m, chat.Message{}) {
			t.Errorf("%s: faults in %v, want %s", name, got, tt.want)
		}
	}
}

func TestNewMessageNamesEveryFault(t *testing.T) {
	_, err := chat.NewMessage("", user, "{", chat.Draft{Role: "x", Type: "y", Latency: 1, Error: "e", ParentID: "$"}, 10, now)
	want := []string{"clientMessageId", "conversationId", "error", "latency", "parentId", "role", "type"}
	if got := faults(t, err); !slices.Equal(got, want) {
		t.Errorf("faults in %v, want %v", got, want)
	}
}

// TestFingerprint: the same draft always has the same fingerprint, and a
// change of anything in it another one.
func TestFingerprint(t *testing.T) {
	base := func() chat.Draft {
		return chat.Draft{
			Content: "x", Role: chat.RoleAgent, Type: chat.TypeText, Name: "n", ParentID: "p",
			Attachments: []chat.Attachment{"document:a", "document:b"}, Mentions: []chat.Mention{chat.MentionOf(user), chat.MentionOf(agent)}, Thinking: &chat.Thinking{Content: "t", Visible: true, Duration: time.Second},
			ToolCalls: objects(1), ToolResults: objects(2), Usage: &chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3},
			Latency: time.Second, Error: "e",
		}
	}
	fingerprint := func(d chat.Draft) string {
		t.Helper()
		m, err := chat.NewMessage("c1", agent, "k1", d, chat.MaxContentREST, now)
		if err != nil {
			t.Fatal(err)
		}
		return m.Fingerprint
	}
	seen := map[string]string{}
	for name, change := range map[string]func(*chat.Draft){
		"nothing":             func(*chat.Draft) {},
		"content":             func(d *chat.Draft) { d.Content = "X" },
		"role":                func(d *chat.Draft) { d.Role = chat.RoleSystem },
		"type":                func(d *chat.Draft) { d.Type = chat.TypeError },
		"name":                func(d *chat.Draft) { d.Name = "" },
		"parent":              func(d *chat.Draft) { d.ParentID = "q" },
		"order":               func(d *chat.Draft) { slices.Reverse(d.Attachments) },
		"attachments":         func(d *chat.Draft) { d.Attachments = d.Attachments[:1] },
		"mentions":            func(d *chat.Draft) { d.Mentions = d.Mentions[:1] },
		"mentioned otherwise": func(d *chat.Draft) { d.Mentions[0].Type = chat.MentionAgent },
		"no mentions":         func(d *chat.Draft) { d.Mentions = nil },
		"thinking":            func(d *chat.Draft) { d.Thinking = nil },
		"thinking's content":  func(d *chat.Draft) { d.Thinking.Content = "u" },
		"thinking's visible":  func(d *chat.Draft) { d.Thinking.Visible = false },
		"thinking's duration": func(d *chat.Draft) { d.Thinking.Duration += time.Millisecond },
		"calls":               func(d *chat.Draft) { d.ToolCalls, d.ToolResults = d.ToolResults, d.ToolCalls },
		"results":             func(d *chat.Draft) { d.ToolResults = nil },
		"usage":               func(d *chat.Draft) { d.Usage.TotalTokens = 4 },
		"no usage":            func(d *chat.Draft) { d.Usage = nil },
		"latency":             func(d *chat.Draft) { d.Latency = 0 },
		"error":               func(d *chat.Draft) { d.Error = "f" },
		"approval":            func(d *chat.Draft) { d.Approval = &chat.Approval{Verdict: chat.VerdictPending} },
		"approval's expiry":   func(d *chat.Draft) { d.Approval = &chat.Approval{Verdict: chat.VerdictPending, ExpiresAt: now} },
	} {
		d, again := base(), base()
		change(&d)
		change(&again)
		f := fingerprint(d)
		if f != fingerprint(again) {
			t.Errorf("%s: not the same twice", name)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[f] = name
	}
	if fields := reflect.TypeFor[chat.Draft]().NumField(); fields != 16 { // and that of a voice: see TestVoiceIsInTheFingerprint
		t.Errorf("a draft has %d fields, this test knows 16", fields)
	}
	if broken := (chat.Draft{Content: "x", Unfinished: true}); fingerprint(broken) != fingerprint(chat.Draft{Content: "x"}) {
		t.Error("that it was broken off makes another message of what says the same")
	}
	asDefault, given := chat.Draft{Content: "x"}, chat.Draft{Content: "x", Role: chat.RoleAgent, Type: chat.TypeText}
	if fingerprint(asDefault) != fingerprint(given) {
		t.Error("a default said aloud makes another message")
	}
}

func TestPreview(t *testing.T) {
	for s, want := range map[string]string{
		"":                       "",
		"short":                  "short",
		strings.Repeat("é", 100): strings.Repeat("é", 100),
		strings.Repeat("é", 101): strings.Repeat("é", 100),
		strings.Repeat("😀", 150): strings.Repeat("😀", 100),
	} {
		if got := chat.Preview(s); got != want {
			t.Errorf("Preview(%.20q) = %q", s, got)
		}
	}
	m := chat.Message{Draft: chat.Draft{Content: strings.Repeat("x", 200), Role: chat.RoleTool}, Seq: 7, CreatedAt: now}
	if got, want := m.Last(), (chat.LastMessage{Seq: 7, Content: strings.Repeat("x", 100), Role: chat.RoleTool, CreatedAt: now}); got != want {
		t.Errorf("Last() = %+v", got)
	}
}

func TestTruncateUTF8(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"abc", 5, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"", 0, ""},
		{"aé", 2, "a"}, {"aé", 3, "aé"}, {"😀😀", 7, "😀"}, {"😀", 3, ""}, {"é", 1, ""},
	} {
		if got := chat.TruncateUTF8(tt.s, tt.n); got != tt.want {
			t.Errorf("TruncateUTF8(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.want)
		}
	}
}

func FuzzTruncateUTF8(f *testing.F) {
	f.Add("aé😀", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || !utf8.ValidString(s) {
			return
		}
		got := chat.TruncateUTF8(s, n)
		if len(got) > n && len(got) != len(s) || !strings.HasPrefix(s, got) || !utf8.ValidString(got) || len(s) > n && len(got) < n-3 {
			t.Errorf("TruncateUTF8(%q, %d) = %q", s, n, got)
		}
	})
}

func TestTokens(t *testing.T) {
	m := chat.Message{}
	if m.Tokens() != 0 {
		t.Error("tokens without usage")
	}
	m.Usage = &chat.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 7}
	if m.Tokens() != 7 {
		t.Error("tokens are not the total")
	}
}

func TestEnums(t *testing.T) {
	for value, valid := range map[any]bool{
		chat.RoleUser: true, chat.RoleAgent: true, chat.RoleTool: true, chat.RoleSystem: true, chat.Role(""): false, chat.Role("assistant"): false,
		chat.TypeText: true, chat.TypeThinking: true, chat.TypeToolCall: true, chat.TypeToolResult: true, chat.TypeError: true, chat.TypeSystem: true,
		chat.MessageType(""): false, chat.MessageType("Text"): false,
		chat.User: true, chat.Agent: true, chat.PrincipalType(""): false, chat.PrincipalType("system"): false,
		chat.Active: true, chat.Archived: true, chat.Closed: true, chat.ConversationStatus(""): false, chat.ConversationStatus("deleted"): false,
		chat.NewestActivity: true, chat.OldestActivity: true, chat.NewestFirst: true, chat.OldestFirst: true, chat.TitleAToZ: true, chat.TitleZToA: true,
		chat.ConversationSort(""): false, chat.ConversationSort("$where"): false,
	} {
		if got := value.(interface{ Valid() bool }).Valid(); got != valid {
			t.Errorf("%T(%v).Valid() = %v", value, value, got)
		}
	}
}

func BenchmarkNewMessage(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprint(size, " bytes"), func(b *testing.B) {
			d := chat.Draft{Content: strings.Repeat("x", size)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := chat.NewMessage("c1", user, "k1", d, chat.MaxContentFrame, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
