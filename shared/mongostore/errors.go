package mongostore

import (
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
)

// failed returns the error of an operation of the driver: Unavailable unless
// the server has understood the operation and refused it; nil is nil. It is not
// for mongo.ErrNoDocuments and not for errors of decoding.
func failed(step string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", step, err)
	if refused(err) {
		return err
	}
	return chat.Unavailablef(err, "the database does not answer; try again")
}

// refused reports whether the same operation would fail again. Whatever is not
// known to be so (a lost connection, a timeout, no primary, a majority that
// does not acknowledge) may be retried. What only the majority's
// acknowledgement lacks is never refused: the write has been done here.
func refused(err error) bool {
	if mongo.IsDuplicateKeyError(err) {
		return true
	}
	if e, ok := errors.AsType[mongo.LabeledError](err); ok && slices.ContainsFunc(transientLabels, e.HasErrorLabel) {
		return false
	}
	if e, ok := errors.AsType[mongo.WriteException](err); ok {
		return slices.ContainsFunc(e.WriteErrors, func(w mongo.WriteError) bool { return !transient(w.Code) })
	}
	if e, ok := errors.AsType[mongo.CommandError](err); ok {
		return e.Code != 0 && !transient(int(e.Code)) // 0: the driver's own, a network error
	}
	_, ok := errors.AsType[mongo.MarshalError](err)
	return ok
}

// transientLabels are those by which a server or the driver says itself that
// an error goes away.
var transientLabels = []string{"RetryableWriteError", "TransientTransactionError", "NetworkError", "RetryableError"}

// transient reports whether a server's error code goes away by itself: the
// retryable codes of the driver specifications, exceeded time limits, and what
// a failover or a busy server does to a single operation. The numbers are those of
// MongoDB's error_codes.yml.
func transient(code int) bool {
	switch code {
	case 6, 7, 89, 202, 9001: // host unreachable or not found, network timeouts, socket
		return true
	case 91, 355, 11600, 11601, 11602, 46841: // shutdown; interrupted, by it, by a change of state or storage
		return true
	case 189, 10107, 13435, 13436: // stepped down, no primary, recovering
		return true
	case 50, 133, 134, 262: // time limits, no server to read from, no majority reads yet
		return true
	case 43, 237: // the cursor is gone
		return true
	case 365, 462: // busy, too many requests
		return true
	case 24, 112: // a lock, a conflict with another write
		return true
	case 150, 175, 249, 343, 13388: // what was asked has moved to another shard, or moves; or its plan was dropped
		return true
	case 14031: // no space on the disk, until somebody makes some
		return true
	}
	return false
}

func noConversation() error {
	return chat.Errorf(chat.NotFound, "there is no such conversation")
}
