package mongotest

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"strings"
	"testing"
	"time"

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

// indexedReads is the log of messages.
func indexedReads(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"conversationId": 1, "seq": 1}`, unique())
	index(t, ctx, c, `{"conversationId": 1, "role": 1, "seq": -1}`)
	var docs []any
	for i := range 3000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "conversationId", Value: fmt.Sprint("c", i%3)},
			{Key: "seq", Value: int64(i/3 + 1)}, {Key: "role", Value: []string{"user", "agent"}[i%2]}})
	}
	_, err := c.InsertMany(ctx, docs)
	must(t, err)
	log := func(more ...bson.E) bson.D { return append(bson.D{{Key: "conversationId", Value: "c1"}}, more...) }
	seq := func(v any) bson.E { return bson.E{Key: "seq", Value: v} }
	up, down := bson.D{{Key: "seq", Value: 1}}, bson.D{{Key: "seq", Value: -1}}
	for _, row := range []struct {
		filter bson.D
		sort   bson.D
		limit  int
		want   string // first and last seq
	}{
		{log(), down, 1, "1000 1000"},
		{log(), down, 50, "1000 951"},
		{log(), up, 50, "1 50"},
		{log(seq(bson.D{{Key: "$gt", Value: 500}})), up, 50, "501 550"},
		{log(seq(bson.D{{Key: "$lt", Value: 500}})), down, 50, "499 450"},
		{log(seq(bson.D{{Key: "$gte", Value: 10}, {Key: "$lte", Value: 20}})), up, 0, "10 20"},
		{log(seq(7)), nil, 0, "7 7"},
		{log(seq(bson.D{{Key: "$in", Value: bson.A{3, 1, 2, 2}}})), nil, 0, "1 3"},
		{log(bson.E{Key: "role", Value: "agent"}), down, 10, "999 981"},
		{log(bson.E{Key: "role", Value: "user"}, seq(bson.D{{Key: "$lt", Value: 100}})), down, 3, "98 94"},
		{log(bson.E{Key: "role", Value: "user"}, seq(bson.D{{Key: "$gt", Value: 994}})), down, 9, "1000 996"},
	} {
		opts := options.Find().SetLimit(int64(row.limit))
		if row.sort != nil {
			opts.SetSort(row.sort)
		}
		cur, err := c.Find(ctx, row.filter, opts)
		must(t, err)
		var got []struct{ Seq int }
		must(t, cur.All(ctx, &got))
		if len(got) == 0 || fmt.Sprint(got[0].Seq, got[len(got)-1].Seq) != row.want {
			t.Errorf("%v sort %v = %v, want %s", row.filter, row.sort, got, row.want)
		}
	}
}

// multikeyReads is the list of a participant's conversations.
func multikeyReads(t *testing.T, ctx context.Context, c *mongo.Collection) {
	index(t, ctx, c, `{"participants.type": 1, "participants.id": 1, "updatedAt": -1}`)
	for i := range 200 {
		_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "updatedAt", Value: time.UnixMilli(int64(i))}, {Key: "participants", Value: bson.A{
			bson.D{{Key: "type", Value: "user"}, {Key: "id", Value: fmt.Sprint("u", i%10)}},
			bson.D{{Key: "type", Value: "user"}, {Key: "id", Value: fmt.Sprint("u", i%10)}}, // twice: found once
			bson.D{{Key: "type", Value: "agent"}, {Key: "id", Value: fmt.Sprint("u", (i+5)%10)}},
		}}})
		must(t, err)
	}
	sort := bson.D{{Key: "updatedAt", Value: -1}}
	if got := ids(t, ctx, c, `{"participants": {"$elemMatch": {"type": "user", "id": "u3"}}}`, options.Find().SetSort(sort).SetLimit(5)); got != "193 183 173 163 153" {
		t.Errorf("newest five = %q", got)
	}
	// Without $elemMatch different participants may meet the two conditions.
	n, err := c.CountDocuments(ctx, bson.D{{Key: "participants.type", Value: "agent"}, {Key: "participants.id", Value: "u3"}})
	if must(t, err); n != 40 {
		t.Errorf("an agent and u3 = %d, want 40", n)
	}
	// A participant who is put out leaves the index.
	_, err = c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 193}}, bson.D{{Key: "$pull", Value: bson.D{{Key: "participants", Value: bson.D{{Key: "id", Value: "u3"}}}}}})
	must(t, err)
	if got := ids(t, ctx, c, `{"participants": {"$elemMatch": {"type": "user", "id": "u3"}}}`, options.Find().SetSort(sort).SetLimit(2)); got != "183 173" {
		t.Errorf("after a $pull = %q", got)
	}
}

// planAgreement compares finds with and without indexes on random documents.
func planAgreement(t *testing.T, ctx context.Context, c *mongo.Collection) {
	r := rand.New(rand.NewSource(1))
	value := func() any {
		return []any{nil, int32(r.Intn(3)), float64(r.Intn(3)), "s", bson.A{int32(r.Intn(3)), "s"}, bson.A{}, bson.D{{Key: "x", Value: int32(r.Intn(2))}},
			bson.A{bson.D{{Key: "x", Value: int32(r.Intn(3))}, {Key: "y", Value: int32(r.Intn(3))}}, bson.D{{Key: "x", Value: int32(r.Intn(3))}}, int32(1)}}[r.Intn(8)]
	}
	plain := c.Database().Collection("plain")
	var docs []any
	for i := range 200 {
		d := bson.D{{Key: "_id", Value: i}}
		for _, name := range []string{"a", "b"} {
			if r.Intn(4) > 0 {
				d = append(d, bson.E{Key: name, Value: value()})
			}
		}
		d = append(d, bson.E{Key: "s", Value: int32(r.Intn(50))})
		if _, err := plain.InsertOne(ctx, d); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	index(t, ctx, c, `{"a": 1, "s": 1}`)
	index(t, ctx, c, `{"a.x": 1, "a.y": -1, "s": -1}`)
	index(t, ctx, c, `{"b": -1}`)
	index(t, ctx, c, `{"s": 1}`, options.Index().SetPartialFilterExpression(bson.D{{Key: "b", Value: bson.D{{Key: "$exists", Value: true}}}}).SetName("partial"))
	for _, d := range docs {
		if _, err := c.InsertOne(ctx, d); code(err) != 0 {
			t.Fatal(err)
		}
	}
	condition := func() any {
		switch op := []string{"$gt", "$gte", "$lt", "$lte", "$in", "$elemMatch", "range", "", "", ""}[r.Intn(10)]; op {
		case "":
			return value()
		case "range":
			return bson.D{{Key: "$gt", Value: int32(0)}, {Key: "$lt", Value: int32(2)}}
		case "$in":
			return bson.D{{Key: op, Value: bson.A{value(), value()}}}
		case "$elemMatch":
			return bson.D{{Key: op, Value: bson.D{{Key: "x", Value: int32(r.Intn(3))}, {Key: "y", Value: int32(r.Intn(3))}}}}
		default:
			return bson.D{{Key: op, Value: []any{int32(r.Intn(3)), "s", nil}[r.Intn(3)]}}
		}
	}
	for range 200 {
		filter := bson.D{}
		for _, path := range []string{"a", "b", "a.x", "a.y"} {
			if r.Intn(2) == 0 {
				filter = append(filter, bson.E{Key: path, Value: condition()})
			}
		}
		if r.Intn(3) == 0 {
			filter = append(filter, bson.E{Key: "s", Value: bson.D{{Key: "$gte", Value: []int{10, 20, 21, 30}[r.Intn(4)]}}})
		}
		sort := bson.D{{Key: []string{"s", "a", "b"}[r.Intn(3)], Value: 1 - 2*r.Intn(2)}, {Key: "_id", Value: 1}}
		opts := options.Find().SetSort(sort)
		want := ids(t, ctx, plain, show(t, filter), opts)
		if got := ids(t, ctx, c, show(t, filter), opts); got != want {
			t.Fatalf("%s sorted by %s with indexes = %q, without %q", show(t, filter), show(t, sort), got, want)
		}
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
