package chat

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A ConversationStatus says whether a conversation takes messages.
type ConversationStatus string

// Only an active conversation takes messages.
const (
	Active   ConversationStatus = "active"
	Archived ConversationStatus = "archived"
	Closed   ConversationStatus = "closed"
)

// Valid reports whether s is one of the three.
func (s ConversationStatus) Valid() bool { return s == Active || s == Archived || s == Closed }

// Limits of a conversation.
const (
	MaxTitle        = 200 // characters
	MaxDescription  = 2000
	MaxTags         = 20
	MaxTag          = 50 // characters
	MaxParticipants = 1000
)

// A Participant has a lasting right to a conversation.
type Participant struct {
	Type   PrincipalType
	ID     PrincipalID
	Joined time.Time
	// FromSeq is the end of the log when they were added, 0 of who was there from the
	// beginning: what comes after it is unread for them until they say otherwise.
	FromSeq int64
	// Invited is true of somebody whom another one added and who has neither joined
	// nor written since: nobody there learns when they are online.
	Invited bool
}

// A Conversation is a log of messages and who may read and write it. Totals
// and LastMessage are a projection of the newest message: they may lag behind
// the log for a moment and are healed by the next send or sweep.
type Conversation struct {
	ID             ConversationID
	OrgID          OrgID
	Title          string
	Description    string
	AgentID        PrincipalID
	Status         ConversationStatus
	Tags           []string
	Participants   []Participant
	TotalMessages  int64 // the seq of the newest message that was projected
	TotalTokens    int64
	LastMessage    *LastMessage
	ContextSummary string
	Summary        *Summary
	Erasures       int64       // how often a message was erased: a summary begun before is of what is no more
	CreatedBy      Participant // has the creator's rights: see IsCreator
	CreatedAt      time.Time
	UpdatedAt      time.Time // newest activity: a message or a change
}

// LastMessage is the newest message, in short.
type LastMessage struct {
	Seq       int64
	Content   string // at most 100 characters
	Role      Role
	CreatedAt time.Time
}

// A Summary says which messages ContextSummary covers and who wrote it.
type Summary struct {
	FromSeq int64
	ToSeq   int64
	Model   string
	At      time.Time
}

// NewConversation returns the conversation that creator opens with an agent;
// both are participants. The store gives it its id.
func NewConversation(creator Principal, title, description string, agent PrincipalID, tags []string, now time.Time) (Conversation, error) {
	var f Faults
	CheckID(&f, "agentId", agent)
	CheckTitle(&f, title)
	CheckDescription(&f, description)
	CheckTags(&f, tags)
	if err := f.Err(); err != nil {
		return Conversation{}, err
	}
	by := Participant{Type: creator.Type, ID: creator.ID, Joined: now}
	c := Conversation{
		OrgID: creator.OrgID, Title: title, Description: description, AgentID: agent, Status: Active,
		Tags: tags, Participants: []Participant{by}, CreatedBy: by, CreatedAt: now, UpdatedAt: now,
	}
	if a := (Principal{Type: Agent, ID: agent, OrgID: creator.OrgID}); !c.HasParticipant(a) {
		c.Participants = append(c.Participants, Participant{Type: Agent, ID: agent, Joined: now})
	}
	return c, nil
}

// HasParticipant reports whether p may read and write the conversation. A
// principal of another organisation never may.
func (c *Conversation) HasParticipant(p Principal) bool {
	return p.OrgID == c.OrgID && slices.ContainsFunc(c.Participants, func(q Participant) bool {
		return q.Type == p.Type && q.ID == p.ID
	})
}

// IsInvited reports whether p was added and has neither joined nor written.
func (c *Conversation) IsInvited(p Principal) bool {
	return p.OrgID == c.OrgID && slices.ContainsFunc(c.Participants, func(q Participant) bool {
		return q.Invited && q.Type == p.Type && q.ID == p.ID
	})
}

// newTime is how long something is new: those whom it concerns may be told again.
const newTime = time.Minute

// IsNew reports whether the conversation was created a moment ago.
func (c *Conversation) IsNew(now time.Time) bool { return now.Sub(c.CreatedAt) < newTime }

// JustJoined reports whether p became a participant a moment ago.
func (c *Conversation) JustJoined(p Principal, now time.Time) bool {
	return slices.ContainsFunc(c.Participants, func(q Participant) bool {
		return q.Type == p.Type && q.ID == p.ID && now.Sub(q.Joined) < newTime
	})
}

// ShowsAgent reports whether it is told if the agent that serves the conversation is
// online: it takes part, and was not only added.
func (c *Conversation) ShowsAgent() bool {
	return c.HasParticipant(c.Agent()) && !c.IsInvited(c.Agent())
}

// Principals returns who takes part.
func (c *Conversation) Principals() []Principal {
	ps := make([]Principal, len(c.Participants))
	for i, p := range c.Participants {
		ps[i] = Principal{Type: p.Type, ID: p.ID, OrgID: c.OrgID}
	}
	return ps
}

// MaxLively is the most participants of a conversation whose place in lists of
// newest activity follows each message. The place is kept for each participant:
// in a larger one it moves once a minute, so that a message costs no more there.
const MaxLively = 50

// Activity returns where activity at a time puts the conversation in lists.
func (c *Conversation) Activity(at time.Time) time.Time {
	if len(c.Participants) > MaxLively {
		return at.Truncate(time.Minute)
	}
	return at
}

// Agents returns the ids of the agents that take part.
func (c *Conversation) Agents() (ids []PrincipalID) {
	for _, p := range c.Participants {
		if p.Type == Agent {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Entitled returns the connections of those who may read the conversation.
func (c *Conversation) Entitled(room []Connection) []Connection {
	participants := make(map[Principal]bool, len(c.Participants))
	for _, p := range c.Participants {
		participants[Principal{Type: p.Type, ID: p.ID, OrgID: c.OrgID}] = true
	}
	var entitled []Connection
	for _, connection := range room {
		if participants[connection.Principal] {
			entitled = append(entitled, connection)
		}
	}
	return entitled
}

// Agent returns the principal of the agent that serves the conversation.
func (c *Conversation) Agent() Principal {
	return Principal{Type: Agent, ID: c.AgentID, OrgID: c.OrgID}
}

// Head is the end of the log as the projection has it: the guess from which
// the next message takes its seq.
func (c *Conversation) Head() Head {
	return Head{Seq: c.TotalMessages, RunningTokens: c.TotalTokens}
}

// CheckTitle notes what is wrong with a title.
func CheckTitle(f *Faults, s string) {
	if strings.TrimSpace(s) == "" {
		f.Add("title", "is required")
	}
	checkText(f, "title", s, MaxTitle)
}

// CheckDescription notes what is wrong with a description.
func CheckDescription(f *Faults, s string) { checkText(f, "description", s, MaxDescription) }

// CheckTags notes what is wrong with tags.
func CheckTags(f *Faults, tags []string) {
	if len(tags) > MaxTags {
		f.Add("tags", "must be at most %d", MaxTags)
	}
	for i, t := range tags {
		if strings.TrimSpace(t) == "" || utf8.RuneCountInString(t) > MaxTag {
			f.Add("tags", "each must be 1 to %d characters", MaxTag)
		}
		if slices.Contains(tags[:i], t) {
			f.Add("tags", "must not repeat")
		}
	}
}

func checkText(f *Faults, field, s string, limit int) {
	if utf8.RuneCountInString(s) > limit {
		f.Add(field, "must be at most %d characters", limit)
	}
}
