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
	Limit     int  // 1 to a few hundred
	Role      Role // "" for every role
}

// A ConversationQuery asks for a page of a principal's conversations. Empty
// fields do not filter.
type ConversationQuery struct {
	Status  ConversationStatus
	AgentID PrincipalID
	UserID  PrincipalID // a user who is a participant
	Tag     string
	Sort    ConversationSort
	Page    int // from 1
	Limit   int
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
