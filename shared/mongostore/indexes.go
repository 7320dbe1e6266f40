package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"
)

// The indexes of messages, which make the log: no seq twice in a conversation,
// no client's id twice from a sender. Both serve reads as well.
var messageIndexes = []bson.D{
	by("conversationId", "seq"),
	by("conversationId", "participantType", "participantId", "clientMessageId"),
}

// roleIndex is the log of one role.
func roleIndex() mongo.IndexModel { return mongo.IndexModel{Keys: by("conversationId", "role", "seq")} }

// changedIndex is what changed in a log, in the order of time: only of messages
// that did.
func changedIndex() mongo.IndexModel {
	return partial("changedAt", by("conversationId", "changedAt", "_id"))
}

// unreadIndex is the log with what decides whether a message is unread: that is counted by
// its entries alone.
func unreadIndex() mongo.IndexModel {
	return mongo.IndexModel{Keys: by("conversationId", "seq", "isDeleted", "type", "participantType", "participantId")}
}

// markKey is the index that keeps a principal from having two marks in a conversation.
var markKey = by("conversationId", "type", "id")

// readIndexes are those of the marks.
func readIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{Keys: slices.Clone(markKey), Options: options.Index().SetUnique(true)}}
}

// threadIndex is the replies of each thread, which are counted by its entries alone.
func threadIndex() mongo.IndexModel {
	return partial("threadId", by("conversationId", "threadId", "seq", "isDeleted"))
}

// dueOrder is that in which what is due is taken up.
var dueOrder = by("due.tries", "due.at")

// dueIndex is its index: only of the few messages of which something is due. (The
// driver writes into a model: each use makes its own.)
func dueIndex() mongo.IndexModel { return partial("due.at", slices.Clone(dueOrder)) }

// conversationIndexes are the lists of a participant in each order, those of a
// tag (which cannot be in an index with the participants: both are arrays), and
// what waits for an agent's answer, oldest activity first.
func conversationIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		listIndex("-activity", "-_id"),
		listIndex("createdAt", "_id"),
		listIndex("titleKey", "_id"),
		{Keys: by("orgId", "tags", "-activity", "-_id")},
		creationIndex(),
		partial("unanswered", by("orgId", "unanswered", "updatedAt", "_id")),
	}
}

// uncheckedIndex is the index of the agents that are online, by when that was
// last looked at.
var uncheckedIndex = by("status", "checkedAt")

// agentIndexes are those that are online, by when that was last looked at, and all of an
// organisation.
func agentIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{Keys: slices.Clone(uncheckedIndex)}, {Keys: by("orgId", "agentId")}}
}

// busyKey is the index that keeps an agent from being busy twice in a conversation.
var busyKey = by("conversationId", "agentId")

// runIndexes are the queue of an agent in a conversation and the list of all runs there, what
// sweep looks at, and what usage is added up from.
func runIndexes() []mongo.IndexModel {
	busy := partial("busy", slices.Clone(busyKey))
	busy.Options.SetUnique(true)
	return []mongo.IndexModel{
		busy,
		{Keys: by("conversationId", "status", "agentId", "place", "createdAt", "_id")},
		{Keys: by("conversationId", "-createdAt", "-_id")},
		partial("dueAt", by("dueAt")),
		{Keys: by("orgId", "day", "agentId")},
	}
}

// creationIndex is of the few conversations that were created under a key.
func creationIndex() mongo.IndexModel {
	ix := partial("creation.key", creationKey)
	ix.Options.SetUnique(true)
	return ix
}

// listIndex is the list of a participant in an order. What lists are filtered by
// comes after that: so one index serves each filter, by its entries alone, and a
// message moves one entry for each participant and not one for each filter too.
func listIndex(order ...string) mongo.IndexModel {
	key := append([]string{"orgId", "participants.id", "participants.type"}, order...)
	return mongo.IndexModel{Keys: by(append(key, "status", "agentId")...)}
}

// superseded are the names of indexes that an earlier version had, and that would
// go on costing entries with each message.
var superseded = []string{"orgId_1_participants.id_1_participants.type_1_updatedAt_-1__id_-1", "due.at_1"}

// partial is an index of the documents that have a field.
func partial(field string, key bson.D) mongo.IndexModel {
	return mongo.IndexModel{Keys: key, Options: options.Index().SetPartialFilterExpression(bson.M{field: bson.M{"$exists": true}})}
}

// CreateIndexes creates the indexes that are missing, gives documents of an
// earlier version what lists are sorted by, and drops the indexes that only such
// a version needs. It is the explicit step before the first start and after an
// upgrade, never part of a request: on a large collection it takes long, so that
// it ends with ctx only.
func (s *Store) CreateIndexes(ctx context.Context) error { return s.known(ctx, s.createIndexes) }

func (s *Store) createIndexes(ctx context.Context) error {
	messages := []mongo.IndexModel{dueIndex(), roleIndex(), changedIndex(), threadIndex()}
	for _, key := range messageIndexes {
		messages = append(messages, mongo.IndexModel{Keys: key, Options: options.Index().SetUnique(true)})
	}
	messages = append(messages, unreadIndex())
	if _, err := s.messages.now().Indexes().CreateMany(ctx, messages); err != nil {
		return failed("create the indexes of messages", err)
	}
	if _, err := s.conversations.now().Indexes().CreateMany(ctx, conversationIndexes()); err != nil {
		return failed("create the indexes of conversations", err)
	}
	if _, err := s.agents.now().Indexes().CreateMany(ctx, agentIndexes()); err != nil {
		return failed("create the indexes of agents", err)
	}
	if _, err := s.runs.now().Indexes().CreateMany(ctx, runIndexes()); err != nil {
		return failed("create the indexes of runs", err)
	}
	if _, err := s.reads.now().Indexes().CreateMany(ctx, readIndexes()); err != nil {
		return failed("create the indexes of marks", err)
	}
	if _, err := s.search.now().Indexes().CreateMany(ctx, searchIndexes()); err != nil {
		return failed("create the indexes of search", err)
	}
	if _, err := s.uploads.now().Indexes().CreateMany(ctx, uploadIndexes()); err != nil {
		return failed("create the indexes of uploads", err)
	}
	if _, err := s.webhooks.now().Indexes().CreateMany(ctx, webhookIndexes()); err != nil {
		return failed("create the indexes of webhooks", err)
	}
	if err := s.complete(ctx); err != nil {
		return err
	}
	return errors.Join(dropSuperseded(ctx, s.conversations), dropSuperseded(ctx, s.messages))
}

// dropSuperseded does not look first for what is there: a deployment and somebody
// who creates the indexes by hand may be at it at the same time.
func dropSuperseded(ctx context.Context, c *collection) error {
	for _, name := range superseded {
		if err := c.now().Indexes().DropOne(ctx, name); err != nil && !isIndexNotFound(err) {
			return failed("drop the indexes of an earlier version", err)
		}
	}
	return nil
}

func isIndexNotFound(err error) bool {
	e, ok := errors.AsType[mongo.ServerError](err)
	return ok && e.HasErrorCode(27)
}

// creationKey is the index of the keys that conversations were created under.
var creationKey = by("orgId", "creation.key")

// CheckIndexes returns an error that names the first unique index that is
// missing: without those of messages the log's promises do not hold, and without
// the one of conversations a key creates two of them, so a function that does
// either must not start. It takes one round trip.
func (s *Store) CheckIndexes(ctx context.Context) error {
	var g errgroup.Group // both are asked: the log comes first
	var log, keys error
	whole := func(ix indexDoc) bool { return ix.Partial == nil && !ix.Sparse }
	g.Go(func() error { log = checkUnique(ctx, s.messages, whole, messageIndexes...); return nil })
	g.Go(func() error {
		keys = checkUnique(ctx, s.conversations, func(indexDoc) bool { return true }, creationKey)
		return nil
	})
	g.Wait() //nolint:errcheck // each error has a name
	return cmp.Or(log, keys)
}

// CheckRunIndexes returns an error where the unique index of busy runs is missing: without it an
// agent answers twice at once. It takes one round trip.
func (s *Store) CheckRunIndexes(ctx context.Context) error {
	return checkUnique(ctx, s.runs, func(indexDoc) bool { return true }, busyKey)
}

// CheckMarkIndexes returns an error where the unique index of marks is missing: without it
// somebody has two, and what they have read is unread again. It takes one round trip.
func (s *Store) CheckMarkIndexes(ctx context.Context) error {
	return checkUnique(ctx, s.reads, func(ix indexDoc) bool { return ix.Partial == nil && !ix.Sparse }, markKey)
}

// checkUnique looks for unique indexes that are as they must be.
func checkUnique(ctx context.Context, c *collection, right func(indexDoc) bool, keys ...bson.D) error {
	step := "check the indexes of " + c.now().Name()
	var unique []bson.D
	if err := c.store.attempt(ctx, func(ctx context.Context) error {
		cursor, err := c.now().Indexes().List(ctx)
		if err != nil {
			return failed(step, err)
		}
		unique = nil
		return decodeAll(ctx, cursor, step, func(ix indexDoc, _ int) bool {
			if ix.Unique && right(ix) {
				unique = append(unique, ix.Key)
			}
			return true
		})
	}); err != nil {
		return err
	}
	for _, key := range keys {
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
