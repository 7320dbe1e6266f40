package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

const (
	// attemptTime is what a packet costs that the network swallowed: no answer
	// takes as long, and the next attempt has another connection.
	attemptTime = 2 * time.Second
	// electionTime is how long a message, or who wants to send one, waits for a
	// new primary; anything else waits for two attempts.
	electionTime = 5 * time.Second
)

// A trier runs an operation once or more: it is one of attempt, patiently and
// once.
type trier func(ctx context.Context, op func(context.Context) error) error

// attempt runs an operation for two seconds at most and, if it was lost, once
// more. So it is for what may be done twice: reads, and writes that say the
// same again. op returns what failed makes of an error.
func (s *Store) attempt(ctx context.Context, op func(context.Context) error) error {
	return s.attempts(ctx, 2, op)
}

// attempts is attempt with another number of them.
func (s *Store) attempts(ctx context.Context, n int, op func(context.Context) error) error {
	for {
		err := s.once(ctx, op)
		if n--; n == 0 || !lost(err) || ctx.Err() != nil {
			return err
		}
	}
}

// patiently is attempt for electionTime.
func (s *Store) patiently(ctx context.Context, op func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, electionTime)
	defer cancel()
	return s.attempts(ctx, int(electionTime/attemptTime)+1, op)
}

// once runs an operation that must not be done twice: a single attempt.
func (s *Store) once(ctx context.Context, op func(context.Context) error) error {
	told := observe.Of(ctx).Call("MongoDB")
	err := s.known(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTime)
		defer cancel()
		return op(ctx)
	})
	told(fault(err))
	return err
}

// fault is the error of an operation, where it is MongoDB's and not what it answers
// of what is there and what is not.
func fault(err error) error {
	if errors.Is(err, mongo.ErrNoDocuments) || mongo.IsDuplicateKeyError(err) {
		return nil
	}
	if code := chat.CodeOf(err); code != chat.Unavailable && code != chat.Internal {
		return nil
	}
	return err
}

// known runs an operation. One that is refused for who we are was not done; where
// our secret has been changed it is done with the new one.
func (s *Store) known(ctx context.Context, op func(context.Context) error) error {
	used := s.current.Load()
	err := op(ctx)
	if !unauthenticated(err) || !s.renew(ctx, used) {
		return err
	}
	return op(ctx)
}

// lost reports whether an operation ended without the server's answer.
func lost(err error) bool { return mongo.IsTimeout(err) || mongo.IsNetworkError(err) }
