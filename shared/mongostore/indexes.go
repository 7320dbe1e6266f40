package mongostore

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The indexes of messages, which make the log: no seq twice in a conversation,
// no client's id twice from a sender. Both serve reads as well.
var messageIndexes = []bson.D{
	by("conversationId", "seq"),
	by("conversationId", "participantType", "participantId", "clientMessageId"),
}

// dueOrder is that in which what is due is taken up.
var dueOrder = by("due.tries", "due.at")

// dueIndex is its index: only of the few messages of which something is due. (The
// driver writes into a model: each use makes its own.)
func dueIndex() mongo.IndexModel { return partial("due.at", slices.Clone(dueOrder)) }

// conversationIndexes are the lists of a participant, newest activity first,
// and what waits for an agent's answer, oldest activity first.
func conversationIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{Keys: by("orgId", "participants.id", "participants.type", "-updatedAt", "-_id")},
		partial("unanswered", by("orgId", "unanswered", "updatedAt", "_id")),
	}
}

// uncheckedIndex is the index of the agents that are online, by when that was
// last looked at.
var uncheckedIndex = by("status", "checkedAt")

// partial is an index of the documents that have a field.
func partial(field string, key bson.D) mongo.IndexModel {
	return mongo.IndexModel{Keys: key, Options: options.Index().SetPartialFilterExpression(bson.M{field: bson.M{"$exists": true}})}
}

// CreateIndexes creates the indexes that are missing. It is the explicit step
// before the first start and after an upgrade, never part of a request: on a
// large collection it takes long, so that it ends with ctx only.
func (s *Store) CreateIndexes(ctx context.Context) error {
	messages := []mongo.IndexModel{dueIndex()}
	for _, key := range messageIndexes {
		messages = append(messages, mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)})
	}
	if _, err := s.messages.Indexes().CreateMany(ctx, messages); err != nil {
		return failed("create the indexes of messages", err)
	}
	if _, err := s.conversations.Indexes().CreateMany(ctx, conversationIndexes()); err != nil {
		return failed("create the indexes of conversations", err)
	}
	if _, err := s.agents.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: uncheckedIndex}); err != nil {
		return failed("create the index of agents", err)
	}
	return nil
}

// CheckIndexes returns an error that names the first unique index that is
// missing: without both of them the log's promises do not hold, so a function
// that appends must not start. It takes one round trip.
func (s *Store) CheckIndexes(ctx context.Context) error {
	const step = "check the indexes of messages"
	var unique []bson.D
	if err := attempt(ctx, func(ctx context.Context) error {
		cursor, err := s.messages.Indexes().List(ctx)
		if err != nil {
			return failed(step, err)
		}
		unique = nil
		return decodeAll(ctx, cursor, step, func(ix indexDoc, _ int) bool {
			if ix.Unique && ix.Partial == nil && !ix.Sparse {
				unique = append(unique, ix.Key)
			}
			return true
		})
	}); err != nil {
		return err
	}
	for _, key := range messageIndexes {
		if !slices.ContainsFunc(unique, func(k bson.D) bool { return slices.Equal(names(k), names(key)) }) {
			return fmt.Errorf(`%s: no unique index on %v: run "go run ./local indexes" to create it`, step, names(key))
		}
	}
	return nil
}

// indexDoc is what listIndexes tells of an index, as far as it matters.
type indexDoc struct {
	Key     bson.D   `bson:"key"`
	Unique  bool     `bson:"unique"`
	Sparse  bool     `bson:"sparse"`
	Partial bson.Raw `bson:"partialFilterExpression"`
}

func names(key bson.D) []string {
	out := make([]string, len(key))
	for i, e := range key {
		out[i] = e.Key
	}
	return out
}
