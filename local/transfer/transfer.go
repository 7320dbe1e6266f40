// Package transfer writes conversations of a database to a file, and brings such a file into
// another database.
//
// Both speak with the database itself, the one in MONGODB_URI and MONGODB_DB, of this machine
// or of a deployed system: over REST nobody can write a message with the id, the place and
// the time that it had, and nobody can read the conversations of all.
//
// A conversation appears in the other database with the last of its writes, whole, as with a
// migration. What was killed goes on when it is begun again: an export behind what is in the
// file, an import after what is in the database. A file that has a mistake anywhere changes
// nothing: it is read to the end before the first write.
package transfer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/export"
	"aiwm-chat/shared/mongostore"
)

// Export writes one conversation, or all, to a file or to what the command prints.
func Export(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	fs := flag.NewFlagSet("export", flag.ContinueOnError)
	all := fs.Bool("all", false, "every conversation that is not deleted, one behind the other, by id")
	format := fs.String("format", string(export.NDJSON), "ndjson, which can be imported, or markdown, for people")
	file := fs.String("o", "", "file to write, in place of what the command prints; one that an earlier run left unfinished is gone on with")
	id, err := parse(fs, args)
	switch {
	case err != nil:
		return err
	case *all == (id != ""):
		return errors.New("name the conversation to export, or -all")
	case id != "" && !chat.ValidID(chat.ConversationID(id)):
		return fmt.Errorf("%q is not the id of a conversation", id)
	case !export.Format(*format).Valid():
		return errors.New("-format must be ndjson or markdown")
	}
	db, end, err := open(getenv)
	if err != nil {
		return err
	}
	defer end()
	e := exporter{database: db, format: export.Format(*format), only: chat.ConversationID(id), progress: newProgress(out)}
	if *file == "" {
		e.progress.out = io.Discard
		return e.write(ctx, out, place{})
	}
	return e.toFile(ctx, *file)
}

// Import brings a file that was exported as NDJSON into the database.
func Import(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	fs := flag.NewFlagSet("import", flag.ContinueOnError)
	file, err := parse(fs, args)
	switch {
	case err != nil:
		return err
	case file == "":
		return errors.New("name the file to import")
	}
	db, end, err := open(getenv)
	if err != nil {
		return err
	}
	defer end()
	return newImporter(db, out).file(ctx, file)
}

// parse reads flags and the one argument that may stand before or after them.
func parse(fs *flag.FlagSet, args []string) (argument string, err error) {
	if n := len(args); n > 0 && !strings.HasPrefix(args[0], "-") {
		argument, args = args[0], args[1:]
	} else if n > 1 && !strings.HasPrefix(args[n-1], "-") && !takesValue(fs, args[n-2]) {
		argument, args = args[n-1], args[:n-1]
	}
	return argument, command.Parse(fs, args)
}

// takesValue reports whether what follows a flag is its value.
func takesValue(fs *flag.FlagSet, name string) bool {
	f := fs.Lookup(strings.TrimLeft(name, "-"))
	if f == nil {
		return false
	}
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return !ok || !b.IsBoolFlag()
}

// A database is that of the chat. What the store has no word for is asked of the collections.
type database struct {
	store                   *mongostore.Store
	conversations, messages *mongo.Collection
}

func open(getenv func(string) string) (db database, end func(), err error) {
	cfg, err := config.Load(getenv, config.Mongo)
	if err != nil {
		return database{}, nil, err
	}
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database, mongostore.OptionsOf(cfg))
	if err != nil {
		return database{}, nil, fmt.Errorf("MONGODB_URI: %w", err)
	}
	settings := options.Client().ApplyURI(cfg.Mongo.URI).SetAppName("aiwm-chat transfer").
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority())
	if v := cfg.Mongo.ServerAPI; v != "" {
		settings.SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion(v)))
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		return database{}, nil, errors.New("MONGODB_URI is not valid")
	}
	at := client.Database(cfg.Mongo.Database)
	return database{store, at.Collection("conversations"), at.Collection("messages")}, func() {
		ctx := context.Background()
		_ = store.Close(ctx)       // the process ends
		_ = client.Disconnect(ctx) // likewise
	}, nil
}

// A known conversation is one of a list of them.
type known struct {
	ID    chat.ConversationID `bson:"_id"`
	OrgID chat.OrgID          `bson:"orgId"`
}

// each calls do with each conversation after one, by id, or only with one.
func (db database) each(ctx context.Context, only, after chat.ConversationID, do func(known) error) (err error) {
	filter := bson.M{"isDeleted": bson.M{"$ne": true}}
	switch {
	case only != "":
		filter["_id"] = only
	case after != "":
		filter["_id"] = bson.M{"$gt": after}
	}
	cursor, err := db.conversations.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.M{"orgId": 1}))
	if err != nil {
		return fmt.Errorf("list the conversations: %w", err)
	}
	defer func() { err = errors.Join(err, cursor.Close(context.WithoutCancel(ctx))) }()
	met := false
	for cursor.Next(ctx) {
		var k known
		if err := cursor.Decode(&k); err != nil {
			return fmt.Errorf("list the conversations: %w", err)
		}
		met = true
		if err := do(k); err != nil {
			return fmt.Errorf("conversation %s: %w", k.ID, err)
		}
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("list the conversations: %w", err)
	}
	if !met && only != "" {
		return fmt.Errorf("there is no conversation %s", only)
	}
	return nil
}

// A progress says how far it has come, now and then.
type progress struct {
	out                     io.Writer
	conversations, messages int64
	shown                   time.Time
}

const progressEvery = time.Second

func newProgress(out io.Writer) progress { return progress{out: out, shown: time.Now()} }

func (p *progress) show(doing string) {
	if now := time.Now(); now.Sub(p.shown) >= progressEvery {
		p.shown = now
		fmt.Fprintf(p.out, "%s: %d conversations, %d messages\n", doing, p.conversations, p.messages)
	}
}
