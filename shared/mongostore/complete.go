package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// completeAtOnce is how many documents complete reads at a time.
const completeAtOnce = 500

// complete gives the conversations of an earlier version what they lack. It may run
// beside functions of either version, and be repeated.
func (s *Store) complete(ctx context.Context) error {
	if err := s.completeLists(ctx); err != nil {
		return err
	}
	return s.completeMembers(ctx)
}

// completeLists gives them what lists are sorted by: without it they would come last.
func (s *Store) completeLists(ctx context.Context) error {
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

// completeMembers gives participants the end of the log as it is now, from which on something
// is unread for them. Until then nothing is; a mark that they set before this is not kept. Of
// an agent that somebody waits for it is the last that it said: what waits goes on to.
func (s *Store) completeMembers(ctx context.Context) error {
	const step = "complete the participants of an earlier version"
	type membersDoc struct {
		ID            chat.ConversationID `bson:"_id"`
		Participants  bson.RawValue       `bson:"participants"`
		TotalMessages int64               `bson:"totalMessages"`
		Unanswered    []chat.PrincipalID  `bson:"unanswered"`
	}
	filter := bson.M{"participants": bson.M{"$elemMatch": bson.M{"fromSeq": bson.M{"$exists": false}}}}
	for {
		docs, err := find[membersDoc](ctx, s.conversations, filter, step, options.Find().SetSort(by("_id")).SetLimit(completeAtOnce).
			SetProjection(bson.M{"participants": 1, "totalMessages": 1, "unanswered": 1}))
		if err != nil || len(docs) == 0 {
			return err
		}
		var done int64
		for _, d := range docs {
			var members []participantDoc
			if err := d.Participants.Unmarshal(&members); err != nil {
				return fmt.Errorf("%s: %s: %w", step, d.ID, err)
			}
			for i := range members {
				if members[i].FromSeq != nil {
					continue
				}
				members[i].FromSeq = &d.TotalMessages
				if p := &members[i]; p.Type == chat.Agent && slices.Contains(d.Unanswered, p.ID) {
					if p.FromSeq, err = s.lastSaid(ctx, d.ID, *p); err != nil {
						return err
					}
				}
			}
			// With other participants, or more messages, somebody changed it at this moment.
			r, err := s.conversations.now().UpdateOne(ctx, bson.M{"_id": d.ID, "participants": d.Participants, "totalMessages": d.TotalMessages},
				bson.M{"$set": bson.M{"participants": members}})
			if err != nil {
				return failed(step, err)
			}
			done += r.MatchedCount
		}
		if done == 0 {
			return fmt.Errorf("%s: those of %s and others change all the time", step, docs[0].ID)
		}
		// Those that somebody changed are met again, once the others are done.
		filter["_id"] = bson.M{"$gte": docs[0].ID}
	}
}

// lastSaid is the seq of what somebody said last, 0 where they said nothing.
func (s *Store) lastSaid(ctx context.Context, id chat.ConversationID, p participantDoc) (*int64, error) {
	var d struct {
		Seq int64 `bson:"seq"`
	}
	filter := bson.M{"conversationId": id, "participantType": p.Type, "participantId": p.ID}
	err := findOne(ctx, s.messages, filter, &d, "read what somebody said last", errNone, options.FindOne().SetSort(by("-seq")).SetProjection(bson.M{"seq": 1}))
	if err != nil && !errors.Is(err, errNone) {
		return nil, err
	}
	return &d.Seq, nil
}
