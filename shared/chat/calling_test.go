package chat_test

import (
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

func TestMentions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"@helper":                 true,
		"@helper do it":           true,
		"do it, @helper.":         true,
		"(@helper)":               true,
		"@helper: do it":          true,
		"@helper... please":       true,
		"@helper, @other":         true,
		"@helper2 and @helper":    true,
		"so\n@helper\n":           true,
		"@helper?":                true,
		"helper":                  false,
		"@Helper":                 false,
		"@helper2":                false,
		"@helper_2":               false,
		"@helper-2":               false,
		"@helper.bot":             false,
		"@helperé":                false,
		"mail joe@helper":         false,
		"mail joé@helper":         false,
		"joe.@helper":             false,
		"@@helper":                false,
		"mail @helper@example.io": false,
		"":                        false,
		"@":                       false,
	} {
		if got := chat.Mentions(text, "helper"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !chat.Mentions("so, @auth0|5f7c: hello", "auth0|5f7c") {
		t.Error("an id with a bar")
	}
}

func FuzzMentions(f *testing.F) {
	f.Add("so, @helper. Do it", "helper")
	f.Add("@a@a", "a")
	f.Fuzz(func(t *testing.T, text, id string) {
		if chat.ValidID(id) && chat.Mentions(text, chat.PrincipalID(id)) && !strings.Contains(text, "@"+id) {
			t.Errorf("%q mentions %q", text, id)
		}
	})
}

func TestCalls(t *testing.T) {
	t.Parallel()
	user := chat.Principal{Type: chat.User, ID: "u", OrgID: "o"}
	of := func(change func(*chat.Message)) chat.Message {
		m := chat.Message{Draft: chat.Draft{Content: "@a", Type: chat.TypeText}, Sender: user}
		if change != nil {
			change(&m)
		}
		return m
	}
	for name, c := range map[string]struct {
		policy chat.RespondPolicy
		m      chat.Message
		want   bool
	}{
		"always":     {chat.RespondAlways, of(func(m *chat.Message) { m.Content = "x" }), true},
		"mention":    {chat.RespondMention, of(nil), true},
		"no mention": {chat.RespondMention, of(func(m *chat.Message) { m.Content = "a" }), false},
		"mentioned by a list": {chat.RespondMention, of(func(m *chat.Message) {
			m.Content = "x"
			m.Mentions = []chat.Mention{{Type: chat.MentionAgent, ID: "a"}}
		}), true},
		"another by a list":   {chat.RespondMention, of(func(m *chat.Message) { m.Mentions = []chat.Mention{{Type: chat.MentionAgent, ID: "b"}} }), false},
		"a user by a list":    {chat.RespondMention, of(func(m *chat.Message) { m.Mentions = []chat.Mention{{Type: chat.MentionUser, ID: "a"}} }), false},
		"all by a list":       {chat.RespondMention, of(func(m *chat.Message) { m.Mentions = []chat.Mention{{Type: chat.Everybody}} }), false},
		"an empty list":       {chat.RespondMention, of(func(m *chat.Message) { m.Mentions = []chat.Mention{} }), true},
		"never":               {chat.RespondNever, of(nil), false},
		"an agent's":          {chat.RespondAlways, of(func(m *chat.Message) { m.Sender.Type = chat.Agent }), false},
		"the backend's":       {chat.RespondAlways, of(func(m *chat.Message) { m.Sender = chat.Backend("o") }), false},
		"erased":              {chat.RespondAlways, of(func(m *chat.Message) { m.Deleted = true }), false},
		"of another type":     {chat.RespondAlways, of(func(m *chat.Message) { m.Type = chat.TypeSystem }), false},
		"with an attachment":  {chat.RespondAlways, of(func(m *chat.Message) { m.Content = ""; m.Attachments = []chat.Attachment{"document:1"} }), true},
		"of no policy at all": {"", of(nil), false},
	} {
		if got := managed(func(m *chat.Managed) { m.Respond = c.policy }).Calls("a", c.m); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBusyPolicyMeets(t *testing.T) {
	t.Parallel()
	run := chat.Run{ID: "mine", Status: chat.RunQueued, Place: 5}
	runs := func(place int64, states ...chat.RunStatus) (rs []chat.Run) {
		for _, s := range states {
			rs = append(rs, chat.Run{ID: chat.RunID(s), Status: s, Place: place})
		}
		return rs
	}
	all := []chat.RunStatus{chat.RunQueued, chat.RunActive, chat.RunWaiting, chat.RunComplete, chat.RunCancelled, chat.RunFailed}
	again := chat.Run{ID: "again", Status: chat.RunActive, Place: 6, N: 1}
	stopped := chat.Run{ID: "stopped", Status: chat.RunActive, Place: 6, Stop: &chat.RunStop{}}
	for _, c := range []struct {
		p      chat.BusyPolicy
		others []chat.Run
		stop   []chat.RunID
		refuse bool
		itself chat.RunID
	}{
		{chat.BusyEnqueue, runs(4, all...), nil, false, ""},
		{chat.BusyInterrupt, runs(4, all...), []chat.RunID{"queued", "active"}, false, ""},
		{chat.BusyInterrupt, nil, nil, false, ""},
		{chat.BusyInterrupt, []chat.Run{run}, nil, false, ""},
		{chat.BusyInterrupt, runs(6, all...), nil, false, "queued"},
		{chat.BusyInterrupt, runs(6, chat.RunWaiting, chat.RunComplete), nil, false, ""},
		{chat.BusyInterrupt, []chat.Run{again, stopped}, nil, false, ""},
		{chat.BusyInterrupt, append(runs(4, chat.RunActive), runs(6, chat.RunQueued)...), []chat.RunID{"active"}, false, "queued"},
		{chat.BusyReject, runs(4, all...), nil, true, ""},
		{chat.BusyReject, runs(4, chat.RunQueued), nil, true, ""},
		{chat.BusyReject, runs(4, chat.RunWaiting, chat.RunComplete), nil, false, ""},
		{chat.BusyReject, append(runs(6, all...), run), nil, false, ""},
	} {
		got := c.p.Meets(run, c.others)
		var stop []chat.RunID
		for _, r := range got.Stop {
			stop = append(stop, r.ID)
		}
		var itself chat.RunID
		if got.For != nil {
			itself = got.For.ID
		}
		if !slices.Equal(stop, c.stop) || got.Refuse != c.refuse || itself != c.itself {
			t.Errorf("%s of %d: %+v", c.p, len(c.others), got)
		}
	}
}
