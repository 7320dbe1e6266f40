package protocol

import "aiwm-chat/shared/chat"

// Replies are what is in the thread of a message, deleted ones aside.
type Replies struct {
	Count   int64 `json:"count"`   // at most 1000: as many, or more
	LastSeq int64 `json:"lastSeq"` // of the newest
}

// repliesOf is nil where there is none.
func repliesOf(m chat.Message) *Replies {
	if m.Replies == (chat.Replies{}) {
		return nil
	}
	r := Replies(m.Replies)
	return &r
}
