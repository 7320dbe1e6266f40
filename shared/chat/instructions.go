package chat

import (
	"slices"
	"strings"
	"time"
)

// The variables of instructions.
var variables = []string{"user.name", "user.id", "conversation.title", "now"}

// InstructionValues are what the variables of instructions stand for in one run.
type InstructionValues struct {
	UserName          string // "": the id
	UserID            PrincipalID
	ConversationTitle string
	Now               time.Time
}

// Expand returns instructions with the values of their variables: {{user.name}},
// {{user.id}}, {{conversation.title}} and {{now}}. What a value says is text, also where it
// looks like a variable, and one line: whoever chooses a name or a title writes no
// paragraph of the instructions.
func Expand(instructions string, v InstructionValues) string {
	name := v.UserName
	if name == "" {
		name = string(v.UserID)
	}
	values := map[string]string{
		"user.name": OneLine(name), "user.id": string(v.UserID),
		"conversation.title": OneLine(v.ConversationTitle), "now": v.Now.UTC().Format(time.RFC3339),
	}
	var b strings.Builder
	rest := instructions
	for {
		text, variable, after, ok := nextVariable(rest)
		b.WriteString(text)
		if !ok {
			return b.String()
		}
		b.WriteString(values[variable])
		rest = after
	}
}

// OneLine returns a text with a space in place of each run of spaces and ends of lines.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// nextVariable cuts a text at its first {{variable}}. Without one ok is false, and text is
// all of it.
func nextVariable(s string) (text, variable, rest string, ok bool) {
	before, after, found := strings.Cut(s, "{{")
	if !found {
		return s, "", "", false
	}
	name, rest, found := strings.Cut(after, "}}")
	if !found {
		return s, "", "", false
	}
	return before, strings.TrimSpace(name), rest, true
}

func checkVariables(f *Faults, field, s string) {
	for {
		text, variable, rest, ok := nextVariable(s)
		switch {
		case !ok && strings.Contains(text, "{{"):
			f.Add(field, "has {{ without }}")
			return
		case !ok:
			return
		case !slices.Contains(variables, variable):
			f.Add(field, "has the unknown variable {{%s}}: there are {{%s}}", TruncateUTF8(variable, MaxID), strings.Join(variables, "}}, {{"))
			return
		}
		s = rest
	}
}
