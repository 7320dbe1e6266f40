package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// What is told of a conversation. The first two go to its members.
const (
	EventConversationUpdated  = "conversation:updated"  // its title, description, status, tags, participants or summary changed
	EventConversationDeleted  = "conversation:deleted"  // it is there for nobody any more: to all devices of up to 50 participants, else to the room
	EventConversationAdded    = "conversation:added"    // somebody added you, or created it with you, or you did on one of your devices: to all of them
	EventConversationActivity = "conversation:activity" // something was said: to devices of participants that are not in the room, at most every 5 s; in conversations of up to 50 participants
)

// CreateConversation is the body of POST /conversations.
type CreateConversation struct {
	Title       string           `json:"title"`                // what people call it
	AgentID     chat.PrincipalID `json:"agentId"`              // the agent that serves it
	Description string           `json:"description,omitzero"` // what it is about
	Tags        []string         `json:"tags,omitzero"`        // to find it by; none twice
}

// UpdateConversation is the body of PUT /conversations/{id}. What is left out
// stays as it is.
type UpdateConversation struct {
	Title       *string                  `json:"title,omitzero"`       // what people call it
	Description *string                  `json:"description,omitzero"` // what it is about
	Status      *chat.ConversationStatus `json:"status,omitzero"`      // only an active one takes messages
	Tags        *[]string                `json:"tags,omitzero"`        // to find it by; none twice; instead of all it has
}

// Check reports what is wrong with the fields.
func (u UpdateConversation) Check() error {
	var f chat.Faults
	if u.Title != nil {
		chat.CheckTitle(&f, *u.Title)
	}
	if u.Description != nil {
		chat.CheckDescription(&f, *u.Description)
	}
	if u.Status != nil && !u.Status.Valid() {
		f.Add("status", "must be active, archived or closed")
	}
	if u.Tags != nil {
		chat.CheckTags(&f, *u.Tags)
	}
	return f.Err()
}

// AddParticipant is the body of POST /conversations/{id}/participants.
type AddParticipant struct {
	Type chat.PrincipalType `json:"type"` // whether a person or a program is added
	ID   chat.PrincipalID   `json:"id"`   // of the user or the agent, in the caller's organisation
}

// Check reports what is wrong with the fields.
func (a AddParticipant) Check() error {
	var f chat.Faults
	if !a.Type.Valid() {
		f.Add("type", "must be user or agent")
	}
	chat.CheckID(&f, "id", a.ID)
	return f.Err()
}

// Conversation is a conversation as its participants see it.
type Conversation struct {
	ID             chat.ConversationID     `json:"id"`
	OrgID          chat.OrgID              `json:"orgId"`
	Title          string                  `json:"title"`       // what people call it
	Description    string                  `json:"description"` // what it is about
	AgentID        chat.PrincipalID        `json:"agentId"`     // the agent that serves it
	Status         chat.ConversationStatus `json:"status"`
	Tags           []string                `json:"tags"`                 // to find it by
	Participants   []Participant           `json:"participants"`         // who has a right to it
	TotalMessages  int64                   `json:"totalMessages"`        // the seq of the newest message; it may lag behind the log for a moment
	TotalTokens    int64                   `json:"totalTokens"`          // of all its messages
	LastMessage    *LastMessage            `json:"lastMessage,omitzero"` // the newest one, where there is one
	ContextSummary string                  `json:"contextSummary"`       // what was said, in short; empty before there is a summary
	Summary        *Summary                `json:"summary,omitzero"`     // what contextSummary covers
	CreatedBy      Identity                `json:"createdBy"`            // who has the creator's rights
	CreatedAt      string                  `json:"createdAt"`            // when it was created
	UpdatedAt      string                  `json:"updatedAt"`            // the newest activity: a message or a change
	LastReadSeq    *int64                  `json:"lastReadSeq,omitzero"` // up to where the caller has read: in answers of GET alone, as the next two
	ReadVersion    int64                   `json:"readVersion,omitzero"` // that of the caller's mark; not where they were there from the beginning and never moved it
	Unread         *UnreadCount            `json:"unread,omitzero"`      // what they have not read
	Truncated      bool                    `json:"truncated,omitzero"`   // something was left out: read the rest with GET /conversations/{id}
}

// Participant is one of Conversation.Participants.
type Participant struct {
	Identity
	Joined string `json:"joined"` // since when
}

// LastMessage is the newest message of a conversation, in short.
type LastMessage struct {
	Seq       int64     `json:"seq"`     // its place in the log
	Content   string    `json:"content"` // its first 100 characters
	Role      chat.Role `json:"role"`
	CreatedAt string    `json:"createdAt"` // when it was stored
}

// Summary says what Conversation.ContextSummary covers.
type Summary struct {
	FromSeq int64  `json:"fromSeq"` // the first message that it covers
	ToSeq   int64  `json:"toSeq"`   // the last one
	Model   string `json:"model"`   // which model wrote it
	At      string `json:"at"`      // when it was written
}

// ConversationOf returns c as its participants see it.
func ConversationOf(c chat.Conversation) Conversation {
	out := Conversation{
		ID: c.ID, OrgID: c.OrgID, Title: c.Title, Description: c.Description, AgentID: c.AgentID, Status: c.Status,
		Tags: c.Tags, TotalMessages: c.TotalMessages, TotalTokens: c.TotalTokens, ContextSummary: c.ContextSummary,
		CreatedBy: Identity{Type: c.CreatedBy.Type, ID: c.CreatedBy.ID},
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
	for _, p := range c.Participants {
		out.Participants = append(out.Participants, Participant{Identity: Identity{Type: p.Type, ID: p.ID}, Joined: stamp(p.Joined)})
	}
	if l := c.LastMessage; l != nil {
		out.LastMessage = &LastMessage{Seq: l.Seq, Content: l.Content, Role: l.Role, CreatedAt: stamp(l.CreatedAt)}
	}
	if s := c.Summary; s != nil {
		out.Summary = &Summary{FromSeq: s.FromSeq, ToSeq: s.ToSeq, Model: s.Model, At: stamp(s.At)}
	}
	return out
}

// ConversationFrame encodes conversation:updated or conversation:added. Where it
// does not fit a frame, the participants are left out, then the longer texts, and
// the frame says so.
func ConversationFrame(event string, c chat.Conversation, now time.Time) []byte {
	out := ConversationOf(c)
	frame := Frame(event, "", out, now)
	for _, cut := range []func(){
		func() { out.Participants = nil },
		func() { out.Description, out.ContextSummary = "", "" },
	} {
		if len(frame) <= MaxFrame {
			break
		}
		cut()
		out.Truncated = true
		frame = Frame(event, "", out, now)
	}
	return frame
}

// Activity is the data of conversation:activity: something was said, at or before
// the end of the log that is given.
type Activity struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	LastSeq        int64               `json:"lastSeq"` // the end of the log
}

// ConversationPage is the body of GET /conversations.
type ConversationPage struct {
	Data       []Conversation `json:"data"` // in the order that was asked for
	Pagination ListPage       `json:"pagination"`
}

// ListPage is the pagination of conversations. Pages count from 1; one that was
// asked for by cursor has no number. Total counts to chat.MaxTotal at most.
type ListPage struct {
	Page        int    `json:"page,omitzero"`        // the number of the page, from 1; not where it was asked for by cursor
	Limit       int    `json:"limit"`                // the most entries of a page
	Total       int64  `json:"total"`                // of all pages, counted to 1000
	TotalIsMore bool   `json:"totalIsMore,omitzero"` // there are more than total
	HasMore     bool   `json:"hasMore"`              // another page follows
	Cursor      string `json:"cursor,omitzero"`      // of the page that follows
}
