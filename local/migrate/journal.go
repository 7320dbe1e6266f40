package migrate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// A journal is the backup, in two collections of the database that is written to:
// the runs, and of each conversation that a run touches what was there before, with
// the messages that it adds. What is in it was noted before it was done, so that
// whoever goes on after a kill, or takes back, knows all that may have happened.
type journal struct {
	runs, backup *mongo.Collection
	step         func() error // before each write; tests end there
}

const (
	runsName   = "migration_runs"
	backupName = "migration_backup"
)

// The states of a run.
const (
	running = "running"
	done    = "done"
	undoing = "rolling back"
)

// A run is one migration, however often it was interrupted.
type run struct {
	Number   int        `bson:"_id"`
	From     string     `bson:"from"`
	Org      chat.OrgID `bson:"org"` // of rows that name none
	Token    string     `bson:"token"`
	State    string     `bson:"state"`
	Started  time.Time  `bson:"startedAt"`
	Finished time.Time  `bson:"finishedAt,omitempty"`
}

// A before is a conversation as a run found it.
type before struct {
	ID      string  `bson:"_id"`
	Stored  []byte  `bson:"before,omitempty"` // the document's own bytes; none: there was no such conversation
	After   []byte  `bson:"after,omitempty"`  // the hash of what the run made of it
	Done    bool    `bson:"done"`
	Outcome outcome `bson:"outcome,omitempty"` // once it is done
}

// An added is some messages that a run is about to add.
type added struct {
	ID       string           `bson:"_id"`
	Messages []chat.MessageID `bson:"messages"`
}

// No id of a conversation has a slash, so that the entries of one are a range.
func beforeID(run int, c chat.ConversationID) string { return fmt.Sprintf("%06d/c/%s", run, c) }
func addedID(run int, c chat.ConversationID, first chat.MessageID) string {
	return fmt.Sprintf("%06d/m/%s/%s", run, c, first)
}

// under is the range of the ids that begin with a prefix and a slash.
func under(prefix string) bson.M {
	return bson.M{"_id": bson.M{"$gt": prefix + "/", "$lt": prefix + "0"}}
}

func newJournal(db *mongo.Database, step func() error) *journal {
	return &journal{db.Collection(runsName), db.Collection(backupName), step}
}

// last returns the newest run, nil where there is none.
func (j *journal) last(ctx context.Context) (*run, error) {
	var r run
	err := j.runs.FindOne(ctx, bson.M{}, options.FindOne().SetSort(bson.M{"_id": -1})).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the runs of migrations: %w", err)
	}
	return &r, nil
}

// mayFollow says why no run can follow the newest one, or go on with it. What of one
// run went to two organisations nobody could tell apart.
func mayFollow(last *run, from string, org chat.OrgID) error {
	switch {
	case last == nil || last.State == done:
		return nil
	case last.State == undoing:
		return errors.New("a rollback was interrupted: finish it first, with -rollback")
	case last.From != from:
		return fmt.Errorf("a migration from %s was interrupted: finish it, or take it back with -rollback", last.From)
	case last.Org != org:
		return fmt.Errorf("-org: the migration that was interrupted has -org %s: finish it with that, or take it back with -rollback", last.Org)
	}
	return nil
}

// begin goes on with a run that was interrupted, or begins the next one.
func (j *journal) begin(ctx context.Context, from string, org chat.OrgID) (r run, resumed bool, err error) {
	last, err := j.last(ctx)
	if err != nil {
		return run{}, false, err
	}
	if err := mayFollow(last, from, org); err != nil {
		return run{}, false, err
	}
	next := 1
	if last != nil {
		if last.State == running {
			return *last, true, nil
		}
		next = last.Number + 1
	}
	r = run{Number: next, From: from, Org: org, Token: bson.NewObjectID().Hex(), State: running, Started: time.Now().UTC().Truncate(time.Millisecond)}
	if err := j.step(); err != nil {
		return run{}, false, err
	}
	if _, err := j.runs.InsertOne(ctx, r); mongo.IsDuplicateKeyError(err) {
		return j.begin(ctx, from, org) // another one began at the same moment: go on with that
	} else if err != nil {
		return run{}, false, fmt.Errorf("note the run: %w", err)
	}
	return r, false, nil
}

// errTaken is what a run says whose journal somebody else ended or takes back.
var errTaken = errors.New("another migration or rollback ended this run meanwhile")

// setState notes a state, where the run is in one of those that it may follow.
func (j *journal) setState(ctx context.Context, r run, state string, after ...string) error {
	set := bson.M{"state": state}
	if state == done {
		set["finishedAt"] = time.Now().UTC().Truncate(time.Millisecond)
	}
	return j.write(func() error {
		result, err := j.runs.UpdateOne(ctx, bson.M{"_id": r.Number, "token": r.Token, "state": bson.M{"$in": after}}, bson.M{"$set": set})
		if err == nil && result.MatchedCount == 0 {
			err = errTaken
		}
		return err
	}, "note the state of the run")
}

// end notes that a run is done. One that changed nothing is forgotten: there is
// nothing of it to take back.
func (j *journal) end(ctx context.Context, r run) error {
	n, err := j.backup.CountDocuments(ctx, under(fmt.Sprintf("%06d/c", r.Number)), options.Count().SetLimit(1))
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	if n > 0 {
		return j.setState(ctx, r, done, running, done)
	}
	return j.forget(ctx, r, running)
}

func (j *journal) forget(ctx context.Context, r run, after string) error {
	return j.write(func() error {
		_, err := j.runs.DeleteOne(ctx, bson.M{"_id": r.Number, "token": r.Token, "state": after})
		return err
	}, "forget the run")
}

func (j *journal) write(do func() error, what string) error {
	if err := j.step(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// entry returns what a run noted of a conversation, nil for nothing.
func (j *journal) entry(ctx context.Context, run int, c chat.ConversationID) (*before, error) {
	var b before
	err := j.backup.FindOne(ctx, bson.M{"_id": beforeID(run, c)}).Decode(&b)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	return &b, nil
}

// keep notes what is there of a conversation before the first change of a run.
func (j *journal) keep(ctx context.Context, run int, c chat.ConversationID, was bson.Raw) error {
	return j.write(func() error {
		_, err := j.backup.InsertOne(ctx, before{ID: beforeID(run, c), Stored: was})
		if mongo.IsDuplicateKeyError(err) {
			return nil // by this run, before it was interrupted
		}
		return err
	}, "keep a backup")
}

// adds notes the messages that are about to be added.
func (j *journal) adds(ctx context.Context, run int, c chat.ConversationID, ids []chat.MessageID) error {
	return j.write(func() error {
		_, err := j.backup.UpdateOne(ctx, bson.M{"_id": addedID(run, c, ids[0])}, bson.M{"$set": bson.M{"messages": ids}}, options.UpdateOne().SetUpsert(true))
		return err
	}, "keep a backup")
}

// added returns what a run noted of the messages that it brings into a conversation.
func (j *journal) added(ctx context.Context, run int, c chat.ConversationID) (all []added, ids map[chat.MessageID]bool, err error) {
	cursor, err := j.backup.Find(ctx, under(strings.TrimSuffix(addedID(run, c, ""), "/")))
	if err != nil {
		return nil, nil, fmt.Errorf("read the backup: %w", err)
	}
	if err := cursor.All(ctx, &all); err != nil {
		return nil, nil, fmt.Errorf("read the backup: %w", err)
	}
	ids = map[chat.MessageID]bool{}
	for _, a := range all {
		for _, id := range a.Messages {
			ids[id] = true
		}
	}
	return all, ids, nil
}

// unlessTaken takes back at once what a run just wrote, where the whole run is being
// taken back meanwhile: whoever does that may have passed there before.
func (j *journal) unlessTaken(ctx context.Context, run int, undo func() error) error {
	n, err := j.runs.CountDocuments(ctx, bson.M{"_id": run, "state": bson.M{"$ne": undoing}})
	if err == nil && n == 0 {
		err = errTaken
	}
	if errors.Is(err, errTaken) {
		err = errors.Join(err, undo())
	}
	if err != nil {
		return fmt.Errorf("look at the run: %w", err)
	}
	return nil
}

// became notes what a conversation will be.
func (j *journal) became(ctx context.Context, run int, c chat.ConversationID, now bson.Raw) error {
	return j.set(ctx, run, c, bson.M{"after": hash(now)})
}

// keptProblems are those of one conversation that a run which goes on still knows: a
// document has 16 MiB.
const keptProblems = 10_000

// finished notes that a conversation is done.
func (j *journal) finished(ctx context.Context, run int, c chat.ConversationID, now bson.Raw, o outcome) error {
	o.Problems = o.Problems[:min(len(o.Problems), keptProblems)]
	return j.set(ctx, run, c, bson.M{"after": hash(now), "done": true, "outcome": o})
}

func (j *journal) set(ctx context.Context, run int, c chat.ConversationID, fields bson.M) error {
	return j.write(func() error {
		result, err := j.backup.UpdateOne(ctx, bson.M{"_id": beforeID(run, c)}, bson.M{"$set": fields})
		if err == nil && result.MatchedCount == 0 {
			err = errTaken
		}
		return err
	}, "keep a backup")
}

func hash(doc bson.Raw) []byte {
	sum := sha256.Sum256(doc)
	return sum[:]
}

// earlier reports whether any run up to this one brought a conversation.
func (j *journal) earlier(ctx context.Context, run int, c chat.ConversationID) (bool, error) {
	ids := make([]string, run)
	for i := range ids {
		ids[i] = beforeID(i+1, c)
	}
	n, err := j.backup.CountDocuments(ctx, bson.M{"_id": bson.M{"$in": ids}})
	if err != nil {
		return false, fmt.Errorf("read the backup: %w", err)
	}
	return n > 0, nil
}
