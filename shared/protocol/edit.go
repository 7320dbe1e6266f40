package protocol

import (
	"time"

	"aiwm-chat/shared/chat"
)

// The action, and the event that answers it and tells the others.
const (
	ActionEdit          = "edit"
	EventMessageUpdated = "message:updated" // answers edit, with its id; without one it tells those in the room
)

// Edit replaces what the caller said in a message. Earlier texts are not kept.
type Edit struct {
	Envelope
	ConversationID chat.ConversationID `json:"conversationId"`
	MessageID      chat.MessageID      `json:"messageId"`
	EditBody
}

// EditBody is the body of PUT /messages/{id}.
type EditBody struct {
	Content     string             `json:"content"`              // what it says from now on
	Attachments *[]chat.Attachment `json:"attachments,omitzero"` // without it they stay as they are
	Mentions    *[]Mention         `json:"mentions,omitzero"`    // without it they stay as they are; who is new among them is told
	Edits       *int64             `json:"edits"`                // the number of edits of the message as the caller has it; where it is another one meanwhile nothing changes, and the answer is a conflict
}

// About returns the conversation that it is about.
func (e Edit) About() chat.ConversationID { return e.ConversationID }

// Check reports what is wrong with the fields.
func (e Edit) Check() error {
	var f chat.Faults
	chat.CheckID(&f, "conversationId", e.ConversationID)
	chat.CheckID(&f, "messageId", e.MessageID)
	return first(e.Envelope.Check(), f.Err(), e.EditBody.check(chat.MaxContentFrame))
}

// Check reports what is wrong with the body.
func (b EditBody) Check() error { return b.check(chat.MaxContentREST) }

func (b EditBody) check(maxContent int) error {
	if b.Edits == nil {
		return chat.Invalid("edits", "is required")
	}
	e := b.Of("", "")
	return e.Check(maxContent)
}

// Of returns the edit of a message that is asked for, of a body that was checked.
func (b EditBody) Of(c chat.ConversationID, id chat.MessageID) chat.Edit {
	e := chat.Edit{ConversationID: c, MessageID: id, Content: b.Content, Edits: *b.Edits}
	if b.Attachments != nil {
		e.Attachments = append([]chat.Attachment{}, *b.Attachments...)
	}
	if b.Mentions != nil {
		e.Mentions = append([]chat.Mention{}, mentioned(*b.Mentions)...)
	}
	return e
}

// MessageUpdatedFrame encodes message:updated for everybody in the room.
func MessageUpdatedFrame(id string, m Message, now time.Time) []byte {
	return messageFrame(EventMessageUpdated, id, m, now)
}
