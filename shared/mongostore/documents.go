package mongostore

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// MessageDocument is m as it is stored, with its id and its place in the log: for
// who brings data in from elsewhere and writes many at once. Append is for everybody
// else, because it alone gives places. Of a deleted message nothing is stored that
// it said.
func MessageDocument(m chat.Message) (bson.Raw, error) {
	if m.Deleted {
		m.Draft = chat.Draft{Role: m.Role, Type: m.Type, ParentID: m.ParentID, Usage: m.Usage, Latency: m.Latency}
	}
	d, err := newMessageDoc(m)
	if err != nil {
		return nil, err
	}
	d.ID, d.Seq, d.RunningTokens, d.IsDeleted, d.Due = m.ID, m.Seq, m.RunningTokens, m.Deleted, newDueDoc(m.Due)
	d.Version, d.ReactionVersion, d.Edits = m.Version, m.ReactionVersion, m.Edits
	d.EditedAt, d.ChangedAt = timeOrNone(m.EditedAt), timeOrNone(m.ChangedAt)
	if m.Replies != (chat.Replies{}) {
		r := repliesDoc(m.Replies)
		d.Replies = &r
	}
	for _, r := range m.Reactions {
		d.Reactions = append(d.Reactions, reactionDoc{r.Key, r.By.Type, r.By.ID, millis(r.At)})
	}
	if by := m.DeletedBy; by != nil {
		d.DeletedBy = &principalDoc{by.Type, by.ID}
	}
	return encoded("a message", d)
}

// ConversationDocument is c as it is stored, with its id, its totals and its
// summary, and hidden where it was deleted: the counterpart of MessageDocument.
func ConversationDocument(c chat.Conversation, deleted *time.Time) (bson.Raw, error) {
	d := newConversationDoc(c.ID, c)
	d.TotalMessages, d.TotalTokens, d.ContextSummary, d.Erasures = c.TotalMessages, c.TotalTokens, c.ContextSummary, c.Erasures
	if l := c.LastMessage; l != nil {
		d.LastMessage = &lastMessageDoc{Seq: l.Seq, Content: l.Content, Role: l.Role, CreatedAt: millis(l.CreatedAt)}
	}
	if s := c.Summary; s != nil {
		d.Summary = &summaryDoc{FromSeq: s.FromSeq, ToSeq: s.ToSeq, Model: s.Model, At: millis(s.At)}
	}
	for _, p := range c.Participants {
		if p.Invited {
			d.Invited = append(d.Invited, chat.Principal{Type: p.Type, ID: p.ID}.String())
		}
	}
	d.IsDeleted = deleted != nil
	return encoded("a conversation", struct {
		Doc       conversationDoc `bson:",inline"`
		DeletedAt *time.Time      `bson:"deletedAt,omitempty"`
	}{d, deleted})
}

func encoded(what string, doc any) (bson.Raw, error) {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return raw, nil
}

// ToolJSON is a tool call or result that others stored as the JSON that a reader
// gets of it.
func ToolJSON(doc bson.D) json.RawMessage { return appendJSON(nil, doc) }
