package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// AddParticipant makes who, of p's organisation, a participant of a
// conversation of which p is one, and returns the conversation. They are invited
// until they join or write: see Accept. Somebody who is one already stays as they
// are. A conversation with chat.MaxParticipants takes no more: that is a Conflict.
// What is said after this is unread for them, and what was said before is not: the end of
// the log is read first, so that what comes in between is unread.
// It takes two round trips, three with more than chat.MaxLively participants, and one
// more if nothing changes.
func (s *Store) AddParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (chat.Conversation, error) {
	const step = "add a participant"
	head, err := s.head(ctx, id)
	if err != nil {
		return chat.Conversation{}, err
	}
	update := bson.M{"$push": bson.M{
		"participants": newMemberDoc(chat.Participant{Type: who.Type, ID: who.ID, Joined: now, FromSeq: head.Seq}), "invited": who.String(),
	}}
	c, err := s.touch(ctx, s.attempt, step, bson.M{"$and": bson.A{
		own(p, id),
		bson.M{"participants": bson.M{"$not": has(who)}},
		bson.M{fmt.Sprintf("participants.%d", chat.MaxParticipants-1): bson.M{"$exists": false}}, // not full
	}}, update, now)
	if chat.CodeOf(err) != chat.NotFound {
		return c, err
	}
	if c, err = s.Conversation(ctx, p, id); err != nil {
		return chat.Conversation{}, err
	}
	who.OrgID = p.OrgID
	if c.HasParticipant(who) {
		return c, nil
	}
	if len(c.Participants) >= chat.MaxParticipants {
		return chat.Conversation{}, chat.Errorf(chat.Conflict, "the conversation has %d participants and takes no more", chat.MaxParticipants)
	}
	return chat.Conversation{}, chat.Unavailablef(errors.New(step), "the participants changed at the same moment; try again")
}

// RemoveParticipant takes who out of a conversation of which p is a participant,
// and returns it as it is then. Others are the creator's to remove: of anybody else
// that is Forbidden. removed is false where who was none, and the conversation is as
// it was read. The creator hands over to the longest-standing user, and the last
// user closes the conversation: see chat.Succession.
//
// It reads, decides, and writes only where what it decided still holds, else it
// begins anew. So, whatever happens between the two:
//
//   - Of a removal and the creator's own leaving, which hands over to the one who is
//     being removed, one is first. Is it the removal, the heir is gone, and another
//     one is found. Is it the leaving, who asked for the removal has no right to it
//     any more, and the new creator stays.
//   - Of two who leave at once, of whom one would inherit, likewise: nobody inherits
//     who has left, and an heir who leaves hands over in turn.
//   - Of the last two who leave at once each is the other's reason not to close. The
//     second finds its reason gone, and closes.
//   - Who is added meanwhile is a reason not to close, and is not passed over: they
//     have been there for a shorter time than anybody.
//
// What follows in Redis, the eviction of who was removed, is the caller's, who must
// do it where removed is false too: see the handler.
//
// It takes two round trips, and two for each time that somebody was faster. The
// write is a single attempt: the next would find nobody to remove.
func (s *Store) RemoveParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (c chat.Conversation, removed bool, err error) {
	const step = "remove a participant"
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		if c, err = s.Conversation(ctx, p, id); err != nil {
			return chat.Conversation{}, false, err
		}
		if who != p && !c.IsCreator(p) {
			return chat.Conversation{}, false, chat.Errorf(chat.Forbidden, "only the creator may remove others")
		}
		if !c.HasParticipant(who) {
			return c, false, nil
		}
		filter, update := removal(&c, p, who, now)
		after, err := s.change(ctx, s.once, step, filter, update)
		if err == nil || chat.CodeOf(err) != chat.NotFound {
			return after, err == nil, err
		}
		if err := pause(ctx, step, wait); err != nil {
			return chat.Conversation{}, false, err
		}
	}
}

// removal is the update that takes who out of c, and the filter of what it was
// decided on.
func removal(c *chat.Conversation, p, who chat.Principal, now time.Time) (filter, update bson.M) {
	next := c.SuccessionOf(who)
	update = touch(now, c.Activity(now))
	update["$pull"] = bson.M{"participants": bson.M{"type": who.Type, "id": who.ID}, "invited": who.String()}
	conditions := bson.A{
		own(p, c.ID), bson.M{"participants": has(who)},
		bson.M{"createdBy.type": c.CreatedBy.Type, "createdBy.id": c.CreatedBy.ID},
	}
	switch {
	case !next.Closes: // the heir is the witness
		conditions = append(conditions, bson.M{"participants": has(chat.Principal{Type: next.Witness.Type, ID: next.Witness.ID})})
	case who.Type == chat.User:
		another := bson.M{"$elemMatch": bson.M{"type": chat.User, "id": bson.M{"$ne": who.ID}}}
		conditions = append(conditions, bson.M{"participants": bson.M{"$not": another}})
	default:
		conditions = append(conditions, bson.M{"participants.1": bson.M{"$exists": false}})
	}
	set := bson.M{}
	if next.Closes {
		set["status"] = chat.Closed
	}
	if next.Heir != nil {
		set["createdBy"] = newParticipantDoc(*next.Heir)
	}
	if len(set) > 0 {
		update["$set"] = set
	}
	return bson.M{"$and": conditions}, update
}

// Accept notes that p, who was invited, has joined. Somebody who was not
// stays as they are. It takes one round trip.
func (s *Store) Accept(ctx context.Context, p chat.Principal, id chat.ConversationID) error {
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.conversations.now().UpdateOne(ctx, own(p, id), bson.M{"$pull": bson.M{"invited": p.String()}})
		return failed("accept an invitation", err)
	})
}
