package mongostore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// latestChanges is how many changes of a log are in its version. The clocks of
// functions differ, and two may have the same time: a change that is not the
// latest by its time shows all the same.
const latestChanges = 20

// LogVersion returns a text that is another one when a message has been added to
// a log, or one of it has changed. It is read from the log itself. Access is the
// caller's to check. It takes one round trip.
func (s *Store) LogVersion(ctx context.Context, id chat.ConversationID) (string, error) {
	var head chat.Head
	var changes []changeDoc
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		head, err = s.head(ctx, id)
		return err
	})
	g.Go(func() (err error) {
		changes, err = find[changeDoc](ctx, s.messages, bson.M{"conversationId": id, "changedAt": bson.M{"$exists": true}}, "read what changed",
			options.Find().SetSort(by("-changedAt", "-_id")).SetLimit(latestChanges).SetProjection(bson.M{"changedAt": 1, "version": 1, "reactionVersion": 1}))
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
	return b.String(), nil
}

type changeDoc struct {
	ID              chat.MessageID `bson:"_id"`
	ChangedAt       time.Time      `bson:"changedAt"`
	Version         int64          `bson:"version"`
	ReactionVersion int64          `bson:"reactionVersion"`
}
