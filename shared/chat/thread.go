package chat

// MaxReplies is how far the replies of a thread are counted: whoever looks at a longer
// one wants its end, and a count must cost the same however long it is.
const MaxReplies = 1000

// Replies are what is in a thread, deleted messages aside.
type Replies struct {
	Count   int64 // at most MaxReplies: as many, or more
	LastSeq int64 // of the newest; 0 where there is none
}

// Thread is the thread of a message that answers m: the root is what answers nothing
// itself, so that a thread has no branches. It may be a tombstone.
func (m *Message) Thread() MessageID {
	if m.ThreadID != "" {
		return m.ThreadID
	}
	return m.ID
}
