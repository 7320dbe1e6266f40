package completion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"aiwm-chat/shared/outside"
)

var (
	errTimeout = errors.New("it did not answer in time")
	errSilent  = errors.New("it fell silent")
)

// refusedHere are the client's own errors: it knows that the model cannot do
// what is asked of it, and sends nothing.
var refusedHere = []error{
	openai.ErrChatCompletionInvalidModel, openai.ErrReasoningModelMaxTokensDeprecated, openai.ErrReasoningModelLimitationsOther,
	openai.ErrReasoningSamplingUnsupported, openai.ErrReasoningEffortUnsupported, openai.ErrReasoningToolsRequireResponses,
}

// classify says what an error of a request means. Of what the service wrote only
// the status and its word for the error are kept: its text may repeat part of the
// key, or of the conversation.
func classify(ctx context.Context, err error, x *exchange, began bool, now time.Time) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		e := *known
		e.Began = began
		return &e
	}
	e := &Error{Kind: Temporary, Began: began, cause: err}
	if ctx.Err() != nil {
		e.Kind = Cancelled
		return e
	}
	_, encoding := errors.AsType[*json.MarshalerError](err)
	if encoding || slices.ContainsFunc(refusedHere, func(known error) bool { return errors.Is(err, known) }) {
		e.Kind = Permanent
		return e
	}
	status, word := x.status, ""
	if inside, ok := errors.AsType[*serviceError](err); ok {
		status, word = inside.status, inside.word
	} else if api, ok := errors.AsType[*openai.APIError](err); ok {
		word = wordOf(api.Code, api.Type)
	}
	switch {
	case errors.Is(err, outside.ErrNotPublic):
		e.Kind = Permanent
	case status/100 == 2:
	case slices.Contains(ofContent, word) && (status == http.StatusBadRequest || status == 0):
		e.Kind = Refused
	case lasting(status, word):
		e.Kind = Permanent
	}
	if began && e.Kind == Temporary {
		e.Kind = BrokenOff
	}
	if status != 0 && status/100 != 2 {
		e.status = status
		e.cause = errors.New(withWord(fmt.Sprintf("it answered with status %d", status), word))
	} else if !ours(err) {
		e.cause = outside.Plain(err)
	}
	if e.Kind == Temporary {
		e.After = waitOf(x.header, now)
	}
	return e
}

// ours reports whether an error is in words of ours. Those of libraries repeat what the
// service sent where it does not speak HTTP, which may be our own headers.
func ours(err error) bool {
	_, said := errors.AsType[*serviceError](err)
	return said || errors.Is(err, errTimeout) || errors.Is(err, errSilent)
}

// statusOf is the status that the service answered with, 0 where it did not.
func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.status
	}
	return 0
}

// ofContent are the words of services that look at what is asked before the model
// does: Azure's, and OpenAI's for models that think.
var ofContent = []string{"content_filter", "content_policy_violation", "invalid_prompt"}

// lasting reports whether a refusal is one that lasts. That what is paid for is
// used up comes as 429, like too many requests.
func lasting(status int, word string) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return false
	case http.StatusTooManyRequests, 0:
		return slices.Contains([]string{"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}, word)
	}
	return status/100 == 4
}

var plainWord = regexp.MustCompile(`^[a-z_]{1,40}$`)

// wordOf is the service's word for an error, where one of what it gives is such, else "".
func wordOf(given ...any) string {
	for _, w := range given {
		if s, ok := w.(string); ok && plainWord.MatchString(s) {
			return s
		}
	}
	return ""
}

// withWord adds the service's word, where there is one, to what is said of an error.
func withWord(said, word string) string {
	if word == "" {
		return said
	}
	return said + " (" + word + ")"
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
