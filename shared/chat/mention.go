package chat

import (
	"fmt"
	"slices"
)

// MaxMentions is the most that a message mentions.
const MaxMentions = 20

// A MentionType says who is mentioned: somebody of a type, or everybody.
type MentionType string

// The types of a mention. Everybody is all people of the conversation, and no agent: each
// that is called costs, so who wants one names it.
const (
	MentionUser  MentionType = "user"
	MentionAgent MentionType = "agent"
	Everybody    MentionType = "all"
)

// A Mention is of somebody who is meant to look at a message.
type Mention struct {
	Type MentionType
	ID   PrincipalID // "" of Everybody
}

// all is the mention of everybody.
var all = Mention{Type: Everybody}

// MentionOf returns the mention of somebody.
func MentionOf(p Principal) Mention { return Mention{Type: MentionType(p.Type), ID: p.ID} }

// canonical is what tells mentions from others.
func canonical(ms []Mention) []any {
	out := make([]any, len(ms))
	for i, m := range ms {
		out[i] = []any{string(m.Type), string(m.ID)}
	}
	return out
}

// checkMentions notes what is wrong with mentions that needs no look-up.
func checkMentions(f *Faults, ms []Mention) {
	if len(ms) > MaxMentions {
		f.Add("mentions", "must be at most %d", MaxMentions)
		return
	}
	for i, m := range ms {
		field := mentionAt(i)
		switch {
		case m.Type == Everybody && m.ID != "":
			f.Add(field+".id", "must be left out where all are meant")
		case m.Type == Everybody:
		case m.Type != MentionUser && m.Type != MentionAgent:
			f.Add(field+".type", "must be user, agent or all")
		default:
			CheckID(f, field+".id", m.ID)
		}
	}
}

// mayMention notes whom somebody of a type may not mention.
func mayMention(f *Faults, ms []Mention, by PrincipalType) {
	for i, m := range ms {
		if m.Type == Everybody && by != User {
			f.Add(mentionAt(i), "only a user mentions all")
		}
	}
}

func mentionAt(i int) string { return fmt.Sprintf("mentions[%d]", i) }

// Distinct returns mentions each once, where it came first; nil is nil.
func Distinct(ms []Mention) []Mention {
	if ms == nil {
		return nil
	}
	once := make([]Mention, 0, len(ms))
	for _, m := range ms {
		if !slices.Contains(once, m) {
			once = append(once, m)
		}
	}
	return once
}

// CheckMentions returns which of mentions is of nobody who takes part.
func (c *Conversation) CheckMentions(ms []Mention) error {
	var f Faults
	for i, m := range ms {
		if m.Type != Everybody && !c.HasParticipant(Principal{Type: PrincipalType(m.Type), ID: m.ID, OrgID: c.OrgID}) {
			f.Add(mentionAt(i), "must be of a participant of the conversation")
		}
	}
	return f.Err()
}

// MentionsAgent reports whether a message of a user is for an agent: by its mentions, and
// where its client gave none by its text.
func (m *Message) MentionsAgent(id PrincipalID) bool {
	if len(m.Mentions) > 0 {
		return slices.Contains(m.Mentions, Mention{Type: MentionAgent, ID: id})
	}
	return Mentions(m.Content, id)
}

// Notices are who is to be told that a message mentions them.
type Notices struct {
	To []Mention
	// But are those of Everybody in To who know already.
	But []Mention
}

// None reports whether nobody is to be told.
func (n Notices) None() bool { return len(n.To) == 0 }

// NoticesOf returns who is to be told of mentions by somebody, of whom those knew already
// whom the message mentioned before.
func NoticesOf(by Principal, before, now []Mention) (n Notices) {
	if slices.Contains(before, all) {
		// Who is named besides is new only if it is an agent.
		now = slices.DeleteFunc(slices.Clone(now), func(m Mention) bool { return m.Type != MentionAgent })
	}
	for _, m := range Distinct(now) {
		if !slices.Contains(before, m) && m != MentionOf(by) {
			n.To = append(n.To, m)
		}
	}
	if slices.Contains(n.To, all) {
		n.But = Distinct(before)
	}
	return n
}

// Informed are those whom m mentions who know it, or are to be told by their own name. While all
// are still to be told nobody knows it for being one of them.
func (m *Message) Informed() []Mention {
	if m.Due == nil || !slices.Contains(m.Due.Notices.To, all) {
		return m.Mentions
	}
	return slices.DeleteFunc(slices.Clone(m.Mentions), func(one Mention) bool { return one == all })
}

// Noticed returns who is to be told still that m mentions them: participants of c as it is,
// but not its sender.
func (m *Message) Noticed(c Conversation) (who []Principal) {
	if m.Deleted || m.Due == nil {
		return nil
	}
	still := func(one Mention) bool { return slices.Contains(m.Mentions, one) }
	for _, p := range c.Principals() {
		own := MentionOf(p)
		named := slices.Contains(m.Due.Notices.To, own) && (still(own) || still(all))
		among := p.Type == User && slices.Contains(m.Due.Notices.To, all) && still(all) && !slices.Contains(m.Due.Notices.But, own)
		if p != m.Sender && (named || among) {
			who = append(who, p)
		}
	}
	return who
}
