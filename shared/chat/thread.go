package chat

// MaxReplies is how far the replies of a thread are counted: whoever looks at a longer
// one wants its end, and a count must cost the same however long it is.
const MaxReplies = 1000

// Replies are what is in a thread, deleted messages aside.
type Replies struct {
	Count   int64 // at most MaxReplies: as many, or more
	LastSeq int64 // of the newest; 0 where there is none
}

// ThreadOf is the thread of a message of somebody that answers m: that of m, or one of which
// m is the root, so that a thread has no branches. The root may be a tombstone. Only people
// begin threads: what an agent answers in the open is no reply beside the talk, but the talk.
func (m *Message) ThreadOf(by PrincipalType) MessageID {
	if m.ThreadID == "" && by == User {
		return m.ID
	}
	return m.ThreadID
}
