package wsapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Lambda authorizers (awsdocs: apigateway-websocket-api-lambda-auth,
// apigateway-lambda-authorizer-output). They are asked once, at $connect; what
// they return is repeated in every later event of the connection.

// identity returns the value of one identity source, empty if the request lacks
// it.
func identity(source string, variables map[string]string, header http.Header, query url.Values) (string, error) {
	for prefix, value := range map[string]func(string) string{
		"route.request.header.":      header.Get,
		"route.request.querystring.": query.Get,
		"stageVariables.":            func(name string) string { return variables[name] },
	} {
		if name, ok := strings.CutPrefix(strings.TrimPrefix(source, "$"), prefix); ok && name != "" {
			return value(name), nil
		}
	}
	return "", fmt.Errorf("unsupported identity source %q", source)
}

// authorize asks the authorizer and notes its context. The status is 200, or
// what refuses the handshake.
func (c *conn) authorize(h handshake) (status int, reason error) {
	o := &c.api.options
	for _, source := range o.IdentitySource {
		if value, err := identity(source, o.StageVariables, h.header, h.query); err != nil || value == "" {
			return http.StatusUnauthorized, fmt.Errorf("identity source %s is missing", source)
		}
	}
	at := time.Now()
	event := occasion{route: c.api.authorize, eventType: "CONNECT", requestID: newID(at, newTail()), at: at}
	out, err := c.api.invoke(event, c.id, c.authorizerEvent(event, h))
	if err != nil {
		if isUnauthorized(err) {
			return http.StatusUnauthorized, err
		}
		return http.StatusInternalServerError, err
	}
	result, err := parseAuthorizerResult(out)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	if !result.allows(c.api.methodARN()) {
		return http.StatusForbidden, errors.New("the policy does not allow it")
	}
	c.repeated.authorizer = result.appendContext(nil, time.Since(at))
	return http.StatusOK, nil
}

// isUnauthorized reports whether an authorizer threw the one error that is an
// answer: the client may not connect.
func isUnauthorized(err error) bool {
	var thrown interface{ ErrorMessage() string }
	return errors.As(err, &thrown) && thrown.ErrorMessage() == "Unauthorized"
}

// A oneOrMany is a string or a list of strings, as IAM policies have them.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(o))
	}
	*o = make(oneOrMany, 1)
	return json.Unmarshal(b, &(*o)[0])
}

type statement struct {
	Effect      string
	Action      oneOrMany
	Resource    oneOrMany
	NotAction   jsontext.Value
	NotResource jsontext.Value
	Condition   jsontext.Value
}

type authorizerResult struct {
	PrincipalID    string `json:"principalId"`
	PolicyDocument *struct {
		Statement []statement
	} `json:"policyDocument"`
	Context map[string]jsontext.Value `json:"context"`
}

// parseAuthorizerResult refuses what API Gateway answers with 500: no
// principal, no policy, no statement, an effect that is none, more than 8 KB, a
// context value that is no string, number or boolean. It also refuses what this
// emulator does not evaluate.
func parseAuthorizerResult(out []byte) (r authorizerResult, err error) {
	if len(out) > maxAuthorizerSize {
		return r, fmt.Errorf("authorizer returned %d bytes, more than %d", len(out), maxAuthorizerSize)
	}
	if err := json.Unmarshal(out, &r, jsontext.AllowDuplicateNames(true)); err != nil {
		return r, fmt.Errorf("decode authorizer result: %w", err)
	}
	if r.PrincipalID == "" || r.PolicyDocument == nil || len(r.PolicyDocument.Statement) == 0 {
		return r, errors.New("authorizer result lacks principalId or policyDocument.Statement")
	}
	for _, s := range r.PolicyDocument.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return r, fmt.Errorf("policy effect %q is neither Allow nor Deny", s.Effect)
		case s.NotAction != nil || s.NotResource != nil || s.Condition != nil:
			return r, errors.New("policy uses NotAction, NotResource or Condition, which are not emulated")
		case len(s.Action) == 0 || len(s.Resource) == 0:
			return r, errors.New("policy statement lacks Action or Resource")
		}
	}
	for name, value := range r.Context {
		if kind := value.Kind(); kind == '{' || kind == '[' {
			return r, fmt.Errorf("authorizer context %q is an object or a list", name)
		}
	}
	return r, nil
}

// allows evaluates the policy for execute-api:Invoke on the ARN: an explicit
// Deny wins, and no statement that matches denies too.
func (r authorizerResult) allows(arn string) (allowed bool) {
	for _, s := range r.PolicyDocument.Statement {
		matches := false
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				// Actions are not case-sensitive in IAM, resources are.
				matches = matches || like(strings.ToLower(action), "execute-api:invoke") && like(resource, arn)
			}
		}
		if matches && s.Effect == "Deny" {
			return false
		}
		allowed = allowed || matches
	}
	return allowed
}

// like matches IAM's wildcards: * is any text, ? any one character.
func like(pattern, s string) bool {
	star, mark, i, j := -1, 0, 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0: // let the last star take one character more
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// appendContext appends `,"authorizer":{…}`: every value of the context as a
// string.
func (r authorizerResult) appendContext(b []byte, latency time.Duration) []byte {
	values := map[string]string{}
	for name, value := range r.Context {
		switch value.Kind() {
		case '"':
			var s string
			if json.Unmarshal(value, &s, jsontext.AllowInvalidUTF8(true)) == nil {
				values[name] = s
			}
		case 'n': // a null is as good as absent
		default:
			values[name] = string(value)
		}
	}
	values["principalId"] = r.PrincipalID
	b = append(b, `,"authorizer":`...)
	b = append(b, quoteMap(values)...)
	b = append(b[:len(b)-1], `,"integrationLatency":`...)
	b = strconv.AppendInt(b, latency.Milliseconds(), 10)
	return append(b, '}')
}
