package chat_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"aiwm-chat/shared/chat"
)

func TestToolPolicy(t *testing.T) {
	for _, tt := range []struct {
		name             string
		allow, ask, deny []string
		tool             string
		want             chat.ToolPolicy
	}{
		{"nothing", nil, nil, nil, "get", chat.ToolDenied},
		{"allowed", []string{"get"}, nil, nil, "get", chat.ToolAllowed},
		{"asked", nil, []string{"get"}, nil, "get", chat.ToolAsked},
		{"denied", nil, nil, []string{"get"}, "get", chat.ToolDenied},
		{"what nothing names", []string{"get"}, []string{"put"}, []string{"cut"}, "let", chat.ToolDenied},
		{"ask over allow", []string{"get"}, []string{"*"}, nil, "get", chat.ToolAsked},
		{"deny over ask", nil, []string{"get"}, []string{"g*"}, "get", chat.ToolDenied},
		{"deny over allow", []string{"get"}, nil, []string{"?et"}, "get", chat.ToolDenied},
		{"deny over both", []string{"get"}, []string{"get"}, []string{"get"}, "get", chat.ToolDenied},
		{"the narrow does not win", []string{"get_order"}, nil, []string{"*"}, "get_order", chat.ToolDenied},
		{"a part of it", []string{"*"}, []string{"refund_*"}, []string{"*_all"}, "refund_order", chat.ToolAsked},
		{"another part", []string{"*"}, []string{"refund_*"}, []string{"*_all"}, "refund_all", chat.ToolDenied},
		{"the rest", []string{"*"}, []string{"refund_*"}, []string{"*_all"}, "get_order", chat.ToolAllowed},
		{"case counts", []string{"Get"}, nil, nil, "get", chat.ToolDenied},
		{"the last of several", []string{"a", "b", "get"}, nil, nil, "get", chat.ToolAllowed},
	} {
		s := chat.ToolSelection{Server: "s", Allow: tt.allow, Ask: tt.ask, Deny: tt.deny}
		if got := s.Policy(tt.tool); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestMatchTool(t *testing.T) {
	for _, tt := range []struct {
		glob, tool string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"a", "a", true}, {"a", "aa", false}, {"aa", "a", false},
		{"*", "", true}, {"*", "abc", true}, {"**", "abc", true}, {"?", "", false}, {"?", "a", true}, {"?", "ab", false},
		{"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true}, {"*c", "abcd", false},
		{"a*c", "ac", true}, {"a*c", "abcbc", true}, {"a*c", "abcb", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*b*", "abc", true}, {"*b*", "ac", false}, {"*?", "", false}, {"?*?", "a", false}, {"?*?", "ab", true},
		{"*ab*ab", "abab", true}, {"*ab*ab", "abxab", true}, {"*ab*ab", "aba", false}, {"*abc", "ababc", true},
		{"a.b", "axb", false}, {"[ab]", "a", false}, {"orders/*", "orders/a/b", true}, {"a*", "A", false},
		{strings.Repeat("a*", 60) + "b", strings.Repeat("a", 128), false}, // takes for ever where each * is tried with each
	} {
		if got := chat.MatchTool(tt.glob, tt.tool); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.glob, tt.tool, got)
		}
	}
}

// What matches is what the same pattern as a regular expression matches.
func FuzzMatchTool(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*ab*ab", "ababab")
	f.Add("?*é", "éé")
	f.Fuzz(func(t *testing.T, glob, tool string) {
		if len(glob) > 300 || len(tool) > 300 {
			return
		}
		// Byte by byte, as latin 1, so that no encoding plays a part.
		wide := func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				b.WriteRune(rune(s[i]))
			}
			return b.String()
		}
		pattern := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(wide(glob)))
		want := regexp.MustCompile(`\A` + pattern + `\z`).MatchString(wide(tool))
		if got := chat.MatchTool(glob, tool); got != want {
			t.Errorf("%q matches %q: %v, want %v", glob, tool, got, want)
		}
	})
}

func TestToolsNamed(t *testing.T) {
	s := chat.ToolSelection{Allow: []string{"get", "list_*", "cut"}, Ask: []string{"put", "get", "?et"}, Deny: []string{"cut", "gone"}}
	if got := s.Named(); !slices.Equal(got, []string{"get", "put"}) {
		t.Errorf("%q", got)
	}
}

func TestToolNames(t *testing.T) {
	for s, want := range map[string][2]bool{ // a tool, a server
		"":                       {false, false},
		"get_order-2":            {true, true},
		"orders.get":             {true, false},
		"orders/get:one":         {true, false},
		"get order":              {false, false},
		"get*":                   {false, false},
		"größe":                  {false, false},
		"a\x00":                  {false, false},
		strings.Repeat("x", 32):  {true, true},
		strings.Repeat("x", 33):  {true, false},
		strings.Repeat("x", 128): {true, false},
		strings.Repeat("x", 129): {false, false},
	} {
		if got := [2]bool{chat.ValidToolName(s), chat.ValidToolServer(s)}; got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestCheckTools(t *testing.T) {
	type selections = []chat.ToolSelection
	names := func(n int) (globs []string) {
		for i := range n {
			globs = append(globs, fmt.Sprintf("t%d", i))
		}
		return globs
	}
	servers := func(n int) (out selections) {
		for i := range n {
			out = append(out, chat.ToolSelection{Server: fmt.Sprintf("s%d", i), Allow: []string{"*"}})
		}
		return out
	}
	one := func(allow, ask, deny []string) selections {
		return selections{{Server: "shop", Allow: allow, Ask: ask, Deny: deny}}
	}
	for name, tt := range map[string]struct {
		tools selections
		want  []string
	}{
		"none":              {nil, nil},
		"usual":             {one([]string{"*"}, []string{"refund_*"}, []string{"*_all"}), nil},
		"ask alone":         {one(nil, []string{"*"}, nil), nil},
		"most":              {servers(chat.MaxToolServers), nil},
		"too many servers":  {servers(chat.MaxToolServers + 1), []string{"tools"}},
		"most globs":        {one(names(chat.MaxToolGlobs), nil, nil), nil},
		"too many globs":    {one(names(chat.MaxToolGlobs+1), nil, nil), []string{"tools[0].allow"}},
		"too many denied":   {one([]string{"*"}, nil, names(chat.MaxToolGlobs+1)), []string{"tools[0].deny"}},
		"too many asked":    {one([]string{"x"}, names(chat.MaxToolGlobs+1), nil), []string{"tools[0].ask"}},
		"no server":         {selections{{Allow: []string{"*"}}}, []string{"tools[0].server"}},
		"server":            {selections{{Server: "a.b", Allow: []string{"*"}}}, []string{"tools[0].server"}},
		"server twice":      {append(one([]string{"a"}, nil, nil), one([]string{"b"}, nil, nil)...), []string{"tools[1].server"}},
		"nothing selected":  {one(nil, nil, []string{"a"}), []string{"tools[0].allow"}},
		"empty":             {one([]string{"a", ""}, nil, nil), []string{"tools[0].allow[1]"}},
		"longest":           {one([]string{strings.Repeat("x", chat.MaxToolName)}, nil, nil), nil},
		"too long":          {one(nil, []string{strings.Repeat("x", chat.MaxToolName+1)}, nil), []string{"tools[0].ask[0]"}},
		"matches nothing":   {one([]string{"*"}, nil, []string{"get order"}), []string{"tools[0].deny[0]"}},
		"regular one":       {one([]string{"(get|put)"}, nil, nil), []string{"tools[0].allow[0]"}},
		"class":             {one([]string{"[gp]et"}, nil, nil), []string{"tools[0].allow[0]"}},
		"invalid":           {one([]string{"\xff"}, nil, nil), []string{"tools[0].allow[0]"}},
		"twice":             {one([]string{"a", "b", "a"}, nil, nil), []string{"tools[0].allow[2]"}},
		"denied as well":    {one([]string{"a", "b"}, nil, []string{"b"}), []string{"tools[0].allow[1]"}},
		"all denied":        {one(nil, []string{"a*"}, []string{"*"}), []string{"tools[0].ask[0]"}},
		"asked as well":     {one([]string{"get_*"}, []string{"*"}, nil), []string{"tools[0].allow[0]"}},
		"wider than denied": {one([]string{"a*"}, nil, []string{"a?"}), nil},
		"as wide":           {one([]string{"a?"}, nil, []string{"a*"}), []string{"tools[0].allow[0]"}},
		"everything": {
			selections{{}, {Server: "s", Allow: []string{""}, Ask: []string{" "}, Deny: []string{"é"}}},
			[]string{"tools[0].allow", "tools[0].server", "tools[1].allow[0]", "tools[1].ask[0]", "tools[1].deny[0]"},
		},
	} {
		var f chat.Faults
		chat.CheckTools(&f, tt.tools)
		if got := faults(t, f.Err()); !slices.Equal(got, tt.want) {
			t.Errorf("%s: faults in %v, want %v", name, got, tt.want)
		}
	}
}
