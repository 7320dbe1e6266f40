package mongostore

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// The bounds of one read of messages.
const (
	maxMessages = 1000
	// Of documents; one message is always read. A control character is one
	// byte here and seven in what Lambda returns, which is 6 MB at most.
	maxMessageBytes = 768 << 10
)

// Messages returns a page of a log in ascending order, deleted messages
// without their content included. more says that the log goes on in the
// query's direction (with AfterSeq towards newer messages, else towards older
// ones): because of the limit, at most 1000, or because the page would have
// more than about 0.75 MB. Access is the caller's to check. It takes one round
// trip.
func (s *Store) Messages(ctx context.Context, conversation chat.ConversationID, q chat.MessageQuery) (messages []chat.Message, more bool, err error) {
	limit := min(max(q.Limit, 1), maxMessages)
	ascending := q.AfterSeq != nil
	order := by("-seq")
	if ascending {
		order = by("seq")
	}
	opts := options.Find().SetSort(order).SetLimit(int64(limit) + 1).SetBatchSize(int32(limit) + 1)
	docs, more, err := findWithin[messageDoc](ctx, s.messages, pageFilter(conversation, q), "read messages", opts, maxMessageBytes)
	if err != nil {
		return nil, false, err
	}
	if len(docs) > limit {
		docs, more = docs[:limit], true
	}
	messages = toMessages(docs)
	if !ascending {
		slices.Reverse(messages)
	}
	return messages, more, nil
}

func pageFilter(conversation chat.ConversationID, q chat.MessageQuery) bson.M {
	filter := bson.M{"conversationId": conversation}
	seq := bson.M{}
	if q.AfterSeq != nil {
		seq["$gt"] = *q.AfterSeq
	}
	if q.BeforeSeq != nil {
		seq["$lt"] = *q.BeforeSeq
	}
	if len(seq) > 0 {
		filter["seq"] = seq
	}
	if q.ThreadID != "" {
		filter["threadId"] = q.ThreadID
	}
	if q.Role != "" {
		filter["role"] = q.Role
	}
	return filter
}

// Message returns a message of an organisation, also a deleted one. Whether
// the caller may read its conversation is the caller's to check. It takes one
// round trip.
func (s *Store) Message(ctx context.Context, org chat.OrgID, id chat.MessageID) (chat.Message, error) {
	var d messageDoc
	if err := findOne(ctx, s.messages, bson.M{"_id": id, "orgId": org}, &d, "read a message", noMessage()); err != nil {
		return chat.Message{}, err
	}
	return d.message(), nil
}

// Sent returns the message that a sender has written under a client message
// id, and whether there is one. It takes one round trip.
func (s *Store) Sent(ctx context.Context, conversation chat.ConversationID, sender chat.Principal, id chat.ClientMessageID) (chat.Message, bool, error) {
	var d messageDoc
	err := findOne(ctx, s.messages, bson.M{
		"conversationId": conversation, "participantType": sender.Type, "participantId": sender.ID, "clientMessageId": id,
		"orgId": sender.OrgID,
	}, &d, "look a client message id up", errNone)
	if errors.Is(err, errNone) {
		return chat.Message{}, false, nil
	}
	if err != nil {
		return chat.Message{}, false, err
	}
	return d.message(), true, nil
}

// Project brings a conversation's totals, last message and activity up to m, and
// notes whose answer it waits for: after a user's message the agents that take
// part in c, after an agent's no longer that agent. Where it has
// come that far or beyond nothing changes: Project may be repeated, come late
// or be left out, and a later one heals what is missing. It takes one round
// trip.
//
// Of several agents a user's message that an agent's overtook is not noted for
// the others, until the user's next.
func (s *Store) Project(ctx context.Context, c chat.Conversation, m chat.Message) error {
	update := projection(c, m)
	pull := bson.M{}
	if c.IsInvited(m.Sender) { // who writes has accepted
		pull["invited"] = m.Sender.String()
	}
	switch agents := c.Agents(); {
	case m.Sender.Type == chat.Agent:
		pull["unanswered"] = m.Sender.ID
	case len(agents) == 0:
		update["$unset"] = bson.M{"unanswered": ""}
	default:
		update["$set"].(bson.M)["unanswered"] = agents
	}
	if len(pull) > 0 {
		update["$pull"] = pull
	}
	filter := bson.M{"_id": m.ConversationID, "totalMessages": bson.M{"$lt": m.Seq}}
	return s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.conversations.now().UpdateOne(ctx, filter, update)
		return failed("project a message", err)
	})
}

// projection is the update that makes m the last message.
func projection(c chat.Conversation, m chat.Message) bson.M {
	update := touch(m.CreatedAt, c.Activity(m.CreatedAt))
	update["$set"] = bson.M{"totalMessages": m.Seq, "totalTokens": m.RunningTokens, "lastMessage": newLastMessageDoc(m)}
	return update
}

// where is the filter of a message. Where messages are sharded its conversation
// says on which shard it is: without it all would be asked, and a write that is
// repeated while it moves might be done twice.
func where(m chat.Message) bson.M {
	return bson.M{"_id": m.ID, "conversationId": m.ConversationID}
}

// unchanged is the filter of a message that has not changed since m was read: each change
// makes one of the two versions larger.
func unchanged(m chat.Message) bson.M {
	filter := where(m)
	filter["version"], filter["reactionVersion"] = upTo(m.Version), upTo(m.ReactionVersion)
	return filter
}

// upTo is the condition on a number that is not there where it is 0.
func upTo(n int64) bson.M { return bson.M{"$not": bson.M{"$gt": n}} }

func noMessage() error { return chat.Errorf(chat.NotFound, "there is no such message") }

// Places returns where messages are in the log of a conversation; those that are not there
// are left out. It takes one round trip.
func (s *Store) Places(ctx context.Context, conversation chat.ConversationID, ids []chat.MessageID) (map[chat.MessageID]int64, error) {
	type placeDoc struct {
		ID  chat.MessageID `bson:"_id"`
		Seq int64          `bson:"seq"`
	}
	filter := bson.M{"_id": bson.M{"$in": ids}, "conversationId": conversation}
	opts := options.Find().SetProjection(bson.M{"seq": 1}).SetBatchSize(int32(len(ids)) + 1)
	docs, err := find[placeDoc](ctx, s.messages, filter, "look places up", opts)
	places := make(map[chat.MessageID]int64, len(docs))
	for _, d := range docs {
		places[d.ID] = d.Seq
	}
	return places, err
}
