package migrate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// A taken is a conversation as it will be, but for what its messages decide.
type taken struct {
	chat.Conversation
	deleted *time.Time
}

// principalTypes are what the old data calls users and agents.
var principalTypes = map[string]chat.PrincipalType{
	"user": chat.User, "human": chat.User, "member": chat.User, "owner": chat.User, "admin": chat.User,
	"agent": chat.Agent, "assistant": chat.Agent, "bot": chat.Agent, "ai": chat.Agent,
}

var conversationStatuses = map[string]chat.ConversationStatus{
	"": chat.Active, "active": chat.Active, "open": chat.Active,
	"archived": chat.Archived, "inactive": chat.Archived,
	"closed": chat.Closed, "completed": chat.Closed, "ended": chat.Closed, "deleted": chat.Closed,
}

// conversationOf reads an old conversation. The error says why it cannot be taken.
func conversationOf(r *row, org chat.OrgID) (taken, error) {
	id := chat.ConversationID(r.newID("conversationId"))
	if id == "" {
		return taken{}, errors.New("neither conversationId nor _id is an id")
	}
	created, ok := r.created()
	if !ok {
		return taken{}, errors.New("createdAt is no time")
	}
	if s := r.text("orgId", "organizationId"); s != "" {
		org = chat.OrgID(s)
	}
	if !chat.ValidID(org) {
		return taken{}, errors.New("orgId is not an id")
	}
	participants := participantsOf(r, created)
	agent, err := servedBy(r, participants)
	if err != nil {
		return taken{}, err
	}
	creator, err := creatorOf(r, participants)
	if err != nil {
		return taken{}, err
	}
	creator.OrgID = org
	title := cut(r.text("title", "name"), chat.MaxTitle)
	if title == "" {
		title = "Conversation"
		r.note("it has no title")
	}
	c, err := chat.NewConversation(creator, title, cut(r.text("description"), chat.MaxDescription), agent, tagsOf(r), created)
	if err != nil {
		return taken{}, faults(err)
	}
	for _, p := range participants {
		if q := (chat.Principal{Type: p.Type, ID: p.ID, OrgID: org}); !c.HasParticipant(q) {
			c.Participants = append(c.Participants, p)
		}
	}
	if len(c.Participants) > chat.MaxParticipants {
		return taken{}, fmt.Errorf("participants are more than %d", chat.MaxParticipants)
	}
	c.ID, c.ContextSummary = id, r.text("contextSummary", "summary")
	if t := r.time("updatedAt", "lastMessageAt"); t.After(c.UpdatedAt) {
		c.UpdatedAt = t
	}
	status := strings.ToLower(r.text("status"))
	if c.Status, ok = conversationStatuses[status]; !ok {
		c.Status = chat.Archived
		r.note("status %q is not known: archived", cut(status, 40))
	}
	return taken{c, deletedAt(r, status, c.UpdatedAt)}, nil
}

// deletedAt is when it was deleted, nil if it was not.
func deletedAt(r *row, status string, otherwise time.Time) *time.Time {
	at := r.time("deletedAt")
	if gone, _ := r.flag("isDeleted", "deleted"); !gone && status != "deleted" && at.IsZero() {
		return nil
	}
	if at.IsZero() {
		at = otherwise
	}
	return &at
}

// servedBy is the agent of a conversation: the one it names, or who takes part.
func servedBy(r *row, participants []chat.Participant) (chat.PrincipalID, error) {
	if id := chat.PrincipalID(r.text("agentId", "assistantId")); id != "" {
		if !chat.ValidID(id) {
			return "", errors.New("agentId is not an id")
		}
		return id, nil
	}
	for _, p := range participants {
		if p.Type == chat.Agent {
			return p.ID, nil
		}
	}
	return "", errors.New("agentId is missing, and no agent takes part")
}

// creatorOf is who has the creator's rights: whom the row names, or the first
// user who takes part.
func creatorOf(r *row, participants []chat.Participant) (chat.Principal, error) {
	if d := r.below("createdBy"); d != nil {
		if p, ok := participantOf(bson.RawValue{}, d, time.Time{}); ok {
			return chat.Principal{Type: p.Type, ID: p.ID}, nil
		}
	}
	if id := chat.PrincipalID(r.text("createdBy", "userId", "ownerId")); id != "" && chat.ValidID(id) {
		return chat.Principal{Type: chat.User, ID: id}, nil
	}
	for _, t := range []chat.PrincipalType{chat.User, chat.Agent} {
		for _, p := range participants {
			if p.Type == t {
				return chat.Principal{Type: p.Type, ID: p.ID}, nil
			}
		}
	}
	return chat.Principal{}, errors.New("nobody takes part: userId, createdBy and participants are missing")
}

// participantsOf reads who takes part: texts, or objects of several shapes. Who has
// left is none any more.
func participantsOf(r *row, joined time.Time) (out []chat.Participant) {
	for i, v := range r.list("participants") {
		var d *row
		if doc, ok := v.DocumentOK(); ok {
			d = &row{raw: doc}
			if active, given := d.flag("isActive", "active"); given && !active || d.has("leftAt") || d.has("removedAt") {
				continue
			}
		}
		p, ok := participantOf(v, d, joined)
		if !ok {
			r.note("participants[%d] is left out", i)
			continue
		}
		if !slices.ContainsFunc(out, func(q chat.Participant) bool { return q.Type == p.Type && q.ID == p.ID }) {
			out = append(out, p)
		}
	}
	return out
}

// participantOf reads one: "u1", "agent:a1", or the object d.
func participantOf(v bson.RawValue, d *row, joined time.Time) (p chat.Participant, ok bool) {
	p = chat.Participant{Type: chat.User, Joined: joined}
	if d == nil {
		s := textOf(v)
		if before, after, found := strings.Cut(s, ":"); found {
			if t, known := principalTypes[before]; known {
				p.Type, s = t, after
			}
		}
		p.ID = chat.PrincipalID(s)
		return p, chat.ValidID(p.ID)
	}
	p.ID = chat.PrincipalID(d.text("participantId", "userId", "id"))
	if agent := d.text("agentId"); agent != "" && p.ID == "" {
		p.Type, p.ID = chat.Agent, chat.PrincipalID(agent)
	}
	if p.ID == "" {
		p.ID = chat.PrincipalID(d.text("_id"))
	}
	for _, name := range []string{"participantType", "type", "role"} {
		s := strings.ToLower(d.text(name))
		if s == "" {
			continue
		}
		t, known := principalTypes[s]
		if !known && name != "role" {
			return p, false
		}
		if known {
			p.Type = t
		}
		break
	}
	if t := d.time("joined", "joinedAt"); !t.IsZero() {
		p.Joined = t
	}
	return p, chat.ValidID(p.ID)
}

// tagsOf keeps those that a conversation may have.
func tagsOf(r *row) (tags []string) {
	for i, v := range r.list("tags") {
		t := textOf(v)
		var f chat.Faults
		chat.CheckTags(&f, append(slices.Clone(tags), t))
		if f.Err() != nil {
			r.note("tags[%d] is left out", i)
			continue
		}
		tags = append(tags, t)
	}
	return tags
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return strings.ToValidUTF8(s[:i], "\uFFFD")
		}
		n--
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// faults says which fields are not valid, and why, in one line.
func faults(err error) error {
	e, ok := errors.AsType[*chat.Error](err)
	if !ok || len(e.Details) == 0 {
		return err
	}
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e.Details)) {
		all = append(all, fmt.Sprintf("%s %v", field, e.Details[field]))
	}
	return errors.New(strings.Join(all, "; "))
}
