package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// A Code tells a client what went wrong. It is part of the protocol.
type Code string

// The codes, for WebSocket error frames and REST problems alike.
const (
	BadRequest         Code = "bad_request"          // not JSON, or not of the protocol's form
	ValidationFailed   Code = "validation_failed"    // details name each field
	Unauthorized       Code = "unauthorized"         // no valid token
	TokenExpired       Code = "token_expired"        // get a new token and connect again
	Forbidden          Code = "forbidden"            // known to the caller, but not theirs to do
	NotFound           Code = "not_found"            // does not exist, or is not the caller's to see
	Conflict           Code = "conflict"             // an id was used before with another body
	PayloadTooLarge    Code = "payload_too_large"    // the message names the limit
	UnsupportedMedia   Code = "unsupported_media"    // REST only: the body is not JSON
	RateLimited        Code = "rate_limited"         // details: retryAfterMs
	TooManyConnections Code = "too_many_connections" // of one principal; close one first
	TooManyRooms       Code = "too_many_rooms"       // of one connection; leave one first
	ConversationClosed Code = "conversation_closed"  // takes no messages until it is active again
	SwitchedOff        Code = "switched_off"         // WebSocket only: the operator has; REST works
	Unavailable        Code = "unavailable"          // try again with the same clientMessageId
	Internal           Code = "internal"             // ours; the cause is only in the log
)

// Retryable reports whether the same request may succeed later.
func (c Code) Retryable() bool { return c == Unavailable || c == RateLimited }

// An Error is a refusal that the caller may see. Everything in it is public.
type Error struct {
	Code    Code
	Message string         // a sentence for people
	Details map[string]any // by field for ValidationFailed
	cause   error          // for the log only
}

// Error is for logs: it contains the cause, which clients never see.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the private cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Errorf returns an Error with a message that clients will see.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unavailablef returns a retryable Error that keeps its cause for the log.
func Unavailablef(cause error, format string, args ...any) *Error {
	return &Error{Code: Unavailable, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Refused returns the one answer to every token that is not accepted, and to
// none. The reason is for the log; it must not contain the token.
func Refused(reason error) *Error {
	return &Error{Code: Unauthorized, Message: "a valid token is required", cause: reason}
}

// ErrModelBroken is Internal: no summary can be written before an operator has
// changed something. Who found out has said so in the log.
var ErrModelBroken = Errorf(Internal, "no summary can be written: the operator has to look at the model")

// LimitedFor returns the RateLimited error that asks to wait for d.
func LimitedFor(d time.Duration) *Error {
	return Errorf(RateLimited, "too many requests; wait before the next one").waiting(d)
}

// retryAfterMs is the detail that asks to wait.
const retryAfterMs = "retryAfterMs"

func (e *Error) waiting(d time.Duration) *Error {
	e.Details = map[string]any{retryAfterMs: max(d.Milliseconds(), 1)}
	return e
}

// RetryAfter is how long a client is asked to wait before it tries again, 0 where
// it is not.
func (e *Error) RetryAfter() time.Duration {
	ms, _ := e.Details[retryAfterMs].(int64)
	return time.Duration(ms) * time.Millisecond
}

// UnavailableFor is Unavailablef where it is known for how long.
func UnavailableFor(d time.Duration, cause error, format string, args ...any) *Error {
	return Unavailablef(cause, format, args...).waiting(d)
}

// Detailed returns err with one more detail that a client may see. Of a code whose
// details name the fields at fault it returns err itself, and of nil nil.
func Detailed(err error, name string, value any) error {
	if err == nil || CodeOf(err) == ValidationFailed {
		return err
	}
	e := *Public(err)
	if _, public := errors.AsType[*Error](err); !public && errors.Is(err, context.DeadlineExceeded) {
		e = *Unavailablef(nil, "this took too long; try again")
	}
	e.Details = maps.Clone(e.Details)
	if e.Details == nil {
		e.Details = map[string]any{}
	}
	e.Details[name] = value
	if _, itself := err.(*Error); !itself {
		e.cause = err
	}
	return &e
}

// Public returns what a client may see of err. An error that is no *Error is
// Internal, whatever it says: nobody outside learns the cause.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Errorf(Internal, "something went wrong on our side")
}

// CodeOf returns the code of err, Internal for an error that is no *Error, and for nil.
func CodeOf(err error) Code { return Public(err).Code }

// ErrOneTooMany is what a connection is told that had to make room for a newer one.
var ErrOneTooMany = Errorf(TooManyConnections, "you have connected elsewhere too often; this, the oldest connection, ends")

// Refuses reports whether an error says that a conversation takes no message of somebody: it
// is none of theirs any more, or closed. Trying again is in vain.
func Refuses(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == NotFound || e.Code == ConversationClosed)
}

// ErrConversationClosed is what a message meets that comes to a conversation which takes none.
var ErrConversationClosed = Errorf(ConversationClosed, "the conversation takes no messages until it is active again")

// ErrSwitchedOff is what a client of the WebSocket is told while the operator has
// switched it off.
var ErrSwitchedOff = Errorf(SwitchedOff, "connections are switched off for now; the REST API works")

// Faults collects what is wrong with an input, by field, so that a caller
// learns of all of it at once. The zero value is ready to use.
type Faults struct{ fields map[string]any }

// Add notes a fault of one field. The first one of a field stays.
func (f *Faults) Add(field, format string, args ...any) {
	if f.fields == nil {
		f.fields = map[string]any{}
	}
	if _, ok := f.fields[field]; !ok {
		f.fields[field] = fmt.Sprintf(format, args...)
	}
}

// within notes the faults of the members of a field.
func (f *Faults) within(field string, members Faults) {
	for name, fault := range members.fields {
		f.Add(field+"."+name, "%v", fault)
	}
}

// Err returns a ValidationFailed error that names each field, or nil.
func (f *Faults) Err() error {
	if len(f.fields) == 0 {
		return nil
	}
	return &Error{Code: ValidationFailed, Message: "some fields are not valid", Details: f.fields}
}

// Invalid returns the ValidationFailed error for a single field.
func Invalid(field, format string, args ...any) error {
	var f Faults
	f.Add(field, format, args...)
	return f.Err()
}
