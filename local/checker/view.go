package checker

import (
	"slices"
	"time"

	"aiwm-chat/shared/chat"
)

// view checks G4 and G7 for what one connection saw of a conversation.
func (c *check) view(v View) {
	conversation, known := c.final.Conversations[v.Conversation]
	if !known {
		return
	}
	log := conversation.Log
	first := map[int64]time.Time{} // when each seq came
	if len(v.Frames) > 0 && !c.members[Member{v.Conversation, v.Principal}] {
		c.report.add(Leaked, "%s: %s was never a member and got seq %d", v.Conversation, v.Principal, v.Frames[0].Seq)
	}
	for _, f := range v.Frames {
		c.frame(v, f, log)
		if _, ok := first[f.Seq]; !ok {
			first[f.Seq] = f.At
		}
	}
	if !v.Joined.IsZero() {
		c.reached(v, log, first)
	}
}

// said reports whether a message says something, or did before its author edited it.
func (c *check) said(id chat.ConversationID, e Entry, content Content) bool {
	s := c.stories[Key{id, e.Sender, e.Client}]
	return e.Content == content || c.edited(e.ID, content) || s != nil && s.content == content && len(c.edits[e.ID]) > 0
}

// frame checks that what came is what the log has, and that it was for them.
func (c *check) frame(v View, f Frame, log []Entry) {
	if f.Seq < 1 || f.Seq > int64(len(log)) {
		c.report.add(Lost, "%s: %s got seq %d, which the log lacks", v.Conversation, v.Principal, f.Seq)
		return
	}
	e := log[f.Seq-1]
	switch confirmed, deleted := c.deletions[e.ID]; {
	case e.ID != f.ID:
		c.report.add(Reordered, "%s: seq %d is %s, and came to %s as %s", v.Conversation, f.Seq, e.ID, v.Principal, f.ID)
	case e.Sender != f.Sender || e.Client != f.Client:
		c.report.add(Wrong, "%s: seq %d came to %s as somebody else's", v.Conversation, f.Seq, v.Principal)
	case f.Deleted && !deleted, !f.Deleted && !e.Deleted && !f.Cut && !c.said(v.Conversation, e, f.Content):
		c.report.add(Wrong, "%s: seq %d says something else to %s", v.Conversation, f.Seq, v.Principal)
	case !f.Deleted && !confirmed.IsZero() && f.At.After(confirmed.Add(c.bounds.Delivery)):
		c.report.add(Wrong, "%s: seq %d came to %s %v after it was deleted", v.Conversation, f.Seq, v.Principal, f.At.Sub(confirmed))
	}
	s := c.stories[Key{v.Conversation, e.Sender, e.Client}]
	if s == nil {
		return
	}
	for _, r := range c.Removals {
		if r.Conversation != v.Conversation || r.Principal != v.Principal || r.Confirmed.IsZero() {
			continue
		}
		if s.begun.After(r.Confirmed) && f.At.After(r.Confirmed) && (r.Back.IsZero() || f.At.Before(r.Back)) {
			c.report.add(Leaked, "%s: seq %d was sent %v after %s was removed, and came to them", v.Conversation, f.Seq, s.begun.Sub(r.Confirmed), v.Principal)
		}
	}
}

// reached checks that everything came in time while the view lasted. It may go on
// over a removal, of which its client was not told: from then on nothing is due, until
// the client was added and has joined again, which its next pong has it do.
func (c *check) reached(v View, log []Entry, first map[int64]time.Time) {
	end := c.final.At
	if !v.Ended.IsZero() {
		end = v.Ended
	}
	for from, after := v.Joined, v.After; ; {
		until, back := end, time.Time{}
		for _, r := range c.Removals {
			if r.Conversation == v.Conversation && r.Principal == v.Principal && r.Begun.Before(until) && (r.Back.IsZero() || r.Back.After(from)) {
				until, back = r.Begun, r.Back
			}
		}
		c.stretch(v, from, until, log[min(max(after, 0), int64(len(log))):], first)
		next := slices.IndexFunc(v.Again, func(a Again) bool { return !back.IsZero() && a.Asked.After(back) && a.Joined.Before(end) })
		if next < 0 {
			return
		}
		from, after = v.Again[next].Joined, v.Again[next].After
	}
}

// stretch checks a view that is in the room from one time until another. A client
// shows a message when it has all that come before it.
func (c *check) stretch(v View, from, until time.Time, log []Entry, first map[int64]time.Time) {
	var shown time.Time
	missed := 0
	for _, e := range log {
		at, came := first[e.Seq]
		if at.After(shown) {
			shown = at
		}
		s := c.stories[Key{v.Conversation, e.Sender, e.Client}]
		if s == nil {
			continue
		}
		since := s.acked
		if since.IsZero() { // its sender never knew: G4 holds all the same
			since = e.Created
		}
		if from.After(since) {
			since = from
		}
		due := since.Add(c.bounds.Delivery)
		if !due.After(until) && (!came || shown.After(due)) {
			if missed++; missed == 1 {
				c.report.add(Deaf, "%s: %s (%s) had not seen seq %d %v after it was there (%s)",
					v.Conversation, v.Principal, v.Connection, e.Seq, c.bounds.Delivery, whenShown(came, shown, since))
			}
		}
	}
}

func whenShown(came bool, shown, since time.Time) string {
	if !came {
		return "it never came"
	}
	return "but " + shown.Sub(since).Round(time.Millisecond).String() + " after"
}

// invited reports whether p was added again and has neither joined nor written
// since: others are not told whether they are there.
func (c *check) invited(id chat.ConversationID, p chat.Principal) bool {
	var back time.Time
	for _, r := range c.Removals {
		if r.Conversation == id && r.Principal == p && r.Back.After(back) {
			back = r.Back
		}
	}
	joined := slices.ContainsFunc(c.Views, func(v View) bool { return v.Conversation == id && v.Principal == p && v.Joined.After(back) })
	wrote := slices.ContainsFunc(c.Attempts, func(a Attempt) bool {
		return a.Conversation == id && a.Sender == p && a.Outcome == Acknowledged && a.Ended.After(back)
	})
	return !back.IsZero() && !joined && !wrote
}

// presence checks who REST says is online.
func (c *check) presence(id chat.ConversationID, conversation Conversation) {
	before := c.final.At.Add(-c.bounds.Presence)
	for p, online := range conversation.Online {
		open, recent := false, false
		for _, l := range c.Links {
			if l.Principal != p {
				continue
			}
			open = open || l.Opened.Before(before) && l.Closed.IsZero()
			recent = recent || l.Closed.IsZero() || l.Closed.After(before)
		}
		switch {
		case online && !recent:
			c.report.add(Ghosts, "%s: %s is online, and not connected for %v", id, p, c.bounds.Presence)
		case !online && open && !c.invited(id, p):
			c.report.add(Stuck, "%s: %s is offline, and connected for %v", id, p, c.bounds.Presence)
		}
	}
}

// heard checks that nobody was said to come online who was not connected.
func (c *check) heard() {
	for _, h := range c.Heard {
		there := false
		for _, l := range c.Links {
			if l.Principal == h.About && !l.Opened.After(h.At.Add(time.Second)) && (l.Closed.IsZero() || l.Closed.Add(c.bounds.Presence).After(h.At)) {
				there = true
				break
			}
		}
		if !there {
			c.report.add(Ghosts, "%s heard that %s is online at %s, who was not connected", h.By, h.About, h.At.Format(time.StampMilli))
		}
	}
}
