package chat

import (
	"slices"
	"time"
)

// A Mark is how far a principal has read a conversation: what is at Seq or before it, they
// have. Whether something is unread follows from it and from the log, and is stored nowhere.
type Mark struct {
	ConversationID ConversationID
	By             Principal
	Seq            int64     // their own: read moves it forward, unread back
	PublicSeq      int64     // what the others may know of it: it only moves forward
	Version        int64     // of two the larger one is the newer, also of two memberships
	At             time.Time // when they last said that they have read, and not only to themselves; zero: never
}

// UnreadSpan is how many places of a log after a mark are looked at for what is unread.
const UnreadSpan = 100

// Unread is how many messages are unread among the first UnreadSpan after a mark, and
// whether the log goes on after those.
type Unread struct {
	Count int
	More  bool
}

// A Reading is somebody's mark in a conversation, and what they have not read there.
type Reading struct {
	Mark
	Unread
}

// UnreadTypes are the types of messages that count as unread: what is said to people. What an
// agent thinks and what its tools are asked and answer comes by the dozen on the way to that.
func UnreadTypes() []MessageType { return []MessageType{TypeText, TypeError, TypeSystem} }

// CountsFor reports whether m is unread for p where it comes after their mark.
func (m *Message) CountsFor(p Principal) bool {
	return !m.Deleted && m.Sender != p && slices.Contains(UnreadTypes(), m.Type)
}

// FromSeq is the mark of a participant who has said nothing of what they have read: the end
// of the log when they were added. Of somebody else it is the end of the log.
func (c *Conversation) FromSeq(p Principal) int64 {
	for _, q := range c.Participants {
		if q.Type == p.Type && q.ID == p.ID {
			return q.FromSeq
		}
	}
	return c.TotalMessages
}
