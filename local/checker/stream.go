package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"aiwm-chat/shared/chat"
)

// reading is how long before its message was made a stream may have been read for it:
// what was written meanwhile is not in it.
const reading = 5 * time.Second

// streamed tells the stories of streams: of each, one message, whoever ends it.
func (c *check) streamed() {
	for i := range c.Streams {
		st := &c.Streams[i]
		s := c.stories[st.Key]
		if s == nil {
			s = &story{begun: st.Begun}
			c.stories[st.Key] = s
		}
		s.stream, s.refused = st, false
		if st.Begun.Before(s.begun) {
			s.begun = st.Begun
		}
	}
	for _, a := range c.Attempts {
		if s := c.stories[a.Key]; s.stream != nil {
			s.said = append(s.said, a.Content)
		}
	}
}

// end checks what a stream became: what its agent said, or as much of it as had come.
func (c *check) end(s *story, e *Entry) {
	text := s.stream.Text
	switch {
	case e.Status == chat.StatusSent && !slices.Contains(s.said, e.Content):
		c.report.add(Garbled, "%s: seq %d, %s of %s, is not what was written", s.stream.Conversation, e.Seq, e.Client, e.Sender)
	case e.Status == chat.StatusSent && e.Tokens != s.tokens:
		c.report.add(Wrong, "%s: seq %d, %s of %s, used %d tokens, not %d", s.stream.Conversation, e.Seq, e.Client, e.Sender, e.Tokens, s.tokens)
	case e.Length > len(text) || ContentOf(text[:e.Length]) != e.Content:
		c.report.add(Garbled, "%s: seq %d, %s of %s, is %s and not the beginning of what was written", s.stream.Conversation, e.Seq, e.Client, e.Sender, e.Status)
	}
}

// written checks G9 to G11: what is shown of streams, and that they end.
func (c *check) written() {
	type name struct {
		conversation chat.ConversationID
		stream       chat.ClientMessageID
	}
	names, shown, open := map[name]*story{}, map[name]int{}, map[name]bool{}
	for i := range c.Streams {
		k := c.Streams[i].Key
		names[name{k.Conversation, k.Client}] = c.stories[k]
	}
	for id, conversation := range c.final.Conversations {
		for _, stream := range conversation.Open {
			open[name{id, stream}] = true
		}
	}
	for _, v := range c.final.Screens {
		n := name{v.Conversation, v.Stream}
		s := names[n]
		if s == nil {
			c.report.add(Wrong, "%s: %s shows %s, which nobody writes", v.Conversation, v.Device, v.Stream)
			continue
		}
		shown[n] = max(shown[n], len(v.Live))
		c.screen(v, s)
	}
	for n, s := range names {
		c.over(s, open[n], shown[n])
	}
	for _, stop := range c.Stops {
		s := names[name{stop.Conversation, stop.Stream}]
		due := stop.Accepted.Add(c.bounds.Stop)
		switch {
		case s == nil:
			c.report.add(Wrong, "%s: %s is stopped, which nobody writes", stop.Conversation, stop.Stream)
		case s.stored == nil && due.Before(c.final.At):
			c.report.add(Open, "%s: %s was stopped, and there is no message", stop.Conversation, stop.Stream)
		case s.stored != nil && s.stored.Created.After(due):
			c.report.add(Open, "%s: %s was stopped, and ended %v after", stop.Conversation, stop.Stream, s.stored.Created.Sub(stop.Accepted))
		}
	}
}

// screen checks what a device shows of one stream: of what is written only what was
// written, and of what has ended what it became.
func (c *check) screen(v Screen, s *story) {
	e := s.stored
	switch {
	case !strings.HasPrefix(s.stream.Text, v.Live):
		c.report.add(Garbled, "%s: %s showed something else of %s than was written: %s", v.Conversation, v.Device, v.Stream, differs(v.Live, s.stream.Text))
	case v.EndsOnly && v.Live != "":
		c.report.add(Wrong, "%s: %s got pieces of %s, and had asked for its end", v.Conversation, v.Device, v.Stream)
	case v.Ended && e == nil:
		c.report.add(Lost, "%s: %s shows the message of %s, which the log lacks", v.Conversation, v.Device, v.Stream)
	case e == nil || e.Deleted:
	case v.Ended && ContentOf(v.Text) != e.Content:
		c.report.add(Garbled, "%s: %s shows something else of %s than seq %d says", v.Conversation, v.Device, v.Stream, e.Seq)
	case !v.Ended && v.Text != "":
		c.report.add(Garbled, "%s: %s shows %s as being written, and it is seq %d", v.Conversation, v.Device, v.Stream, e.Seq)
	case e.Status != chat.StatusSent && len(v.Live) > e.Length && v.LiveAt.Add(reading).Before(e.Created) && !c.lost(s.stream):
		c.report.add(Garbled, "%s: seq %d, %s, lacks what %s had shown of %s", v.Conversation, e.Seq, e.Status, v.Device, v.Stream)
	}
	for _, r := range c.Removals {
		if r.Conversation == v.Conversation && r.Principal == v.Principal && !r.Confirmed.IsZero() &&
			s.begun.After(r.Confirmed) && v.First.After(r.Confirmed) && (r.Back.IsZero() || v.First.Before(r.Back)) {
			c.report.add(Leaked, "%s: %s was begun %v after %s was removed, and shown to them", v.Conversation, v.Stream, s.begun.Sub(r.Confirmed), v.Principal)
		}
	}
}

// differs says from where on a text is not the beginning of another.
func differs(text, whole string) string {
	at := 0
	for at < min(len(text), len(whole)) && text[at] == whole[at] {
		at++
	}
	const some = 40
	return fmt.Sprintf("after %d bytes %.*q, not %.*q", at, some, text[at:], some, whole[at:])
}

// over checks that a stream ended in time: as a message, if some of it had come. Of one
// that the server's memory lost nothing is known any more, unless its agent goes on.
func (c *check) over(s *story, open bool, shown int) {
	st := s.stream
	due := st.Alive.Add(c.bounds.Open)
	switch {
	case s.stored != nil && s.stored.Created.After(due):
		c.report.add(Open, "%s: %s of %s ended %v after the last sign of life", st.Conversation, st.Client, st.Sender, s.stored.Created.Sub(st.Alive))
	case !due.Before(c.final.At):
	case open:
		c.report.add(Open, "%s: %s of %s is being written, without a sign of life for %v", st.Conversation, st.Client, st.Sender, c.bounds.Open)
	case s.stored == nil && shown > 0 && !c.lost(st):
		c.report.add(Open, "%s: %s of %s, of which %d bytes were shown, never became a message", st.Conversation, st.Client, st.Sender, shown)
	}
}

// lost reports whether the server forgot a stream since it was begun.
func (c *check) lost(st *Stream) bool {
	return slices.ContainsFunc(c.Losses, func(l Loss) bool {
		return (l.Conversation == "" || l.Conversation == st.Conversation) && !l.At.Before(st.Begun)
	})
}
