// Package secrets reads what AWS Secrets Manager and the Parameter Store of
// Systems Manager keep: one signed request for each, with the signer that posts
// frames anyway. The SDK's two clients would do the same, and make every binary 1.5
// to 2.1 MB larger.
package secrets

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"aiwm-chat/shared/config"
)

const (
	attempts    = 3
	attemptTime = 1500 * time.Millisecond // of one; Lambda gives a whole start 10 s
	pause       = 100 * time.Millisecond  // before the second, and twice that before the third
	maxAnswer   = 128 << 10               // a secret has 64 KiB at most

	// throttledAttempts are those where we are told to come less often. Functions that
	// start at the same time share what an account may ask, of SSM 40 a second, and
	// each that gives up is an error for somebody: the caller's context says when.
	throttledAttempts = 8
)

// In returns what reads secrets for a process with an environment. Its variables
// AWS_ENDPOINT_URL_SECRETS_MANAGER and AWS_ENDPOINT_URL_SSM say where, as all of
// AWS's SDKs have it; without them the services are in the region of the secret.
func In(getenv func(string) string) config.Fetch {
	client := &http.Client{
		Timeout: attemptTime,
		// A secret is read once in a while: a connection would only be there to die.
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, a config.AWS, arn string) (string, error) {
		c, err := callOf(arn, getenv)
		if err != nil {
			return "", err
		}
		for n := 1; ; n++ {
			secret, err := c.try(ctx, client, a)
			temporary, ok := errors.AsType[*temporaryError](err)
			if !ok {
				return secret, err
			}
			wait := time.Duration(n) * pause
			if temporary.throttled { // they must not all come back together
				wait += rand.N(wait)
			}
			if n == attempts && !temporary.throttled || n == throttledAttempts {
				return "", temporary.error
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return "", fmt.Errorf("%w, until the time was over", temporary.error)
			}
		}
	}
}

// A call is the request for one secret.
type call struct {
	service, region string
	url, target     string
	body            any
	answer          func([]byte) (string, error)
}

// callOf says how to read what an ARN names.
func callOf(arn string, getenv func(string) string) (call, error) {
	p := strings.SplitN(arn, ":", 6) // arn, partition, service, region, account, the rest
	if len(p) < 6 {
		return call{}, errors.New("it is no ARN")
	}
	c := call{service: p[2], region: p[3]}
	suffix := "amazonaws.com"
	if p[1] == "aws-cn" {
		suffix = "amazonaws.com.cn"
	}
	regional := "https://" + c.service + "." + c.region + "." + suffix
	switch c.service {
	case "secretsmanager":
		c.url = cmp.Or(getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER"), regional)
		c.target, c.answer = "secretsmanager.GetSecretValue", secretOf
		c.body = struct{ SecretId string }{arn} //nolint:revive // AWS's name
	case "ssm":
		c.url = cmp.Or(getenv("AWS_ENDPOINT_URL_SSM"), regional)
		c.target, c.answer = "AmazonSSM.GetParameter", parameterOf
		c.body = struct {
			Name           string
			WithDecryption bool
		}{arn, true}
	default:
		return call{}, errors.New("it is neither of Secrets Manager nor of SSM")
	}
	return c, nil
}

// A temporaryError may be gone at the next attempt.
type temporaryError struct {
	error
	throttled bool
}

func (c call) try(ctx context.Context, client *http.Client, a config.AWS) (string, error) {
	body, err := json.Marshal(c.body)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.url, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", c.target)
	hash := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey, SessionToken: a.SessionToken}
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(hash[:]), c.service, c.region, time.Now()); err != nil {
		return "", err
	}
	response, err := client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &temporaryError{fmt.Errorf("%s does not answer: %w", c.service, err), false}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", &temporaryError{fmt.Errorf("%s does not answer in full: %w", c.service, err), false}
	}
	if response.StatusCode != http.StatusOK {
		return "", refusal(c.service, response.StatusCode, answer)
	}
	return c.answer(answer)
}

// refusal says of an answer what its kind is; its message may say more than is
// good for a log.
func refusal(service string, status int, answer []byte) error {
	var fault struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(answer, &fault) // what is no JSON has no kind
	_, kind, named := strings.Cut(fault.Type, "#")
	if !named {
		kind = fault.Type
	}
	err := fmt.Errorf("%s answers with status %d, %q", service, status, kind)
	throttled := status == http.StatusTooManyRequests || strings.HasPrefix(kind, "Throttling")
	if throttled || status >= http.StatusInternalServerError {
		return &temporaryError{err, throttled}
	}
	return err
}

var (
	errNoText   = errors.New("it is no text")
	errNoAnswer = errors.New("the answer cannot be read")
)

func secretOf(answer []byte) (string, error) {
	var a struct{ SecretString *string }
	if json.Unmarshal(answer, &a) != nil {
		return "", errNoAnswer
	}
	if a.SecretString == nil {
		return "", errNoText // SecretBinary
	}
	return *a.SecretString, nil
}

func parameterOf(answer []byte) (string, error) {
	var a struct{ Parameter struct{ Value *string } }
	if json.Unmarshal(answer, &a) != nil || a.Parameter.Value == nil {
		return "", errNoAnswer
	}
	return *a.Parameter.Value, nil
}
