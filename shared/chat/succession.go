package chat

// IsCreator reports whether p has the creator's rights: to delete the
// conversation, and to remove others from it. They are CreatedBy's, who is the
// creator or whom they were handed to.
func (c *Conversation) IsCreator(p Principal) bool {
	return p.OrgID == c.OrgID && c.CreatedBy.Type == p.Type && c.CreatedBy.ID == p.ID
}

// A Succession is what becomes of a conversation that somebody leaves.
type Succession struct {
	// Closes: the last of its users leaves, or the last of all. Agents alone have
	// nobody to talk to.
	Closes bool
	// Heir has the creator's rights from then on; nil: they stay where they are.
	Heir *Participant
	// Witness stays, and is why it does not close.
	Witness *Participant
}

// SuccessionOf returns what becomes of the conversation without a participant.
// The creator's rights go to the longest-standing user, of those who were only
// invited where there is no other, and to an agent only where there are no users;
// so do those of a creator who is no participant any more.
func (c *Conversation) SuccessionOf(leaver Principal) (s Succession) {
	creatorStays := false
	for i := range c.Participants {
		p := &c.Participants[i]
		if p.Type == leaver.Type && p.ID == leaver.ID {
			continue
		}
		creatorStays = creatorStays || p.Type == c.CreatedBy.Type && p.ID == c.CreatedBy.ID
		if s.Witness == nil || p.precedes(s.Witness) {
			s.Witness = p
		}
	}
	if s.Witness == nil || leaver.Type == User && s.Witness.Type != User {
		return Succession{Closes: true}
	}
	if !creatorStays {
		s.Heir = s.Witness
	}
	return s
}

// precedes reports whether p inherits before q.
func (p *Participant) precedes(q *Participant) bool {
	switch {
	case p.Type != q.Type:
		return p.Type == User
	case p.Invited != q.Invited:
		return q.Invited
	}
	return p.Joined.Before(q.Joined)
}
