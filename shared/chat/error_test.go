package chat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/chat"
)

func TestPublicHidesCauses(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1: secret")
	for _, err := range []error{
		cause,
		fmt.Errorf("read: %w", cause),
		chat.Unavailablef(cause, "try again"),
		fmt.Errorf("%w (%w)", chat.Errorf(chat.Unauthorized, "no"), cause),
		errors.Join(cause, chat.Errorf(chat.NotFound, "not here")),
	} {
		e := chat.Public(err)
		if strings.Contains(e.Message, "secret") || e.Details != nil {
			t.Errorf("%v shows its cause: %+v", err, e)
		}
		if !strings.Contains(err.Error(), "secret") || !errors.Is(err, cause) {
			t.Errorf("%v is lost for the log", err)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for _, tt := range []struct {
		err       error
		code      chat.Code
		retryable bool
	}{
		{errors.New("x"), chat.Internal, false},
		{chat.Errorf(chat.NotFound, "x"), chat.NotFound, false},
		{fmt.Errorf("step: %w", chat.Errorf(chat.Conflict, "x")), chat.Conflict, false},
		{chat.Unavailablef(errors.New("x"), "y"), chat.Unavailable, true},
		{chat.LimitedFor(time.Second), chat.RateLimited, true},
		{chat.Invalid("f", "x"), chat.ValidationFailed, false},
	} {
		if got := chat.CodeOf(tt.err); got != tt.code || got.Retryable() != tt.retryable {
			t.Errorf("%v: %s, retryable %v", tt.err, got, got.Retryable())
		}
	}
}

func TestLimitedFor(t *testing.T) {
	for d, want := range map[time.Duration]int64{1500 * time.Millisecond: 1500, time.Microsecond: 1, 0: 1, -time.Second: 1} {
		if got := chat.LimitedFor(d).Details["retryAfterMs"]; got != want {
			t.Errorf("LimitedFor(%v): %v ms", d, got)
		}
	}
}

func TestFaults(t *testing.T) {
	var f chat.Faults
	if f.Err() != nil {
		t.Error("no fault is an error")
	}
	f.Add("a", "is %d", 1)
	f.Add("a", "is %d", 2)
	f.Add("b", "is bad")
	if d := chat.Public(f.Err()).Details; len(d) != 2 || d["a"] != "is 1" || d["b"] != "is bad" {
		t.Errorf("details %v", d)
	}
}

func TestRefuses(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, errors.New("not_found"): false, chat.Errorf(chat.NotFound, "no"): true, chat.ErrConversationClosed: true,
		chat.Errorf(chat.Forbidden, "no"): false, fmt.Errorf("read: %w", chat.Errorf(chat.NotFound, "no")): true,
	} {
		if got := chat.Refuses(err); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
}
