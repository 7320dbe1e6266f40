package mongostore

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// MessagesAround returns the messages of a log around a place, in ascending order: about as
// many before as after it, with that one itself; older and newer say where the log goes on.
// It has the bounds of Messages. Access is the caller's to check. It takes one round trip.
func (s *Store) MessagesAround(ctx context.Context, id chat.ConversationID, seq int64, limit int) (messages []chat.Message, older, newer bool, err error) {
	limit = min(max(limit, 1), maxMessages)
	var before, after []messageDoc
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		before, older, err = s.side(ctx, bson.M{"conversationId": id, "seq": bson.M{"$lte": seq}}, "-seq", (limit+2)/2)
		return err
	})
	g.Go(func() (err error) {
		after, newer, err = s.side(ctx, bson.M{"conversationId": id, "seq": bson.M{"$gt": seq}}, "seq", limit-(limit+2)/2)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, false, false, err
	}
	slices.Reverse(before)
	return toMessages(slices.Concat(before, after)), older, newer, nil
}

// side reads one side of a place.
func (s *Store) side(ctx context.Context, filter bson.M, order string, limit int) (docs []messageDoc, more bool, err error) {
	docs, more, err = findWithin[messageDoc](ctx, s.messages, filter, "read messages",
		options.Find().SetSort(by(order)).SetLimit(int64(limit)+1).SetBatchSize(int32(limit)+2), maxMessageBytes/2)
	if len(docs) > limit {
		docs, more = docs[:limit], true
	}
	return docs, more, err
}
