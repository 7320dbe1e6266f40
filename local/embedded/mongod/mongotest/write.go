package mongotest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

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
		{`{"l": [1]}`, `{"$addToSet": {"l": 2, "m": "x"}}`, `{"l":[1,2],"m":["x"]}`, 1},
		{`{"l": [1]}`, `{"$addToSet": {"l": 1}}`, `{"l":[1]}`, 0},
		{`{"l": [1]}`, `{"$addToSet": {"l": {"$each": [2, 1, 3, 2]}, "m": {"x": 1}}}`, `{"l":[1,2,3],"m":[{"x":1}]}`, 1},
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
	stamped := c.Database().Collection("stamped")
	seed(t, ctx, stamped, `{"_id": 1}`)
	var d struct{ At, Then time.Time }
	now := bson.D{{Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}}, {Key: "$set", Value: bson.D{{Key: "then", Value: time.Now()}}}}
	must(t, stamped.FindOneAndUpdate(ctx, bson.D{}, now, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d))
	if off := d.At.Sub(d.Then).Abs(); off > time.Minute { // the server's clock
		t.Errorf("$currentDate is %v off", off)
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

func replacements(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "a": 1, "b": 2}`, `{"_id": 2, "a": 1}`)
	for _, row := range []struct {
		filter, with, want string
		matched, modified  int64
	}{
		{`{"_id": 1}`, `{"z": 1, "a": {"x": [1]}}`, `{"_id":1,"z":1,"a":{"x":[1]}}`, 1, 1},
		{`{"_id": 1}`, `{"_id": 1, "a": 5}`, `{"_id":1,"a":5}`, 1, 1},
		{`{"_id": 1}`, `{"a": 6, "_id": 1}`, `{"_id":1,"a":6}`, 1, 1},
		{`{"_id": 1}`, `{"_id": 1, "a": 6}`, `{"_id":1,"a":6}`, 1, 0},
		{`{"_id": 9}`, `{"a": 7}`, `{"_id":1,"a":6}`, 0, 0},
		{`{"_id": 1}`, `{}`, `{"_id":1}`, 1, 1},
	} {
		res, err := c.ReplaceOne(ctx, parse(t, row.filter), parse(t, row.with))
		if err != nil {
			t.Errorf("%s by %s: %v", row.filter, row.with, err)
			continue
		}
		var d bson.D
		must(t, c.FindOne(ctx, parse(t, `{"_id": 1}`)).Decode(&d))
		if got := show(t, d); got != row.want || res.MatchedCount != row.matched || res.ModifiedCount != row.modified {
			t.Errorf("%s by %s = %s (%+v), want %s", row.filter, row.with, got, res, row.want)
		}
	}
	if _, err := c.ReplaceOne(ctx, parse(t, `{"_id": 1}`), parse(t, `{"_id": 3}`)); code(err) != 66 {
		t.Errorf("another _id: %v", err)
	}
	if res, err := c.ReplaceOne(ctx, parse(t, `{"_id": 7}`), parse(t, `{"a": 1}`), options.Replace().SetUpsert(true)); err != nil || res.UpsertedCount != 1 {
		t.Errorf("upsert of a replacement: %+v, %v", res, err)
	}
	if got := ids(t, ctx, c, `{"a": 1}`); got != "2 7" {
		t.Errorf("documents with a = 1: %s, want 2 7", got)
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
