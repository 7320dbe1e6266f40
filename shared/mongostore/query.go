package mongostore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// notDeleted is the condition on isDeleted. Documents without it are not
// deleted either.
var notDeleted = bson.M{"$ne": true}

// by returns the sort order or index key of fields; a "-" before a name means
// descending.
func by(fields ...string) bson.D {
	var d bson.D
	for _, f := range fields {
		name, descending := strings.CutPrefix(f, "-")
		direction := 1
		if descending {
			direction = -1
		}
		d = append(d, bson.E{Key: name, Value: direction})
	}
	return d
}

// has is the condition on participants that p is one of them.
func has(p chat.Principal) bson.M {
	return bson.M{"$elemMatch": bson.M{"type": p.Type, "id": p.ID}}
}

// findOne reads the one document of a query into v. Without a document it
// returns none.
func findOne(ctx context.Context, c *collection, filter bson.M, v any, step string, none error, opts ...options.Lister[options.FindOneOptions]) error {
	return c.store.attempt(ctx, func(ctx context.Context) error { return decode(c.now().FindOne(ctx, filter, opts...), v, step, none) })
}

// decode reads the one document of an operation into v. Without a document it
// returns none.
func decode(r *mongo.SingleResult, v any, step string, none error) error {
	raw, err := r.Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return none
	}
	if err != nil {
		return failed(step, err)
	}
	return unmarshal(raw, v, step)
}

// find reads the documents of a query.
func find[D any](ctx context.Context, c *collection, filter bson.M, step string, opts *options.FindOptionsBuilder) ([]D, error) {
	docs, _, err := findWithin[D](ctx, c, filter, step, opts, math.MaxInt)
	return docs, err
}

// findWithin reads the documents of a query as far as they have maxBytes
// together, the first one always. cut says that there are more.
func findWithin[D any](ctx context.Context, c *collection, filter bson.M, step string, opts *options.FindOptionsBuilder, maxBytes int) (docs []D, cut bool, err error) {
	err = c.store.attempt(ctx, func(ctx context.Context) error {
		docs, cut = nil, false
		cursor, err := c.now().Find(ctx, filter, opts)
		if err != nil {
			return failed(step, err)
		}
		total := 0
		return decodeAll(ctx, cursor, step, func(d D, size int) bool {
			if total += size; len(docs) > 0 && total > maxBytes {
				cut = true
				return false
			}
			docs = append(docs, d)
			return true
		})
	})
	if err != nil {
		return nil, false, err
	}
	return docs, cut, nil
}

// decodeAll reads all documents of a cursor, until read says that it has
// enough, and closes it.
func decodeAll[T any](ctx context.Context, c *mongo.Cursor, step string, read func(doc T, size int) bool) error {
	defer c.Close(ctx)
	for c.Next(ctx) {
		var doc T
		if err := unmarshal(c.Current, &doc, step); err != nil {
			return err
		}
		if !read(doc, len(c.Current)) {
			return nil
		}
	}
	return failed(step, c.Err())
}

func unmarshal(raw bson.Raw, v any, step string) error {
	if err := bson.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: decode: %w", step, err)
	}
	return nil
}

// millis is t as MongoDB keeps it.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
