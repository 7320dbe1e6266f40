package mongostore

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
)

// failed returns the error of an operation of the driver: Unavailable unless
// the server has understood the operation and refused it. It is not for
// mongo.ErrNoDocuments and not for errors of decoding.
func failed(step string, err error) error {
	err = fmt.Errorf("%s: %w", step, err)
	if refused(err) {
		return err
	}
	return chat.Unavailablef(err, "the database does not answer; try again")
}

// refused reports whether the same operation would fail again. Whatever is not
// known to be so (a lost connection, a timeout, no primary, a majority that
// does not acknowledge) may be retried.
func refused(err error) bool {
	if e, ok := errors.AsType[mongo.WriteException](err); ok {
		return len(e.WriteErrors) > 0
	}
	if e, ok := errors.AsType[mongo.CommandError](err); ok {
		return e.Code != 0 && !transient(e.Code) // 0: the driver's own, a network error
	}
	_, ok := errors.AsType[mongo.MarshalError](err)
	return ok
}

// transient reports whether a server's error code goes away by itself: the
// retryable codes of the driver specifications, and exceeded time limits.
func transient(code int32) bool {
	switch code {
	case 6, 7, 89, 9001: // host unreachable or not found, network timeout, socket
		return true
	case 91, 11600, 11602: // shutdown, interrupted by shutdown or by a change of state
		return true
	case 189, 10107, 13435, 13436: // stepped down, no primary, recovering
		return true
	case 50, 134, 262: // time limits, majority reads not available yet
		return true
	}
	return false
}

func noConversation() error {
	return chat.Errorf(chat.NotFound, "there is no such conversation")
}
