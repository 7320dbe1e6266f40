package mongotest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

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
