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
// conversation of which p is one, and returns the conversation. Somebody who is
// one already stays as they are. A conversation with chat.MaxParticipants takes
// no more: that is a Conflict. It takes one round trip, two if nothing changes.
func (s *Store) AddParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (chat.Conversation, error) {
	const step = "add a participant"
	update := bson.M{"$push": bson.M{"participants": newParticipantDoc(chat.Participant{Type: who.Type, ID: who.ID, Joined: now})}}
	c, err := s.touch(ctx, attempt, step, bson.M{"$and": bson.A{
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

// RemoveParticipant takes who out of a conversation of which p is a
// participant, and returns the conversation as it is then. It is NotFound as
// well when who is none. It takes one round trip, in a single attempt: the next
// would find nobody to remove.
func (s *Store) RemoveParticipant(ctx context.Context, p chat.Principal, id chat.ConversationID, who chat.Principal, now time.Time) (chat.Conversation, error) {
	update := bson.M{"$pull": bson.M{"participants": bson.M{"type": who.Type, "id": who.ID}}}
	c, err := s.touch(ctx, once, "remove a participant", bson.M{"$and": bson.A{own(p, id), bson.M{"participants": has(who)}}}, update, now)
	if chat.CodeOf(err) == chat.NotFound {
		return chat.Conversation{}, chat.Errorf(chat.NotFound, "there is no such participant or conversation")
	}
	return c, err
}
