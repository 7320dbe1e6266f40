package mongod

import (
	"bytes"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// parse reads extended JSON.
func parse(t *testing.T, json string) bsoncore.Document {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReadsUseIndexes counts the documents that the reads of the stores look
// at: theirs and no others, in the order of the index.
func TestReadsUseIndexes(t *testing.T) {
	c := newCollection("d.c", nil)
	for i, key := range []string{
		`{"conversationId": 1, "seq": 1}`,
		`{"conversationId": 1, "role": 1, "seq": -1}`,
		`{"org": 1, "participants.id": 1, "participants.type": 1, "updatedAt": -1, "_id": -1}`,
		`{"sender": 1, "clientId": 1}`,
	} {
		partial := ""
		if i == 3 {
			partial = `, "partialFilterExpression": {"clientId": {"$exists": true}}`
		}
		ix, err := parseIndex(parse(t, fmt.Sprintf(`{"name": "%d", "key": %s, "unique": %v%s}`, i, key, i == 0, partial)))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.createIndex(ix); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		doc := parse(t, fmt.Sprintf(`{"_id": %d, "conversationId": "c%d", "seq": %d, "role": "%s", "org": "o", "updatedAt": %[1]d, "sender": "u", "clientId": %[1]d,
			"participants": [{"type": "user", "id": "u%d"}, {"type": "user", "id": "u%[5]d"}, {"type": "agent", "id": "u%d"}]}`,
			i, i%3, i/3+1, []string{"user", "agent"}[i%2], i%10, (i+5)%10))
		if _, err := c.insert(doc); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		filter, sort string
		limit        int64
		examined     int
	}{
		{`{"_id": 77, "role": "agent"}`, `{}`, 0, 1},
		{`{"_id": {"$in": [7, 8, 8, 1000]}}`, `{}`, 0, 2},
		{`{"_id": {"$in": [7]}}`, `{}`, 0, 1},
		{`{"conversationId": "c1"}`, `{"seq": -1}`, 50, 50},
		{`{"conversationId": "c1"}`, `{"seq": 1}`, 50, 50},
		{`{"conversationId": "c1", "seq": {"$gt": 40}}`, `{"seq": 1}`, 50, 50},
		{`{"conversationId": "c1", "seq": {"$lt": 40}}`, `{"seq": -1}`, 10, 10},
		{`{"conversationId": "c1", "seq": {"$gte": 10, "$lte": 20}}`, `{"seq": 1}`, 0, 11},
		{`{"conversationId": "c1", "seq": 7}`, `{}`, 0, 1},
		{`{"conversationId": "c1", "seq": {"$in": [3, 1, 2, 2]}}`, `{}`, 0, 3},
		{`{"conversationId": "c1", "role": "agent"}`, `{"seq": -1}`, 10, 10},
		{`{"conversationId": "c1", "role": "agent", "seq": {"$gt": 90}}`, `{"seq": -1}`, 0, 5},
		{`{"org": "o", "participants": {"$elemMatch": {"type": "user", "id": "u3"}}, "gone": {"$ne": true}}`, `{"updatedAt": -1}`, 5, 5},
		{`{"org": "o", "participants": {"$elemMatch": {"id": "u3", "type": "user"}}}`, `{"updatedAt": 1, "_id": 1}`, 5, 5},
		{`{"org": "o", "participants.type": "agent", "participants.id": "u3"}`, `{}`, 0, 60},
		{`{"$or": [{"conversationId": "c1", "seq": {"$gt": 40, "$lte": 50}}, {"conversationId": "c2", "seq": {"$gt": 95}}]}`, `{}`, 0, 15},
		{`{"$or": [{"conversationId": "c1", "seq": {"$gt": 40, "$lte": 50}}, {"conversationId": "c1", "seq": {"$gt": 45, "$lte": 60}}]}`, `{}`, 0, 20},
		{`{"$or": [{"conversationId": "c1"}, {"sender": "u"}]}`, `{}`, 0, 300}, // there is no index for the second
		{`{"conversationId": "c1", "$or": [{"seq": 4}, {"role": "user"}]}`, `{}`, 0, 100},
		{`{"sender": "u", "clientId": 7}`, `{}`, 0, 1},
		{`{"sender": "u"}`, `{}`, 0, 300}, // the partial index has not all of these
	} {
		f, err := compileFilter(parse(t, row.filter))
		if err != nil {
			t.Fatal(err)
		}
		by, err := parseDirections("sort", parse(t, row.sort))
		if err != nil {
			t.Fatal(err)
		}
		p := c.choose(f, by)
		examined, found := 0, int64(0)
		p.scan(nil, func(r *record) bool { // all that the ranges hold
			examined++
			if f.match(r.doc) {
				found++
			}
			return found != row.limit || row.limit == 0
		})
		if examined != row.examined || !p.sorted {
			t.Errorf("%s by %s examines %d documents on index %s (sorted: %v), want %d", row.filter, row.sort, examined, p.index.name, p.sorted, row.examined)
		}
	}
}

// What decides about indexes is which fields differ: never too few.
func TestDiffering(t *testing.T) {
	doc := func(pairs ...any) bsoncore.Document {
		d := bson.D{}
		for i := 0; i < len(pairs); i += 2 {
			d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
		}
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		before, after bsoncore.Document
		want          string
	}{
		{doc(), doc(), ""},
		{doc("a", 1, "b", "x"), doc("a", 1, "b", "x"), ""},
		{doc("a", 1, "b", "x"), doc("a", 2, "b", "x"), "a"},
		{doc("a", int32(1)), doc("a", int64(1)), "a"},
		{doc("a", 1, "b", bson.D{{Key: "c", Value: 1}}), doc("a", 1, "b", bson.D{{Key: "c", Value: 2}}), "b"},
		{doc("a", 1, "due", 5), doc("a", 1), "due"},
		{doc("a", 1), doc("a", 1, "due", 5), "due"},
		{doc("a", 1, "due", 5, "z", 1), doc("a", 1, "z", 1), "due z z"},
		{doc("a", 1, "b", 2), doc("b", 2, "a", 1), "a b b a"},
	} {
		names := differing(tt.before, tt.after)
		if got := string(bytes.Join(names, []byte(" "))); got != tt.want {
			t.Errorf("%v and %v differ in %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
}
