package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// How many replies a thread has is kept in its root, for who reads a page of the log. It is
// never counted up, but counted:
//
//	R1 insert or delete a reply, with due {replies}
//	R2 read the root, with its version
//	R3 count the replies, and find the newest
//	R4 set both in the root, if that has the version still, with due {tell}
//	R5 tell, and take out what is due of the root; then of the reply
//
//   - The function dies after R1, R2 or R3: sweep begins with R2. After R4: sweep
//     tells, for the root has its own due, and begins with R2 for the reply, where
//     R4 has nothing to do.
//   - Two replies A and B at once, B1 after A3: A4 sets one too few, and B2 to B4,
//     which follow B1, set it right. B4 before A4: A4 finds another version, and
//     A2 to A4 are done again. That is why the root is read first: with A2 after A3
//     A4 would find the version of B4, and put back what it counted before B1.
//   - The root is edited, deleted, or reacted to: an edit and a deletion make another
//     version, and R2 to R4 are done again; a deleted root goes on counting. A
//     reaction has a version of its own, and is not touched.
//   - R4 was done by an attempt whose answer was lost: R2 finds what R3 counts, and
//     whoever is to be told is told by sweep.

// countTries is how often a root is looked at again that others change meanwhile. Those are
// as many at most, and mostly they have counted what is new already.
const countTries = 20

// CountReplies makes the root of a thread say what is in it, and returns it as it is then,
// with what is due of it; nil where it says so already, or where there is no root. It may
// be repeated, and come late. It takes two round trips, three where the root has to be
// changed; as many again if somebody else changes it at that moment. Both looks at the
// thread are at entries of an index alone, at most chat.MaxReplies.
func (s *Store) CountReplies(ctx context.Context, reply chat.Message, due time.Time) (*chat.Message, error) {
	const step = "count the replies of a message"
	for try, wait := 0, time.Duration(0); try < countTries; try, wait = try+1, min(2*wait+minWait, maxWait) {
		if err := pause(ctx, step, wait); err != nil {
			return nil, err
		}
		root, err := s.messageIn(ctx, reply.ConversationID, reply.ThreadID)
		if err != nil && chat.CodeOf(err) == chat.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		replies, err := s.replies(ctx, root)
		if err != nil || replies == root.Replies {
			return nil, err
		}
		filter := where(root)
		filter["version"] = upTo(root.Version) // no change makes it smaller
		root, err = s.changeMessage(ctx, step, filter, bson.M{"$set": bson.M{"replies": repliesDoc(replies)}}, versionOfText, due, chat.EffectTell)
		if !errors.Is(err, errNoMatch) {
			return &root, err
		}
	}
	return nil, fmt.Errorf("%s: it changes all the time", step)
}

// replies counts those of a root. The count is no larger than chat.MaxReplies.
func (s *Store) replies(ctx context.Context, root chat.Message) (r chat.Replies, err error) {
	const step = "count the replies of a message"
	filter := bson.M{"conversationId": root.ConversationID, "threadId": root.ID, "isDeleted": false}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return s.attempt(ctx, func(ctx context.Context) (err error) {
			r.Count, err = s.messages.now().CountDocuments(ctx, filter, options.Count().SetLimit(chat.MaxReplies))
			return failed(step, err)
		})
	})
	var last struct {
		Seq int64 `bson:"seq"`
	}
	g.Go(func() error {
		err := findOne(ctx, s.messages, filter, &last, step, errNone, options.FindOne().SetSort(by("-seq")).SetProjection(bson.M{"_id": 0, "seq": 1}))
		if errors.Is(err, errNone) {
			return nil
		}
		return err
	})
	err = g.Wait()
	r.LastSeq = last.Seq
	return r, err
}
