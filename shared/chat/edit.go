package chat

import (
	"slices"
	"strings"
)

// maxTold is the most bytes of a text that a conflict tells: an error fits a frame, also
// where each byte of it takes six.
const maxTold = 3000

// An Edit replaces what its author said in a message.
type Edit struct {
	ConversationID ConversationID
	MessageID      MessageID
	Content        string
	Attachments    []Attachment // nil: they stay
	Mentions       []Mention    // nil: they stay
	Edits          int64        // how often the message had been edited when the author saw it
}

// Check reports what is wrong with the edit that needs no look-up. Whom the author may mention
// CheckMentions says.
func (e *Edit) Check(maxContent int) error {
	var f Faults
	if strings.TrimSpace(e.Content) == "" && len(e.Attachments) == 0 {
		f.Add("content", "is required")
	}
	if len(e.Content) > maxContent {
		f.Add("content", "must be at most %d bytes", maxContent)
	}
	checkAttachments(&f, e.Attachments)
	checkMentions(&f, e.Mentions)
	if e.Edits < 0 {
		f.Add("edits", "must not be negative")
	}
	return f.Err()
}

// Is reports whether m says already what e wants.
func (e *Edit) Is(m Message) bool {
	return m.Content == e.Content && (e.Attachments == nil || slices.Equal(m.Attachments, e.Attachments)) &&
		(e.Mentions == nil || slices.Equal(m.Mentions, Distinct(e.Mentions)))
}

// CheckMentions reports what is wrong with whom an author mentions in a message of c.
func (e *Edit) CheckMentions(author Principal, c Conversation) error {
	var f Faults
	if mayMention(&f, e.Mentions, author.Type); f.Err() != nil {
		return f.Err()
	}
	return c.CheckMentions(e.Mentions)
}

// Refusal is why e cannot be made of m as it is: nil where it can.
func (e *Edit) Refusal(m Message, author Principal) error {
	switch {
	case m.Deleted:
		return Errorf(NotFound, "there is no such message")
	case m.Sender != author:
		return Errorf(Forbidden, "only the author may edit a message")
	case m.Type != TypeText || m.Role != RoleUser && m.Role != RoleAgent:
		return Errorf(Forbidden, "only a text can be edited")
	case m.Edits != e.Edits:
		err := Errorf(Conflict, "the message was edited meanwhile")
		err.Details = map[string]any{"edits": m.Edits}
		if len(m.Content) <= maxTold {
			err.Details["content"] = m.Content
		}
		return err
	case slices.ContainsFunc(UploadsOf(e.Attachments), func(id UploadID) bool { return slices.Contains(m.DetachedUploads(), id) }):
		return ErrAttachments // it is being erased
	}
	return nil
}

// DeletableBy reports whether p may delete m in its conversation: its sender may, and of a
// text of somebody else the conversation's creator, but not of what the backend itself says,
// or of tools.
func (m *Message) DeletableBy(p Principal, in Conversation) bool {
	if m.Sender == p {
		return true
	}
	return in.IsCreator(p) && m.Type == TypeText && (m.Role == RoleUser || m.Role == RoleAgent) && m.Sender.Type != System
}
