// Package migrate brings the data of the AIWM service into the database of the chat.
//
// It reads one database and writes another, and changes nothing of the first. In
// place it could not be: the _id of a document cannot change, rows without a seq
// cannot stand under the unique indexes of the log, and the old service could not go
// on reading meanwhile. So the old data is its own backup, the move can be tried
// while people talk there, and repeated: what has come since is added behind the
// rest.
//
// A conversation appears when all its messages are there, with one insert. Whatever
// is changed in the database of the chat is noted there before (migration_runs,
// migration_backup), so that a run which was killed goes on where it was, and
// -rollback restores what was there, to the byte. Two at a time do each other no
// harm.
//
// What agents have not answered in the old data nobody asks them to answer now; of
// what a repeated run adds they are asked.
package migrate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"aiwm-chat/local/command"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
)

// Command moves the data of the database that -from names into that of MONGODB_URI
// and MONGODB_DB, or takes the newest move back.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) (err error) {
	fs := flag.NewFlagSet("migrate", flag.ContinueOnError)
	from := fs.String("from", "", "URI of the old data, with the database: mongodb://host/aiwm")
	dry := fs.Bool("dry-run", false, "say what would be done, and write nothing")
	back := fs.Bool("rollback", false, "take the newest migration back")
	org := fs.String("org", string(chat.DefaultOrg), "organisation of rows that name none")
	file := fs.String("report", "", "file for every row that is not taken, or not as it was, as a line of JSON")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	switch {
	case *from == "" && !*back:
		return errors.New("-from: the URI of the old data is required")
	case *back && (*dry || *from != ""):
		return errors.New("-rollback stands alone: it needs nothing of the old data, and cannot be tried")
	case !chat.ValidID(chat.OrgID(*org)):
		return fmt.Errorf("-org must be 1 to %d characters of %s", chat.MaxID, chat.IDAlphabet)
	}
	cfg, err := config.Load(getenv, config.Mongo)
	if err != nil {
		return fmt.Errorf("%w (that is where the data goes)", err)
	}
	var problems io.Writer
	if *file != "" {
		f, openErr := os.OpenFile(*file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if openErr != nil {
			return fmt.Errorf("-report: %w", openErr)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		problems = f
	}
	m := &mover{org: chat.OrgID(*org), batch: messagesAtOnce, report: newReport(out, problems)}
	end, err := m.openTarget(cfg, func() error { return nil })
	if err != nil {
		return err
	}
	defer end()
	if *back {
		return m.takeBack(ctx)
	}
	client, name, label, err := openSource(*from)
	if err != nil {
		return err
	}
	defer client.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	m.from = newSource(client.Database(name))
	if label == labelOf(cfg.Mongo.URI, cfg.Mongo.Database) {
		return errSame
	}
	return m.bring(ctx, label, *dry)
}

var errSame = errors.New("-from is the database of MONGODB_URI and MONGODB_DB: the old data stays where it is, name another one with MONGODB_DB")

// openTarget connects to the database of the chat.
func (m *mover) openTarget(cfg config.Config, step func() error) (end func(), err error) {
	store, err := mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database, mongostore.OptionsOf(cfg))
	if err != nil {
		return nil, fmt.Errorf("MONGODB_URI: %w", err)
	}
	settings := options.Client().ApplyURI(cfg.Mongo.URI).SetAppName("aiwm-chat migrate").
		SetReadPreference(readpref.Primary()).SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority())
	if v := cfg.Mongo.ServerAPI; v != "" {
		settings.SetServerAPIOptions(options.ServerAPI(options.ServerAPIVersion(v)))
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		return nil, errors.New("MONGODB_URI is not valid")
	}
	db := client.Database(cfg.Mongo.Database)
	m.reads = db.Collection("reads")
	m.store, m.conversations, m.messages, m.journal = store, db.Collection("conversations"), db.Collection("messages"), newJournal(db, step)
	return func() {
		ctx := context.Background()
		_ = store.Close(ctx)       // the process ends
		_ = client.Disconnect(ctx) // likewise
	}, nil
}

// openSource connects to the old data. Its label is hosts and database.
func openSource(uri string) (client *mongo.Client, database, label string, err error) {
	// The store's own error never shows what may be a password.
	probe, err := mongostore.Open(uri, "any", mongostore.Options{})
	if err != nil {
		return nil, "", "", fmt.Errorf("-from: %w", err)
	}
	_ = probe.Close(context.Background()) // nothing was asked of it
	parsed, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, "", "", errors.New("-from is not a URI of MongoDB")
	}
	if parsed.Database == "" {
		return nil, "", "", errors.New("-from: the database is missing: mongodb://host/DATABASE")
	}
	client, err = mongo.Connect(options.Client().ApplyURI(uri).SetAppName("aiwm-chat migrate"))
	if err != nil {
		return nil, "", "", errors.New("-from is not a URI of MongoDB")
	}
	return client, parsed.Database, labelOf(uri, parsed.Database), nil
}

// labelOf names a database without the credentials of its URI.
func labelOf(uri, database string) string {
	parsed, err := connstring.Parse(uri)
	if err != nil {
		return database
	}
	slices.Sort(parsed.Hosts)
	return strings.Join(parsed.Hosts, ",") + "/" + database
}

// bring is a whole run.
func (m *mover) bring(ctx context.Context, label string, dry bool) error {
	last, err := m.journal.last(ctx)
	if err != nil {
		return err
	}
	if last != nil {
		m.known = last.Number
	}
	if err := mayFollow(last, label, m.org); err != nil {
		return err
	}
	if slow, err := m.from.slow(ctx); err != nil {
		return err
	} else if slow {
		fmt.Fprintln(m.report.out, "the old messages have no index on conversationId: for each conversation all are read; create one if that takes too long")
	}
	if dry {
		if err := m.move(ctx); err != nil {
			return err
		}
		m.report.print(true)
		return m.report.err
	}
	r, resumed, err := m.journal.begin(ctx, label, m.org)
	if err != nil {
		return err
	}
	if same, err := m.isTarget(ctx, r); err != nil {
		return err
	} else if same {
		_, err := m.journal.runs.DeleteOne(ctx, bson.M{"_id": r.Number})
		return errors.Join(errSame, err)
	}
	if err := m.store.CheckIndexes(ctx); err != nil {
		if err := m.store.CreateIndexes(ctx); err != nil {
			return fmt.Errorf("create the indexes: %w", err)
		}
	}
	if m.run, m.known = r.Number, r.Number; resumed {
		fmt.Fprintf(m.report.out, "going on with the migration that was begun at %s\n", r.Started.Format("2006-01-02 15:04:05"))
	}
	if err := m.move(ctx); err != nil {
		return fmt.Errorf("%w; begin again to go on, or take it back with -rollback", err)
	}
	if err := m.journal.end(ctx, r); err != nil {
		return err
	}
	m.report.print(false)
	return m.report.err
}

// isTarget reports whether the old database is the new one under another name: the
// run that was just noted is in it.
func (m *mover) isTarget(ctx context.Context, r run) (bool, error) {
	n, err := m.from.messages.Database().Collection(runsName).CountDocuments(ctx, bson.M{"_id": r.Number, "token": r.Token})
	if err != nil {
		return false, fmt.Errorf("look at the old data: %w", err)
	}
	return n > 0, nil
}

func (m *mover) takeBack(ctx context.Context) error {
	if err := m.rollback(ctx); err != nil {
		return fmt.Errorf("%w; begin again to go on", err)
	}
	r := m.report
	fmt.Fprintf(r.out, "conversations: %d are as they were, %d stay\n", r.Conversations, r.refused["conversations"])
	for _, p := range r.sum.Problems {
		fmt.Fprintf(r.out, "stays: %s %s: %s\n", p.Collection, p.ID, p.Reason)
	}
	return r.err
}
