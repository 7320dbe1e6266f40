package mongostore

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// leaving is how long the operations that are under way on a client may take to
// end when another takes its place.
const leaving = time.Second

// renew takes another client in the place of used where the secret with the URI
// has been changed, and reports whether there is one.
func (s *Store) renew(ctx context.Context, used *connected) bool {
	select {
	case s.renewing <- struct{}{}:
		defer func() { <-s.renewing }()
	case <-ctx.Done():
		return false
	}
	if s.current.Load() != used {
		return true // somebody else did
	}
	uri, changed := s.options.Renewal.Renew(ctx, used.uri)
	if !changed {
		return false
	}
	client, err := connect(uri, s.options)
	if err != nil {
		slog.ErrorContext(ctx, "use the secret that was changed", "variable", "MONGODB_URI_ARN", "err", err)
		return false
	}
	s.use(client, uri)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	if err := used.client.Disconnect(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		slog.WarnContext(ctx, "close the client of the old secret", "err", err)
	}
	return true
}

// unauthenticated reports whether a server has refused an operation for who we
// are, before it looked at it: the password is wrong (AuthenticationFailed, or
// Atlas's own), or the user is no more (Unauthorized, ReauthenticationRequired).
func unauthenticated(err error) bool {
	e, ok := errors.AsType[mongo.ServerError](err)
	return ok && (e.HasErrorCode(18) || e.HasErrorCode(13) || e.HasErrorCode(391) || e.HasErrorCode(8000))
}
