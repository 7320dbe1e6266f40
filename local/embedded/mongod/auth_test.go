package mongod_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/mongod/mongotest"
)

// A driver gets in with the password and not without, and is told what MongoDB
// tells it.
func TestRequire(t *testing.T) {
	s := start(t, mongod.Options{})
	if err := s.Require("chat", "hunter2"); err != nil {
		t.Fatal(err)
	}
	for credentials, code := range map[string]int{"": 13, "chat:hunter2@": 0, "chat:hunter3@": 18, "other:hunter2@": 18} {
		client := mongotest.Connect(t, strings.Replace(s.URI(), "mongodb://", "mongodb://"+credentials, 1))
		_, err := client.Database("chat").Collection("c").InsertOne(t.Context(), bson.D{{Key: "a", Value: 1}})
		refused, _ := err.(mongo.ServerError)
		if code == 0 && err != nil || code != 0 && (refused == nil || !refused.HasErrorCode(code)) {
			t.Errorf("%q: %v", credentials, err)
		}
	}
	known := mongotest.Connect(t, strings.Replace(s.URI(), "mongodb://", "mongodb://chat:hunter2@", 1))
	count := func() error { return known.Database("chat").Collection("c").FindOne(t.Context(), bson.D{}).Err() }
	if err := count(); err != nil {
		t.Fatal(err)
	}
	if err := s.Require("chat", "hunter4"); err != nil {
		t.Fatal(err)
	}
	if err := count(); err != nil {
		t.Errorf("a connection that was in is out: %v", err)
	}
}
