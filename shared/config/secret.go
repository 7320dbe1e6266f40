package config

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
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

// exact are the secrets of which each byte counts; of others copying may have
// left white space around.
var exact = []string{"JWT_SECRET", "REDIS_PASSWORD"}

// objects are the secrets that are JSON objects themselves: one without the member is
// the secret.
var objects = []string{"TOOL_SERVERS"}

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
	value, found := members[variable]
	if text, ok := value.(string); ok {
		return text, nil
	}
	if !found && slices.Contains(objects, variable) {
		return text, nil
	}
	return "", errNoMember
}
