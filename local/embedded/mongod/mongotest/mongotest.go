// Package mongotest is the conformance suite of the embedded server: every
// operation that the chat's stores use, through the unmodified driver, with
// MongoDB's exact results. It asks nothing that MongoDB would not do: run it
// there too (MONGODB_URI) whenever the embedded server learns something.
package mongotest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// timeout is for one test on a machine that is busy with others.
const timeout = 3 * time.Minute

// Run runs the suite on the server at uri, in databases of its own that it
// drops afterwards.
func Run(t *testing.T, uri string) {
	client := Connect(t, uri)
	for name, test := range map[string]func(*testing.T, context.Context, *mongo.Collection){
		"filters":         filters,
		"comparisonOrder": comparisonOrder,
		"updates":         updates,
		"replacements":    replacements,
		"updateErrors":    updateErrors,
		"upserts":         upserts,
		"findAndModify":   findAndModify,
		"deletes":         deletes,
		"inserts":         inserts,
		"duplicateKeys":   duplicateKeys,
		"partialUnique":   partialUnique,
		"indexCatalog":    indexCatalog,
		"projections":     projections,
		"sorts":           sorts,
		"indexedReads":    indexedReads,
		"multikeyReads":   multikeyReads,
		"planAgreement":   planAgreement,
		"cursors":         cursors,
		"counts":          counts,
		"groups":          groups,
		"catalog":         catalog,
		"increments":      increments,
		"compareAndSet":   compareAndSet,
		"appendToLog":     appendToLog,
		"shell":           shell,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			t.Cleanup(cancel)
			db := client.Database("mongotest_" + bson.NewObjectID().Hex())
			t.Cleanup(func() { _ = db.Drop(context.Background()) })
			test(t, ctx, db.Collection("things"))
		})
	}
}

// Connect returns a client that is disconnected when the test ends.
func Connect(t testing.TB, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(timeout / 4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seed inserts documents written as extended JSON.
func seed(t *testing.T, ctx context.Context, c *mongo.Collection, docs ...string) {
	t.Helper()
	for _, doc := range docs {
		_, err := c.InsertOne(ctx, parse(t, doc))
		must(t, err)
	}
}

func parse(t *testing.T, json string) bson.D {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return d
}

// show writes a document as relaxed extended JSON, in its own field order.
func show(t *testing.T, doc any) string {
	t.Helper()
	b, err := bson.MarshalExtJSON(doc, false, false)
	must(t, err)
	return string(b)
}

// ids returns the _ids of a find, joined by spaces in the order they came.
func ids(t *testing.T, ctx context.Context, c *mongo.Collection, filter string, opts ...options.Lister[options.FindOptions]) string {
	t.Helper()
	cur, err := c.Find(ctx, parse(t, filter), opts...)
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	var docs []struct {
		ID any `bson:"_id"`
	}
	must(t, cur.All(ctx, &docs))
	var all []string
	for _, d := range docs {
		all = append(all, fmt.Sprint(d.ID))
	}
	return strings.Join(all, " ")
}

// one returns the only document of the collection, without its _id.
func one(t *testing.T, ctx context.Context, c *mongo.Collection) string {
	t.Helper()
	var d bson.D
	must(t, c.FindOne(ctx, bson.D{}).Decode(&d))
	return show(t, d[1:])
}

// code returns the server's code of a command or write error; 0 for none.
func code(err error) int {
	var command mongo.CommandError
	var write mongo.WriteException
	var bulk mongo.BulkWriteException
	switch {
	case err == nil:
		return 0
	case errors.As(err, &write) && len(write.WriteErrors) > 0:
		return write.WriteErrors[0].Code
	case errors.As(err, &bulk) && len(bulk.WriteErrors) > 0:
		return bulk.WriteErrors[0].Code
	case errors.As(err, &command):
		return int(command.Code)
	}
	return -1
}

func index(t *testing.T, ctx context.Context, c *mongo.Collection, keys string, opts ...*options.IndexOptionsBuilder) {
	t.Helper()
	model := mongo.IndexModel{Keys: parse(t, keys)}
	if len(opts) > 0 {
		model.Options = opts[0]
	}
	_, err := c.Indexes().CreateOne(ctx, model)
	must(t, err)
}

func unique() *options.IndexOptionsBuilder { return options.Index().SetUnique(true) }
