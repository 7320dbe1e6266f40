package protocol

import (
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// Message is a stored message, in frames and over REST. Of a deleted one only
// its place in the log is left.
type Message struct {
	ID              chat.MessageID       `json:"id"`
	ConversationID  chat.ConversationID  `json:"conversationId"`
	Seq             int64                `json:"seq"`
	ParticipantID   chat.PrincipalID     `json:"participantId"`
	ParticipantType chat.PrincipalType   `json:"participantType"`
	Role            chat.Role            `json:"role"`
	Type            chat.MessageType     `json:"type"`
	Content         string               `json:"content"`
	Name            string               `json:"name,omitzero"`
	ParentID        chat.MessageID       `json:"parentId,omitzero"`
	Attachments     []chat.Attachment    `json:"attachments,omitzero"`
	Thinking        *Thinking            `json:"thinking,omitzero"`
	ToolCalls       []jsontext.Value     `json:"toolCalls,omitzero"`
	ToolResults     []jsontext.Value     `json:"toolResults,omitzero"`
	Usage           *Usage               `json:"usage,omitzero"`
	Latency         int64                `json:"latency,omitzero"` // milliseconds
	Error           string               `json:"error,omitzero"`
	Status          chat.MessageStatus   `json:"status"`
	ClientMessageID chat.ClientMessageID `json:"clientMessageId"`
	CreatedAt       string               `json:"createdAt"`
	UpdatedAt       string               `json:"updatedAt"`
	IsDeleted       bool                 `json:"isDeleted,omitzero"`
	Truncated       bool                 `json:"truncated,omitzero"` // read the rest over REST
	ForYou          bool                 `json:"forYou,omitzero"`    // in lean frames: the agent is asked
}

// MessageOf returns m as clients see it.
func MessageOf(m chat.Message) Message {
	out := Message{
		ID: m.ID, ConversationID: m.ConversationID, Seq: m.Seq, ParticipantID: m.Sender.ID, ParticipantType: m.Sender.Type,
		Role: m.Role, Type: m.Type, Status: m.Status, ClientMessageID: m.ClientMessageID,
		CreatedAt: stamp(m.CreatedAt), UpdatedAt: stamp(m.UpdatedAt), IsDeleted: m.Deleted,
	}
	if m.Deleted {
		return out
	}
	out.Content, out.Name, out.ParentID, out.Attachments, out.Error = m.Content, m.Name, m.ParentID, m.Attachments, m.Error
	out.Latency = m.Latency.Milliseconds()
	if t := m.Thinking; t != nil {
		out.Thinking = &Thinking{Content: t.Content, Visible: t.Visible, Duration: t.Duration.Milliseconds()}
	}
	if u := m.Usage; u != nil {
		out.Usage = &Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
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
	return messageFrame(event, MessageOf(m), now)
}

// MessageForYouFrame encodes message:new for the agent that is asked, in lean:
// it gets no message:from-user beside it.
func MessageForYouFrame(m chat.Message, now time.Time) []byte {
	data := MessageOf(m)
	data.ForYou = true
	return messageFrame(EventMessageNew, data, now)
}

// messageFrame cuts a message that does not fit a frame, and says so.
func messageFrame(event string, data Message, now time.Time) []byte {
	if frame := Frame(event, "", data, now); len(frame) <= MaxFrame {
		return frame
	}
	return Frame(event, "", fit(data, MaxFrame-frameOverhead), now)
}

// fit returns m as JSON of at most limit bytes. What is cut goes in the order
// of what a reader misses least: reasoning, tool traffic, attachments, text.
func fit(m Message, limit int) jsontext.Value {
	b := encode(m)
	cuts := []func(){
		func() { m.Thinking = nil },
		func() { m.ToolCalls, m.ToolResults = nil, nil },
		func() { m.Attachments, m.Error = nil, "" },
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

// EventMessageDeleted tells the members that a message was deleted.
const EventMessageDeleted = "message:deleted"

// MessageGone is the data of message:deleted.
type MessageGone struct {
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	Seq            int64               `json:"seq"`
}

// MessagePage is the body of GET /messages, ascending by seq.
type MessagePage struct {
	Data       []Message  `json:"data"`
	Pagination PageCursor `json:"pagination"`
}

// PageCursor is the pagination of messages. HasMore says that the log goes on
// in the direction asked for, from the cursor that is given.
type PageCursor struct {
	Limit         int   `json:"limit"`
	HasMore       bool  `json:"hasMore"`
	NextAfterSeq  int64 `json:"nextAfterSeq,omitzero"`
	NextBeforeSeq int64 `json:"nextBeforeSeq,omitzero"`
}
