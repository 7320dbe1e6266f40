package mongotest

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var byID = options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})

func filters(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c,
		`{"_id": 1, "n": 1, "s": "one", "tags": ["a", "b"], "sub": {"x": 1, "y": null}}`,
		`{"_id": 2, "n": {"$numberLong": "2"}, "s": "Two", "tags": ["b"], "sub": {"x": [1, 2]}}`,
		`{"_id": 3, "n": 3.0, "s": "three", "tags": [], "sub": {"x": {"$numberLong": "3"}}}`,
		`{"_id": 4, "n": null, "tags": "a", "items": [{"k": "a", "v": 1}, {"k": "b", "v": 9}]}`,
		`{"_id": 5, "items": [{"k": "a", "v": 9}, {"k": "b", "v": 1}, {"k": "c"}, 7]}`,
		`{"_id": 6, "n": "1", "scores": [3, 12], "nest": [["p", "q"], "r"]}`,
		`{"_id": 7, "n": [0, 5], "sub": 4, "d": {"$date": "2024-01-02T03:04:05Z"}}`,
		`{"_id": 8, "n": true, "items": [], "sub": [{"x": 8}, 3]}`,
	)
	for _, row := range []struct{ filter, want string }{
		{`{}`, "1 2 3 4 5 6 7 8"},
		{`{"_id": 3}`, "3"},
		{`{"_id": {"$numberDouble": "3"}}`, "3"},
		{`{"n": 1}`, "1"},
		{`{"$or": [{"n": 1}, {"tags": "b"}, {"n": 1}]}`, "1 2"},
		{`{"$or": [{"n": 1, "s": "two"}, {"_id": {"$gt": 6}}], "n": {"$exists": true}}`, "7 8"},
		{`{"$and": [{"$or": [{"_id": 1}, {"_id": 2}]}, {"$or": [{"_id": 2}, {"_id": 3}]}]}`, "2"},
		{`{"n": 2}`, "2"},
		{`{"n": "1"}`, "6"},
		{`{"n": 5}`, "7"},
		{`{"n": [0, 5]}`, "7"},
		{`{"n": [5, 0]}`, ""},
		{`{"n": null}`, "4 5"},
		{`{"n": {"$ne": null}}`, "1 2 3 6 7 8"},
		{`{"n": {"$ne": 1}}`, "2 3 4 5 6 7 8"},
		{`{"n": {"$exists": true}}`, "1 2 3 4 6 7 8"},
		{`{"n": {"$exists": false}}`, "5"},
		{`{"n": {"$gt": 1}}`, "2 3 7"},
		{`{"n": {"$gte": 1, "$lt": 3}}`, "1 2 7"},
		{`{"n": {"$lte": 2}}`, "1 2 7"},
		{`{"n": {"$gt": "0"}}`, "6"},
		{`{"n": {"$gte": null}}`, "4 5"},
		{`{"n": {"$in": [1, 3, "x"]}}`, "1 3"},
		{`{"n": {"$in": [null, true]}}`, "4 5 8"},
		{`{"n": {"$in": []}}`, ""},
		{`{"tags": "a"}`, "1 4"},
		{`{"tags": ["b"]}`, "2"},
		{`{"tags": []}`, "3"},
		{`{"tags": {"$ne": "b"}}`, "3 4 5 6 7 8"},
		{`{"tags.0": "b"}`, "2"},
		{`{"sub.x": 1}`, "1 2"},
		{`{"sub.x": 8}`, "8"},
		{`{"sub.x": {"$gt": 2}}`, "3 8"},
		{`{"sub.y": null}`, "1 2 3 4 5 6 7 8"},
		{`{"sub.x": null}`, "4 5 6 7"},
		{`{"sub.x": {"$exists": false}}`, "4 5 6 7"},
		{`{"sub": {"x": 1, "y": null}}`, "1"},
		{`{"sub": {"y": null, "x": 1}}`, ""},
		{`{"items.k": "a"}`, "4 5"},
		{`{"items.k": "a", "items.v": 1}`, "4 5"},
		{`{"items": {"$elemMatch": {"k": "a", "v": 1}}}`, "4"},
		{`{"scores": {"$elemMatch": {"$gt": 3, "$lt": 12}}}`, ""}, // which different elements meet
		{`{"scores": {"$elemMatch": {"$gte": 12, "$lt": 13}}}`, "6"},
		{`{"tags": {"$elemMatch": {"$gte": "a", "$lt": "b"}}}`, "1"},
		{`{"tags": {"$elemMatch": {"$ne": "b"}}}`, "1"},
		{`{"nest": {"$elemMatch": {"$eq": "r"}}}`, "6"},
		{`{"items": {"$not": {"$elemMatch": {"k": "a"}}}}`, "1 2 3 6 7 8"},
		{`{"items.k": null}`, "1 2 3 6 7"},
		{`{"items.v": null}`, "1 2 3 5 6 7"},
		{`{"items.1.v": 9}`, "4"},
		{`{"items": {"k": "c"}}`, "5"},
		{`{"scores": {"$gt": 5, "$lt": 10}}`, "6"},
		{`{"nest": ["p", "q"]}`, "6"},
		{`{"nest": "p"}`, ""},
		{`{"n": {"$not": {"$gt": 1}}}`, "1 4 5 6 8"},
		{`{"d": {"$gt": {"$date": "2023-01-01T00:00:00Z"}}}`, "7"},
		{`{"d": {"$gt": 1}}`, ""},
		{`{"$and": [{"n": {"$gt": 1}}, {"tags": "b"}]}`, "2"},
	} {
		if got := ids(t, ctx, c, row.filter, byID); got != row.want {
			t.Errorf("find %s = %q, want %q", row.filter, got, row.want)
		}
	}
	for _, filter := range []string{
		`{"n": {"$in": 1}}`, `{"$and": []}`, `{"$and": {"a": 1}}`, `{"n": {"$nonsense": 1}}`, `{"$nonsense": 1}`, `{"n": {"$not": 1}}`, `{"n": {"$elemMatch": 1}}`,
	} {
		if err := c.FindOne(ctx, parse(t, filter)).Err(); code(err) <= 0 {
			t.Errorf("find %s: %v, want a server error", filter, err)
		}
	}
}

// comparisonOrder sorts values of all types, with and without an index.
func comparisonOrder(t *testing.T, ctx context.Context, c *mongo.Collection) {
	values := []any{
		bson.A{}, nil, math.NaN(), math.Inf(-1), int64(math.MinInt64), int64(math.MinInt64 + 1), -1.5, int32(-1), 0.0, 0.5, int32(1),
		int64(2), 2.5, int64(1<<53 - 1), float64(1 << 53), int64(1<<53 + 1), int64(1<<60 + 255), int64(1<<60 + 256), int64(math.MaxInt64), math.Inf(1),
		"", "\x00", "A", "a", "a\x00b", "ab", "b", "é",
		bson.D{}, bson.D{{Key: "a", Value: 1}}, bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 0}}, bson.D{{Key: "a", Value: 2}}, bson.D{{Key: "b", Value: 1}}, bson.D{{Key: "a", Value: "x"}},
		bson.Binary{Data: []byte{9}}, bson.Binary{Data: []byte{1, 2}}, bson.Binary{Data: []byte{1, 2}, Subtype: 4}, bson.Binary{Data: []byte{1, 255}, Subtype: 4},
		bson.ObjectID{1}, bson.ObjectID{1, 255}, bson.ObjectID{2}, false, true,
		bson.DateTime(-1), bson.DateTime(0), bson.DateTime(255), bson.DateTime(256),
	}
	var want []string
	for _, i := range rand.Perm(len(values)) {
		_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: values[i]}})
		must(t, err)
	}
	for i := range values {
		want = append(want, fmt.Sprint(i))
	}
	ascending := strings.Join(want, " ")
	for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
		want[i], want[j] = want[j], want[i]
	}
	descending := strings.Join(want, " ")
	check := func(how string) {
		t.Helper()
		if got := ids(t, ctx, c, `{}`, options.Find().SetSort(bson.D{{Key: "v", Value: 1}})); got != ascending {
			t.Errorf("%s, ascending: %s", how, got)
		}
		if got := ids(t, ctx, c, `{}`, options.Find().SetSort(bson.D{{Key: "v", Value: -1}})); got != descending {
			t.Errorf("%s, descending: %s", how, got)
		}
		for i, v := range values { // equality and ranges agree with the order
			switch v.(type) {
			case bson.A, nil, float64:
				continue
			}
			cur, err := c.Find(ctx, bson.D{{Key: "v", Value: bson.D{{Key: "$gte", Value: v}, {Key: "$lte", Value: v}}}})
			must(t, err)
			var docs []bson.D
			must(t, cur.All(ctx, &docs))
			if len(docs) != 1 || docs[0][0].Value != int32(i) {
				t.Errorf("%s: %v is found as %v", how, v, docs)
			}
		}
	}
	check("in memory")
	index(t, ctx, c, `{"v": 1}`)
	check("ascending index")
	must(t, c.Indexes().DropOne(ctx, "v_1"))
	index(t, ctx, c, `{"v": -1}`)
	check("descending index")
}
