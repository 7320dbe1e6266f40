package protocol

import (
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// Message is a stored message, in frames and over REST. Of a deleted one only
// its place in the log is left, and in its thread.
type Message struct {
	ID              chat.MessageID       `json:"id"`
	ConversationID  chat.ConversationID  `json:"conversationId"`
	Seq             int64                `json:"seq"`             // its place in the log, contiguous from 1
	ParticipantID   chat.PrincipalID     `json:"participantId"`   // who wrote it
	ParticipantType chat.PrincipalType   `json:"participantType"` // user, agent, or system: the backend itself, which says what was decided
	Role            chat.Role            `json:"role"`
	Type            chat.MessageType     `json:"type"`
	Content         string               `json:"content"`              // what is said
	Name            string               `json:"name,omitzero"`        // of the sender, or of a tool, for the model
	ParentID        chat.MessageID       `json:"parentId,omitzero"`    // the message that this one answers
	ThreadID        chat.MessageID       `json:"threadId,omitzero"`    // the root of the thread that it is in: what it answers, or what that answers
	Replies         *Replies             `json:"replies,omitzero"`     // of a root: what is in its thread, as of its version
	Attachments     []chat.Attachment    `json:"attachments,omitzero"` // http(s) URLs, or document:<id>
	Mentions        []Mention            `json:"mentions,omitzero"`    // who is meant to look at it
	Voice           *Voice               `json:"voice,omitzero"`       // its one attachment is speech, which it says in content if somebody has written it down
	Thinking        *Thinking            `json:"thinking,omitzero"`    // the agent's reasoning
	ToolCalls       []jsontext.Value     `json:"toolCalls,omitzero"`   // objects of the agent's own form
	ToolResults     []jsontext.Value     `json:"toolResults,omitzero"` // objects of the agent's own form
	Approval        *Approval            `json:"approval,omitzero"`    // of a tool_call that asks first, or of what decides it
	Usage           *Usage               `json:"usage,omitzero"`       // what the model's answer cost
	Latency         int64                `json:"latency,omitzero"`     // milliseconds that the answer took
	Error           string               `json:"error,omitzero"`       // why there is no answer
	Status          chat.MessageStatus   `json:"status"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId"`          // the sender's own name for it
	StreamID        chat.ClientMessageID `json:"streamId,omitzero"`        // it is the end of this stream, and replaces all that is shown of it
	CreatedAt       string               `json:"createdAt"`                // when it was stored
	UpdatedAt       string               `json:"updatedAt"`                // when it was stored, edited or deleted
	IsDeleted       bool                 `json:"isDeleted,omitzero"`       // only its place in the log is left
	Truncated       bool                 `json:"truncated,omitzero"`       // it did not fit a frame: read the rest over REST
	ForYou          bool                 `json:"forYou,omitzero"`          // in lean frames: the agent is asked
	Version         int64                `json:"version,omitzero"`         // of two that are about the same message the larger one is the newer; reactions have one of their own
	Edits           int64                `json:"edits,omitzero"`           // how often its author changed what it says
	EditedAt        string               `json:"editedAt,omitzero"`        // when last
	DeletedBy       *Identity            `json:"deletedBy,omitzero"`       // where that was not its author
	ReactionVersion int64                `json:"reactionVersion,omitzero"` // that of the reactions
	Reactions       []ReactionCount      `json:"reactions,omitzero"`       // in the order in which each key came first, at most 20
}

// MessageFor returns m as one caller sees it: their own reactions are marked.
func MessageFor(m chat.Message, caller chat.Principal) Message {
	out := MessageOf(m)
	out.Reactions = countsOf(m, caller)
	return out
}

// MessageOf returns m as all clients see it.
func MessageOf(m chat.Message) Message {
	out := Message{
		ID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ParticipantID: m.Sender.ID, ParticipantType: m.Sender.Type,
		Role: m.Role, Type: m.Type, Status: m.Status, ClientMessageID: m.ClientMessageID,
		CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(m.UpdatedAt), IsDeleted: m.Deleted,
		Version: m.Version, Edits: m.Edits, ReactionVersion: m.ReactionVersion, Reactions: countsOf(m, chat.Principal{}),
	}
	if !m.EditedAt.IsZero() {
		out.EditedAt = stamp(m.EditedAt)
	}
	out.ThreadID, out.Replies = m.ThreadID, repliesOf(m)
	if m.DeletedBy != nil {
		by := IdentityOf(*m.DeletedBy)
		out.DeletedBy = &by
	}
	if m.Streamed {
		out.StreamID = m.ClientMessageID
	}
	if m.Deleted {
		return out
	}
	out.Content, out.Name, out.ParentID, out.Attachments, out.Error = m.Content, m.Name, m.ParentID, m.Attachments, m.Error
	out.Mentions = mentionsOf(m.Mentions)
	out.Latency = m.Latency.Milliseconds()
	out.Voice = voiceOf(m.Voice)
	if t := m.Thinking; t != nil {
		out.Thinking = &Thinking{Content: t.Content, Visible: t.Visible, Duration: t.Duration.Milliseconds()}
	}
	if u := m.Usage; u != nil {
		out.Usage = &Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
	out.Approval = approvalOf(m.Approval)
	for _, v := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, jsontext.Value(v))
	}
	for _, v := range m.ToolResults {
		out.ToolResults = append(out.ToolResults, jsontext.Value(v))
	}
	return out
}

// frameOverhead is what a frame needs around a message or a page of history:
// event, id, cursors, timestamp.
const frameOverhead = 1000

// MessageFrame encodes message:new or message:from-user.
func MessageFrame(event string, m chat.Message, now time.Time) []byte {
	return messageFrame(event, "", MessageOf(m), now)
}

// MessageForYouFrame encodes message:new for the agent that is asked, in lean:
// it gets no message:from-user beside it.
func MessageForYouFrame(m chat.Message, now time.Time) []byte {
	data := MessageOf(m)
	data.ForYou = true
	return messageFrame(EventMessageNew, "", data, now)
}

// messageFrame cuts a message that does not fit a frame, and says so.
func messageFrame(event, id string, data Message, now time.Time) []byte {
	if frame := Frame(event, id, data, now); len(frame) <= MaxFrame {
		return frame
	}
	return Frame(event, id, fit(data, MaxFrame-frameOverhead), now)
}

// fit returns m as JSON of at most limit bytes. What is cut goes in the order
// of what a reader misses least: reasoning, tool traffic, attachments, text.
func fit(m Message, limit int) jsontext.Value {
	b := encode(m)
	cuts := []func(){
		func() { m.Thinking = nil },
		func() {
			if m.ToolCalls, m.ToolResults = nil, nil; m.Approval != nil {
				a := *m.Approval
				a.Arguments = nil
				m.Approval = &a
			}
		},
		func() { m.Attachments, m.Voice, m.Error = nil, nil, "" },
	}
	for _, cut := range cuts {
		if len(b) <= limit {
			return b
		}
		cut()
		m.Truncated = true
		b = encode(m)
	}
	if len(b) <= limit {
		return b
	}
	content := m.Content
	m.Content = ""
	m.Content = cutEncoded(content, limit-len(encode(m)))
	return encode(m)
}

// cutEncoded returns the longest start of s that takes at most room bytes in
// JSON, in which a character may take up to six.
func cutEncoded(s string, room int) string {
	for i, r := range s {
		switch r {
		case '"', '\\', '\b', '\f', '\n', '\r', '\t':
			room -= 2
		default:
			room -= utf8.RuneLen(r)
			if r < ' ' {
				room -= 5
			}
		}
		if room < 0 {
			return s[:i]
		}
	}
	return s
}

// EventMessageDeleted tells those in the room that a message was deleted.
const EventMessageDeleted = "message:deleted"

// MessageGone is the data of message:deleted.
type MessageGone struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	Seq            int64               `json:"seq"`                // its place in the log, which stays
	Version        int64               `json:"version"`            // larger than that of any text of it
	DeletedBy      *Identity           `json:"deletedBy,omitzero"` // where that was not its author
	ThreadID       chat.MessageID      `json:"threadId,omitzero"`  // the root of the thread that it is in
	Replies        *Replies            `json:"replies,omitzero"`   // of a root, whose thread goes on
}

// MessageGoneOf describes that m is deleted.
func MessageGoneOf(m chat.Message) MessageGone {
	out := MessageOf(m)
	return MessageGone{ConversationID: m.ConversationID, MessageID: m.ID, Seq: m.Seq, Version: m.Version, DeletedBy: out.DeletedBy, ThreadID: out.ThreadID, Replies: out.Replies}
}

// MessagePage is the body of GET /messages, ascending by seq.
type MessagePage struct {
	Data       []Message  `json:"data"` // ascending by seq
	Pagination PageCursor `json:"pagination"`
}

// PageCursor is the pagination of messages. HasMore says that the log goes on
// in the direction asked for, from the cursor that is given.
type PageCursor struct {
	Limit         int    `json:"limit"`                  // the most entries of a page
	HasMore       bool   `json:"hasMore"`                // the log goes on in this direction, from the cursor
	NextAfterSeq  int64  `json:"nextAfterSeq,omitzero"`  // where it goes on towards newer messages
	NextBeforeSeq int64  `json:"nextBeforeSeq,omitzero"` // where it goes on towards older messages
	ChangedAfter  string `json:"changedAfter,omitzero"`  // where it was asked what changed: what to ask with next, at once where hasMore, and later for what changes after this
}
