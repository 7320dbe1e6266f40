package checker

import (
	"slices"
	"time"

	"aiwm-chat/shared/chat"
)

// Check names everything in which a history and its end break a promise.
func Check(h History, f Final, b Bounds) Report {
	c := &check{History: h, final: f, bounds: b, stories: map[Key]*story{}, members: map[Member]bool{}, deletions: map[chat.MessageID]time.Time{}, edits: map[chat.MessageID][]Edit{}}
	for _, m := range h.Members {
		c.members[m] = true
	}
	for _, d := range h.Deletions {
		if at, known := c.deletions[d.ID]; !known || at.IsZero() {
			c.deletions[d.ID] = d.Confirmed
		}
	}
	for _, e := range h.Edits {
		c.edits[e.ID] = append(c.edits[e.ID], e)
	}
	c.tell()
	c.streamed()
	for id, conversation := range f.Conversations {
		c.log(id, conversation)
		c.folded(id, conversation)
		c.presence(id, conversation)
	}
	c.acknowledged()
	for _, v := range h.Views {
		c.view(v)
	}
	c.heard()
	c.written()
	c.changed()
	c.read()
	return c.report
}

type check struct {
	History
	final     Final
	bounds    Bounds
	report    Report
	stories   map[Key]*story
	members   map[Member]bool
	deletions map[chat.MessageID]time.Time // zero: not confirmed
	edits     map[chat.MessageID][]Edit
}

// A story is all attempts of one key together.
type story struct {
	content Content
	text    string
	tokens  int64
	begun   time.Time // the first one
	acked   time.Time // the first acknowledgement; zero: none
	refused bool      // every one was
	stored  *Entry    // in the log
	stream  *Stream   // what it is the end of
	said    []Content // of the ends of a stream, each
}

func (c *check) tell() {
	for _, a := range c.Attempts {
		s := c.stories[a.Key]
		if s == nil {
			s = &story{content: a.Content, text: a.Text, tokens: a.Tokens, begun: a.Begun, refused: true}
			c.stories[a.Key] = s
		}
		if a.Begun.Before(s.begun) {
			s.begun = a.Begun
		}
		if a.Outcome == Acknowledged && (s.acked.IsZero() || a.Ended.Before(s.acked)) {
			s.acked = a.Ended
		}
		s.refused = s.refused && a.Outcome == Refused && !(a.Code == chat.NotFound && c.removedBeside(&a))
	}
}

// removedBeside reports whether the sender was being removed when an attempt
// ended, or about to be added again, which is asked for at Back. A message that is
// sent just then may still be committed; and where its event comes twice, the first
// may find the sender removed and the second find them added again.
func (c *check) removedBeside(a *Attempt) bool {
	for _, r := range c.Removals {
		if r.Conversation == a.Conversation && r.Principal == a.Sender && !r.Begun.After(a.Ended) &&
			(r.Confirmed.IsZero() || !r.Confirmed.Before(a.Begun) || !r.Back.IsZero()) &&
			(r.Back.IsZero() || !r.Back.Add(c.bounds.Delivery).Before(a.Begun)) {
			return true
		}
	}
	return false
}

// log checks G2, G3 and G8: one message for each id, 1 to n, in an order that
// contradicts nobody's clock, and nothing that was refused or never sent.
func (c *check) log(id chat.ConversationID, conversation Conversation) {
	for i := range conversation.Log {
		e := &conversation.Log[i]
		if e.Seq != int64(i+1) {
			c.report.add(Reordered, "%s: place %d of the log has seq %d", id, i+1, e.Seq)
		}
		s := c.stories[Key{id, e.Sender, e.Client}]
		confirmed, deleted := c.deletions[e.ID]
		switch {
		case s == nil:
			c.report.add(Wrong, "%s: nobody sent seq %d, %s of %s", id, e.Seq, e.Client, e.Sender)
			continue
		case s.stored != nil:
			c.report.add(Doubled, "%s: %s of %s is seq %d and seq %d", id, e.Client, e.Sender, s.stored.Seq, e.Seq)
			continue
		case s.refused:
			c.report.add(Wrong, "%s: seq %d, %s of %s, was refused", id, e.Seq, e.Client, e.Sender)
		case e.Deleted && !deleted:
			c.report.add(Lost, "%s: seq %d, %s of %s, is deleted, and nobody asked for it", id, e.Seq, e.Client, e.Sender)
		case !e.Deleted && !confirmed.IsZero():
			c.report.add(Wrong, "%s: seq %d, %s of %s, was deleted and is there", id, e.Seq, e.Client, e.Sender)
		case !e.Deleted && s.stream != nil:
			c.end(s, e)
		case !e.Deleted && (e.Content != s.content && !c.edited(e.ID, e.Content) || e.Tokens != s.tokens):
			c.report.add(Wrong, "%s: seq %d, %s of %s, says something else", id, e.Seq, e.Client, e.Sender)
		}
		s.stored = e
	}
	// What was acknowledged before another was begun comes before it.
	var earliest *story // of those that come later, the first acknowledged
	for i := len(conversation.Log) - 1; i >= 0; i-- {
		e := conversation.Log[i]
		s := c.stories[Key{id, e.Sender, e.Client}]
		if s == nil {
			continue
		}
		if earliest != nil && earliest.acked.Before(s.begun) {
			c.report.add(Reordered, "%s: seq %d was acknowledged before seq %d was sent", id, earliest.stored.Seq, e.Seq)
		}
		if !s.acked.IsZero() && (earliest == nil || s.acked.Before(earliest.acked)) {
			earliest = s
		}
	}
}

// edited reports whether the author of a message wished it to say so.
func (c *check) edited(id chat.MessageID, content Content) bool {
	return slices.ContainsFunc(c.edits[id], func(e Edit) bool { return e.Content == content })
}

// acknowledged checks G1: it is there, as it was acknowledged.
func (c *check) acknowledged() {
	for _, a := range c.Attempts {
		if a.Outcome != Acknowledged {
			continue
		}
		switch s := c.stories[a.Key].stored; {
		case s == nil:
			c.report.add(Lost, "%s: %s of %s was acknowledged as seq %d", a.Conversation, a.Client, a.Sender, a.Seq)
		case s.ID != a.ID:
			c.report.add(Doubled, "%s: %s of %s was acknowledged as %s and is %s", a.Conversation, a.Client, a.Sender, a.ID, s.ID)
		case s.Seq != a.Seq:
			c.report.add(Reordered, "%s: %s of %s was acknowledged as seq %d and is %d", a.Conversation, a.Client, a.Sender, a.Seq, s.Seq)
		}
	}
}

// folded checks what is derived from the log: G6, and the totals.
func (c *check) folded(id chat.ConversationID, conversation Conversation) {
	n, tokens := int64(len(conversation.Log)), int64(0)
	for _, e := range conversation.Log {
		if s := c.stories[Key{id, e.Sender, e.Client}]; s != nil && e.Deleted { // what it used stays used
			tokens += s.tokens
		} else {
			tokens += e.Tokens
		}
	}
	if conversation.Total != n || conversation.Tokens != tokens {
		c.report.add(Wrong, "%s: the totals are %d messages and %d tokens, not %d and %d", id, conversation.Total, conversation.Tokens, n, tokens)
	}
	if conversation.LastSeq != n {
		c.report.add(Wrong, "%s: the last message is seq %d, not %d", id, conversation.LastSeq, n)
	} else if n > 0 && !conversation.Log[n-1].Deleted && conversation.Last != conversation.Log[n-1].Preview {
		c.report.add(Wrong, "%s: the last message says something else than seq %d", id, n)
	}
	if s := conversation.Summary; s != nil && (s.From < 1 || s.From > s.To || s.To > n) {
		c.report.add(Wrong, "%s: a summary of seq %d to %d, of %d", id, s.From, s.To, n)
	}
	if conversation.Due > 0 {
		c.report.add(Stuck, "%s: something is still due of %d messages", id, conversation.Due)
	}
}
