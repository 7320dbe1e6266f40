package completion

import (
	"errors"
	"time"
)

// A Kind says what to do about an error.
type Kind string

// The kinds of errors.
const (
	Refused   Kind = "refused"    // the model, or a filter before it, will not answer this; another question need not be like it
	Empty     Kind = "empty"      // it answered, and said nothing
	Permanent Kind = "permanent"  // of no use again before an operator changed something: the key, the model, its parameters, what is paid for
	Temporary Kind = "temporary"  // too many requests, a failure of the service, no answer in time: another try may do
	BrokenOff Kind = "broken_off" // it began to answer, and did not end
	Cancelled Kind = "cancelled"  // the caller's context ended
	TooLarge  Kind = "too_large"  // the answer is over its limits, and cut there
)

// An Error is why there is no answer, or no whole one. Its text names the service's
// status and word for the error alone: never the key, nor anything that people wrote.
// It unwraps to the cause, such as the context's error.
type Error struct {
	Kind  Kind
	Began bool          // something had come before: whoever asks again glues two answers together
	After time.Duration // how long the service asks to wait, 0 where it does not say

	status int // that it answered with, 0 where it did not
	cause  error
}

func (e *Error) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf returns the kind of an error of this package, "" of any other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}
