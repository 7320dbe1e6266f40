package mongostore

import (
	"slices"
	"time"

	"aiwm-chat/shared/chat"
)

// conversationDoc is a document of conversations. Of its members some are only
// written and queried: deletedAt, and unanswered, the ids of the agents that
// have not answered what a user said last. By activity and titleKey lists are
// sorted: each of their indexes has an entry for every participant, so activity
// moves less often than updatedAt, which has none.
type conversationDoc struct {
	ID             chat.ConversationID     `bson:"_id"`
	OrgID          chat.OrgID              `bson:"orgId"`
	Title          string                  `bson:"title"`
	Description    string                  `bson:"description"`
	AgentID        chat.PrincipalID        `bson:"agentId"`
	Status         chat.ConversationStatus `bson:"status"`
	Tags           []string                `bson:"tags"`
	Participants   []participantDoc        `bson:"participants"`
	TotalMessages  int64                   `bson:"totalMessages"`
	TotalTokens    int64                   `bson:"totalTokens"`
	LastMessage    *lastMessageDoc         `bson:"lastMessage,omitempty"`
	ContextSummary string                  `bson:"contextSummary"`
	Summary        *summaryDoc             `bson:"summary,omitempty"`
	Erasures       int64                   `bson:"erasures,omitempty"`
	CreatedBy      participantDoc          `bson:"createdBy"`
	CreatedAt      time.Time               `bson:"createdAt"`
	UpdatedAt      time.Time               `bson:"updatedAt"`
	Activity       time.Time               `bson:"activity"`
	TitleKey       string                  `bson:"titleKey"`
	IsDeleted      bool                    `bson:"isDeleted"`
	Creation       *creationDoc            `bson:"creation,omitempty"`
	// Invited are the participants, as "user:u1", who were added and have neither
	// joined nor written since.
	Invited []string `bson:"invited,omitempty"`
}

// creationDoc is the key that a conversation was created under, which is unique
// in its organisation, and what was asked for.
type creationDoc struct {
	Key         string `bson:"key"`
	Fingerprint string `bson:"fingerprint"`
}

// newCreationDoc returns nil where there is no key. Each principal has keys of its
// own; no id contains a slash.
func newCreationDoc(c chat.Conversation, key chat.IdempotencyKey) *creationDoc {
	if key == "" {
		return nil
	}
	return &creationDoc{string(c.CreatedBy.Type) + "/" + string(c.CreatedBy.ID) + "/" + string(key), c.Fingerprint()}
}

type participantDoc struct {
	Type   chat.PrincipalType `bson:"type"`
	ID     chat.PrincipalID   `bson:"id"`
	Joined time.Time          `bson:"joined"`
	// FromSeq is not there in createdBy, and of who was added by an earlier version.
	FromSeq *int64 `bson:"fromSeq,omitempty"`
}

type lastMessageDoc struct {
	Seq       int64     `bson:"seq"`
	Version   int64     `bson:"version,omitempty"`
	Content   string    `bson:"content"`
	Role      chat.Role `bson:"role"`
	CreatedAt time.Time `bson:"createdAt"`
}

type summaryDoc struct {
	FromSeq int64     `bson:"fromSeq"`
	ToSeq   int64     `bson:"toSeq"`
	Model   string    `bson:"model"`
	At      time.Time `bson:"at"`
}

// newConversationDoc returns the document of a conversation without messages.
func newConversationDoc(id chat.ConversationID, c chat.Conversation) conversationDoc {
	d := conversationDoc{
		ID: id, OrgID: c.OrgID, Title: c.Title, Description: c.Description, AgentID: c.AgentID, Status: c.Status,
		Tags: append([]string{}, c.Tags...), Participants: []participantDoc{}, CreatedBy: newParticipantDoc(c.CreatedBy),
		CreatedAt: millis(c.CreatedAt), UpdatedAt: millis(c.UpdatedAt),
		Activity: millis(c.Activity(c.UpdatedAt)), TitleKey: titleKey(c.Title),
	}
	for _, p := range c.Participants {
		d.Participants = append(d.Participants, newMemberDoc(p))
	}
	return d
}

func newParticipantDoc(p chat.Participant) participantDoc {
	return participantDoc{Type: p.Type, ID: p.ID, Joined: millis(p.Joined)}
}

// newMemberDoc is one of conversationDoc.Participants.
func newMemberDoc(p chat.Participant) participantDoc {
	d := newParticipantDoc(p)
	d.FromSeq = &p.FromSeq
	return d
}

func (d participantDoc) participant(invited bool) chat.Participant {
	return chat.Participant{Type: d.Type, ID: d.ID, Joined: d.Joined, Invited: invited}
}

func newLastMessageDoc(m chat.Message) lastMessageDoc {
	l := m.Last()
	return lastMessageDoc{Seq: l.Seq, Version: m.Version, Content: l.Content, Role: l.Role, CreatedAt: millis(l.CreatedAt)}
}

func (d *conversationDoc) conversation() chat.Conversation {
	c := chat.Conversation{
		ID: d.ID, OrgID: d.OrgID, Title: d.Title, Description: d.Description, AgentID: d.AgentID, Status: d.Status, Tags: d.Tags,
		Participants:  make([]chat.Participant, 0, len(d.Participants)),
		TotalMessages: d.TotalMessages, TotalTokens: d.TotalTokens, ContextSummary: d.ContextSummary, Erasures: d.Erasures,
		CreatedBy: d.CreatedBy.participant(false), CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	for _, p := range d.Participants {
		invited := slices.Contains(d.Invited, chat.Principal{Type: p.Type, ID: p.ID}.String())
		q := p.participant(invited)
		if q.FromSeq = d.TotalMessages; p.FromSeq != nil { // else nothing is unread until complete has been here
			q.FromSeq = *p.FromSeq
		}
		c.Participants = append(c.Participants, q)
	}
	if l := d.LastMessage; l != nil {
		c.LastMessage = &chat.LastMessage{Seq: l.Seq, Content: l.Content, Role: l.Role, CreatedAt: l.CreatedAt}
	}
	if s := d.Summary; s != nil {
		c.Summary = &chat.Summary{FromSeq: s.FromSeq, ToSeq: s.ToSeq, Model: s.Model, At: s.At}
	}
	return c
}
