package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A source is the old database. It is only read.
type source struct{ conversations, messages *mongo.Collection }

func newSource(db *mongo.Database) source {
	return source{db.Collection("conversations"), db.Collection("messages")}
}

// A key is what is known of a row before it is read.
type key struct {
	id  bson.RawValue // _id
	own string        // its id from now on
	ref bson.RawValue // of a message: the conversation that it names
	at  time.Time
}

// keys reads the keys of the rows that a filter finds. They fit in memory where the
// rows would not, and no cursor has to stay open for as long as it all takes.
func keys(ctx context.Context, c *mongo.Collection, filter any, own string) ([]key, error) {
	fields := bson.M{own: 1, "createdAt": 1, "created_at": 1, "timestamp": 1, "conversationId": 1}
	cursor, err := c.Find(ctx, filter, options.Find().SetProjection(fields).SetBatchSize(10_000))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	defer cursor.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	var all []key
	for cursor.Next(ctx) {
		r := row{raw: slices.Clone(cursor.Current)}
		k := key{id: r.raw.Lookup("_id"), own: r.newID(own), ref: r.raw.Lookup("conversationId")}
		k.at, _ = r.created()
		all = append(all, k)
	}
	if err := cursor.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	return all, nil
}

// rows reads whole rows, in the order of their keys. One that is gone meanwhile is
// left out.
func rows(ctx context.Context, c *mongo.Collection, ks []key) ([]*row, error) {
	ids := make(bson.A, len(ks))
	for i, k := range ks {
		ids[i] = k.id
	}
	cursor, err := c.Find(ctx, bson.M{"_id": bson.M{"$in": ids}}, options.Find().SetBatchSize(int32(len(ids))))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	var docs []bson.Raw
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	byID := make(map[string]*row, len(docs))
	for _, d := range docs {
		byID[keyOf(d.Lookup("_id"))] = &row{raw: d}
	}
	var out []*row
	for _, k := range ks {
		if r := byID[keyOf(k.id)]; r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// log reads the keys of the messages of a conversation, oldest first. Rows name it
// by its own id, or by its _id as an id or a text.
func (s source) log(ctx context.Context, conversation *row) ([]key, error) {
	names := bson.A{}
	for _, name := range []string{"conversationId", "_id"} {
		if v := conversation.raw.Lookup(name); nameOf(v) != "" {
			names = append(names, v)
			if _, is := v.ObjectIDOK(); is {
				names = append(names, textOf(v))
			}
		}
	}
	ks, err := keys(ctx, s.messages, bson.M{"conversationId": bson.M{"$in": names}}, "messageId")
	slices.SortStableFunc(ks, func(a, b key) int {
		if d := a.at.Compare(b.at); d != 0 {
			return d
		}
		return compareIDs(a.id, b.id)
	})
	return ks, err
}

// slow reports whether each conversation's messages would be looked for among all.
func (s source) slow(ctx context.Context) (bool, error) {
	cursor, err := s.messages.Indexes().List(ctx)
	if err != nil {
		return false, fmt.Errorf("read the indexes of messages: %w", err)
	}
	var indexes []struct {
		Key bson.D `bson:"key"`
	}
	if err := cursor.All(ctx, &indexes); err != nil {
		return false, fmt.Errorf("read the indexes of messages: %w", err)
	}
	for _, ix := range indexes {
		if len(ix.Key) > 0 && ix.Key[0].Key == "conversationId" {
			return false, nil
		}
	}
	return true, nil
}

var errNothing = errors.New("-from: there is no collection conversations with anything in it in this database")
