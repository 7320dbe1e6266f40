package checker

import (
	"cmp"
	"slices"

	"aiwm-chat/shared/chat"
)

// A Marking is that somebody says up to where they have read a conversation, or with Back
// from where on they have not.
type Marking struct {
	Conversation chat.ConversationID
	By           chat.Principal
	Back         bool
	Private      bool
	Seq          int64 // the last one that is read
	Answered     bool
	Mark         // what the answer says
}

// A Mark is up to where somebody has read. Of two the one with the larger version is newer.
type Mark struct{ Seq, Version int64 }

// A Told is a mark of which a device was told.
type Told struct {
	Conversation chat.ConversationID
	To, About    chat.Principal
	Mark
}

// A Reading is what REST says in the end of what somebody has read of a conversation.
type Reading struct {
	Mark
	Public int64 // up to where, as far as the others know
	Unread int
	More   bool
}

// read checks that no mark is lost that was acknowledged, that none moved the wrong way, that
// what is unread is what the log has after it, and that nobody was told of what never was.
func (c *check) read() {
	for m, r := range c.final.Read {
		if conversation, known := c.final.Conversations[m.Conversation]; known {
			c.unread(m, r, conversation)
		}
	}
	of := map[Member][]Marking{}
	for _, m := range c.Markings {
		who := Member{m.Conversation, m.By}
		if _, known := c.final.Read[who]; known && m.Answered {
			of[who] = append(of[who], m)
		}
	}
	for who, all := range of {
		c.marked(who, all)
	}
	for _, t := range c.Tolds {
		r, known := c.final.Read[Member{t.Conversation, t.About}]
		switch {
		case !known:
		case t.To == t.About && (t.Version > r.Version || t.Version == r.Version && t.Seq != r.Seq):
			c.report.add(Wrong, "%s: %s was told of their mark %d in version %d, and it is %d in %d", t.Conversation, t.To, t.Seq, t.Version, r.Seq, r.Version)
		case t.To != t.About && t.Seq > r.Public:
			c.report.add(Leaked, "%s: %s was told that %s has read up to %d, and others know of %d", t.Conversation, t.To, t.About, t.Seq, r.Public)
		}
	}
}

// unread counts again, in the log.
func (c *check) unread(m Member, r Reading, conversation Conversation) {
	count, end := 0, r.Seq+chat.UnreadSpan
	for _, e := range conversation.Log {
		if e.Seq > r.Seq && e.Seq <= end && e.Sender != m.Principal && e.Counts && !e.Deleted {
			count++
		}
	}
	if more := conversation.Total > end; r.Unread != count || r.More != more {
		c.report.add(Wrong, "%s: %s has read up to %d, and has %d unread, more %t; in the log they are %d, %t", m.Conversation, m.Principal, r.Seq, r.Unread, r.More, count, more)
	}
}

// marked checks the answers that somebody got, in the order of their versions.
func (c *check) marked(who Member, all []Marking) {
	slices.SortStableFunc(all, func(a, b Marking) int { return cmp.Compare(a.Version, b.Version) })
	end := c.final.Read[who]
	for i, m := range all {
		switch {
		case m.Version > end.Version:
			c.report.add(Lost, "%s: %s was answered with version %d of their mark, and it is %d", who.Conversation, who.Principal, m.Version, end.Version)
		case !m.Private && !m.Back && m.Seq > end.Public:
			c.report.add(Lost, "%s: %s has read up to %d, and others know of %d", who.Conversation, who.Principal, m.Seq, end.Public)
		case m.Back && m.Mark.Seq > m.Seq, !m.Back && m.Mark.Seq < m.Seq:
			c.report.add(Wrong, "%s: %s marked %d, back %t, and it was answered with %d", who.Conversation, who.Principal, m.Seq, m.Back, m.Mark.Seq)
		case m.Version == end.Version && m.Mark.Seq != end.Seq,
			i > 0 && m.Version == all[i-1].Version && m.Mark.Seq != all[i-1].Mark.Seq:
			c.report.add(Wrong, "%s: version %d of the mark of %s is %d, and another number elsewhere", who.Conversation, m.Version, who.Principal, m.Mark.Seq)
		case i > 0 && m.Version == all[i-1].Version+1 && m.Mark.Seq < all[i-1].Mark.Seq && !c.back(who, m.Version):
			c.report.add(Wrong, "%s: %s read on, and their mark went from %d back to %d", who.Conversation, who.Principal, all[i-1].Mark.Seq, m.Mark.Seq)
		}
	}
}

// back reports whether it may be that a version of a mark is before the last one: somebody
// wanted that, and what they were answered is that version, or is not known. (Who reads what
// is read already is answered with a version that another one made.)
func (c *check) back(who Member, version int64) bool {
	return slices.ContainsFunc(c.Markings, func(m Marking) bool {
		return m.Back && m.Conversation == who.Conversation && m.By == who.Principal && (!m.Answered || m.Version == version)
	})
}
