package summary

import (
	"errors"
	"time"

	"aiwm-chat/shared/completion"
)

// Permanent reports whether it is of no use to ask again before an operator has
// changed something: the key, the model, its parameters, what is paid for.
func Permanent(err error) bool { return completion.KindOf(err) == completion.Permanent }

// Refused reports whether the model will not read what people wrote: these messages
// again and again, while others need not be like them. It is nobody's to mend.
func Refused(err error) bool { return completion.KindOf(err) == completion.Refused }

// RetryAfter returns how long the service asks to wait, 0 where it does not say.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*completion.Error](err); ok {
		return e.After
	}
	return 0
}
