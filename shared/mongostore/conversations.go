package mongostore

import (
	"cmp"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// The bounds of one call.
const (
	maxConversations = 100
	maxRooms         = 10_000 // ids of conversations
)

// Conversations returns a page of the conversations of which p is a
// participant, and how many there are on all pages. A user in q is a
// participant besides p; a limit over 100 is 100; without a sort it is the
// newest activity first. It takes two round trips at the same time.
func (s *Store) Conversations(ctx context.Context, p chat.Principal, q chat.ConversationQuery) ([]chat.Conversation, int64, error) {
	const step = "list conversations"
	sort := cmp.Or(q.Sort, chat.NewestActivity)
	if !sort.Valid() { // it becomes a part of the query
		return nil, 0, chat.Invalid("sort", "is not an order of conversations")
	}
	tie := "_id"
	if sort[0] == '-' {
		tie = "-_id"
	}
	limit := min(max(q.Limit, 1), maxConversations)
	opts := options.Find().SetSort(by(string(sort), tie)).SetSkip(int64(max(q.Page, 1)-1) * int64(limit)).SetLimit(int64(limit))

	filter := listFilter(p, q)
	var list []chat.Conversation
	var total int64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		docs, err := find[conversationDoc](ctx, s.conversations, filter, step, opts)
		list = make([]chat.Conversation, len(docs))
		for i := range docs {
			list[i] = docs[i].conversation()
		}
		return err
	})
	g.Go(func() error {
		return attempt(ctx, func(ctx context.Context) (err error) {
			total, err = s.conversations.CountDocuments(ctx, filter)
			return failed(step, err)
		})
	})
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	return list, total, nil
}

func listFilter(p chat.Principal, q chat.ConversationQuery) bson.M {
	filter := served(p)
	if q.Status != "" {
		filter["status"] = q.Status
	}
	if q.AgentID != "" {
		filter["agentId"] = q.AgentID
	}
	if q.Tag != "" {
		filter["tags"] = q.Tag
	}
	if q.UserID != "" {
		filter["$and"] = bson.A{bson.M{"participants": has(chat.Principal{Type: chat.User, ID: q.UserID})}}
	}
	return filter
}

// served is the filter of the conversations of which p is a participant.
func served(p chat.Principal) bson.M {
	return bson.M{"orgId": p.OrgID, "participants": has(p), "isDeleted": notDeleted}
}

// ConversationsOf returns the ids of the conversations of which p is a
// participant, newest activity first. It takes one round trip.
func (s *Store) ConversationsOf(ctx context.Context, p chat.Principal, limit int) ([]chat.ConversationID, error) {
	limit = min(max(limit, 1), maxRooms)
	docs, err := find[headDoc](ctx, s.conversations, served(p), "list the conversations of a participant", options.Find().
		SetSort(by("-updatedAt")).SetLimit(int64(limit)).SetBatchSize(int32(limit)).SetProjection(bson.M{"_id": 1}))
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
