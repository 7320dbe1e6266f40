package protocol

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// EventHistory follows conversation:joined and has its id: the newest 50 messages, or up to
// 500 after a given one, in as many frames as it takes.
const EventHistory = "messages:history"

// History is the data of messages:history: a page of the log in ascending
// order. HasMore says that the log goes on in the page's direction, from the
// cursor: towards newer messages (NextAfterSeq) when the client asked with
// afterSeq, else towards older ones (NextBeforeSeq). A long history comes as
// several frames, each a page, in that direction.
type History struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Messages       []jsontext.Value    `json:"messages"`               // ascending by seq
	HasMore        bool                `json:"hasMore"`                // the log goes on in this direction, from the cursor
	NextAfterSeq   int64               `json:"nextAfterSeq,omitzero"`  // where it goes on towards newer messages
	NextBeforeSeq  int64               `json:"nextBeforeSeq,omitzero"` // where it goes on towards older messages
}

// A HistoryDirection says which way a history goes on.
type HistoryDirection bool

// The directions of a history.
const (
	Older HistoryDirection = false
	Newer HistoryDirection = true
)

// HistoryFrames encodes messages, which ascend by seq, as at least one frame.
// more says whether the log goes on beyond them in the direction.
// They are for one caller, whose own reactions are marked.
func HistoryFrames(id string, caller chat.Principal, conversation chat.ConversationID, messages []chat.Message, dir HistoryDirection, more bool, now time.Time) [][]byte {
	pages := paginate(messages, caller, dir)
	frames := make([][]byte, 0, len(pages))
	for i, p := range pages {
		h := History{ConversationID: conversation, Messages: p.values, HasMore: more || i < len(pages)-1}
		if h.HasMore && dir == Newer {
			h.NextAfterSeq = p.last
		} else if h.HasMore {
			h.NextBeforeSeq = p.first
		}
		frames = append(frames, Frame(EventHistory, id, h, now))
	}
	return frames
}

type page struct {
	values      []jsontext.Value
	first, last int64 // seq
}

// paginate cuts messages into pages that fit a frame, in the order of the
// direction; within a page they ascend.
func paginate(messages []chat.Message, caller chat.Principal, dir HistoryDirection) []page {
	pages := []page{{values: []jsontext.Value{}}}
	size := 0
	for i := range messages {
		m := messages[i]
		if dir == Older {
			m = messages[len(messages)-1-i]
		}
		v := fit(MessageFor(m, caller), MaxFrame-frameOverhead)
		if size > 0 && size+len(v)+1 > MaxFrame-frameOverhead {
			pages, size = append(pages, page{}), 0
		}
		size += len(v) + 1
		p := &pages[len(pages)-1]
		if dir == Newer {
			p.values = append(p.values, v)
		} else {
			p.values = append([]jsontext.Value{v}, p.values...)
		}
		if p.first == 0 || m.Seq < p.first {
			p.first = m.Seq
		}
		p.last = max(p.last, m.Seq)
	}
	return pages
}

// EventChanged follows the history of a join with a cursor of changes, and has its id.
const EventChanged = "messages:changed"

// Changed is the data of messages:changed: messages of the log that changed after a cursor,
// as they are now, in the order of their last change. What a client has in a newer version
// already it keeps. Many come as several frames.
type Changed struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Messages       []jsontext.Value    `json:"messages"`              // each is a message
	HasMore        bool                `json:"hasMore"`               // more changed: REST has it, from the cursor
	ChangedAfter   string              `json:"changedAfter,omitzero"` // of the last frame: the cursor to ask with next
}

// ChangedFrames encodes messages that changed for one caller, as at least one frame, the last
// of which has the cursor to go on with.
func ChangedFrames(id string, caller chat.Principal, conversation chat.ConversationID, messages []chat.Message, next chat.ChangeCursor, more bool, now time.Time) [][]byte {
	pages := paginate(messages, caller, Newer)
	frames := make([][]byte, 0, len(pages))
	for i, p := range pages {
		c := Changed{ConversationID: conversation, Messages: p.values, HasMore: more}
		if i < len(pages)-1 {
			c.HasMore = false // it comes by itself
		} else {
			c.ChangedAfter = next.String()
		}
		frames = append(frames, Frame(EventChanged, id, c, now))
	}
	return frames
}
