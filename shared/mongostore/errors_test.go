package mongostore

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/shared/chat"
)

// What a repeat may mend is Unavailable, the rest is a fault.
func TestFailedTellsWhatMayBeRetried(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want chat.Code
	}{
		{"not the primary", mongo.CommandError{Code: 10107}, chat.Unavailable},
		{"stepped down", mongo.CommandError{Code: 189}, chat.Unavailable},
		{"time limit", mongo.CommandError{Code: 50}, chat.Unavailable},
		{"connection lost", mongo.CommandError{Labels: []string{"NetworkError"}, Wrapped: errors.New("EOF")}, chat.Unavailable},
		{"no acknowledgement of a majority", mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 91}}, chat.Unavailable},
		{"deadline", context.DeadlineExceeded, chat.Unavailable},
		{"closed", mongo.ErrClientDisconnected, chat.Unavailable},
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
		})
	}
}
