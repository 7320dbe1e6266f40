package protocol

import (
	"aiwm-chat/shared/chat"
)

// The actions, and the event that answers both and tells the others.
const (
	ActionRead      = "read"
	ActionUnread    = "unread"
	EventReadUpdate = "read:update" // answers read and unread, with their id; without one it tells the caller's other devices, wherever they are, and of what is not private the others in the room
)

// Read says that the caller has read up to a message. It never takes anything back.
type Read struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	ReadBody
}

// ReadBody is the body of PUT /conversations/{id}/read.
type ReadBody struct {
	Seq     int64 `json:"seq"`              // the last message that is read; where the log is not that long, its end
	Private bool  `json:"private,omitzero"` // the others do not learn of it
}

// About returns the conversation that it is about.
func (r Read) About() chat.ConversationID { return r.ConversationID }

// Check reports what is wrong with the fields.
func (r Read) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", r.ConversationID)
	return first(r.Envelope.Check(), f.Err(), r.ReadBody.Check())
}

// Check reports what is wrong with the body.
func (b ReadBody) Check() error { return checkSeq("seq", b.Seq) }

// Unread makes a message, and what comes after it, unread again for the caller: they alone
// learn of it.
type Unread struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	UnreadBody
}

// UnreadBody is the body of PUT /conversations/{id}/unread.
type UnreadBody struct {
	FromSeq int64 `json:"fromSeq"` // the first message that is unread
}

// About returns the conversation that it is about.
func (u Unread) About() chat.ConversationID { return u.ConversationID }

// Check reports what is wrong with the fields.
func (u Unread) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", u.ConversationID)
	return first(u.Envelope.Check(), f.Err(), u.UnreadBody.Check())
}

// Check reports what is wrong with the body.
func (b UnreadBody) Check() error { return checkSeq("fromSeq", b.FromSeq) }

// checkSeq wants the place of a message.
func checkSeq(field string, seq int64) error {
	if seq < 1 {
		return chat.Invalid(field, "must be 1 or more")
	}
	return nil
}

// ReadUpdate is the data of read:update.
type ReadUpdate struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	Identity                           // whose mark it is
	Seq            int64               `json:"seq"`                   // up to where they have read: of somebody else the largest one is the newest
	Version        int64               `json:"version,omitzero"`      // of one's own: of two the larger one is the newer
	RetryAfterMs   int64               `json:"retryAfterMs,omitzero"` // in an answer: not everybody was told, because they were a moment ago; the same again after that, if it still holds, tells them
}

// OwnReadUpdate is what somebody's own devices get of their mark.
func OwnReadUpdate(m chat.Mark) ReadUpdate {
	return ReadUpdate{ConversationID: m.ConversationID, Identity: IdentityOf(m.By), Seq: m.Seq, Version: m.Version}
}

// PublicReadUpdate is what the others get of it.
func PublicReadUpdate(m chat.Mark) ReadUpdate {
	return ReadUpdate{ConversationID: m.ConversationID, Identity: IdentityOf(m.By), Seq: m.PublicSeq}
}

// ReadMark is up to where a participant has read, as far as the others may know.
type ReadMark struct {
	Identity
	Seq int64  `json:"seq"`         // of who never said so the end of the log when they were added
	At  string `json:"at,omitzero"` // when they last said so; not where they never did
}

// ReadMarks is the body of GET /conversations/{id}/reads.
type ReadMarks struct {
	Data []ReadMark `json:"data"` // of each participant
}

// ReadMarksOf returns what everybody may know of marks.
func ReadMarksOf(marks []chat.Mark) ReadMarks {
	list := ReadMarks{Data: make([]ReadMark, 0, len(marks))}
	for _, m := range marks {
		one := ReadMark{Identity: IdentityOf(m.By), Seq: m.PublicSeq}
		if !m.At.IsZero() {
			one.At = stamp(m.At)
		}
		list.Data = append(list.Data, one)
	}
	return list
}

// UnreadCount is how many messages the caller has not read, of the 100 after the last one
// that they have: of others, not deleted, of type text, error or system.
type UnreadCount struct {
	Count int  `json:"count"` // 0 to 100
	More  bool `json:"more"`  // the log goes on after those
}

// With returns c with what its caller has read of it.
func (c Conversation) With(r chat.Reading) Conversation {
	c.LastReadSeq, c.ReadVersion = &r.Seq, r.Version
	c.Unread = &UnreadCount{Count: r.Count, More: r.More}
	return c
}
