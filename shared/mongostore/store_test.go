package mongostore_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
)

// serverURI is the server that the tests run on: the one in MONGODB_URI, or an
// embedded one.
var serverURI string

func TestMain(m *testing.M) {
	code := run(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, "leaked:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) int {
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

// The cast. mallory has alice's id in another organisation.
var (
	alice   = chat.Principal{Type: chat.User, ID: "alice", OrgID: "o1"}
	bob     = chat.Principal{Type: chat.User, ID: "bob", OrgID: "o1"}
	bot     = chat.Principal{Type: chat.Agent, ID: "bot", OrgID: "o1"}
	mallory = chat.Principal{Type: chat.User, ID: "alice", OrgID: "o2"}
)

// start has nanoseconds, which the database has not.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

// fixture is a store on a database of its own, and the database itself to look
// behind the store.
type fixture struct {
	*mongostore.Store
	db *mongo.Database
}

func open(t testing.TB) fixture {
	t.Helper()
	f := openWithoutIndexes(t)
	if err := f.CreateIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func openWithoutIndexes(t testing.TB) fixture {
	t.Helper()
	return openAt(t, serverURI)
}

// openAt opens a database on a server, without indexes.
func openAt(t testing.TB, uri string) fixture {
	t.Helper()
	name := "test_" + bson.NewObjectID().Hex()
	s, err := mongostore.Open(uri, name, mongostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		err := client.Database(name).Drop(ctx)
		for range 3 { // which the driver does not repeat where the primary is another now
			if err != nil {
				err = client.Database(name).Drop(ctx)
			}
		}
		if err != nil {
			t.Error(err)
		}
		if err := client.Disconnect(ctx); err != nil {
			t.Error(err)
		}
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return fixture{Store: s, db: client.Database(name)}
}

// newConversation makes one of alice with bot.
func (f fixture) newConversation(t testing.TB, title string, at time.Time, tags ...string) chat.Conversation {
	t.Helper()
	c, err := chat.NewConversation(alice, title, "", bot.ID, tags, at)
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err = f.CreateConversation(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

func draftOf(content string) chat.Draft { return chat.Draft{Content: content} }

func newMessage(t testing.TB, to chat.ConversationID, sender chat.Principal, id string, d chat.Draft) chat.Message {
	t.Helper()
	m, err := chat.NewMessage(to, sender, chat.ClientMessageID(id), d, chat.MaxContentREST, start)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// append commits a message that must be a new one.
func (f fixture) append(t testing.TB, m chat.Message) chat.Message {
	t.Helper()
	stored, duplicate, err := f.Append(t.Context(), chat.Head{}, m)
	if err != nil || duplicate {
		t.Fatalf("Append = duplicate %v, error %v", duplicate, err)
	}
	return stored
}

// say appends n messages of alice.
func (f fixture) say(t testing.TB, to chat.ConversationID, n int) {
	t.Helper()
	head := chat.Head{}
	for i := range n {
		m, _, err := f.Append(t.Context(), head, newMessage(t, to, alice, fmt.Sprintf("say-%d", i), draftOf(fmt.Sprint("message ", i+1))))
		if err != nil {
			t.Fatal(err)
		}
		head = chat.Head{Seq: m.Seq, RunningTokens: m.RunningTokens}
	}
}

func wantCode(t testing.TB, err error, code chat.Code) {
	t.Helper()
	if err == nil || chat.CodeOf(err) != code {
		t.Errorf("error = %v, want %s", err, code)
	}
}

func TestOpenRefusesABadURIWithoutShowingIt(t *testing.T) {
	for _, uri := range []string{
		"mongodb://bob:sEcret@host:port/",
		"mongodb://bob:sEcret:%zz@host",
		"postgres://bob:sEcret@host",
		"mongodb://host/?authMechanism=NONE&authMechanismProperties=AWS_SESSION_TOKEN:sEcret",
		"",
	} {
		_, err := mongostore.Open(uri, "db", mongostore.Options{})
		if err == nil || strings.Contains(err.Error(), "sEcret") {
			t.Errorf("Open(%q): error = %v", uri, err)
		}
	}
	if _, err := mongostore.Open("mongodb://127.0.0.1", "", mongostore.Options{}); err == nil {
		t.Error("Open accepts an empty database name")
	}
}

func TestPing(t *testing.T) {
	if err := open(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestIndexesAreCheckedAndCreated(t *testing.T) {
	f := openWithoutIndexes(t)
	ctx := t.Context()
	if err := f.CheckIndexes(ctx); err == nil || !strings.Contains(err.Error(), "to create") {
		t.Errorf("without the collection: error = %v", err)
	}
	messages := f.db.Collection("messages").Indexes()
	key := bson.D{{Key: "conversationId", Value: 1}, {Key: "seq", Value: 1}}
	if _, err := messages.CreateOne(ctx, mongo.IndexModel{Keys: key}); err != nil {
		t.Fatal(err)
	}
	if err := f.CheckIndexes(ctx); err == nil || !strings.Contains(err.Error(), "seq") {
		t.Errorf("with an index that is not unique: error = %v", err)
	}
	if err := messages.DropOne(ctx, "conversationId_1_seq_1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := f.CreateIndexes(ctx); err != nil {
			t.Fatal(err)
		}
		if err := f.CheckIndexes(ctx); err != nil {
			t.Error(err)
		}
	}
	if err := messages.DropOne(ctx, "conversationId_1_participantType_1_participantId_1_clientMessageId_1"); err != nil {
		t.Fatal(err)
	}
	if err := f.CheckIndexes(ctx); err == nil || !strings.Contains(err.Error(), "clientMessageId") {
		t.Errorf("without the index of client ids: error = %v", err)
	}
}

// A deployment creates the indexes, and somebody may do so by hand at the same time:
// what one of them has dropped the others do not miss.
func TestIndexesAreCreatedByManyAtOnce(t *testing.T) {
	f := open(t)
	old := mongo.IndexModel{Keys: bson.D{{Key: "due.at", Value: 1}}}
	if name, err := f.db.Collection("messages").Indexes().CreateOne(t.Context(), old); err != nil || name != "due.at_1" {
		t.Fatal(name, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := f.CreateIndexes(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := f.db.Collection("messages").Indexes().DropOne(t.Context(), "due.at_1"); err == nil {
		t.Error("the index of an earlier version is still there")
	}
}
