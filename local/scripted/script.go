package scripted

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A script is what the model was told to do.
type script struct {
	tokens           int // 0: as many as there are
	wait             time.Duration
	delay            *time.Duration // nil: the model's own
	think            int
	tags             bool
	end              string // refuse, filter, empty, big, big-event, bad-utf8; "": as usual
	brk, mute, spoil int    // after so many tokens the connection breaks, it falls silent, it writes no JSON; -1: never
	filter           int
	status           int
	code             string
	retryAfter       int
	flaky            int
	steps            [][]call
	loop             bool
	plain            string // the message without its directives
}

type call struct{ name, arguments string }

// directive is one, at the beginning of a word.
var directive = regexp.MustCompile(`(?:^|\s)#([a-z0-9-]+)`)

var toolName = regexp.MustCompile(`^\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)`)

var number = regexp.MustCompile(`^\s+([0-9]{1,9})\b`)

// use is how people ask for a tool.
var use = regexp.MustCompile(`(?i)\buse (?:the )?([a-z0-9_.-]*[a-z0-9_])`)

// read reads the last message of a user.
func read(in request) script {
	s := script{brk: -1, mute: -1, spoil: -1, steps: [][]call{nil}}
	rest := lastUser(in.Messages)
	offered := map[string]bool{}
	first := "tool"
	for i, t := range in.Tools {
		if offered[t.Function.Name] = true; i == 0 {
			first = t.Function.Name
		}
	}
	for {
		at := directive.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		s.plain += rest[:at[0]]
		name, after := rest[at[2]:at[3]], rest[at[1]:]
		if left, known := s.obey(name, after, first); known {
			rest = left
			continue
		}
		s.plain, rest = s.plain+rest[at[0]:at[1]], after
	}
	s.plain = strings.TrimSpace(s.plain + rest)
	if asked := use.FindStringSubmatch(s.plain); asked != nil && len(s.steps[0]) == 0 && offered[asked[1]] {
		s.steps[0] = []call{{asked[1], "{}"}}
	}
	return s
}

// obey does what a directive says and returns what follows it.
func (s *script) obey(name, rest, firstTool string) (left string, known bool) {
	n := func(otherwise int) int {
		if found := number.FindStringSubmatchIndex(rest); found != nil {
			if v, err := strconv.Atoi(rest[found[2]:found[3]]); err == nil {
				otherwise, rest = v, rest[found[1]:]
			}
		}
		return otherwise
	}
	milliseconds := func(otherwise int) time.Duration { return time.Duration(n(otherwise)) * time.Millisecond }
	switch name {
	case "tokens":
		s.tokens = min(n(100), maxTokens)
	case "slow":
		s.delay = new(milliseconds(500))
	case "wait":
		s.wait = milliseconds(2000)
	case "think", "think-tags":
		s.think, s.tags = min(n(20), maxTokens), name == "think-tags"
	case "tool":
		var c call
		c, rest = readCall(rest, firstTool)
		s.steps[len(s.steps)-1] = append(s.steps[len(s.steps)-1], c)
	case "then":
		s.steps = append(s.steps, nil)
	case "loop":
		s.loop = true
	case "bad-arguments":
		if step := s.steps[len(s.steps)-1]; len(step) > 0 {
			c := &step[len(step)-1]
			c.arguments = `{"cut": [` + c.arguments[:len(c.arguments)/2]
		}
	case "refuse", "empty", "big", "big-event", "bad-utf8":
		s.end = name
	case "filter":
		s.end, s.filter = name, n(3)
	case "break":
		s.brk = n(0)
	case "silent":
		s.mute = n(0)
	case "garbage":
		s.spoil = n(0)
	case "quota":
		s.status, s.code = 429, "insufficient_quota"
	case "flaky":
		s.flaky = n(1)
	default:
		status, err := strconv.Atoi(name)
		if err != nil || status < 400 || status > 599 {
			return rest, false
		}
		s.status, s.retryAfter = status, n(0)
	}
	return rest, true
}

// readCall reads the name of a tool and its arguments, each if it is there.
func readCall(rest, firstTool string) (call, string) {
	c := call{firstTool, "{}"}
	if found := toolName.FindStringSubmatchIndex(rest); found != nil {
		c.name, rest = rest[found[2]:found[3]], rest[found[1]:]
	}
	if trimmed := strings.TrimSpace(rest); strings.HasPrefix(trimmed, "{") {
		var arguments json.RawMessage
		d := json.NewDecoder(strings.NewReader(trimmed))
		if d.Decode(&arguments) == nil {
			c.arguments, rest = string(arguments), trimmed[d.InputOffset():]
		}
	}
	return c, rest
}

func lastUser(messages []message) string {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == "user" {
			return string(messages[i].Content)
		}
	}
	return ""
}

// A result is what a tool said.
type result struct{ tool, text string }

// sinceUser returns how many times tools were called since the last message of a user,
// and what the last of them said.
func sinceUser(messages []message) (steps int, results []result) {
	start := len(messages)
	for start > 0 && messages[start-1].Role != "user" {
		start--
	}
	names := map[string]string{}
	for _, m := range messages[start:] {
		switch {
		case m.Role == "assistant" && len(m.ToolCalls) > 0:
			steps, results = steps+1, nil
			for _, c := range m.ToolCalls {
				names[c.ID] = c.Function.Name
			}
		case m.Role == "tool":
			results = append(results, result{names[m.ToolCallID], string(m.Content)})
		}
	}
	return steps, results
}
