package mongotest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func catalog(t *testing.T, ctx context.Context, c *mongo.Collection) {
	db := c.Database()
	index(t, ctx, db.Collection("empty"), `{"a": 1}`)
	seed(t, ctx, c, `{"_id": 1}`)
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if slices.Sort(names); err != nil || strings.Join(names, " ") != "empty things" {
		t.Errorf("collections: %v, %v", names, err)
	}
	names, err = db.ListCollectionNames(ctx, bson.D{{Key: "name", Value: "empty"}})
	if err != nil || strings.Join(names, " ") != "empty" {
		t.Errorf("one collection: %v, %v", names, err)
	}
	names, err = db.Client().ListDatabaseNames(ctx, bson.D{{Key: "name", Value: db.Name()}})
	if err != nil || strings.Join(names, " ") != db.Name() {
		t.Errorf("databases: %v, %v", names, err)
	}
	must(t, c.Drop(ctx))
	if got := ids(t, ctx, c, `{}`); got != "" {
		t.Errorf("after drop: %s", got)
	}
	must(t, db.Drop(ctx))
	if names, err := db.ListCollectionNames(ctx, bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("after dropping the database: %v, %v", names, err)
	}
}

// shell sends what mongosh sends when it connects, and what programs ask for.
func shell(t *testing.T, ctx context.Context, c *mongo.Collection) {
	admin := c.Database().Client().Database("admin")
	for _, command := range []string{
		`{"hello": 1}`, `{"isMaster": 1}`, `{"ismaster": 1, "helloOk": true}`, `{"ping": 1}`, `{"buildInfo": 1}`,
		`{"listDatabases": 1, "nameOnly": true}`, `{"endSessions": []}`,
	} {
		if err := admin.RunCommand(ctx, parse(t, command)).Err(); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	// The driver has introduced itself when it opened the connection.
	again := parse(t, `{"hello": 1, "client": {"application": {"name": "mongosh"}}}`)
	if err := admin.RunCommand(ctx, again).Err(); code(err) != 186 {
		t.Errorf("client metadata for the second time: %v", err)
	}
	var reply bson.M
	must(t, admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&reply))
	if reply["isWritablePrimary"] != true || reply["maxWireVersion"].(int32) < 9 {
		t.Errorf("hello: %v", reply)
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "nonsense", Value: 1}}).Err(); code(err) != 59 || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("unknown command: %v", err)
	}
}
