package mongotest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func projections(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "list": [{"k": 1, "v": 2}, 5, {"v": 3}, [{"k": 6}]], "z": 0}`)
	for _, row := range []struct{ projection, want string }{
		{`{}`, `{"_id":1,"a":1,"b":{"c":2,"d":{"e":3,"f":4}},"list":[{"k":1,"v":2},5,{"v":3},[{"k":6}]],"z":0}`},
		{`{"z": 1, "a": 1}`, `{"_id":1,"a":1,"z":0}`},
		{`{"a": true, "_id": 0}`, `{"a":1}`},
		{`{"_id": 1}`, `{"_id":1}`},
		{`{"b.d.e": 1}`, `{"_id":1,"b":{"d":{"e":3}}}`},
		{`{"list.k": 1}`, `{"_id":1,"list":[{"k":1},{},[{"k":6}]]}`},
		{`{"a.x": 1, "b.c": 1}`, `{"_id":1,"b":{"c":2}}`},
		{`{"missing": 1}`, `{"_id":1}`},
	} {
		var d bson.D
		err := c.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(parse(t, row.projection))).Decode(&d)
		must(t, err)
		if got := show(t, d); got != row.want {
			t.Errorf("projection %s = %s, want %s", row.projection, got, row.want)
		}
	}
	for _, projection := range []string{`{"a": 1, "b": 0}`, `{"b": 1, "b.c": 1}`, `{"b.c": 1, "b": 1}`} {
		if err := c.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(parse(t, projection))).Err(); code(err) <= 0 {
			t.Errorf("projection %s: %v, want a server error", projection, err)
		}
	}
}

func sorts(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c,
		`{"_id": 1, "a": 2, "b": 1}`, `{"_id": 2, "a": 1, "b": 1}`, `{"_id": 3, "a": 2, "b": 2}`, `{"_id": 4, "b": 3}`,
		`{"_id": 5, "a": [0, 9], "b": 4}`, `{"_id": 6, "a": [], "b": 5}`, `{"_id": 7, "a": null, "b": 6, "o": [{"x": 4}, {"x": 1}]}`)
	for _, row := range []struct {
		sort        string
		skip, limit int64
		want        string
	}{
		{`{"a": 1, "b": 1}`, 0, 0, "6 4 7 5 2 1 3"},
		{`{"a": -1, "b": -1}`, 0, 0, "5 3 1 2 7 4 6"},
		{`{"a": 1, "b": -1}`, 0, 0, "6 7 4 5 2 3 1"},
		{`{"a": 1, "b": 1}`, 2, 3, "7 5 2"},
		{`{"a": 1, "b": 1}`, 6, 3, "3"},
		{`{"a": 1, "b": 1}`, 60, 3, ""},
		{`{"_id": -1}`, 1, 2, "6 5"},
		{`{"o.x": -1, "_id": 1}`, 0, 2, "7 1"},
	} {
		opts := options.Find().SetSort(parse(t, row.sort)).SetSkip(row.skip).SetLimit(row.limit)
		if got := ids(t, ctx, c, `{}`, opts); got != row.want {
			t.Errorf("sort %s skip %d limit %d = %q, want %q", row.sort, row.skip, row.limit, got, row.want)
		}
	}
	if got := ids(t, ctx, c, `{}`, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(-2)); got != "1 2" {
		t.Errorf("negative limit = %q", got)
	}
	if _, err := c.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "a", Value: 2}})); code(err) <= 0 {
		t.Errorf("sort by 2: %v, want a server error", err)
	}
}

func cursors(t *testing.T, ctx context.Context, c *mongo.Collection) {
	var docs []any
	for i := range 1000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", 100)}})
	}
	_, err := c.InsertMany(ctx, docs)
	must(t, err)
	for _, batch := range []int32{0, 1, 7, 1000, 5000} {
		cur, err := c.Find(ctx, bson.D{}, byID, options.Find().SetBatchSize(batch))
		must(t, err)
		n := 0
		for ; cur.Next(ctx); n++ {
			if got := cur.Current.Lookup("_id").Int32(); got != int32(n) {
				t.Fatalf("batch size %d: document %d is %d", batch, n, got)
			}
		}
		if cur.Err() != nil || n != 1000 {
			t.Errorf("batch size %d: %d documents, %v", batch, n, cur.Err())
		}
	}
	// A cursor that is closed is gone.
	cur, err := c.Find(ctx, bson.D{}, options.Find().SetBatchSize(2))
	must(t, err)
	id := cur.ID()
	must(t, cur.Close(ctx))
	err = c.Database().RunCommand(ctx, bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: c.Name()}}).Err()
	if code(err) != 43 {
		t.Errorf("getMore after close: %v, want CursorNotFound", err)
	}
	// Batches are bounded by bytes too: these documents make 20 MB.
	big := c.Database().Collection("big")
	for i := range 20 {
		_, err := big.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", 1<<20)}})
		must(t, err)
	}
	cur, err = big.Find(ctx, bson.D{}, options.Find().SetBatchSize(100))
	must(t, err)
	if first := cur.RemainingBatchLength(); first < 1 || first > 16 {
		t.Errorf("the first batch has %d documents of 1 MiB", first)
	}
	var all []bson.Raw
	if must(t, cur.All(ctx, &all)); len(all) != 20 {
		t.Errorf("%d of 20 big documents", len(all))
	}
}

func counts(t *testing.T, ctx context.Context, c *mongo.Collection) {
	if n, err := c.CountDocuments(ctx, bson.D{}); n != 0 || err != nil {
		t.Errorf("an absent collection counts %d, %v", n, err)
	}
	seed(t, ctx, c, `{"_id": 1, "k": "a"}`, `{"_id": 2, "k": ["b", "c"]}`, `{"_id": 3, "k": "a"}`, `{"_id": 4}`)
	for _, row := range []struct {
		filter string
		opts   *options.CountOptionsBuilder
		want   int64
	}{
		{`{}`, options.Count(), 4},
		{`{"k": "a"}`, options.Count(), 2},
		{`{}`, options.Count().SetSkip(1).SetLimit(2), 2},
		{`{}`, options.Count().SetSkip(3).SetLimit(2), 1},
		{`{"k": "none"}`, options.Count(), 0},
	} {
		if n, err := c.CountDocuments(ctx, parse(t, row.filter), row.opts); n != row.want || err != nil {
			t.Errorf("count %s = %d, %v, want %d", row.filter, n, err, row.want)
		}
	}
}

func groups(t *testing.T, ctx context.Context, c *mongo.Collection) {
	seed(t, ctx, c, `{"_id": 1, "k": "a", "n": 1, "u": {"x": 5000000000}}`, `{"_id": 2, "k": "b", "n": 2, "u": {"x": "none"}}`,
		`{"_id": 3, "k": "a", "n": 2.5, "u": {"x": 1}}`, `{"_id": 4, "n": 10, "u": 3}`, `{"_id": 5, "k": null}`)
	for _, row := range []struct{ pipeline, want string }{
		{`[{"$group": {"_id": "$k", "count": {"$sum": 1}, "n": {"$sum": "$n"}, "x": {"$sum": "$u.x"}}}]`,
			`{"_id": "a", "count": 2, "n": 3.5, "x": 5000000001} {"_id": "b", "count": 1, "n": 2, "x": 0} {"_id": null, "count": 2, "n": 10, "x": 0}`},
		{`[{"$match": {"k": "a"}}, {"$group": {"_id": null, "n": {"$sum": "$none"}}}]`, `{"_id": null, "n": 0}`},
		{`[{"$group": {"_id": {"who": "$k", "x": "$u.x"}, "n": {"$sum": 1}}}]`,
			`{"_id": {"who": "a", "x": 1}, "n": 1} {"_id": {"who": "a", "x": 5000000000}, "n": 1} {"_id": {"who": "b", "x": "none"}, "n": 1} {"_id": {"who": null}, "n": 1} {"_id": {}, "n": 1}`},
		{`[{"$match": {"k": "z"}}, {"$group": {"_id": "$k", "n": {"$sum": 1}}}]`, ``},
		{`[{"$limit": 2}, {"$group": {"_id": "$n", "n": {"$sum": 2}}}]`, `{"_id": 1, "n": 2} {"_id": 2, "n": 2}`},
	} {
		var pipeline []bson.D
		must(t, bson.UnmarshalExtJSON([]byte(`{"p": `+row.pipeline+`}`), false, &struct {
			P *[]bson.D `bson:"p"`
		}{&pipeline}))
		cur, err := c.Aggregate(ctx, pipeline)
		must(t, err)
		var got []bson.D
		must(t, cur.All(ctx, &got))
		var texts []string
		for _, d := range got {
			b, err := bson.MarshalExtJSON(d, false, false)
			must(t, err)
			texts = append(texts, string(b))
		}
		slices.Sort(texts)
		want := strings.ReplaceAll(strings.ReplaceAll(row.want, ", ", ","), ": ", ":")
		if joined := strings.Join(texts, " "); joined != want {
			t.Errorf("%s is\n%s, want\n%s", row.pipeline, joined, want)
		}
	}
}
