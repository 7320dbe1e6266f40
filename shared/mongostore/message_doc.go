package mongostore

import (
	"encoding/json"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// messageDoc is a document of messages. Durations are in milliseconds. What is set by
// changes alone is not there before.
type messageDoc struct {
	ID              chat.MessageID       `bson:"_id"`
	ConversationID  chat.ConversationID  `bson:"conversationId"`
	OrgID           chat.OrgID           `bson:"orgId"`
	Seq             int64                `bson:"seq"`
	RunningTokens   int64                `bson:"runningTokens"`
	ParticipantID   chat.PrincipalID     `bson:"participantId"`
	ParticipantType chat.PrincipalType   `bson:"participantType"`
	Role            chat.Role            `bson:"role"`
	Type            chat.MessageType     `bson:"type"`
	Content         string               `bson:"content"`
	Name            string               `bson:"name,omitempty"`
	ParentID        chat.MessageID       `bson:"parentId,omitempty"`
	Attachments     []chat.Attachment    `bson:"attachments,omitempty"`
	Mentions        []mentionDoc         `bson:"mentions,omitempty"`
	Uploads         []chat.UploadID      `bson:"uploads,omitempty"` // that ever were among them
	Voice           *voiceDoc            `bson:"voice,omitempty"`
	Thinking        *thinkingDoc         `bson:"thinking,omitempty"`
	ToolCalls       []bson.D             `bson:"toolCalls,omitempty"`
	ToolResults     []bson.D             `bson:"toolResults,omitempty"`
	Usage           *usageDoc            `bson:"usage,omitempty"`
	Latency         int64                `bson:"latency,omitempty"`
	Error           string               `bson:"error,omitempty"`
	Status          chat.MessageStatus   `bson:"status"`
	ClientMessageID chat.ClientMessageID `bson:"clientMessageId"`
	Fingerprint     string               `bson:"fingerprint"`
	CreatedAt       time.Time            `bson:"createdAt"`
	UpdatedAt       time.Time            `bson:"updatedAt"`
	IsDeleted       bool                 `bson:"isDeleted"`
	Streamed        bool                 `bson:"streamed,omitempty"`
	Approval        *approvalDoc         `bson:"approval,omitempty"`
	Due             *dueDoc              `bson:"due,omitempty"`
	Version         int64                `bson:"version,omitempty"`
	ReactionVersion int64                `bson:"reactionVersion,omitempty"`
	Reactions       []reactionDoc        `bson:"reactions,omitempty"`
	Edits           int64                `bson:"edits,omitempty"`
	EditedAt        *time.Time           `bson:"editedAt,omitempty"`
	ChangedAt       *time.Time           `bson:"changedAt,omitempty"`
	DeletedBy       *principalDoc        `bson:"deletedBy,omitempty"`
	ThreadID        chat.MessageID       `bson:"threadId,omitempty"`
	Replies         *repliesDoc          `bson:"replies,omitempty"`
}

// principalDoc is a principal of the organisation of the document.
type principalDoc struct {
	Type chat.PrincipalType `bson:"type"`
	ID   chat.PrincipalID   `bson:"id"`
}

// mentionDoc is a chat.Mention.
type mentionDoc struct {
	Type chat.MentionType `bson:"type"`
	ID   chat.PrincipalID `bson:"id,omitempty"`
}

func mentionDocs(ms []chat.Mention) (docs []mentionDoc) {
	for _, m := range ms {
		docs = append(docs, mentionDoc(m))
	}
	return docs
}

func mentions(docs []mentionDoc) (ms []chat.Mention) {
	for _, d := range docs {
		ms = append(ms, chat.Mention(d))
	}
	return ms
}

// repliesDoc is a chat.Replies.
type repliesDoc struct {
	Count   int64 `bson:"count"`
	LastSeq int64 `bson:"lastSeq"`
}

// reactionDoc is a chat.Reaction.
type reactionDoc struct {
	Key  chat.ReactionKey   `bson:"key"`
	Type chat.PrincipalType `bson:"type"`
	ID   chat.PrincipalID   `bson:"id"`
	At   time.Time          `bson:"at"`
}

// approvalDoc is a chat.Approval.
type approvalDoc struct {
	Verdict   chat.Verdict     `bson:"status"`
	ExpiresAt *time.Time       `bson:"expiresAt,omitempty"`
	CallID    chat.CallID      `bson:"toolCallId,omitempty"`
	By        chat.PrincipalID `bson:"by,omitempty"`
	Reason    string           `bson:"reason,omitempty"`
	Arguments *bson.D          `bson:"arguments,omitempty"`
}

func newApprovalDoc(a *chat.Approval) (*approvalDoc, error) {
	if a == nil {
		return nil, nil
	}
	d := &approvalDoc{Verdict: a.Verdict, ExpiresAt: timeOrNone(a.ExpiresAt), CallID: a.CallID, By: a.By, Reason: a.Reason}
	if a.Arguments == nil {
		return d, nil
	}
	docs, err := toolDocs("arguments", []json.RawMessage{a.Arguments})
	if err == nil {
		d.Arguments = &docs[0]
	}
	return d, err
}

func (d *approvalDoc) approval() *chat.Approval {
	if d == nil {
		return nil
	}
	a := &chat.Approval{Verdict: d.Verdict, ExpiresAt: orZero(d.ExpiresAt), Decision: chat.Decision{CallID: d.CallID, By: d.By, Reason: d.Reason}}
	if d.Arguments != nil {
		a.Arguments = ToolJSON(*d.Arguments)
	}
	return a
}

type voiceDoc struct {
	Duration int64  `bson:"duration"`
	Waveform []byte `bson:"waveform,omitempty"`
}

type thinkingDoc struct {
	Content  string `bson:"content"`
	Visible  bool   `bson:"visible"`
	Duration int64  `bson:"duration"`
}

type usageDoc struct {
	PromptTokens     int64 `bson:"promptTokens"`
	CompletionTokens int64 `bson:"completionTokens"`
	TotalTokens      int64 `bson:"totalTokens"`
}

// dueDoc is a chat.Due.
type dueDoc struct {
	At    time.Time           `bson:"at"`
	Left  []chat.Effect       `bson:"left"`
	To    []chat.ConnectionID `bson:"to,omitempty"`
	Tries int                 `bson:"tries,omitempty"`
	// Mentions are those of whom it is to be told, but not those that are spared.
	Mentions []mentionDoc `bson:"mentions,omitempty"`
	Spared   []mentionDoc `bson:"spared,omitempty"`
}

// newDueDoc returns nil for nil, which is no member at all.
func newDueDoc(d *chat.Due) *dueDoc {
	if d == nil {
		return nil
	}
	return &dueDoc{
		At: millis(d.At), Left: append([]chat.Effect{}, d.Left...), To: d.To, Tries: d.Tries,
		Mentions: mentionDocs(d.Notices.To), Spared: mentionDocs(d.Notices.But),
	}
}

// newMessageDoc returns the document of a message that has no id and no place
// in the log yet; what is due of it depends on the place.
func newMessageDoc(m chat.Message) (messageDoc, error) {
	d := messageDoc{
		ConversationID: m.ConversationID, OrgID: m.Sender.OrgID, ParticipantID: m.Sender.ID, ParticipantType: m.Sender.Type,
		Role: m.Role, Type: m.Type, Content: m.Content, Name: m.Name, ParentID: m.ParentID, Attachments: m.Attachments,
		Mentions: mentionDocs(m.Mentions), Latency: m.Latency.Milliseconds(), Error: m.Error, Status: m.Status, ClientMessageID: m.ClientMessageID,
		Fingerprint: m.Fingerprint, CreatedAt: millis(m.CreatedAt), UpdatedAt: millis(m.UpdatedAt), Streamed: m.Streamed,
		ThreadID: m.ThreadID,
	}
	d.Uploads = chat.UploadsOf(m.Attachments)
	if v := m.Voice; v != nil {
		d.Voice = &voiceDoc{Duration: v.Duration.Milliseconds(), Waveform: v.Waveform}
	}
	if t := m.Thinking; t != nil {
		d.Thinking = &thinkingDoc{Content: t.Content, Visible: t.Visible, Duration: t.Duration.Milliseconds()}
	}
	if u := m.Usage; u != nil {
		d.Usage = &usageDoc{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
	var err error
	if d.ToolCalls, err = toolDocs("toolCalls", m.ToolCalls); err != nil {
		return messageDoc{}, err
	}
	if d.ToolResults, err = toolDocs("toolResults", m.ToolResults); err != nil {
		return messageDoc{}, err
	}
	d.Approval, err = newApprovalDoc(m.Approval)
	return d, err
}

func (d *messageDoc) message() chat.Message {
	m := chat.Message{
		Draft: chat.Draft{
			Content: d.Content, Role: d.Role, Type: d.Type, Name: d.Name, ParentID: d.ParentID, Attachments: d.Attachments,
			Mentions: mentions(d.Mentions), ToolCalls: toolJSON(d.ToolCalls), ToolResults: toolJSON(d.ToolResults),
			Latency: time.Duration(d.Latency) * time.Millisecond, Error: d.Error, Approval: d.Approval.approval(),
		},
		ID: d.ID, ConversationID: d.ConversationID, Seq: d.Seq, RunningTokens: d.RunningTokens,
		Sender: chat.Principal{Type: d.ParticipantType, ID: d.ParticipantID, OrgID: d.OrgID},
		Status: d.Status, ClientMessageID: d.ClientMessageID, Fingerprint: d.Fingerprint,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Deleted: d.IsDeleted, Streamed: d.Streamed, ThreadID: d.ThreadID,
	}
	m.Uploads = d.Uploads
	if v := d.Voice; v != nil {
		m.Voice = &chat.Voice{Duration: time.Duration(v.Duration) * time.Millisecond, Waveform: v.Waveform}
	}
	if t := d.Thinking; t != nil {
		m.Thinking = &chat.Thinking{Content: t.Content, Visible: t.Visible, Duration: time.Duration(t.Duration) * time.Millisecond}
	}
	if u := d.Usage; u != nil {
		m.Usage = &chat.Usage{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
	}
	m.Version, m.ReactionVersion, m.Edits = d.Version, d.ReactionVersion, d.Edits
	m.EditedAt, m.ChangedAt = orZero(d.EditedAt), orZero(d.ChangedAt)
	for _, r := range d.Reactions {
		m.Reactions = append(m.Reactions, chat.Reaction{Key: r.Key, By: chat.Principal{Type: r.Type, ID: r.ID, OrgID: d.OrgID}, At: r.At})
	}
	if r := d.Replies; r != nil {
		m.Replies = chat.Replies(*r)
	}
	if by := d.DeletedBy; by != nil {
		m.DeletedBy = &chat.Principal{Type: by.Type, ID: by.ID, OrgID: d.OrgID}
	}
	if due := d.Due; due != nil {
		m.Due = &chat.Due{
			At: due.At, Left: due.Left, To: due.To, Tries: due.Tries,
			Notices: chat.Notices{To: mentions(due.Mentions), But: mentions(due.Spared)},
		}
	}
	return m
}

func toMessages(docs []messageDoc) []chat.Message {
	messages := make([]chat.Message, len(docs))
	for i := range docs {
		messages[i] = docs[i].message()
	}
	return messages
}
