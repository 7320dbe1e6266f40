package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// maxRooms bounds the ids of conversations of one call.
const maxRooms = 10_000

// served is the filter of the conversations of which p is a participant.
func served(p chat.Principal) bson.M {
	return bson.M{"orgId": p.OrgID, "participants": has(p), "isDeleted": notDeleted}
}

// ConversationsOf returns the ids of the conversations in which p may be seen, as
// a participant who was not only invited, newest activity first. It takes one round
// trip.
func (s *Store) ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error) {
	limit = min(max(limit, 1), maxRooms)
	filter := served(p)
	filter["invited"] = bson.M{"$ne": p.String()}
	docs, err := find[headDoc](ctx, s.conversations, filter, "list the conversations of a participant", options.Find().
		SetSort(by("-activity", "-_id")).SetLimit(int64(limit)).SetBatchSize(int32(limit)).SetProjection(bson.M{"_id": 1}))
	var ids []chat.ConversationID
	for _, d := range docs {
		ids = append(ids, d.ID)
	}
	return ids, err
}

// headDoc is what is read of a conversation where its id, or little more, will
// do.
type headDoc struct {
	ID            chat.ConversationID `bson:"_id"`
	TotalMessages int64               `bson:"totalMessages"`
	UpdatedAt     time.Time           `bson:"updatedAt"`
}

// Heads returns the seq of the newest message that was projected of those
// conversations of which p is a participant. It takes one round trip, none
// without ids.
func (s *Store) Heads(ctx context.Context, p chat.Principal, ids []chat.ConversationID) (map[chat.ConversationID]int64, error) {
	heads := map[chat.ConversationID]int64{}
	if len(ids) == 0 {
		return heads, nil
	}
	filter := served(p)
	filter["_id"] = bson.M{"$in": ids}
	docs, err := find[headDoc](ctx, s.conversations, filter, "read the heads of conversations", options.Find().
		SetBatchSize(int32(min(len(ids), maxRooms))).SetProjection(bson.M{"totalMessages": 1}))
	for _, d := range docs {
		heads[d.ID] = d.TotalMessages
	}
	return heads, err
}
