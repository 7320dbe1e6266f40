package mongod_test

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/mongod"
	"aiwm-chat/local/mongod/mongotest"
)

// TestUnsupported sends what MongoDB has and this server has not: every error
// must name it.
func TestUnsupported(t *testing.T) {
	db := mongotest.Connect(t, start(t, mongod.Options{}).URI()).Database("chat")
	if _, err := db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "l", Value: bson.A{1}}}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ command, name string }{
		{`{"mapReduce": "c"}`, "mapReduce"},
		{`{"bulkWrite": 1}`, "bulkWrite"},
		{`{"find": "c", "collation": {"locale": "de"}}`, "collation"},
		{`{"find": "c", "tailable": true}`, "tailable"},
		{`{"find": "c", "let": {"a": 1}}`, "let"},
		{`{"find": "c", "filter": {"$expr": {}}}`, "$expr"},
		{`{"find": "c", "filter": {"$text": {}}}`, "$text"},
		{`{"find": "c", "filter": {"a": {"$mod": [2, 0]}}}`, "$mod"},
		{`{"find": "c", "filter": {"a": {"$near": 1}}}`, "$near"},
		{`{"find": "c", "filter": {"l": {"$all": [{"$elemMatch": {"a": 1}}]}}}`, "$all"},
		{`{"find": "c", "filter": {"a": {"$regex": "(?=x)"}}}`, "$regex"},
		{`{"find": "c", "filter": {"a": {"$regex": "x", "$options": "x"}}}`, "regex options"},
		{`{"find": "c", "sort": {"score": {"$meta": "textScore"}}}`, "$meta"},
		{`{"find": "c", "projection": {"l": {"$slice": 1}}}`, "$slice"},
		{`{"find": "c", "projection": {"l.$": 1}}`, "l.$"},
		{`{"find": "c", "projection": {"a": "$b"}}`, "$b"},
		{`{"count": "c", "collation": {}}`, "collation"},
		{`{"aggregate": "c", "pipeline": [{"$lookup": {}}], "cursor": {}}`, "$lookup"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": null, "n": {"$avg": "$a"}}}], "cursor": {}}`, "$avg"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": {"$year": "$a"}}}], "cursor": {}}`, "$year"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": "$$ROOT"}}], "cursor": {}}`, "$$ROOT"},
		{`{"aggregate": "c", "pipeline": [{"$project": {"a": {"$add": [1, 2]}}}], "cursor": {}}`, "$add"},
		{`{"aggregate": 1, "pipeline": [], "cursor": {}}`, "collection name of aggregate"},
		{`{"explain": {"count": "c"}}`, "count"},
		{`{"create": "d", "capped": true}`, "capped"},
		{`{"create": "d", "validator": {}}`, "validator"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": "text"}}]}`, "text"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": 1}, "expireAfterSeconds": 1}]}`, "expireAfterSeconds"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": 1}, "sparse": true}]}`, "sparse"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a.0": 1}}]}`, "a.0"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": 1}, "partialFilterExpression": {"a": {"$ne": 1}}}]}`, "partialFilterExpression"},
		{`{"update": "c", "updates": [{"q": {}, "u": [{"$set": {"a": 1}}]}]}`, "pipeline"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$rename": {"a": "b"}}}]}`, "$rename"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$bit": {"a": {"and": 1}}}}]}`, "$bit"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$push": {"l": {"$each": [1], "$sort": 1}}}}]}`, "$sort"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$addToSet": {"l": {"$each": [1], "$slice": 1}}}}]}`, "$slice"},
		{`{"update": "c", "updates": [{"q": {"l": 1}, "u": {"$set": {"l.$": 1}}}]}`, "positional operator $"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"l.$[]": 1}}}]}`, "positional operator $[]"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"l": 1}}, "arrayFilters": []}]}`, "arrayFilters"},
		{`{"delete": "c", "deletes": [{"q": {}, "limit": 1, "collation": {}}]}`, "collation"},
		{`{"findAndModify": "c", "remove": true, "arrayFilters": []}`, "arrayFilters"},
		{`{"insert": "c", "documents": [{}], "startTransaction": true}`, "Transaction numbers"},
		{`{"saslStart": 1}`, "saslStart"},
	} {
		var command bson.D
		if err := bson.UnmarshalExtJSON([]byte(row.command), false, &command); err != nil {
			t.Fatal(err)
		}
		reply, err := db.RunCommand(context.Background(), command).Raw()
		message := reply.String()
		if err != nil {
			message = err.Error()
		}
		if !strings.Contains(message, row.name) {
			t.Errorf("%s: %s, want an error that names %s", row.command, message, row.name)
		}
	}
	n, err := db.Collection("c").CountDocuments(t.Context(), bson.D{{Key: "l", Value: bson.A{1}}})
	if err != nil || n != 1 {
		t.Errorf("refused commands changed the data: %d, %v", n, err)
	}
}
