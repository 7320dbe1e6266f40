package mongostore

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
)

func written(codes ...int) error {
	var e mongo.WriteException
	for _, c := range codes {
		e.WriteErrors = append(e.WriteErrors, mongo.WriteError{Code: c})
	}
	return e
}

func labelled(label string) error { return mongo.CommandError{Code: 8000, Labels: []string{label}} }

// What a repeat may mend is Unavailable, the rest is a fault.
func TestFailedTellsWhatMayBeRetried(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want chat.Code
	}{
		{"not the primary", mongo.CommandError{Code: 10107}, chat.Unavailable},
		{"the disk is full", mongo.CommandError{Code: 14031}, chat.Unavailable},
		{"the disk is full, in a write", written(14031), chat.Unavailable},
		{"stepped down", mongo.CommandError{Code: 189}, chat.Unavailable},
		{"time limit", mongo.CommandError{Code: 50}, chat.Unavailable},
		{"connection lost", mongo.CommandError{Labels: []string{"NetworkError"}, Wrapped: errors.New("EOF")}, chat.Unavailable},
		{"no acknowledgement of a majority", mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 91}}, chat.Unavailable},
		{"deadline", context.DeadlineExceeded, chat.Unavailable},
		{"closed", mongo.ErrClientDisconnected, chat.Unavailable},
		{"not the primary, in a write", written(10107), chat.Unavailable},
		{"interrupted, in a write", written(11601), chat.Unavailable},
		{"refused and interrupted", written(121, 11601), chat.Internal},
		{"a majority that failed", mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}, chat.Unavailable},
		{"refused, and no majority", mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 121}}, WriteConcernError: &mongo.WriteConcernError{Code: 91}}, chat.Internal},
		{"retryable write", labelled("RetryableWriteError"), chat.Unavailable},
		{"retryable write, in a write", mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 64}}, Labels: []string{"RetryableWriteError"}}, chat.Unavailable},
		{"transient transaction error", labelled("TransientTransactionError"), chat.Unavailable},
		{"network error", labelled("NetworkError"), chat.Unavailable},
		{"retryable error", labelled("RetryableError"), chat.Unavailable},
		{"another label", labelled("NoWritesPerformed"), chat.Internal},
		{"no server to read from", mongo.CommandError{Code: 133}, chat.Unavailable},
		{"network time limit", mongo.CommandError{Code: 202}, chat.Unavailable},
		{"interrupted", mongo.CommandError{Code: 11601}, chat.Unavailable},
		{"no such cursor", mongo.CommandError{Code: 43}, chat.Unavailable},
		{"cursor killed", mongo.CommandError{Code: 237}, chat.Unavailable},
		{"too many requests", mongo.CommandError{Code: 462}, chat.Unavailable},
		{"busy", mongo.CommandError{Code: 365}, chat.Unavailable},
		{"write conflict", written(112), chat.Unavailable},
		{"lock timeout", mongo.CommandError{Code: 24}, chat.Unavailable},
		{"query plan killed", mongo.CommandError{Code: 175}, chat.Unavailable},
		{"moved to another shard", written(13388), chat.Unavailable},
		{"its shards are new", mongo.CommandError{Code: 150}, chat.Unavailable},
		{"its database has moved", mongo.CommandError{Code: 249}, chat.Unavailable},
		{"its shard is not known yet", mongo.CommandError{Code: 343}, chat.Unavailable},
		{"the storage changes", mongo.CommandError{Code: 355}, chat.Unavailable},
		{"the connection was marked", written(46841), chat.Unavailable},
		{"duplicate key", written(11000), chat.Internal},
		{"duplicate key, and no majority", mongo.WriteException{
			WriteErrors: mongo.WriteErrors{{Code: 11000}}, WriteConcernError: &mongo.WriteConcernError{Code: 91}, Labels: []string{"RetryableWriteError"},
		}, chat.Internal},
		{"unknown operator", mongo.CommandError{Code: 2}, chat.Internal},
		{"not authorised", mongo.CommandError{Code: 13}, chat.Internal},
		{"document refused", mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 121}}}, chat.Internal},
		{"not BSON", mongo.MarshalError{Err: errors.New("no encoder")}, chat.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := failed("step", tt.err)
			if chat.CodeOf(err) != tt.want {
				t.Errorf("code %s, want %s", chat.CodeOf(err), tt.want)
			}
			if mongo.IsDuplicateKeyError(err) != mongo.IsDuplicateKeyError(tt.err) {
				t.Errorf("%v is a duplicate key no more", err)
			}
		})
	}
}

// What MongoDB answers of what is there is no fault of its.
func TestATraceHasTheFaultsOfMongoDB(t *testing.T) {
	t.Parallel()
	for what, row := range map[string]struct {
		err  error
		want bool
	}{
		"done":              {nil, false},
		"not there":         {mongo.ErrNoDocuments, false},
		"not there, told":   {chat.Errorf(chat.NotFound, "no conversation"), false},
		"there already":     {failed("step", written(11000)), false},
		"changed meanwhile": {chat.Errorf(chat.Conflict, "changed"), false},
		"no primary":        {failed("step", mongo.CommandError{Code: 10107}), true},
		"no answer":         {failed("step", context.DeadlineExceeded), true},
		"not authorised":    {failed("step", mongo.CommandError{Code: 13}), true},
	} {
		if got := fault(row.err) != nil; got != row.want {
			t.Errorf("%s: %v, want %v", what, got, row.want)
		}
	}
}
