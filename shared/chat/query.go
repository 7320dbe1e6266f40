package chat

import "time"

// TypingExpiry is how long a principal counts as typing without saying so
// again.
const TypingExpiry = 3 * time.Second

// A MessageQuery asks for a page of a conversation's log, which is always
// returned ascending by seq: with AfterSeq the first messages after it, else
// the newest ones, of those before BeforeSeq where that is given.
type MessageQuery struct {
	AfterSeq  *int64
	BeforeSeq *int64
	AroundSeq *int64    // not with the others: see MessagesAround
	Limit     int       // 1 to a few hundred
	Role      Role      // "" for every role
	ThreadID  MessageID // "" for all, else what is in the thread of this root
}

// A ConversationQuery asks for a page of a principal's conversations. Empty
// fields do not filter. A page is named by its number, or by the cursor that the
// page before it gave: pages by number shift when something changes in between.
type ConversationQuery struct {
	Status  ConversationStatus
	AgentID PrincipalID
	UserID  PrincipalID // a user who is a participant
	Tag     string
	Sort    ConversationSort
	Page    int    // from 1; not with a cursor
	Cursor  string // of the page before, which had the same filters and order
	Limit   int
}

// MaxTotal is how far the entries of a list are counted.
const MaxTotal = 1000

// A ConversationPage is a page of a principal's conversations.
type ConversationPage struct {
	Conversations []Conversation
	Total         int64  // on all pages, at most MaxTotal
	TotalIsMore   bool   // there are more than that
	Next          string // the cursor of the page that follows, "" after the last
}

// A ConversationSort is an order of conversations: a field, descending with a
// leading "-".
type ConversationSort string

// The orders of conversations.
const (
	NewestActivity ConversationSort = "-updatedAt" // the default
	OldestActivity ConversationSort = "updatedAt"
	NewestFirst    ConversationSort = "-createdAt"
	OldestFirst    ConversationSort = "createdAt"
	TitleAToZ      ConversationSort = "title"
	TitleZToA      ConversationSort = "-title"
)

// Valid reports whether s is one of the orders.
func (s ConversationSort) Valid() bool {
	switch s {
	case NewestActivity, OldestActivity, NewestFirst, OldestFirst, TitleAToZ, TitleZToA:
		return true
	}
	return false
}

// A ConversationChange says what to change; nil leaves a field as it is.
type ConversationChange struct {
	Title       *string
	Description *string
	Status      *ConversationStatus
	Tags        *[]string
}
