package mongod

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Documents go when the time in the indexed field, or one of its times, is over; others stay.
func TestExpire(t *testing.T) {
	s, err := openStore(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close() //nolint:errcheck // of a test
	now := time.UnixMilli(1795582259024)
	c, err := s.toWrite("db.c")
	if err != nil {
		t.Fatal(err)
	}
	raw := func(d bson.M) bsoncore.Document {
		b, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ix, err := parseIndex(raw(bson.M{"name": "at_1", "key": bson.M{"at": 1}, "expireAfterSeconds": int32(60)}))
	if err == nil {
		err = c.createIndex(ix)
	}
	if err != nil {
		t.Fatal(err)
	}
	for id, at := range map[string]any{
		"over": now.Add(-time.Minute), "long over": now.Add(-time.Hour), "one of two": bson.A{now, now.Add(-time.Hour)},
		"not yet": now.Add(-59 * time.Second), "a number": int64(1), "none": nil,
	} {
		if _, err := c.insert(raw(bson.M{"_id": id, "at": at})); err != nil {
			t.Fatal(err)
		}
	}
	c.mu.Unlock()
	s.expire(now)
	left := map[string]bool{}
	for _, doc := range s.get("db.c").read(query{}) {
		id, _ := field(doc, "_id").StringValueOK()
		left[id] = true
	}
	if len(left) != 3 || !left["not yet"] || !left["a number"] || !left["none"] {
		t.Errorf("left are %v", left)
	}
	for _, spec := range []bson.M{
		{"name": "x", "key": bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 1}}, "expireAfterSeconds": 60},
		{"name": "x", "key": bson.M{"a": 1}, "expireAfterSeconds": -1}, {"name": "x", "key": bson.M{"a": 1}, "expireAfterSeconds": "60"}, {"name": "x", "key": bson.M{"_id": 1}, "expireAfterSeconds": 60},
	} {
		if _, err := parseIndex(raw(spec)); err == nil {
			t.Errorf("%v is accepted", spec)
		}
	}
}
