package chat

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Calls reports whether a message calls the agent: only a user's text does.
func (m *Managed) Calls(agent PrincipalID, q Message) bool {
	if q.Sender.Type != User || q.Type != TypeText || q.Deleted {
		return false
	}
	return m.Respond == RespondAlways || m.Respond == RespondMention && Mentions(q.Content, agent)
}

// Mentions reports whether a text names an id after "@". What ends a sentence may follow,
// though ids have a dot in them; a longer id, or an address that ends with it, is another.
func Mentions(text string, id PrincipalID) bool {
	name := "@" + string(id)
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if (i == 0 || !inWord(before) && !idMark(before)) && endsWord(text[i+len(name):]) {
			return true
		}
		from = i + 1
	}
}

// endsWord reports whether no id goes on with rest: where it begins with marks that ids
// may have, they are punctuation if nothing of a word follows them.
func endsWord(rest string) bool {
	rest = strings.TrimLeftFunc(rest, idMark)
	next, size := utf8.DecodeRuneInString(rest)
	return size == 0 || !inWord(next)
}

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func idMark(r rune) bool { return strings.ContainsRune(".@:|+=~-", r) }

// A BusyAnswer is what becomes of a question whose agent has other runs in the conversation.
type BusyAnswer struct {
	Refuse bool  // it is not answered
	Stop   []Run // which have to end for it
	For    *Run  // that of a newer question, for which it has to end itself; nil for none
}

// Meets returns what the policy does with the run of one more question; others are the agent's
// runs in the conversation. One that waits for approval is not busy. An answer that is given
// again interrupts nothing.
func (p BusyPolicy) Meets(run Run, others []Run) (a BusyAnswer) {
	for _, r := range others {
		if r.ID == run.ID || r.Status != RunActive && r.Status != RunQueued {
			continue
		}
		switch before := r.Place < run.Place; {
		case before && p == BusyReject:
			a.Refuse = true
		case before && p == BusyInterrupt:
			a.Stop = append(a.Stop, r)
		case p == BusyInterrupt && a.For == nil && r.N == 0 && r.Stop == nil:
			a.For = &r
		}
	}
	return a
}

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
