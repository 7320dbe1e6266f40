package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// Changes returns the messages of a log that changed after a cursor, as they are now, in
// the order of their last change; at most 1000 and about 0.75 MB. next is the cursor to go
// on with: at once, where there are more, and later, for what changes after this. Access is
// the caller's to check. It takes one round trip, and one more where pages follow the first.
func (s *Store) Changes(ctx context.Context, id chat.ConversationID, after chat.ChangeCursor, limit int) (messages []chat.Message, next chat.ChangeCursor, more bool, err error) {
	limit = min(max(limit, 1), maxMessages)
	docs, more, err := findWithin[messageDoc](ctx, s.messages, changedAfter(id, after), "read what changed",
		options.Find().SetSort(by("changedAt", "_id")).SetLimit(int64(limit)+1).SetBatchSize(int32(limit)+1), maxMessageBytes)
	if err != nil {
		return nil, after, false, err
	}
	if len(docs) > limit {
		docs, more = docs[:limit], true
	}
	if more && after.ID == "" {
		// Where the pages will end is known now: what is not visible yet may be before the
		// next page, and the last one may be read much later.
		head, err := s.ChangeCursor(ctx, id)
		if err != nil {
			return nil, after, false, err
		}
		after.Since = max(after.Since, head.Since)
	}
	messages = toMessages(docs)
	return messages, after.After(messages, more), more, nil
}

// ChangeCursor is the cursor of who has the log as it is: what changes from now on comes
// after it. It takes one round trip.
func (s *Store) ChangeCursor(ctx context.Context, id chat.ConversationID) (chat.ChangeCursor, error) {
	var d changeDoc
	err := findOne(ctx, s.messages, bson.M{"conversationId": id, "changedAt": bson.M{"$exists": true}}, &d, "read the latest change", errNone,
		options.FindOne().SetSort(by("-changedAt", "-_id")).SetProjection(bson.M{"changedAt": 1}))
	if err != nil && !errors.Is(err, errNone) {
		return chat.ChangeCursor{}, err
	}
	return chat.Settled(d.ChangedAt), nil
}

// changedAfter finds what is after a cursor.
func changedAfter(id chat.ConversationID, c chat.ChangeCursor) bson.M {
	if c.ID == "" {
		return bson.M{"conversationId": id, "changedAt": bson.M{"$gt": time.UnixMilli(c.Since)}}
	}
	at := time.UnixMilli(c.At)
	return bson.M{
		"conversationId": id, "changedAt": bson.M{"$gte": at}, // which an index knows where to begin with
		"$or": bson.A{bson.M{"changedAt": bson.M{"$gt": at}}, bson.M{"changedAt": at, "_id": bson.M{"$gt": c.ID}}},
	}
}
