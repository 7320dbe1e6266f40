package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
)

// serverURI is the server that the tests run on: the one in MONGODB_URI, or an
// embedded one.
var serverURI string

func TestMain(m *testing.M) { os.Exit(begin(m)) }

func begin(m *testing.M) int {
	if serverURI = os.Getenv("MONGODB_URI"); serverURI == "" {
		server, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		serverURI = server.URI()
	}
	return m.Run()
}

// A world is the old data and the database of the chat.
type world struct {
	client   *mongo.Client
	old, now *mongo.Database
}

func newWorld(t testing.TB) world {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(serverURI))
	if err != nil {
		t.Fatal(err)
	}
	name := bson.NewObjectID().Hex()
	w := world{client, client.Database("old_" + name), client.Database("now_" + name)}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(w.old.Drop(ctx), w.now.Drop(ctx), client.Disconnect(ctx)); err != nil {
			t.Error(err)
		}
	})
	return w
}

// another is the same old data and another database of the chat.
func (w world) another(t *testing.T) world {
	t.Helper()
	w.now = w.client.Database("now_" + bson.NewObjectID().Hex())
	t.Cleanup(func() {
		if err := w.now.Drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w world) put(t testing.TB, db *mongo.Database, collection string, docs ...bson.D) {
	t.Helper()
	for _, d := range docs {
		if _, err := db.Collection(collection).InsertOne(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

var errKilled = errors.New("killed")

// mover is one that dies before its nth write; n < 0 is never.
func (w world) mover(t testing.TB, n int) (*mover, *bytes.Buffer) {
	t.Helper()
	cfg := config.Config{}
	cfg.Mongo.URI, cfg.Mongo.Database = serverURI, w.now.Name()
	var out bytes.Buffer
	m := &mover{org: chat.DefaultOrg, batch: 2, report: newReport(&out, nil), from: newSource(w.old)}
	end, err := m.openTarget(cfg, func() error {
		if n == 0 {
			return errKilled
		}
		n--
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return m, &out
}

// migrate is a whole run, which must end well.
func (w world) migrate(t testing.TB) (*report, string) {
	t.Helper()
	m, out := w.mover(t, -1)
	if err := m.bring(t.Context(), "old", false); err != nil {
		t.Fatal(err)
	}
	return m.report, out.String()
}

func (w world) rollback(t testing.TB) *report {
	t.Helper()
	m, _ := w.mover(t, -1)
	if err := m.takeBack(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m.report
}

// dump is every document of the chat's database, by collection and id, as bytes.
func dump(t testing.TB, db *mongo.Database, collections ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range collections {
		cursor, err := db.Collection(name).Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		for cursor.Next(t.Context()) {
			all[name+"/"+cursor.Current.Lookup("_id").String()] = string(cursor.Current)
		}
		if err := cursor.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// The collections of the data, and with them those of the journal but for the
// times of its runs.
var (
	data       = []string{"conversations", "messages"}
	andBackup  = append(slices.Clone(data), backupName)
	everything = append(slices.Clone(andBackup), runsName)
)

func same(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	keys := maps.Clone(got)
	maps.Copy(keys, want)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if got[k] != want[k] {
			t.Errorf("%s: %s is %v\nwant %v", what, k, bson.Raw(got[k]), bson.Raw(want[k]))
		}
	}
}

var day = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return day.Add(time.Duration(minutes) * time.Minute) }

// oid is an ObjectID that says when it was made.
func oid(n int) bson.ObjectID {
	id := bson.NewObjectIDFromTimestamp(at(n))
	copy(id[4:], []byte{0, 0, 0, 0, 0, 0, 0, byte(n)})
	return id
}

// ordinary is a conversation in the old shape with n messages.
func (w world) ordinary(t testing.TB, name string, first, n int) {
	t.Helper()
	w.put(t, w.old, "conversations", bson.D{
		{Key: "_id", Value: oid(first)}, {Key: "conversationId", Value: name}, {Key: "title", Value: "About " + name}, {Key: "agentId", Value: "a1"},
		{Key: "userId", Value: "u1"}, {Key: "status", Value: "active"}, {Key: "totalMessages", Value: 99},
		{Key: "participants", Value: bson.A{
			bson.D{{Key: "participantType", Value: "user"}, {Key: "participantId", Value: "u1"}, {Key: "joinedAt", Value: at(first)}},
			bson.D{{Key: "type", Value: "assistant"}, {Key: "agentId", Value: "a1"}},
		}},
		{Key: "createdAt", Value: at(first)}, {Key: "updatedAt", Value: at(first)}, {Key: "__v", Value: 3},
	})
	w.say(t, name, first+1, n)
}

// say adds messages in the old shape, in turns.
func (w world) say(t testing.TB, name string, first, n int) {
	t.Helper()
	for i := range n {
		role, who := "user", bson.E{Key: "userId", Value: "u1"}
		if i%2 == 1 {
			role, who = "assistant", bson.E{Key: "agentId", Value: "a1"}
		}
		w.put(t, w.old, "messages", bson.D{
			{Key: "_id", Value: oid(first + i)}, {Key: "conversationId", Value: name}, {Key: "role", Value: role}, who,
			{Key: "messageType", Value: "text"}, {Key: "messageStatus", Value: "read"}, {Key: "content", Value: fmt.Sprintf("%s %d", name, first+i)},
			{Key: "usage", Value: usageOf(role)}, {Key: "createdAt", Value: at(first + i)}, {Key: "updatedAt", Value: at(first + i)},
		})
	}
}

func usageOf(role string) any {
	if role == "user" {
		return nil
	}
	return bson.D{{Key: "promptTokens", Value: 3}, {Key: "completionTokens", Value: 4}}
}
