package mongostore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

const (
	// The second new try and later ones begin with a random wait below a limit
	// that doubles from minWait to maxWait: of many writers on one conversation
	// only one can win each seq. The head is read after the wait, right before
	// the try.
	minWait = time.Millisecond
	maxWait = 64 * time.Millisecond
)

// Append commits m as the message after head and returns it with its id, seq
// and running tokens. When it returns without an error, a majority has the
// message.
//
// head may lag behind the log: it is where the first try is made. If the
// sender's client message id is in the conversation already, nothing is
// written: with the same draft the original message is returned as a
// duplicate, with another one the error is Conflict. After electionTime, or at
// the end of ctx, it gives up with Unavailable; then the message may or may not
// be in the log, and a repeat with the same client message id tells.
//
// It takes one round trip; for each seq lost to another writer one more to
// learn what happened and one for the new try.
//
// What is due of m is stored with it by the same insert, for the seq that it
// gets: see chat.Due.For.
func (s *Store) Append(ctx context.Context, head chat.Head, m chat.Message) (stored chat.Message, duplicate bool, err error) {
	d, err := newMessageDoc(m)
	if err != nil {
		return chat.Message{}, false, err
	}
	if err := s.checked(ctx); err != nil {
		return chat.Message{}, false, err
	}
	d.ID = chat.MessageID(bson.NewObjectID().Hex())
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	for wait := time.Duration(0); ; wait = min(2*wait+minWait, maxWait) {
		d.Seq, d.RunningTokens = head.Seq+1, head.RunningTokens+m.Tokens()
		d.Due = newDueDoc(m.Due.For(d.Seq))
		err := s.patiently(ctx, func(ctx context.Context) error {
			_, err := s.messages.now().InsertOne(ctx, d)
			return failed("append a message", err)
		})
		if err == nil {
			return d.message(), false, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return chat.Message{}, false, err
		}
		if err := pause(ctx, "append a message", wait); err != nil {
			return chat.Message{}, false, err
		}
		// The client's id comes first: it decides what the error means.
		var original chat.Message
		var found bool
		if original, found, head, err = s.collision(ctx, m); err != nil {
			return chat.Message{}, false, err
		}
		if found {
			// Our own insert, if it was repeated after a lost reply.
			return repeated(original, m, original.ID != d.ID)
		}
	}
}

// checked checks the indexes, if that is still to be done.
func (s *Store) checked(ctx context.Context) error {
	if !s.unchecked.Load() {
		return nil
	}
	err := s.CheckIndexes(ctx)
	if err == nil {
		s.unchecked.Store(false)
	}
	return err
}

func repeated(original, m chat.Message, duplicate bool) (chat.Message, bool, error) {
	if !m.Repeats(original) {
		return chat.Message{}, false, chat.Errorf(chat.Conflict, "this clientMessageId was used for another message")
	}
	return original, duplicate, nil
}

// collision reads at the same time what a duplicate key can be: the message
// that has the client's id already, or a log that is longer than was thought.
func (s *Store) collision(ctx context.Context, m chat.Message) (original chat.Message, found bool, head chat.Head, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		original, found, err = s.Sent(ctx, m.ConversationID, m.Sender, m.ClientMessageID)
		return err
	})
	g.Go(func() (err error) {
		head, err = s.head(ctx, m.ConversationID)
		return err
	})
	err = g.Wait()
	return original, found, head, err
}

// head reads the end of the log; it is zero where there is no message.
func (s *Store) head(ctx context.Context, id chat.ConversationID) (chat.Head, error) {
	var d struct {
		Seq           int64 `bson:"seq"`
		RunningTokens int64 `bson:"runningTokens"`
	}
	err := findOne(ctx, s.messages, bson.M{"conversationId": id}, &d, "read the end of the log", errNone, options.FindOne().
		SetSort(by("-seq")).SetProjection(bson.M{"_id": 0, "seq": 1, "runningTokens": 1}))
	if err != nil && !errors.Is(err, errNone) {
		return chat.Head{}, err
	}
	return chat.Head(d), nil
}

// errNone stands for a document that need not exist.
var errNone = errors.New("no document")

// pause waits for a random time below limit before a step is tried again.
func pause(ctx context.Context, step string, limit time.Duration) error {
	select {
	case <-ctx.Done():
		return failed(step+": too many at once", ctx.Err())
	case <-time.After(rand.N(limit + 1)):
		return nil
	}
}
