package protocol

import (
	"unicode/utf8"

	"aiwm-chat/shared/chat"
)

// SearchPage is the body of GET /search.
type SearchPage struct {
	Data       []Hit        `json:"data"` // the newest first; a page may have fewer than its limit, and more after it
	Pagination SearchCursor `json:"pagination"`
	LatestOnly bool         `json:"latestOnly,omitzero"` // the caller has more conversations than were searched: the 200 latest active ones
	Bounded    bool         `json:"bounded,omitzero"`    // the 5,000 latest messages that might do were looked at: go on from the cursor
}

// SearchCursor is the pagination of a search.
type SearchCursor struct {
	Limit   int    `json:"limit"`           // the most entries of a page
	HasMore bool   `json:"hasMore"`         // there may be more, after the cursor
	Cursor  string `json:"cursor,omitzero"` // of the page that follows
}

// Hit is a message that was found, in short.
type Hit struct {
	ConversationID  chat.ConversationID `json:"conversationId"`
	MessageID       chat.MessageID      `json:"messageId"`
	Seq             int64               `json:"seq"` // its place in the log: GET /messages?aroundSeq= shows what is around it
	ParticipantID   chat.PrincipalID    `json:"participantId"`
	ParticipantType chat.PrincipalType  `json:"participantType"`
	Role            chat.Role           `json:"role"`
	CreatedAt       string              `json:"createdAt"`        // when it was stored
	Version         int64               `json:"version,omitzero"` // of the message, as it was read
	Text            string              `json:"text"`             // the part of what it says in which the first word was found
	Offset          int                 `json:"offset,omitzero"`  // where in the message that part begins, in UTF-16 units
	Cut             bool                `json:"cut,omitzero"`     // the message goes on after it
	Ranges          []HitRange          `json:"ranges"`           // what was found in text, in its order
}

// HitRange is a part of a text, in UTF-16 units (what text.slice takes in JavaScript).
type HitRange struct {
	Start int `json:"start"` // included
	End   int `json:"end"`   // not included
}

// How much of a message a hit has, in characters: before the first word, and in all.
const (
	hitBefore = 60
	hitText   = 240
)

// HitOf describes a message in which something was found: there is one range at least.
func HitOf(m chat.Message, ranges []chat.Range) Hit {
	from, to := around(m.Content, ranges[0].From)
	hit := Hit{
		ConversationID: m.ConversationID, MessageID: m.ID, Seq: m.Seq, ParticipantID: m.Sender.ID, ParticipantType: m.Sender.Type,
		Role: m.Role, CreatedAt: stamp(m.CreatedAt), Version: m.Version,
		Text: m.Content[from:to], Offset: units(m.Content[:from]), Cut: to < len(m.Content), Ranges: []HitRange{},
	}
	for _, r := range ranges {
		if r.From >= to {
			break
		}
		hit.Ranges = append(hit.Ranges, HitRange{units(m.Content[from:r.From]), units(m.Content[from:min(r.To, to)])})
	}
	return hit
}

// around returns the part of a text around a place, in bytes.
func around(s string, at int) (from, to int) {
	from = at
	for n := 0; from > 0 && n < hitBefore; n++ {
		_, size := utf8.DecodeLastRuneInString(s[:from])
		from -= size
	}
	to = from
	for n := 0; to < len(s) && n < hitText; n++ {
		_, size := utf8.DecodeRuneInString(s[to:])
		to += size
	}
	return from, to
}

// units is how long a text is in UTF-16.
func units(s string) (n int) {
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}
