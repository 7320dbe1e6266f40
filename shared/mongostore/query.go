package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

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
	if err := c.Err(); err != nil {
		return failed(step, err)
	}
	return nil
}

func unmarshal(raw bson.Raw, v any, step string) error {
	if err := bson.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: decode: %w", step, err)
	}
	return nil
}

// millis is t as MongoDB keeps it.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
