package mongotest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func inserts(t *testing.T, ctx context.Context, c *mongo.Collection) {
	// A server that gets no _id makes one, in front.
	err := c.Database().RunCommand(ctx, bson.D{{Key: "insert", Value: c.Name()}, {Key: "documents", Value: bson.A{bson.D{{Key: "a", Value: 1}}}}}).Err()
	must(t, err)
	var d bson.D
	must(t, c.FindOne(ctx, bson.D{}).Decode(&d))
	if _, ok := d[0].Value.(bson.ObjectID); d[0].Key != "_id" || !ok {
		t.Errorf("document without _id is stored as %v", d)
	}
	docs := []any{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 3}}}
	var bulk mongo.BulkWriteException
	_, err = c.InsertMany(ctx, docs)
	if !errors.As(err, &bulk) || len(bulk.WriteErrors) != 1 || bulk.WriteErrors[0].Index != 2 {
		t.Errorf("ordered insert: %v", err)
	}
	if n, _ := c.CountDocuments(ctx, bson.D{}); n != 3 {
		t.Errorf("an ordered insert stops at its error: %d documents, want 3", n)
	}
	_, err = c.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	if !errors.As(err, &bulk) || len(bulk.WriteErrors) != 3 {
		t.Errorf("unordered insert: %v", err)
	}
	if n, _ := c.CountDocuments(ctx, bson.D{}); n != 4 {
		t.Errorf("an unordered insert goes on after an error: %d documents, want 4", n)
	}
	if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: bson.A{1}}}); code(err) != 53 {
		t.Errorf("an array as _id: %v", err)
	}
	if _, err := c.InsertOne(ctx, bson.D{{Key: "pad", Value: strings.Repeat("x", 17<<20)}}); err == nil {
		t.Error("a document of 17 MiB was stored")
	}
}

func updates(t *testing.T, ctx context.Context, c *mongo.Collection) {
	for _, row := range []struct {
		before, update, want string
		modified             int64
	}{
		{`{"a": 1}`, `{"$set": {"a": 2, "b.c.d": 3}}`, `{"a":2,"b":{"c":{"d":3}}}`, 1},
		{`{"a": 1}`, `{"$set": {"a": 1}}`, `{"a":1}`, 0},
		{`{"a": 1}`, `{"$set": {"z": 1, "y": 2}, "$unset": {"a": ""}}`, `{"y":2,"z":1}`, 1},
		{`{"a": {"b": 1, "c": 2}}`, `{"$unset": {"a.b": 1, "x.y": 1, "a.c.d": 1}}`, `{"a":{"c":2}}`, 1},
		{`{"n": 1}`, `{"$inc": {"n": 2, "m": -1}}`, `{"n":3,"m":-1}`, 1},
		{`{"n": 2147483647}`, `{"$inc": {"n": 1}}`, `{"n":2147483648}`, 1},
		{`{"n": {"$numberLong": "5"}, "d": 1.5}`, `{"$inc": {"n": -2, "d": 1}}`, `{"n":3,"d":2.5}`, 1},
		{`{"n": 5}`, `{"$inc": {"n": 0}}`, `{"n":5}`, 0},
		{`{"a": 5, "b": 5, "c": "x"}`, `{"$max": {"a": 7, "b": 3, "c": 9, "z": 1}}`, `{"a":7,"b":5,"c":"x","z":1}`, 1},
		{`{"l": [1]}`, `{"$push": {"l": 2, "m": {"x": 1}}}`, `{"l":[1,2],"m":[{"x":1}]}`, 1},
		{`{"l": [1]}`, `{"$push": {"l": [2, 3]}}`, `{"l":[1,[2,3]]}`, 1},
		{`{"l": [1, 2, 1, 3]}`, `{"$pull": {"l": 1}}`, `{"l":[2,3]}`, 1},
		{`{"l": [{"t": "u", "i": 1}, {"t": "a", "i": 1}, 5]}`, `{"$pull": {"l": {"t": "u", "i": 1}, "none": 1}}`, `{"l":[{"t":"a","i":1},5]}`, 1},
		{`{"a": {"x": 1}}`, `{"$set": {"a": {"y": 2}}}`, `{"a":{"y":2}}`, 1},
	} {
		_, err := c.DeleteMany(ctx, bson.D{})
		must(t, err)
		seed(t, ctx, c, row.before)
		res, err := c.UpdateOne(ctx, bson.D{}, parse(t, row.update))
		if err != nil {
			t.Errorf("%s %s: %v", row.before, row.update, err)
			continue
		}
		if got := one(t, ctx, c); got != row.want || res.MatchedCount != 1 || res.ModifiedCount != row.modified {
			t.Errorf("%s %s = %s (%d modified), want %s (%d)", row.before, row.update, got, res.ModifiedCount, row.want, row.modified)
		}
	}
	many := c.Database().Collection("many")
	seed(t, ctx, many, `{"_id": 1, "k": 1}`, `{"_id": 2, "k": 1, "done": true}`, `{"_id": 3, "k": 2}`)
	res, err := many.UpdateMany(ctx, bson.D{{Key: "k", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "done", Value: true}}}})
	if must(t, err); res.MatchedCount != 2 || res.ModifiedCount != 1 {
		t.Errorf("update many: %+v", res)
	}
	if res, err := many.UpdateOne(ctx, bson.D{{Key: "k", Value: 9}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}); err != nil || res.MatchedCount != 0 {
		t.Errorf("update of nothing: %+v, %v", res, err)
	}
}

func updateErrors(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "n": "text", "l": [1], "s": 5, "big": {"$numberLong": "9223372036854775807"}}`)
	before := one(t, ctx, c)
	for _, row := range []struct {
		update string
		code   int
	}{
		{`{"$inc": {"n": 1}}`, 14},
		{`{"$inc": {"s": "x"}}`, 14},
		{`{"$inc": {"big": 1}}`, 2},
		{`{"$push": {"s": 1}}`, 2},
		{`{"$set": {"s.x": 1}}`, 28},
		{`{"$set": {"l.x": 1}}`, 28},
		{`{"$set": {"_id": 2}}`, 66},
		{`{"$set": {"a": 1}, "$inc": {"a": 1}}`, 40},
		{`{"$set": {"a": 1, "a.b": 1}}`, 40},
		{`{"$nonsense": {"a": 1}}`, 9},
		{`{"$set": 5}`, 9},
		{`{"$set": {"l.$": 5}}`, 2},
	} {
		_, err := c.UpdateOne(ctx, bson.D{}, parse(t, row.update))
		if code(err) != row.code {
			t.Errorf("%s: code %d (%v), want %d", row.update, code(err), err, row.code)
		}
	}
	if after := one(t, ctx, c); after != before {
		t.Errorf("refused updates changed %s to %s", before, after)
	}
}

func upserts(t *testing.T, ctx context.Context, c *mongo.Collection) {
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: 1}}}, {Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}
	filter := bson.D{{Key: "_id", Value: "x"}, {Key: "a.b", Value: 2}, {Key: "gone", Value: bson.D{{Key: "$ne", Value: 1}}}, {Key: "$and", Value: bson.A{bson.D{{Key: "c", Value: bson.D{{Key: "$eq", Value: 3}}}}}}}
	res, err := c.UpdateOne(ctx, filter, set, options.UpdateOne().SetUpsert(true))
	if must(t, err); res.UpsertedID != "x" || res.MatchedCount != 0 || res.UpsertedCount != 1 {
		t.Errorf("first upsert: %+v", res)
	}
	if got := one(t, ctx, c); got != `{"a":{"b":2},"c":3,"n":1,"v":1}` {
		t.Errorf("upserted %s", got)
	}
	res, err = c.UpdateOne(ctx, filter, set, options.UpdateOne().SetUpsert(true))
	if must(t, err); res.UpsertedID != nil || res.MatchedCount != 1 {
		t.Errorf("second upsert: %+v", res)
	}
	if got := one(t, ctx, c); got != `{"a":{"b":2},"c":3,"n":2,"v":1}` {
		t.Errorf("updated %s", got)
	}
	res, err = c.UpdateOne(ctx, bson.D{{Key: "k", Value: "auto"}}, set, options.UpdateOne().SetUpsert(true))
	if _, ok := res.UpsertedID.(bson.ObjectID); err != nil || !ok {
		t.Errorf("upsert without _id: %+v, %v", res, err)
	}
	// 64 upserts of one thing make one thing.
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: "race"}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}, options.UpdateOne().SetUpsert(true)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var d struct{ N int }
	if must(t, c.FindOne(ctx, bson.D{{Key: "_id", Value: "race"}}).Decode(&d)); d.N != 64 {
		t.Errorf("64 upserts counted %d", d.N)
	}
}

func findAndModify(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "k": "a", "n": 1}`, `{"_id": 2, "k": "a", "n": 2}`)
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 10}}}}
	a := bson.D{{Key: "k", Value: "a"}}
	decode := func(r *mongo.SingleResult) string {
		t.Helper()
		var d bson.D
		must(t, r.Decode(&d))
		return show(t, d)
	}
	if got := decode(c.FindOneAndUpdate(ctx, a, inc, options.FindOneAndUpdate().SetSort(bson.D{{Key: "n", Value: -1}}))); got != `{"_id":2,"k":"a","n":2}` {
		t.Errorf("before: %s", got)
	}
	after := options.FindOneAndUpdate().SetReturnDocument(options.After).SetSort(bson.D{{Key: "n", Value: 1}})
	if got := decode(c.FindOneAndUpdate(ctx, a, inc, after)); got != `{"_id":1,"k":"a","n":11}` {
		t.Errorf("after: %s", got)
	}
	none := bson.D{{Key: "_id", Value: 9}}
	if err := c.FindOneAndUpdate(ctx, none, inc).Err(); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("nothing to update: %v", err)
	}
	if got := ids(t, ctx, c, `{}`, byID); got != "1 2" {
		t.Errorf("left: %s", got)
	}
}

func deletes(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"k": 1}`)
	seed(t, ctx, c, `{"_id": 1, "k": 1}`, `{"_id": 2, "k": 1}`, `{"_id": 3, "k": 2}`, `{"_id": 4, "k": 1}`)
	res, err := c.DeleteOne(ctx, bson.D{{Key: "k", Value: 1}})
	if must(t, err); res.DeletedCount != 1 {
		t.Errorf("delete one: %d", res.DeletedCount)
	}
	res, err = c.DeleteMany(ctx, bson.D{{Key: "k", Value: 1}})
	if must(t, err); res.DeletedCount != 2 {
		t.Errorf("delete many: %d", res.DeletedCount)
	}
	if got := ids(t, ctx, c, `{}`); got != "3" {
		t.Errorf("left: %s", got)
	}
	if res, err := c.DeleteOne(ctx, bson.D{{Key: "k", Value: 1}}); err != nil || res.DeletedCount != 0 {
		t.Errorf("delete of nothing: %+v, %v", res, err)
	}
}

// duplicate checks that an error is MongoDB's duplicate key error to the
// letter.
func duplicate(t *testing.T, c *mongo.Collection, err error, index, key string) {
	t.Helper()
	want := fmt.Sprintf("E11000 duplicate key error collection: %s.%s index: %s dup key: { %s }", c.Database().Name(), c.Name(), index, key)
	if !mongo.IsDuplicateKeyError(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func duplicateKeys(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"conversationId": 1, "seq": 1}`, unique())
	index(t, ctx, c, `{"emails": 1}`, unique().SetPartialFilterExpression(bson.D{{Key: "emails", Value: bson.D{{Key: "$exists", Value: true}}}}))
	seed(t, ctx, c, `{"_id": "a", "conversationId": "c1", "seq": 1, "emails": ["x", "x", "y"]}`, `{"_id": "b", "conversationId": "c1", "seq": 2}`)
	c1 := `conversationId: "c1", seq: `
	_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: "a"}})
	duplicate(t, c, err, "_id_", `_id: "a"`)
	_, err = c.InsertOne(ctx, bson.D{{Key: "conversationId", Value: "c1"}, {Key: "seq", Value: int64(2)}})
	duplicate(t, c, err, "conversationId_1_seq_1", c1+"2")
	_, err = c.InsertOne(ctx, bson.D{{Key: "conversationId", Value: "c2"}, {Key: "seq", Value: 1}, {Key: "emails", Value: bson.A{"z", "y"}}})
	duplicate(t, c, err, "emails_1", `emails: "y"`)
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: 1}}}}
	b := bson.D{{Key: "_id", Value: "b"}}
	_, err = c.UpdateOne(ctx, b, set)
	duplicate(t, c, err, "conversationId_1_seq_1", c1+"1")
	_, err = c.UpdateOne(ctx, bson.D{{Key: "conversationId", Value: "c1"}, {Key: "seq", Value: 1}, {Key: "none", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}, options.UpdateOne().SetUpsert(true))
	duplicate(t, c, err, "conversationId_1_seq_1", c1+"1")
	duplicate(t, c, c.FindOneAndUpdate(ctx, b, set).Err(), "conversationId_1_seq_1", c1+"1")
	// Missing is null, and null is a key like any other.
	seed(t, ctx, c, `{"_id": "n"}`)
	_, err = c.InsertOne(ctx, bson.D{{Key: "seq", Value: nil}})
	duplicate(t, c, err, "conversationId_1_seq_1", "conversationId: null, seq: null")
	// What was refused left nothing behind, and a key that is given up is free.
	if got := ids(t, ctx, c, `{}`, byID); got != "a b n" {
		t.Errorf("documents: %s", got)
	}
	_, err = c.UpdateOne(ctx, b, bson.D{{Key: "$set", Value: bson.D{{Key: "seq", Value: 3}}}})
	must(t, err)
	seed(t, ctx, c, `{"_id": "c", "conversationId": "c1", "seq": 2}`)
	_, err = c.DeleteOne(ctx, bson.D{{Key: "_id", Value: "c"}})
	must(t, err)
	seed(t, ctx, c, `{"_id": "d", "conversationId": "c1", "seq": 2}`)
	// An index cannot be built over duplicates.
	seed(t, ctx, c, `{"_id": "e", "conversationId": "c9", "dup": 1}`, `{"_id": "f", "conversationId": "c8", "dup": 1}`)
	_, err = c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "dup", Value: 1}}, Options: unique().SetPartialFilterExpression(bson.D{{Key: "dup", Value: bson.D{{Key: "$exists", Value: true}}}})})
	duplicate(t, c, err, "dup_1", "dup: 1")
}

func partialUnique(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"sender": 1, "clientMessageId": 1}`, unique().SetPartialFilterExpression(bson.D{
		{Key: "clientMessageId", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "size", Value: bson.D{{Key: "$exists", Value: true}}}}))
	seed(t, ctx, c, `{"_id": 1, "sender": "u"}`, `{"_id": 2, "sender": "u", "size": 1}`, `{"_id": 3, "sender": "u", "clientMessageId": "x"}`,
		`{"_id": 4, "sender": "u", "clientMessageId": "x"}`, `{"_id": 5, "sender": "u", "clientMessageId": "x", "size": null}`)
	_, err := c.InsertOne(ctx, bson.D{{Key: "sender", Value: "u"}, {Key: "clientMessageId", Value: "x"}, {Key: "size", Value: 7}})
	if code(err) != 11000 {
		t.Errorf("a second document inside the index: %v", err)
	}
	if _, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 3}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "size", Value: 10}}}}); code(err) != 11000 {
		t.Errorf("a document moving into the index: %v", err)
	}
	// A query that does not imply the filter must not use the index.
	if got := ids(t, ctx, c, `{"sender": "u", "clientMessageId": "x"}`, byID); got != "3 4 5" {
		t.Errorf("outside the index: %s", got)
	}
	if got := ids(t, ctx, c, `{"sender": "u", "clientMessageId": "x", "size": null}`, byID); got != "3 4 5" {
		t.Errorf("null is a missing field, too: %s", got)
	}
	_, err = c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 5}}, bson.D{{Key: "$unset", Value: bson.D{{Key: "size", Value: 0}}}})
	must(t, err)
	_, err = c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 3}}, bson.D{{Key: "$set", Value: bson.D{{Key: "size", Value: 9}}}})
	must(t, err)
	if got := ids(t, ctx, c, `{"sender": "u", "clientMessageId": "x", "size": {"$gt": 6}}`, byID); got != "3" {
		t.Errorf("inside the index: %s", got)
	}
}

func indexCatalog(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"a": 1, "b": -1}`)
	index(t, ctx, c, `{"a": 1, "b": -1}`) // again: nothing happens
	index(t, ctx, c, `{"u": 1}`, unique().SetName("only"))
	_, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "u", Value: -1}}, Options: options.Index().SetName("only")})
	if code(err) != 86 {
		t.Errorf("same name, other index: %v", err)
	}
	specs, err := c.Indexes().ListSpecifications(ctx)
	must(t, err)
	var names []string
	for _, s := range specs {
		names = append(names, s.Name+" "+show(t, s.KeysDocument))
		if s.Name == "only" && (s.Unique == nil || !*s.Unique) {
			t.Error("the unique index is not listed as one")
		}
	}
	if got := strings.Join(names, ", "); got != `_id_ {"_id":1}, a_1_b_-1 {"a":1,"b":-1}, only {"u":1}` {
		t.Errorf("indexes: %s", got)
	}
	must(t, c.Indexes().DropOne(ctx, "only"))
	if err := c.Indexes().DropOne(ctx, "only"); code(err) != 27 {
		t.Errorf("dropping an index twice: %v", err)
	}
	seed(t, ctx, c, `{"u": 1}`, `{"u": 1}`)
	if _, err := c.InsertOne(ctx, parse(t, `{"a": [1], "b": [2]}`)); code(err) != 171 {
		t.Errorf("parallel arrays: %v", err)
	}
}

func catalog(t *testing.T, ctx context.Context, c *mongo.Collection) {
	db := c.Database()
	index(t, ctx, db.Collection("empty"), `{"a": 1}`)
	seed(t, ctx, c, `{"_id": 1}`)
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if slices.Sort(names); err != nil || strings.Join(names, " ") != "empty things" {
		t.Errorf("collections: %v, %v", names, err)
	}
	names, err = db.ListCollectionNames(ctx, bson.D{{Key: "name", Value: "empty"}})
	if err != nil || strings.Join(names, " ") != "empty" {
		t.Errorf("one collection: %v, %v", names, err)
	}
	names, err = db.Client().ListDatabaseNames(ctx, bson.D{{Key: "name", Value: db.Name()}})
	if err != nil || strings.Join(names, " ") != db.Name() {
		t.Errorf("databases: %v, %v", names, err)
	}
	must(t, c.Drop(ctx))
	if got := ids(t, ctx, c, `{}`); got != "" {
		t.Errorf("after drop: %s", got)
	}
	must(t, db.Drop(ctx))
	if names, err := db.ListCollectionNames(ctx, bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("after dropping the database: %v, %v", names, err)
	}
}

const writers = 64

// increments: concurrent $inc loses nothing.
func increments(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "n": 0, "log": []}`)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range 10 {
				_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$push", Value: bson.D{{Key: "log", Value: i}}}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var d struct {
		N   int
		Log []int
	}
	if must(t, c.FindOne(ctx, bson.D{}).Decode(&d)); d.N != writers*10 || len(d.Log) != writers*10 {
		t.Errorf("%d increments and %d pushes of %d", d.N, len(d.Log), writers*10)
	}
}

// compareAndSet: of concurrent conditional updates exactly one wins each round.
func compareAndSet(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "version": 0}`)
	for round := range 10 {
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				res, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "version", Value: round}}, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: round + 1}}}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				won += int(res.ModifiedCount)
				mu.Unlock()
			})
		}
		if wg.Wait(); won != 1 {
			t.Fatalf("round %d has %d winners", round, won)
		}
	}
}

// appendToLog: a unique index orders concurrent appends without gaps.
func appendToLog(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"conversationId": 1, "seq": 1}`, unique())
	newest := options.FindOne().SetSort(bson.D{{Key: "seq", Value: -1}})
	conversation := bson.D{{Key: "conversationId", Value: "c"}}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				var head struct{ Seq int }
				if err := c.FindOne(ctx, conversation, newest).Decode(&head); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
					t.Error(err)
					return
				}
				_, err := c.InsertOne(ctx, bson.D{{Key: "conversationId", Value: "c"}, {Key: "seq", Value: head.Seq + 1}})
				if err == nil {
					return
				}
				if !mongo.IsDuplicateKeyError(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n, err := c.CountDocuments(ctx, conversation)
	must(t, err)
	var head struct{ Seq int }
	if must(t, c.FindOne(ctx, conversation, newest).Decode(&head)); n != writers || head.Seq != writers {
		t.Errorf("%d messages, head %d, want %d", n, head.Seq, writers)
	}
}

// shell sends what mongosh sends when it connects, and what programs ask for.
func shell(t *testing.T, ctx context.Context, c *mongo.Collection) {
	admin := c.Database().Client().Database("admin")
	for _, command := range []string{
		`{"hello": 1}`, `{"isMaster": 1}`, `{"ismaster": 1, "helloOk": true, "client": {"application": {"name": "mongosh"}}}`, `{"ping": 1}`, `{"buildInfo": 1}`,
		`{"listDatabases": 1, "nameOnly": true}`, `{"endSessions": []}`,
	} {
		if err := admin.RunCommand(ctx, parse(t, command)).Err(); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	var reply bson.M
	must(t, admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&reply))
	if reply["isWritablePrimary"] != true || reply["maxWireVersion"].(int32) < 9 {
		t.Errorf("hello: %v", reply)
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "nonsense", Value: 1}}).Err(); code(err) != 59 || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("unknown command: %v", err)
	}
}
