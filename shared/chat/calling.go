package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Calls reports whether a message calls the agent: only a user's text does.
func (m *Managed) Calls(agent PrincipalID, q Message) bool {
	if q.Sender.Type != User || q.Type != TypeText || q.Deleted {
		return false
	}
	return m.Respond == RespondAlways || m.Respond == RespondMention && q.MentionsAgent(agent)
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
