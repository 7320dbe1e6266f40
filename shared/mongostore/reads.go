package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// What somebody has read is one number, their mark in a conversation, and another one that
// the others may know. How much is unread is counted in the log each time that somebody asks:
// a number that was kept would drift, and a message would cost one more for each participant.
//
// A mark moves by one update, whose filter wants the mark to be where it has to move from.
// Several devices, and several people, do this at once:
//
//	R1 read the conversation     U1 read the conversation     A append a message
//	R2 move the mark forward     U2 move the mark back        P project it
//
//   - A beside R: the mark is never after the end of the log, so that nothing is read before
//     it is said. R that names a seq after the projection looks at the log itself.
//   - A on one device and R on another: what one says oneself is never unread, and moves no
//     mark. So a send costs what it costs, and R does not meet it.
//   - R2 twice: the larger seq stays, whichever comes last. Of R2 and U2 the later one stays,
//     as they are two wishes. Whoever hears of both keeps the one with the larger version.
//   - R2 or U2 is done, and the answer is lost: done again it finds nothing to move. A first
//     mark is an insert, whose repeat finds the key taken, and begins anew.
//   - The participant is removed between R1 and R2, and perhaps added again: each membership
//     has its base, the end of the log when it began, and a mark says of which it is. That of
//     an earlier one counts no more, and does not replace that of a later one. Two memberships
//     with the same base have nothing said between them: the mark of the first goes on. The
//     version goes on, too: a base that is n messages further is n versions further, whether
//     there is a mark or not, so that a device that was away knows the newer one.
//   - An agent's R and P: R ends the backlog where nothing after the mark is projected, in one
//     update that looks. P after that begins it again. Where P was late, for a message at or
//     before the mark, it does too, and Backlog finds nothing: it begins after the mark.
//   - The function dies after R2, before the backlog is ended or somebody is told: nobody has
//     an answer, and who repeats it does the rest, also where the mark need not move.

// markDoc is a document of reads.
type markDoc struct {
	ConversationID chat.ConversationID `bson:"conversationId"`
	Type           chat.PrincipalType  `bson:"type"`
	ID             chat.PrincipalID    `bson:"id"`
	OrgID          chat.OrgID          `bson:"orgId"`
	Base           int64               `bson:"base"` // FromSeq of the membership that it is of
	Seq            int64               `bson:"seq"`
	PublicSeq      int64               `bson:"publicSeq"`
	Version        int64               `bson:"version"`
	At             *time.Time          `bson:"at,omitempty"`
}

// markOf is p's mark in c, where d is their document there, or nil.
func markOf(c *chat.Conversation, p chat.Principal, d *markDoc) chat.Mark {
	base := c.FromSeq(p)
	m := chat.Mark{ConversationID: c.ID, By: p, Seq: base, PublicSeq: base, Version: base}
	switch {
	case d != nil && d.Base >= base:
		m.Seq, m.PublicSeq, m.Version, m.At = d.Seq, d.PublicSeq, d.Version, orZero(d.At)
	case d != nil:
		m.Version = d.Version + base - d.Base
	}
	return m
}

// Read notes that p, a participant of c, has read up to a seq, or to the end of the log where
// that comes first, and returns their mark as it is then. It never moves back. Where it is
// private the others do not learn of it. Of an agent it ends the backlog, where nothing that
// came after it is projected. It takes one round trip; one or two more where the mark is the
// first of a membership or has been there before, one for a seq that is not projected yet, and
// one for an agent.
func (s *Store) Read(ctx context.Context, p chat.Principal, c chat.Conversation, seq int64, private bool, now time.Time) (chat.Mark, error) {
	if seq > c.TotalMessages {
		head, err := s.head(ctx, c.ID)
		if err != nil {
			return chat.Mark{}, err
		}
		seq = min(seq, max(head.Seq, c.TotalMessages))
	}
	at := millis(now)
	move := moving{
		step: "note what is read", filter: bson.M{"seq": bson.M{"$lt": seq}}, update: bson.M{"$max": bson.M{"seq": seq}},
		needs: func(d markDoc) bool { return d.Seq < seq },
		first: func(base int64) markDoc { return markDoc{Seq: max(base, seq), PublicSeq: base} },
	}
	if !private {
		move.filter = bson.M{"$or": bson.A{bson.M{"seq": bson.M{"$lt": seq}}, bson.M{"publicSeq": bson.M{"$lt": seq}}}}
		move.update = bson.M{"$max": bson.M{"seq": seq, "publicSeq": seq, "at": at}}
		move.needs = func(d markDoc) bool { return d.Seq < seq || d.PublicSeq < seq }
		move.first = func(base int64) markDoc { return markDoc{Seq: max(base, seq), PublicSeq: max(base, seq), At: &at} }
	}
	m, err := s.moveMark(ctx, p, &c, move)
	if err != nil || p.Type != chat.Agent {
		return m, err
	}
	return m, s.attempt(ctx, func(ctx context.Context) error {
		filter := bson.M{"_id": c.ID, "unanswered": p.ID, "totalMessages": bson.M{"$lte": m.Seq}}
		_, err := s.conversations.now().UpdateOne(ctx, filter, bson.M{"$pull": bson.M{"unanswered": p.ID}})
		return failed("end a backlog", err)
	})
}

// MarkUnread makes what comes from a seq on unread for p, a participant of c, and returns
// their mark as it is then. It never moves forward, and the others do not learn of it. The
// round trips are those of Read.
func (s *Store) MarkUnread(ctx context.Context, p chat.Principal, c chat.Conversation, from int64) (chat.Mark, error) {
	seq := from - 1
	return s.moveMark(ctx, p, &c, moving{
		step: "note what is unread", filter: bson.M{"seq": bson.M{"$gt": seq}}, update: bson.M{"$set": bson.M{"seq": seq}},
		needs: func(d markDoc) bool { return d.Seq > seq },
		first: func(base int64) markDoc { return markDoc{Seq: min(base, seq), PublicSeq: base} },
	})
}

// A moving is a move of a mark.
type moving struct {
	step   string
	filter bson.M                   // finds a mark that has to move
	needs  func(markDoc) bool       // says the same of one
	update bson.M                   // moves it
	first  func(base int64) markDoc // makes the first one of a membership
}

func (s *Store) moveMark(ctx context.Context, p chat.Principal, c *chat.Conversation, m moving) (chat.Mark, error) {
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	base := c.FromSeq(p)
	own := func(more bson.M) bson.M {
		return with(bson.M{"conversationId": c.ID, "type": p.Type, "id": p.ID}, more)
	}
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		d, err := s.changeMark(ctx, m.step, own(with(m.filter, bson.M{"base": bson.M{"$gte": base}})), m.update)
		if errors.Is(err, errNoMatch) {
			err = findOne(ctx, s.reads, own(bson.M{}), &d, m.step, errNoMatch)
			switch {
			case err == nil && d.Base >= base && !m.needs(d):
				return markOf(c, p, &d), nil
			case err == nil && d.Base < base:
				first := m.first(base)
				set := bson.M{"base": base, "seq": first.Seq, "publicSeq": first.PublicSeq}
				again := bson.M{"$set": set, "$inc": bson.M{"version": base - d.Base + 1}}
				if first.At != nil {
					set["at"] = *first.At
				} else {
					again["$unset"] = bson.M{"at": ""}
				}
				d, err = s.changeMark(ctx, m.step, own(bson.M{"base": d.Base}), again)
			case err == nil: // it moved in between
				err = errNoMatch
			case errors.Is(err, errNoMatch):
				d, err = s.firstMark(ctx, p, c, base, m)
			}
		}
		if err == nil {
			return markOf(c, p, &d), nil
		}
		if !errors.Is(err, errNoMatch) {
			return chat.Mark{}, err
		}
		if err := pause(ctx, m.step, wait); err != nil {
			return chat.Mark{}, err
		}
	}
}

// changeMark changes a mark and returns it as it is then, or errNoMatch.
func (s *Store) changeMark(ctx context.Context, step string, filter, update bson.M) (d markDoc, err error) {
	update = with(update, bson.M{"$inc": bson.M{"version": 1}})
	err = s.attempt(ctx, func(ctx context.Context) error {
		after := options.FindOneAndUpdate().SetReturnDocument(options.After)
		return decode(s.reads.now().FindOneAndUpdate(ctx, filter, update, after), &d, step, errNoMatch)
	})
	return d, err
}

// firstMark stores the first mark of somebody in a conversation; errNoMatch is that there is
// one already.
func (s *Store) firstMark(ctx context.Context, p chat.Principal, c *chat.Conversation, base int64, m moving) (markDoc, error) {
	d := m.first(base)
	d.ConversationID, d.Type, d.ID, d.OrgID, d.Base, d.Version = c.ID, p.Type, p.ID, c.OrgID, base, base+1
	err := s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.reads.now().InsertOne(ctx, d)
		return failed(m.step, err)
	})
	if mongo.IsDuplicateKeyError(err) {
		err = errNoMatch
	}
	return d, err
}

// Marks returns the mark of each participant of c, in their order. What of it is the caller's
// to see is the caller's to decide. It takes one round trip.
func (s *Store) Marks(ctx context.Context, c chat.Conversation) ([]chat.Mark, error) {
	docs, err := find[markDoc](ctx, s.reads, bson.M{"conversationId": c.ID}, "read the marks of a conversation",
		options.Find().SetBatchSize(2*chat.MaxParticipants))
	if err != nil {
		return nil, err
	}
	of := make(map[chat.Principal]*markDoc, len(docs))
	for i, d := range docs {
		of[chat.Principal{Type: d.Type, ID: d.ID, OrgID: c.OrgID}] = &docs[i]
	}
	marks := make([]chat.Mark, len(c.Participants))
	for i, p := range c.Principals() {
		marks[i] = markOf(&c, p, of[p])
	}
	return marks, nil
}
