package mongod_test

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
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
		{`{"saslStart": 1}`, "saslStart"},
		{`{"count": "c"}`, "count"},
		{`{"distinct": "c", "key": "a"}`, "distinct"},
		{`{"explain": {"find": "c"}}`, "explain"},
		{`{"create": "d"}`, "create"},
		{`{"getLog": "startupWarnings"}`, "getLog"},
		{`{"find": "c", "collation": {"locale": "de"}}`, "collation"},
		{`{"find": "c", "tailable": true}`, "tailable"},
		{`{"find": "c", "filter": {"$expr": {}}}`, "$expr"},
		{`{"find": "c", "filter": {"$or": [{"$nor": [{"a": 1}]}]}}`, "$nor"},
		{`{"find": "c", "filter": {"$nor": [{"a": 1}]}}`, "$nor"},
		{`{"find": "c", "filter": {"a": {"$mod": [2, 0]}}}`, "$mod"},
		{`{"find": "c", "filter": {"a": {"$nin": [1]}}}`, "$nin"},
		{`{"find": "c", "filter": {"a": {"$regex": "x"}}}`, "$regex"},
		{`{"find": "c", "filter": {"a": {"$regularExpression": {"pattern": "x", "options": ""}}}}`, "BSON type regex"},
		{`{"find": "c", "filter": {"l": {"$all": [1]}}}`, "$all"},
		{`{"find": "c", "filter": {"l": {"$size": 1}}}`, "$size"},
		{`{"find": "c", "filter": {"l": {"$type": 1}}}`, "$type"},
		{`{"find": "c", "filter": {"l": {"$not": {"$gt": 1, "$lt": 5}}}}`, "$not"},
		{`{"find": "c", "sort": {"score": {"$meta": "textScore"}}}`, "$meta"},
		{`{"find": "c", "projection": {"l": {"$slice": 1}}}`, "$slice"},
		{`{"find": "c", "projection": {"l.$": 1}}`, "l.$"},
		{`{"find": "c", "projection": {"a": "$b"}}`, "$b"},
		{`{"find": "c", "projection": {"a": 0}}`, "exclusion in a projection of field a"},
		{`{"find": "c", "projection": {"_id": 0}}`, "exclusion in a projection of field _id"},
		{`{"aggregate": "c", "pipeline": [{"$lookup": {}}], "cursor": {}}`, "$lookup"},
		{`{"aggregate": "c", "pipeline": [{"$limit": 1}, {"$match": {}}], "cursor": {}}`, "$match"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": 1, "n": {"$avg": "$a"}}}], "cursor": {}}`, "$avg"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": {"a": 1}, "n": {"$sum": 1}}}], "cursor": {}}`, "_id"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": {"$toUpper": "$a"}, "n": {"$sum": 1}}}], "cursor": {}}`, "$toUpper"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": {}, "n": {"$sum": 1}}}], "cursor": {}}`, "_id"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": "$$ROOT", "n": {"$sum": 1}}}], "cursor": {}}`, "$$ROOT"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": "a", "n": {"$sum": 1}}}], "cursor": {}}`, "_id"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": 1, "n": {"$sum": ["$a"]}}}], "cursor": {}}`, "$group"},
		{`{"aggregate": "c", "pipeline": [{"$group": {"_id": 1}}], "cursor": {}}`, "$group"},
		{`{"aggregate": 1, "pipeline": [], "cursor": {}}`, "collection name of aggregate"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": "text"}}]}`, "text"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": 1}, "sparse": true}]}`, "sparse"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a.0": 1}}]}`, "a.0"},
		{`{"createIndexes": "c", "indexes": [{"name": "i", "key": {"a": 1}, "partialFilterExpression": {"a": {"$gt": 1}}}]}`, "partialFilterExpression"},
		{`{"dropIndexes": "c", "index": "*"}`, "dropIndexes"},
		{`{"update": "c", "updates": [{"q": {}, "u": [{"$set": {"a": 1}}]}]}`, "pipeline"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"a": 1}, "multi": true}]}`, "multi"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"a": 1, "$set": {"b": 1}}}]}`, "$set"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$rename": {"a": "b"}}}]}`, "$rename"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$min": {"a": 1}}}]}`, "$min"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$addToSet": {"l": {"$slice": 1}}}}]}`, "$slice"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$setOnInsert": {"a": 1}}}]}`, "$setOnInsert"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$currentDate": {"a": {"$type": "timestamp"}}}}]}`, "$currentDate"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$push": {"l": {"$each": [1]}}}}]}`, "$each"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$pull": {"l": {"$gt": 1}}}}]}`, "$gt"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"l.0": 1}}}]}`, "arrays on the path"},
		{`{"update": "c", "updates": [{"q": {"l": 1}, "u": {"$set": {"l.$": 1}}}]}`, "l.$"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"l.$[]": 1}}}]}`, "l.$[]"},
		{`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"l": 1}}, "arrayFilters": []}]}`, "arrayFilters"},
		{`{"delete": "c", "deletes": [{"q": {}, "limit": 1, "collation": {}}]}`, "collation"},
		{`{"findAndModify": "c", "remove": true}`, "remove"},
		{`{"findAndModify": "c", "update": {"$set": {"a": 1}}, "upsert": true}`, "upsert"},
		{`{"findAndModify": "c", "update": {"$set": {"a": 1}}, "fields": {"a": 1}}`, "fields"},
		{`{"insert": "c", "documents": [{}], "startTransaction": true}`, "startTransaction"},
		{`{"insert": "c", "documents": [{"a": {"$timestamp": {"t": 1, "i": 1}}}]}`, "BSON type timestamp"},
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
