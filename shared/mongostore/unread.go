package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// Readings returns p's mark in each of some conversations, and what is unread there, in their
// order. It takes two round trips however many there are, and one where each is read to its
// end as far as that is projected.
func (s *Store) Readings(ctx context.Context, p chat.Principal, all []chat.Conversation) ([]chat.Reading, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ids := make([]chat.ConversationID, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	marks, err := s.marksIn(ctx, p, ids)
	if err != nil {
		return nil, err
	}
	readings := make([]chat.Reading, len(all))
	var behind []chat.Mark
	for i := range all {
		m := markOf(&all[i], p, marks[all[i].ID])
		readings[i].Mark = m
		if all[i].TotalMessages > m.Seq {
			readings[i].More = all[i].TotalMessages > m.Seq+chat.UnreadSpan
			behind = append(behind, m)
		}
	}
	if len(behind) == 0 {
		return readings, nil
	}
	counts, err := s.countUnread(ctx, p, behind)
	for i := range readings {
		readings[i].Count = counts[all[i].ID]
	}
	return readings, err
}

// marksIn reads p's marks in conversations.
func (s *Store) marksIn(ctx context.Context, p chat.Principal, ids []chat.ConversationID) (map[chat.ConversationID]*markDoc, error) {
	docs, err := find[markDoc](ctx, s.reads, bson.M{"conversationId": bson.M{"$in": ids}, "type": p.Type, "id": p.ID}, "read marks",
		options.Find().SetBatchSize(int32(len(ids))+1))
	of := make(map[chat.ConversationID]*markDoc, len(docs))
	for i := range docs {
		of[docs[i].ConversationID] = &docs[i]
	}
	return of, err
}

// countUnread counts what is unread after marks of p.
func (s *Store) countUnread(ctx context.Context, p chat.Principal, marks []chat.Mark) (map[chat.ConversationID]int, error) {
	const step = "count what is unread"
	type countDoc struct {
		Of struct {
			ConversationID chat.ConversationID `bson:"conversationId"`
			Type           chat.PrincipalType  `bson:"participantType"`
			ID             chat.PrincipalID    `bson:"participantId"`
		} `bson:"_id"`
		N int `bson:"n"`
	}
	var counts map[chat.ConversationID]int
	err := s.attempt(ctx, func(ctx context.Context) error {
		cursor, err := s.messages.now().Aggregate(ctx, unreadPipeline(marks))
		if err != nil {
			return failed(step, err)
		}
		counts = map[chat.ConversationID]int{}
		return decodeAll(ctx, cursor, step, func(d countDoc, _ int) bool {
			if d.Of.Type != p.Type || d.Of.ID != p.ID {
				counts[d.Of.ConversationID] += d.N
			}
			return true
		})
	})
	return counts, err
}

// unreadPipeline counts, by sender, what may be unread after marks. A range of the index for
// each of them is all that it reads, because the entries have all that it names: who the
// sender is not would be a condition on two fields, for which the documents would be fetched.
func unreadPipeline(marks []chat.Mark) []bson.M {
	ranges := make(bson.A, len(marks))
	for i, m := range marks {
		ranges[i] = bson.M{
			"conversationId": m.ConversationID, "seq": bson.M{"$gt": m.Seq, "$lte": m.Seq + chat.UnreadSpan},
			"isDeleted": notDeleted, "type": bson.M{"$in": chat.UnreadTypes()},
		}
	}
	return []bson.M{{"$match": bson.M{"$or": ranges}}, {"$group": bson.M{
		"_id": bson.D{{Key: "conversationId", Value: "$conversationId"}, {Key: "participantType", Value: "$participantType"}, {Key: "participantId", Value: "$participantId"}},
		"n":   bson.M{"$sum": 1},
	}}}
}
