package mongostore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// A change that is not the latest by its time shows all the same: the clocks of servers
// that take turns differ, and a majority may have one later than the next. So all are in the
// version whose time is at most chat.ChangesSettle before the latest, and latestChanges at
// least. Where that is more than manyChanges nobody says that nothing has changed.
const (
	latestChanges = 20
	manyChanges   = 1000
	changesBatch  = 101 // of those that come in a round trip
)

// LogVersion returns a text that is another one when a message has been added to
// a log, or one of it has changed. It is read from the log itself. Access is the
// caller's to check. It takes one round trip, and more where more than 100 messages
// changed within a minute.
func (s *Store) LogVersion(ctx context.Context, id chat.ConversationID) (string, error) {
	var head chat.Head
	var changes []changeDoc
	var whole bool
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		head, err = s.head(ctx, id)
		return err
	})
	g.Go(func() (err error) {
		changes, whole, err = s.lateChanges(ctx, id)
		return err
	})
	if err := g.Wait(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", id, head.Seq)
	for _, c := range changes {
		fmt.Fprintf(&b, " %s@%d/%d.%d", c.ID, c.ChangedAt.UnixMilli(), c.Version, c.ReactionVersion)
	}
	if !whole {
		fmt.Fprintf(&b, " %s", rand.Text())
	}
	return b.String(), nil
}

// lateChanges returns the changes of a log that are in its version, the latest first. whole
// says that they are all of those.
func (s *Store) lateChanges(ctx context.Context, id chat.ConversationID) (changes []changeDoc, whole bool, err error) {
	const step = "read what changed"
	err = s.attempt(ctx, func(ctx context.Context) error {
		changes, whole = nil, true
		cursor, err := s.messages.now().Find(ctx, bson.M{"conversationId": id, "changedAt": bson.M{"$exists": true}}, options.Find().
			SetSort(by("-changedAt", "-_id")).SetLimit(manyChanges+1).SetBatchSize(changesBatch).
			SetProjection(bson.M{"changedAt": 1, "version": 1, "reactionVersion": 1}))
		if err != nil {
			return failed(step, err)
		}
		return decodeAll(ctx, cursor, step, func(d changeDoc, _ int) bool {
			switch {
			case len(changes) >= latestChanges && changes[0].ChangedAt.Sub(d.ChangedAt) > chat.ChangesSettle:
				return false
			case len(changes) == manyChanges:
				whole = false
				return false
			}
			changes = append(changes, d)
			return true
		})
	})
	return changes, whole, err
}

type changeDoc struct {
	ID              chat.MessageID `bson:"_id"`
	ChangedAt       time.Time      `bson:"changedAt"`
	Version         int64          `bson:"version"`
	ReactionVersion int64          `bson:"reactionVersion"`
}
