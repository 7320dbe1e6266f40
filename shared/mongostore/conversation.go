package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// Conversation returns a conversation of which p is a participant, and
// NotFound for any other. It takes one round trip, a read by _id, and waits for
// an election up to electionTime: every send begins with it.
func (s *Store) Conversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	c, err := s.conversation(ctx, s.patiently, bson.M{"_id": id, "orgId": p.OrgID, "isDeleted": notDeleted})
	if err != nil {
		return chat.Conversation{}, err
	}
	if !c.HasParticipant(p) {
		return chat.Conversation{}, noConversation()
	}
	return c, nil
}

// AnyConversation returns a conversation of an organisation, whoever its
// participants are: it is for jobs, which act for nobody. It takes one round
// trip.
func (s *Store) AnyConversation(ctx context.Context, org chat.OrgID, id chat.ConversationID) (chat.Conversation, error) {
	return s.conversation(ctx, s.attempt, bson.M{"_id": id, "orgId": org, "isDeleted": notDeleted})
}

// DeletedConversation returns a conversation that is deleted and was created by
// p, and NotFound for any other: who repeats its deletion, because the answer
// was lost, is told apart from who has nothing to delete. It takes one round
// trip.
func (s *Store) DeletedConversation(ctx context.Context, p chat.Principal, id chat.ConversationID) (chat.Conversation, error) {
	return s.conversation(ctx, s.attempt, bson.M{
		"_id": id, "orgId": p.OrgID, "isDeleted": true, "createdBy.type": p.Type, "createdBy.id": p.ID,
	})
}

func (s *Store) conversation(ctx context.Context, try trier, filter bson.M) (chat.Conversation, error) {
	var d conversationDoc
	if err := try(ctx, func(ctx context.Context) error {
		return decode(s.conversations.now().FindOne(ctx, filter), &d, "read a conversation", noConversation())
	}); err != nil {
		return chat.Conversation{}, err
	}
	return d.conversation(), nil
}

// CreateConversation stores a new conversation and returns it with the id it was
// given. Where its creator has created one under the same key, "" being none, that
// one is returned as it is now; if another one was asked for, or it is deleted or
// not the creator's to see any more, the error is Conflict. It takes one round
// trip, and one more for a repeat.
func (s *Store) CreateConversation(ctx context.Context, c chat.Conversation, key chat.IdempotencyKey) (stored chat.Conversation, repeated bool, err error) {
	if err := s.checked(ctx); err != nil {
		return chat.Conversation{}, false, err
	}
	d := newConversationDoc(chat.ConversationID(bson.NewObjectID().Hex()), c)
	d.Creation = newCreationDoc(c, key)
	err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.conversations.now().InsertOne(ctx, d)
		return failed("create a conversation", err)
	})
	switch {
	case err == nil, mongo.IsDuplicateKeyError(err) && key == "": // the new id: our own insert, whose reply was lost
		return d.conversation(), false, nil
	case mongo.IsDuplicateKeyError(err):
		return s.created(ctx, d)
	}
	return chat.Conversation{}, false, err
}

// created returns the conversation that has the key of one that could not be
// stored.
func (s *Store) created(ctx context.Context, d conversationDoc) (chat.Conversation, bool, error) {
	var earlier conversationDoc
	err := findOne(ctx, s.conversations, bson.M{"orgId": d.OrgID, "creation.key": d.Creation.Key}, &earlier, "look a key up", errNone)
	switch {
	case err != nil:
		return chat.Conversation{}, false, err
	case earlier.ID == d.ID: // our own insert, whose reply was lost
		return d.conversation(), false, nil
	case earlier.Creation == nil || !chat.SameCreation(earlier.Creation.Fingerprint, d.Creation.Fingerprint):
		return chat.Conversation{}, false, chat.Errorf(chat.Conflict, "this Idempotency-Key was used for another conversation")
	}
	c, by := earlier.conversation(), d.CreatedBy
	if earlier.IsDeleted || !c.HasParticipant(chat.Principal{Type: by.Type, ID: by.ID, OrgID: d.OrgID}) {
		return chat.Conversation{}, false, chat.Errorf(chat.Conflict, "this Idempotency-Key was used for a conversation that is not there any more")
	}
	return c, true, nil
}

// UpdateConversation changes a conversation of which p is a participant and
// returns it as it is then. The values are checked by the caller. It takes one
// round trip, and one more with more than chat.MaxLively participants.
func (s *Store) UpdateConversation(ctx context.Context, p chat.Principal, id chat.ConversationID, change chat.ConversationChange, now time.Time) (chat.Conversation, error) {
	set := bson.M{}
	if change.Title != nil {
		set["title"], set["titleKey"] = *change.Title, titleKey(*change.Title)
	}
	if change.Description != nil {
		set["description"] = *change.Description
	}
	if change.Status != nil {
		set["status"] = *change.Status
	}
	if change.Tags != nil {
		set["tags"] = append([]string{}, *change.Tags...) // nil would be null
	}
	update := bson.M{}
	if len(set) > 0 {
		update["$set"] = set
	}
	return s.touch(ctx, s.attempt, "change a conversation", own(p, id), update, now)
}

// DeleteConversation hides a conversation that is p's to delete from every method, for ever,
// and returns it as it was at the end. Its documents stay. It takes one round trip, in a single
// attempt: the next would find nothing to delete.
func (s *Store) DeleteConversation(ctx context.Context, p chat.Principal, id chat.ConversationID, now time.Time) (chat.Conversation, error) {
	update := bson.M{
		"$set": bson.M{"isDeleted": true, "deletedAt": now},
		"$max": bson.M{"updatedAt": now},
	}
	filter := own(p, id)
	filter["createdBy.type"], filter["createdBy.id"] = p.Type, p.ID
	return s.change(ctx, s.once, "delete a conversation", filter, update)
}

// own is the filter of a conversation that p may change: the check and the
// change are one operation.
func own(p chat.Principal, id chat.ConversationID) bson.M {
	return bson.M{"_id": id, "orgId": p.OrgID, "isDeleted": notDeleted, "participants": has(p)}
}

// touch is an update that notes activity at a time. An earlier one never takes
// it back: clocks of functions differ.
func touch(at, activity time.Time) bson.M {
	return bson.M{"$max": bson.M{"updatedAt": at, "activity": activity}}
}

// lively is the condition that a conversation has at most chat.MaxLively
// participants.
var lively = bson.M{fmt.Sprintf("participants.%d", chat.MaxLively): bson.M{"$exists": false}}

// touch is change, of a conversation that the change makes the newest in lists.
// How large it is decides how exactly: see chat.Conversation.Activity. It takes
// one round trip, two where it is large or there is none.
func (s *Store) touch(ctx context.Context, try trier, step string, filter, update bson.M, now time.Time) (chat.Conversation, error) {
	update["$max"] = touch(now, now)["$max"]
	c, err := s.change(ctx, try, step, bson.M{"$and": bson.A{filter, lively}}, update)
	if chat.CodeOf(err) != chat.NotFound {
		return c, err
	}
	update["$max"] = touch(now, now.Truncate(time.Minute))["$max"]
	return s.change(ctx, try, step, filter, update)
}

// change updates the conversation that the filter finds and returns it as it
// is then, or NotFound.
func (s *Store) change(ctx context.Context, try trier, step string, filter, update bson.M) (chat.Conversation, error) {
	var d conversationDoc
	after := options.FindOneAndUpdate().SetReturnDocument(options.After)
	if err := try(ctx, func(ctx context.Context) error {
		return decode(s.conversations.now().FindOneAndUpdate(ctx, filter, update, after), &d, step, noConversation())
	}); err != nil {
		return chat.Conversation{}, err
	}
	return d.conversation(), nil
}
