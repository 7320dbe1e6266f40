package chat

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bounds of a search.
const (
	// MaxSearched is how many conversations are searched at once: the latest active ones.
	MaxSearched = 200
	// MaxCandidates is how many messages are looked at for a page, of those that have the
	// word that bounds it.
	MaxCandidates = 5000
)

// A SearchQuery asks for messages of conversations that have terms, the newest first.
type SearchQuery struct {
	Conversations []ConversationID // which the caller may read
	Whole         []string         // terms that a message has, the one that bounds the search first
	Begins        []string         // beginnings of terms that it has, each of some term
	Role          Role             // "" for every role
	From, To      time.Time        // zero: no bound; From is included, To is not
	After         SearchCursor     // zero: from the newest
	Limit         int
}

// A Candidate is a message that has what is asked for, as the index of terms knows it. What
// it says is read from the message itself.
type Candidate struct {
	MessageID      MessageID
	ConversationID ConversationID
	At             time.Time
}

// Cursor is the place of c.
func (c Candidate) Cursor() SearchCursor { return SearchCursor{At: c.At, ID: c.MessageID} }

// A CandidatePage is a page of a search.
type CandidatePage struct {
	Candidates []Candidate
	More       bool         // there may be more, after Next
	Next       SearchCursor // the last message that was looked at
	Bounded    bool         // MaxCandidates were looked at, and fewer than the limit found
}

// A SearchCursor is a place in the order in which messages are found. The zero one is before
// all.
type SearchCursor struct {
	At time.Time
	ID MessageID
}

// SearchCursorPattern is what SearchCursor.String writes, as a regular expression.
const SearchCursorPattern = `^-?[0-9]{1,19}/[A-Za-z0-9._@:|+=~-]{1,128}$`

// String is "<milliseconds>/<id>".
func (c SearchCursor) String() string {
	return strconv.FormatInt(c.At.UnixMilli(), 10) + "/" + string(c.ID)
}

// ParseSearchCursor reads what String has written.
func ParseSearchCursor(s string) (SearchCursor, error) {
	at, id, _ := strings.Cut(s, "/")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !ValidID(MessageID(id)) || strconv.FormatInt(ms, 10) != at || ms > maxMillis || ms < -maxMillis {
		return SearchCursor{}, fmt.Errorf("is no cursor that was given out here")
	}
	return SearchCursor{At: time.UnixMilli(ms).UTC(), ID: MessageID(id)}, nil
}

// maxMillis is beyond the year 9999.
const maxMillis = 1 << 48

// A Range is where in a text something was found, in bytes.
type Range struct{ From, To int }
