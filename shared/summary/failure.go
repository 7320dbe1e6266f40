package summary

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	openai "github.com/sashabaranov/go-openai"
)

// A failure is why there is no summary, and what to do about it.
type failure struct {
	error
	permanent bool          // the same request fails until somebody changes something
	refused   bool          // what people wrote is what the model will not read
	after     time.Duration // how long the service asks to wait, 0 where it does not say
}

func (f *failure) Unwrap() error { return f.error }

// Permanent reports whether it is of no use to ask again before an operator has
// changed something: the key, the model, its parameters, what is paid for.
func Permanent(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.permanent
}

// Refused reports whether the model will not read what people wrote: these messages
// again and again, while others need not be like them. It is nobody's to mend.
func Refused(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.refused
}

// RetryAfter returns how long the service asks to wait, 0 where it does not say.
func RetryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.after
	}
	return 0
}

var errRedirect = &failure{error: errors.New("it redirects to another address"), permanent: true}

// refusedHere are the client's own errors: it knows that the model cannot do
// what is asked of it, and sends nothing.
var refusedHere = []error{
	openai.ErrChatCompletionInvalidModel, openai.ErrReasoningModelMaxTokensDeprecated,
	openai.ErrReasoningModelLimitationsOther, openai.ErrReasoningSamplingUnsupported,
}

// failureOf says what an error of a request means. Of what the service wrote only
// the status and its word for the error are kept: its text may repeat part of the
// key, or of the conversation.
func failureOf(err error, header http.Header, now time.Time) error {
	if slices.ContainsFunc(refusedHere, func(known error) bool { return errors.Is(err, known) }) {
		return &failure{error: err, permanent: true}
	}
	status, word := statusOf(err), ""
	if e, ok := errors.AsType[*openai.APIError](err); ok {
		word = wordOf(e)
	}
	if status == 0 {
		return err // no answer, or none that can be read
	}
	f := &failure{error: fmt.Errorf("it answered with status %d%s", status, word)}
	f.refused = status == http.StatusBadRequest && slices.Contains(ofContent, word)
	f.permanent = !f.refused && lasting(status, word)
	if !f.permanent && !f.refused {
		f.after = waitOf(header, now)
	}
	return f
}

// ofContent are the words of services that look at what is asked before the model
// does: Azure's, and OpenAI's for models that think.
var ofContent = []string{" (content_filter)", " (content_policy_violation)", " (invalid_prompt)"}

// statusOf is the status that the service answered with, 0 where it did not.
func statusOf(err error) int {
	if e, ok := errors.AsType[*openai.APIError](err); ok {
		return e.HTTPStatusCode
	}
	if e, ok := errors.AsType[*openai.RequestError](err); ok {
		return e.HTTPStatusCode
	}
	return 0
}

// lasting reports whether a refusal is one that lasts. That what is paid for is
// used up comes as 429, like too many requests.
func lasting(status int, word string) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return false
	case http.StatusTooManyRequests:
		return slices.Contains([]string{" (insufficient_quota)", " (billing_hard_limit_reached)", " (billing_not_active)"}, word)
	}
	return status/100 == 4
}

var plainWord = regexp.MustCompile(`^[a-z_]{1,40}$`)

// wordOf is the service's word for an error, where it is one.
func wordOf(e *openai.APIError) string {
	for _, w := range []any{e.Code, e.Type} {
		if s, ok := w.(string); ok && plainWord.MatchString(s) {
			return " (" + s + ")"
		}
	}
	return ""
}

// waitOf reads Retry-After: seconds or a date (RFC 9110 §10.2.3), or OpenAI's
// own in milliseconds.
func waitOf(header http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseUint(header.Get("Retry-After-Ms"), 10, 31); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	text := header.Get("Retry-After")
	if s, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
