package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/shared/chat"
)

// maxDue bounds the messages of one read of what is due.
const maxDue = 100

// DueBefore returns messages of which something is due at now: those first that
// nobody tried to deliver, and of those that were tried as often the longest due.
// So whoever cannot be reached is behind those who can. At most limit (100), and not more than
// about 0.75 MB of them. Deleted ones are among them. It takes one round trip.
func (s *Store) DueBefore(ctx context.Context, now time.Time, limit int) ([]chat.Message, error) {
	limit = min(max(limit, 1), maxDue)
	docs, _, err := findWithin[messageDoc](ctx, s.messages, bson.M{"due.at": bson.M{"$lte": now}}, "read what is due",
		options.Find().SetSort(dueOrder).SetLimit(int64(limit)).SetBatchSize(int32(limit)), maxMessageBytes)
	if err != nil {
		return nil, err
	}
	return toMessages(docs), nil
}

// Claim puts off what is due of m until then, so that nobody else takes it up
// before, and reports whether it did: not if somebody else has it or has done
// it. Whoever claimed it goes on with the message as it is now, which is due at
// until. It takes one round trip. If an answer is lost claimed may be false though
// nobody else has it; then it is due again at until.
func (s *Store) Claim(ctx context.Context, m chat.Message, until time.Time) (now chat.Message, claimed bool, err error) {
	const step = "claim what is due"
	if m.Due == nil || millis(m.Due.At).Equal(millis(until)) {
		return m, false, nil
	}
	filter := where(m)
	filter["due.at"] = millis(m.Due.At)
	after := options.FindOneAndUpdate().SetReturnDocument(options.After)
	var d messageDoc
	err = s.attempt(ctx, func(ctx context.Context) error {
		r := s.messages.now().FindOneAndUpdate(ctx, filter, bson.M{"$set": bson.M{"due.at": millis(until)}}, after)
		return decode(r, &d, step, errNotMine)
	})
	if errors.Is(err, errNotMine) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	return d.message(), true, nil
}

var errNotMine = errors.New("somebody else has it")

// Settle notes what is left to do of m: nil is nothing, whoever has it; else
// left replaces what is due if m.Due is what is still there: somebody who took
// it up since knows better. One server's acknowledgement will do,
// because what is lost is done twice at worst. It takes one round trip.
//
// Where somebody else has changed m, or done a part of it, meanwhile, only what the caller did
// is taken out, in two round trips more; and of what was changed only what no change leaves
// again: what follows from that is not the caller's.
func (s *Store) Settle(ctx context.Context, m chat.Message, left *chat.Due) error {
	filter, update := unchanged(m), bson.M{"$unset": bson.M{"due": ""}}
	if left != nil {
		if m.Due == nil {
			return nil // nothing to replace
		}
		filter["due.at"], filter["due.left"] = millis(m.Due.At), m.Due.Left
		update = bson.M{"$set": bson.M{"due": newDueDoc(left)}}
	}
	done, err := s.settled(ctx, filter, update)
	for try := 0; err == nil && !done && m.Due != nil && try < settleTries; try++ {
		done, err = s.settlePart(ctx, m, left)
	}
	return err
}

// settleTries bounds how often a message is looked at that others settle at the same time.
const settleTries = 3

func (s *Store) settled(ctx context.Context, filter, update bson.M) (done bool, err error) {
	err = s.attempt(ctx, func(ctx context.Context) error {
		r, err := s.due.now().UpdateOne(ctx, filter, update)
		done = err == nil && r.MatchedCount > 0
		return failed("settle what is due", err)
	})
	return done, err
}

// settlePart takes out what was done of m as it was. done is false where somebody else was
// faster once more.
func (s *Store) settlePart(ctx context.Context, m chat.Message, left *chat.Due) (done bool, err error) {
	now, err := s.messageIn(ctx, m.ConversationID, m.ID)
	if err != nil || now.Due == nil {
		return true, err
	}
	text, reactions := now.Version > m.Version, now.ReactionVersion > m.ReactionVersion
	if !text && !reactions && left != nil && !now.Due.At.Equal(millis(m.Due.At)) {
		return true, nil // somebody took it up since
	}
	rest := now.Due.Done(m.Due, left, func(e chat.Effect) bool {
		switch e {
		case chat.EffectForget, chat.EffectTell, chat.EffectMention, chat.EffectAttach, chat.EffectErase, chat.EffectSearch, chat.EffectReplies, chat.EffectWebhookChange:
			return text
		case chat.EffectTellReactions:
			return reactions
		}
		return false
	})
	if rest != nil && len(rest.Left) == len(now.Due.Left) {
		return true, nil
	}
	filter, update := unchanged(now), bson.M{"$unset": bson.M{"due": ""}}
	filter["due.at"], filter["due.left"] = millis(now.Due.At), now.Due.Left
	if rest != nil {
		update = bson.M{"$set": bson.M{"due": newDueDoc(rest)}}
	}
	return s.settled(ctx, filter, update)
}
