package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// Reindex makes the entries of search anew of the messages that follow one by their ids, "" for
// the first, at most limit, and returns the last one it has read: "" at the end. It may run
// beside functions that write: an entry of a larger version stays, and one of the same version
// says the same. It may be repeated. It takes two round trips.
func (s *Store) Reindex(ctx context.Context, after chat.MessageID, limit int) (last chat.MessageID, n int, err error) {
	docs, _, err := findWithin[messageDoc](ctx, s.messages, bson.M{"_id": bson.M{"$gt": after}}, "read messages to index",
		options.Find().SetSort(by("_id")).SetLimit(int64(limit)).SetBatchSize(int32(limit)+1).SetProjection(bson.M{
			"conversationId": 1, "seq": 1, "role": 1, "type": 1, "content": 1, "createdAt": 1, "changedAt": 1, "version": 1, "isDeleted": 1,
		}), 16*maxMessageBytes)
	if err != nil || len(docs) == 0 {
		return "", 0, err
	}
	if err := s.IndexMessages(ctx, toMessages(docs)); err != nil {
		return "", 0, err
	}
	return docs[len(docs)-1].ID, len(docs), nil
}

// IndexMessages is IndexMessage for many at once, in one round trip: for who brings data in from
// elsewhere. What it writes is also written where an entry of the same version is there.
func (s *Store) IndexMessages(ctx context.Context, messages []chat.Message) error {
	var writes []mongo.WriteModel
	for _, m := range messages {
		if filter, update, ok := entry(m, bson.M{"$lte": m.Version}); ok {
			writes = append(writes, mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(update).SetUpsert(true))
		}
	}
	if len(writes) == 0 {
		return nil
	}
	if _, err := s.search.now().BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false)); err != nil && !onlyDuplicates(err) {
		return failed("index messages", err)
	}
	return nil
}

// onlyDuplicates reports whether writes were refused only because a later version is there.
func onlyDuplicates(err error) bool {
	e, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || e.WriteConcernError != nil {
		return false
	}
	for _, w := range e.WriteErrors {
		if !mongo.IsDuplicateKeyError(w) {
			return false
		}
	}
	return true
}
