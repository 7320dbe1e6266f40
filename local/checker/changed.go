package checker

import (
	"strings"
	"time"

	"aiwm-chat/shared/chat"
)

// A Reaction is that of somebody to a message with a key.
type Reaction struct {
	ID  chat.MessageID
	By  chat.Principal
	Key string
}

// A Wish is that somebody reacts, or does so no more.
type Wish struct {
	Reaction
	On      bool
	Begun   time.Time
	Ended   time.Time // zero: no answer came, and it may happen at any time
	Version int64     // of the reactions, if acknowledged; 0: it was not
}

// Facets are what of a message may change, with their versions.
type Facets struct {
	Version         int64
	Edits           int64
	Deleted         bool
	Content         Content
	Cut             bool // Content is not all of it
	ReactionVersion int64
	Reactions       string // each key and its count
}

// A Shelf is what a device has of the messages of a conversation in the end.
type Shelf struct {
	Device       string
	Principal    chat.Principal
	Conversation chat.ConversationID
	Has          map[chat.MessageID]Facets
	Twofold      []chat.MessageID // of which one version came as two different ones
}

// changed checks that no change is lost that was acknowledged, that each device has what is
// stored, and that what was taken away is nowhere.
func (c *check) changed() {
	entries := map[chat.MessageID]*Entry{}
	for id, conversation := range c.final.Conversations {
		for i := range conversation.Log {
			e := &conversation.Log[i]
			entries[e.ID] = e
		}
		c.leftovers(id, conversation)
	}
	for _, edit := range c.Edits {
		e := entries[edit.ID]
		switch {
		case e == nil || edit.Version == 0 || e.Deleted && e.Version > edit.Version:
		case e.Version < edit.Version, e.Edits == edit.Edits && e.Content != edit.Content:
			c.report.add(Lost, "%s: edit %d was acknowledged as version %d, and it is edit %d in version %d", edit.ID, edit.Edits, edit.Version, e.Edits, e.Version)
		}
	}
	c.reacted(entries)
	for _, s := range c.final.Shelves {
		if conversation, known := c.final.Conversations[s.Conversation]; known && !c.away(s) {
			c.shelf(s, conversation)
		}
	}
}

// away reports whether the principal of a shelf was removed, and not added since.
func (c *check) away(s Shelf) bool {
	for _, r := range c.Removals {
		if r.Conversation == s.Conversation && r.Principal == s.Principal && r.Back.IsZero() {
			return true
		}
	}
	return false
}

// reacted checks the reactions that were acknowledged. Of several wishes for one the last
// counts, if all others were answered before it was made.
func (c *check) reacted(entries map[chat.MessageID]*Entry) {
	last := map[Reaction]Wish{}
	unclear := map[Reaction]bool{}
	for _, w := range c.Wishes {
		e := entries[w.ID]
		if e == nil || e.Deleted {
			continue
		}
		if e.ReactionVersion < w.Version {
			c.report.add(Lost, "%s: a reaction was acknowledged as version %d, and it is %d", w.ID, w.Version, e.ReactionVersion)
		}
		before, other := last[w.Reaction]
		unclear[w.Reaction] = unclear[w.Reaction] || w.Version == 0 || other && before.Ended.After(w.Begun)
		last[w.Reaction] = w
	}
	for r, w := range last {
		if there := c.final.Reacted[r]; !unclear[r] && there != w.On {
			c.report.add(Lost, "%s: %s reacted with %s, %t, which was acknowledged, and it is %t", r.ID, r.By, r.Key, w.On, there)
		}
	}
}

// shelf checks that a device has each message as it is.
func (c *check) shelf(s Shelf, conversation Conversation) {
	for _, id := range s.Twofold {
		c.report.add(Stale, "%s: one version of %s came to %s as two different ones", s.Conversation, id, s.Device)
	}
	for _, e := range conversation.Log {
		switch has, known := s.Has[e.ID]; {
		case !known:
			c.report.add(Stale, "%s: %s knows nothing of seq %d", s.Conversation, s.Device, e.Seq)
		case has.Version != e.Version || has.Deleted != e.Deleted:
			c.report.add(Stale, "%s: %s has seq %d in version %d, deleted %t, and it is %d, %t", s.Conversation, s.Device, e.Seq, has.Version, has.Deleted, e.Version, e.Deleted)
		case e.Deleted:
		case !has.Cut && has.Content != e.Content:
			c.report.add(Stale, "%s: %s has another text of seq %d in version %d", s.Conversation, s.Device, e.Seq, e.Version)
		case has.ReactionVersion != e.ReactionVersion || has.Reactions != e.Reactions:
			c.report.add(Stale, "%s: %s has the reactions %q of seq %d in version %d, and they are %q in %d", s.Conversation, s.Device, has.Reactions, e.Seq, has.ReactionVersion, e.Reactions, e.ReactionVersion)
		}
	}
}

// leftovers looks for texts that were edited out or deleted in what repeats them.
func (c *check) leftovers(id chat.ConversationID, conversation Conversation) {
	for _, e := range conversation.Log {
		said := c.edits[e.ID]
		if s := c.stories[Key{id, e.Sender, e.Client}]; s != nil && s.stream == nil {
			said = append([]Edit{{Text: s.text, Content: s.content}}, said...)
		}
		for _, one := range said {
			if one.Text != "" && (e.Deleted || one.Content != e.Content) && strings.Contains(conversation.SummaryText, one.Text) {
				c.report.add(Stale, "%s: the summary has %q of seq %d, which says that no more", id, one.Text, e.Seq)
			}
		}
	}
	if n := len(conversation.Log); n > 0 && conversation.Log[n-1].Deleted && conversation.LastSeq == int64(n) && conversation.Last != ContentOf("") {
		c.report.add(Stale, "%s: the last message says something, and is deleted", id)
	}
}
