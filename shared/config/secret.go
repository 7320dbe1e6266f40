package config

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// arnSuffix makes of a variable's name that of the one which says where it is
// kept.
const arnSuffix = "_ARN"

// A Fetch reads the secret that an ARN names. Its error never contains the
// secret.
type Fetch func(ctx context.Context, a AWS, arn string) (string, error)

// validARN matches the ARNs of what holds a secret.
var validARN = regexp.MustCompile(`^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:\d{12}:secret:|ssm:[a-z0-9-]+:\d{12}:parameter/)[A-Za-z0-9/_+=.@-]+$`)

// readSecrets reads what the variables of the parts refer to, at the same time:
// it takes as long as the slowest.
func (r *reader) readSecrets(ctx context.Context, c *Config, fetch Fetch, parts []Part) {
	found := map[string]*Renewal{}
	for _, name := range r.referring(parts) {
		if len(found) == 0 {
			readAWS(r, c)
		}
		found[name] = newRenewal(name, r.text(name+arnSuffix), c.AWS, fetch)
		switch {
		case r.text(name) != "":
			r.fault(name+arnSuffix, "must not be set together with %s", name)
		case !validARN.MatchString(found[name].arn):
			r.fault(name+arnSuffix, "must be the ARN of a secret in Secrets Manager, or of a parameter in SSM")
		case fetch == nil:
			r.fault(name+arnSuffix, "is not read here: set %s", name)
		case c.AWS.AccessKeyID != "" && c.AWS.SecretAccessKey != "": // its lack is a fault already
			continue
		}
		r.unread[name] = true
	}
	var wg sync.WaitGroup
	for name, s := range found {
		if !r.unread[name] {
			wg.Go(s.start(ctx))
		}
	}
	wg.Wait()
	for name, s := range found {
		if s.err != nil {
			r.fault(name+arnSuffix, "cannot be read: %v", s.err)
			r.unread[name] = true
		}
		if !r.unread[name] {
			r.secrets[name] = s
		}
	}
}

// referring returns the variables of the parts that are kept elsewhere.
func (r *reader) referring(parts []Part) (names []string) {
	for _, p := range parts {
		for _, v := range groups[p].variables {
			name, refers := strings.CutSuffix(v, arnSuffix)
			if refers && r.text(v) != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

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
	return value, value != used
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

// exact are the secrets of which each byte counts; of others copying may have
// left white space around.
var exact = []string{"JWT_SECRET", "REDIS_PASSWORD"}

var (
	errNoMember = errors.New("it is a JSON object without a text of the variable's name")
	errNoJSON   = errors.New("it names the variable as a JSON object does, and is not valid JSON")
)

// memberOf returns a secret: all of it, or of a JSON object, as Secrets Manager's
// console makes them, the member with the name of the variable. An object that was
// mistyped is no secret: a key for tokens could be any text.
func memberOf(text, variable string) (string, error) {
	var members map[string]any
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text, nil
	}
	if json.Unmarshal([]byte(text), &members) != nil {
		if strings.Contains(text, `"`+variable+`"`) {
			return "", errNoJSON
		}
		return text, nil
	}
	if value, ok := members[variable].(string); ok {
		return value, nil
	}
	return "", errNoMember
}
