package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// What members hear of a conversation.
const (
	EventConversationUpdated = "conversation:updated"
	EventConversationDeleted = "conversation:deleted"
	// Those to who was added, and to devices that are not in the room.
	EventConversationAdded    = "conversation:added"
	EventConversationActivity = "conversation:activity"
)

// CreateConversation is the body of POST /conversations.
type CreateConversation struct {
	Title       string           `json:"title"`
	AgentID     chat.PrincipalID `json:"agentId"`
	Description string           `json:"description,omitzero"`
	Tags        []string         `json:"tags,omitzero"`
}

// UpdateConversation is the body of PUT /conversations/{id}. What is left out
// stays as it is.
type UpdateConversation struct {
	Title       *string                  `json:"title,omitzero"`
	Description *string                  `json:"description,omitzero"`
	Status      *chat.ConversationStatus `json:"status,omitzero"`
	Tags        *[]string                `json:"tags,omitzero"`
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
	Type chat.PrincipalType `json:"type"`
	ID   chat.PrincipalID   `json:"id"`
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
	Title          string                  `json:"title"`
	Description    string                  `json:"description"`
	AgentID        chat.PrincipalID        `json:"agentId"`
	Status         chat.ConversationStatus `json:"status"`
	Tags           []string                `json:"tags"`
	Participants   []Participant           `json:"participants"`
	TotalMessages  int64                   `json:"totalMessages"`
	TotalTokens    int64                   `json:"totalTokens"`
	LastMessage    *LastMessage            `json:"lastMessage,omitzero"`
	ContextSummary string                  `json:"contextSummary"`
	Summary        *Summary                `json:"summary,omitzero"`
	CreatedBy      Identity                `json:"createdBy"`
	CreatedAt      string                  `json:"createdAt"`
	UpdatedAt      string                  `json:"updatedAt"`
	Truncated      bool                    `json:"truncated,omitzero"` // read the rest with GET /conversations/{id}
}

// Participant is one of Conversation.Participants.
type Participant struct {
	Identity
	Joined string `json:"joined"`
}

// LastMessage is the newest message of a conversation, in short.
type LastMessage struct {
	Seq       int64     `json:"seq"`
	Content   string    `json:"content"`
	Role      chat.Role `json:"role"`
	CreatedAt string    `json:"createdAt"`
}

// Summary says what Conversation.ContextSummary covers.
type Summary struct {
	FromSeq int64  `json:"fromSeq"`
	ToSeq   int64  `json:"toSeq"`
	Model   string `json:"model"`
	At      string `json:"at"`
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
	LastSeq        int64               `json:"lastSeq"`
}

// ConversationPage is the body of GET /conversations.
type ConversationPage struct {
	Data       []Conversation `json:"data"`
	Pagination ListPage       `json:"pagination"`
}

// ListPage is the pagination of conversations. Pages count from 1; one that was
// asked for by cursor has no number. Total counts to chat.MaxTotal at most.
type ListPage struct {
	Page        int    `json:"page,omitzero"`
	Limit       int    `json:"limit"`
	Total       int64  `json:"total"`
	TotalIsMore bool   `json:"totalIsMore,omitzero"`
	HasMore     bool   `json:"hasMore"`
	Cursor      string `json:"cursor,omitzero"` // of the page that follows
}
