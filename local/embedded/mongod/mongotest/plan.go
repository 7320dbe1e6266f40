package mongotest

import (
	"context"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

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
	ranges := func(a string, after, to int, b string, after2, to2 int) bson.D {
		one := func(id string, after, to int) bson.D {
			return bson.D{{Key: "conversationId", Value: id}, seq(bson.D{{Key: "$gt", Value: after}, {Key: "$lte", Value: to}})}
		}
		return bson.D{{Key: "$or", Value: bson.A{one(a, after, to), one(b, after2, to2)}}}
	}
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
		{ranges("c1", 400, 410, "c1", 405, 420), up, 0, "401 420"},
		{ranges("c1", 10, 20, "c0", 990, 2000), up, 0, "11 1000"},
		{bson.D{{Key: "$or", Value: bson.A{
			log(seq(bson.D{{Key: "$gt", Value: 10}, {Key: "$lte", Value: 20}}), bson.E{Key: "role", Value: "agent"}),
			bson.D{{Key: "conversationId", Value: "c0"}, seq(bson.D{{Key: "$gt", Value: 990}}), {Key: "role", Value: "user"}},
		}}}, up, 0, "11 999"},
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
	index(t, ctx, c, `{"s": 1, "b": 1, "_id": -1}`)
	index(t, ctx, c, `{"b": 1, "s": -1, "_id": -1}`)
	index(t, ctx, c, `{"s": 1}`, options.Index().SetPartialFilterExpression(bson.D{{Key: "b", Value: bson.D{{Key: "$exists", Value: true}}}}).SetName("partial"))
	for _, d := range docs {
		if _, err := c.InsertOne(ctx, d); code(err) != 0 {
			t.Fatal(err)
		}
	}
	condition := func() any {
		switch op := []string{"$gt", "$gte", "$lt", "$lte", "$in", "$elemMatch", "range", "of elements", "", "", ""}[r.Intn(11)]; op {
		case "":
			return value()
		case "range":
			return bson.D{{Key: "$gt", Value: int32(0)}, {Key: "$lt", Value: int32(2)}}
		case "of elements":
			return bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gte", Value: int32(r.Intn(2))}, {Key: "$lt", Value: int32(2)}}}}
		case "$in":
			return bson.D{{Key: op, Value: bson.A{value(), value()}}}
		case "$elemMatch":
			return bson.D{{Key: op, Value: bson.D{{Key: "x", Value: int32(r.Intn(3))}, {Key: "y", Value: int32(r.Intn(3))}}}}
		default:
			return bson.D{{Key: op, Value: []any{int32(r.Intn(3)), "s", nil}[r.Intn(3)]}}
		}
	}
	for range 500 {
		filter := bson.D{}
		for _, path := range []string{"a", "b", "a.x", "a.y"} {
			if r.Intn(2) == 0 {
				filter = append(filter, bson.E{Key: path, Value: condition()})
			}
		}
		if r.Intn(3) == 0 {
			filter = append(filter, bson.E{Key: "s", Value: bson.D{{Key: "$gte", Value: []int{10, 20, 21, 30}[r.Intn(4)]}}})
		} else if r.Intn(4) == 0 {
			filter = append(filter, bson.E{Key: "s", Value: bson.D{{Key: "$in", Value: bson.A{3, 17, 17, 44}}}})
		}
		sort := bson.D{{Key: []string{"s", "a", "b"}[r.Intn(3)], Value: 1 - 2*r.Intn(2)}, {Key: "_id", Value: 1 - 2*r.Intn(2)}}
		opts := options.Find().SetSort(sort)
		want := ids(t, ctx, plain, show(t, filter), opts)
		if got := ids(t, ctx, c, show(t, filter), opts); got != want {
			t.Fatalf("%s sorted by %s with indexes = %q, without %q", show(t, filter), show(t, sort), got, want)
		}
	}
}
