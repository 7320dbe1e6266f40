package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// completeAtOnce is how many documents complete reads at a time.
const completeAtOnce = 500

// complete gives the conversations of an earlier version what lists are sorted
// by: without it they would come last. It may run beside functions of either
// version, and be repeated.
func (s *Store) complete(ctx context.Context) error {
	const step = "complete the conversations of an earlier version"
	for {
		docs, err := find[conversationDoc](ctx, s.conversations, bson.M{"titleKey": bson.M{"$exists": false}}, step,
			options.Find().SetLimit(completeAtOnce).SetProjection(bson.M{"title": 1, "updatedAt": 1, "participants": 1}))
		if err != nil || len(docs) == 0 {
			return err
		}
		var done int64
		for _, d := range docs {
			c := d.conversation()
			// With another title somebody changed it at this moment: it is met again.
			r, err := s.conversations.now().UpdateOne(ctx, bson.M{"_id": d.ID, "title": d.Title}, bson.M{
				"$set": bson.M{"titleKey": titleKey(d.Title)},
				"$max": bson.M{"activity": c.Activity(d.UpdatedAt)},
			})
			if err != nil {
				return failed(step, err)
			}
			done += r.MatchedCount
		}
		if done == 0 {
			return fmt.Errorf("%s: of %s and others there is no title", step, docs[0].ID)
		}
	}
}
