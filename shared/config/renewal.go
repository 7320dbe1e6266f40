package config

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A Renewal reads a secret again that may have been changed where it is kept. It
// is safe for concurrent use, and nil where there is nothing to read again.
type Renewal struct {
	variable, arn string
	aws           AWS
	fetch         Fetch

	turn  chan struct{} // held by the one who reads
	value string        // of the last success
	err   error         // of the start
	tried atomic.Int64  // when it was last asked for again, Unix nanoseconds
	had   atomic.Int64  // when it was last read
}

const (
	// renewalPause is the least time between two reads after the first, however
	// much is refused: who sends forged tokens must not have us ask all the time.
	renewalPause = time.Minute
	// renewalAge is when a secret that was not refused is read again all the same
	// by those who ask: who takes one back means it.
	renewalAge = time.Hour
	// renewalTime is how long such a read may take: somebody waits for an answer, who
	// may well be right with what is known already.
	renewalTime = 2 * time.Second
)

func newRenewal(variable, arn string, a AWS, fetch Fetch) *Renewal {
	return &Renewal{variable: variable, arn: arn, aws: a, fetch: fetch, turn: make(chan struct{}, 1)}
}

// start returns what reads the secret for the first time.
func (s *Renewal) start(ctx context.Context) func() {
	return func() { s.value, s.err = s.read(ctx) }
}

// Renew returns the secret where it is another one than used, which was refused.
// It is read again for that unless it was in the last minute already; of several who ask
// at the same time one reads, and the others wait for what it gets.
func (s *Renewal) Renew(ctx context.Context, used string) (value string, ok bool) {
	if s == nil {
		return "", false
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", false
	}
	if s.value != used || since(&s.tried) < renewalPause {
		return s.value, s.value != used
	}
	ctx, cancel := context.WithTimeout(ctx, renewalTime)
	defer cancel()
	value, err := s.read(ctx)
	s.tried.Store(time.Now().UnixNano())
	if err == nil && !usable(s.variable, value) {
		err = errUnusable
	}
	if err != nil {
		slog.ErrorContext(ctx, "read a secret again", "variable", s.variable+arnSuffix, "err", err)
		return "", false
	}
	s.value = value
	if value == used {
		return value, false
	}
	slog.InfoContext(ctx, "the secret was changed", "variable", s.variable+arnSuffix)
	return value, true
}

// Old reports whether the secret was read so long ago that it should be asked for
// again, refused or not.
func (s *Renewal) Old() bool {
	return s != nil && since(&s.had) >= renewalAge && since(&s.tried) >= renewalPause
}

func since(at *atomic.Int64) time.Duration { return time.Since(time.Unix(0, at.Load())) }

func (s *Renewal) read(ctx context.Context) (string, error) {
	text, err := s.fetch(ctx, s.aws, s.arn)
	if err == nil {
		text, err = memberOf(text, s.variable)
	}
	if err != nil {
		return "", err
	}
	if !slices.Contains(exact, s.variable) {
		text = strings.TrimSpace(text)
	}
	s.had.Store(time.Now().UnixNano())
	return text, nil
}

var errUnusable = errors.New("it is not of the form that a function would start with: the one before it is kept")

// usable reports whether a function would start with a secret.
func usable(variable, value string) bool {
	switch variable {
	case "MONGODB_URI":
		return isMongo(value)
	case "JWT_SECRET":
		return len(value) >= minSecret
	}
	return value != ""
}
