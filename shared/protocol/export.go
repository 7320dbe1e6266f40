package protocol

import (
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// ExportFormat is what an exported conversation begins with. It changes when a reader of
// this one could not read what is written.
const ExportFormat = "aiwm-chat/1"

// ExportHead is the first line of an exported conversation.
type ExportHead struct {
	Format       string               `json:"format"` // aiwm-chat/1
	Conversation ExportedConversation `json:"conversation"`
	LastSeq      int64                `json:"lastSeq"` // how many messages follow: the end of the log when the export began
}

// ExportedConversation is a conversation without what follows from its messages, and
// without its summary, which may repeat what is erased while one reads it.
type ExportedConversation struct {
	ID           chat.ConversationID     `json:"id"`
	OrgID        chat.OrgID              `json:"orgId"`
	Title        string                  `json:"title"`                // what people call it
	Description  string                  `json:"description,omitzero"` // what it is about
	AgentID      chat.PrincipalID        `json:"agentId"`              // the agent that serves it
	Status       chat.ConversationStatus `json:"status"`
	Tags         []string                `json:"tags,omitzero"` // to find it by
	Participants []Participant           `json:"participants"`  // who has a right to it
	CreatedBy    Identity                `json:"createdBy"`     // who has the creator's rights
	CreatedAt    string                  `json:"createdAt"`     // when it was created
	UpdatedAt    string                  `json:"updatedAt"`     // the newest activity: a message or a change
}

// ExportedMessage is a line of an exported conversation for each message of its log: of a
// deleted one only its place. Whatever clients call their messages and streams stays with
// them, and so does reasoning that is not meant for people.
type ExportedMessage struct {
	Seq             int64              `json:"seq"` // its place in the log, contiguous from 1
	ID              chat.MessageID     `json:"id"`
	ParticipantType chat.PrincipalType `json:"participantType"` // user, agent, or system: the backend itself
	ParticipantID   chat.PrincipalID   `json:"participantId"`   // who wrote it
	Role            chat.Role          `json:"role"`
	Type            chat.MessageType   `json:"type"`
	Content         string             `json:"content,omitzero"`     // what is said
	Name            string             `json:"name,omitzero"`        // of the sender, or of a tool, for the model
	ParentID        chat.MessageID     `json:"parentId,omitzero"`    // the message that this one answers
	ThreadID        chat.MessageID     `json:"threadId,omitzero"`    // the root of the thread that it is in
	Replies         *Replies           `json:"replies,omitzero"`     // of a root: what is in its thread
	Attachments     []chat.Attachment  `json:"attachments,omitzero"` // http(s) URLs, or document:<id>
	Mentions        []Mention          `json:"mentions,omitzero"`    // who is meant to look at it
	Voice           *Voice             `json:"voice,omitzero"`       // its one attachment is speech
	Thinking        *Thinking          `json:"thinking,omitzero"`    // the agent's reasoning, where people are meant to see it
	ToolCalls       []jsontext.Value   `json:"toolCalls,omitzero"`   // objects of the agent's own form
	ToolResults     []jsontext.Value   `json:"toolResults,omitzero"` // objects of the agent's own form
	Approval        *Approval          `json:"approval,omitzero"`    // of a tool_call that asks first, or of what decides it
	Usage           *Usage             `json:"usage,omitzero"`       // what the model's answer cost
	Latency         int64              `json:"latency,omitzero"`     // milliseconds that the answer took
	Error           string             `json:"error,omitzero"`       // why there is no answer
	Status          chat.MessageStatus `json:"status"`
	CreatedAt       string             `json:"createdAt"`                // when it was stored
	UpdatedAt       string             `json:"updatedAt"`                // when it was stored, edited or deleted
	IsDeleted       bool               `json:"isDeleted,omitzero"`       // only its place in the log is left
	DeletedBy       *Identity          `json:"deletedBy,omitzero"`       // where that was not its author
	Version         int64              `json:"version,omitzero"`         // of what it says
	Edits           int64              `json:"edits,omitzero"`           // how often its author changed what it says
	EditedAt        string             `json:"editedAt,omitzero"`        // when last
	ReactionVersion int64              `json:"reactionVersion,omitzero"` // that of the reactions
	Reactions       []Reaction         `json:"reactions,omitzero"`       // in the order in which they came, at most 200
}

// ExportHeadOf returns the first line of a conversation with so many messages.
func ExportHeadOf(c chat.Conversation, lastSeq int64) ExportHead {
	seen := ConversationOf(c)
	return ExportHead{Format: ExportFormat, LastSeq: lastSeq, Conversation: ExportedConversation{
		ID: seen.ID, OrgID: seen.OrgID, Title: seen.Title, Description: seen.Description, AgentID: seen.AgentID, Status: seen.Status, Tags: seen.Tags,
		Participants: append([]Participant{}, seen.Participants...), CreatedBy: seen.CreatedBy, CreatedAt: seen.CreatedAt, UpdatedAt: seen.UpdatedAt,
	}}
}

// ExportedMessageOf returns the line of a message.
func ExportedMessageOf(m chat.Message) ExportedMessage {
	seen := MessageOf(m)
	out := ExportedMessage{
		Seq: seen.Seq, ID: seen.ID, ParticipantType: seen.ParticipantType, ParticipantID: seen.ParticipantID, Role: seen.Role, Type: seen.Type,
		Content: seen.Content, Name: seen.Name, ParentID: seen.ParentID, ThreadID: seen.ThreadID, Replies: seen.Replies, Attachments: seen.Attachments, Mentions: seen.Mentions, Voice: seen.Voice, ToolCalls: seen.ToolCalls,
		ToolResults: seen.ToolResults, Approval: seen.Approval, Usage: seen.Usage, Latency: seen.Latency, Error: seen.Error, Status: seen.Status,
		CreatedAt: seen.CreatedAt, UpdatedAt: seen.UpdatedAt, IsDeleted: seen.IsDeleted, DeletedBy: seen.DeletedBy,
		Version: seen.Version, Edits: seen.Edits, EditedAt: seen.EditedAt, ReactionVersion: seen.ReactionVersion,
	}
	if t := seen.Thinking; t != nil && t.Visible {
		out.Thinking = t
	}
	if len(m.Reactions) > 0 {
		out.Reactions = ReactionListOf(m).Data
	}
	return out
}

// AppendExport appends a line of an export.
func AppendExport[Line ExportHead | ExportedMessage](b []byte, line Line) []byte {
	return append(append(b, encode(line)...), '\n')
}
