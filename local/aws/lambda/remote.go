package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"aiwm-chat/local/aws/account"
)

// RemoteOptions configures NewRemote. Its zero value suits
// `sam local start-lambda`.
type RemoteOptions struct {
	// Credentials sign the requests, which the real service demands and local
	// ones ignore; nil: they are not signed.
	Credentials aws.CredentialsProvider
	// Region is the one that requests are signed for; us-east-1 if empty.
	Region string
	// Logger gets one line per invocation; nil: slog.Default.
	Logger *slog.Logger
}

// A Remote invokes functions that run elsewhere, through Lambda's Invoke API.
// Names and timeouts of the functions, and how many invocations may run at the
// same time, are known there alone.
type Remote struct {
	base    string
	client  *http.Client
	options RemoteOptions
}

// NewRemote returns an invoker for the Invoke API at endpoint, such as
// http://127.0.0.1:3001.
func NewRemote(endpoint string, o RemoteOptions) (*Remote, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("lambda endpoint %q is not a http:// or https:// URL", endpoint)
	}
	if o.Region == "" {
		o.Region = account.Region
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Remote{
		base: strings.TrimSuffix(u.String(), "/") + "/2015-03-31/functions/",
		client: &http.Client{Transport: &http.Transport{
			MaxIdleConns:        defaultConcurrency,
			MaxIdleConnsPerHost: defaultConcurrency,
			IdleConnTimeout:     30 * time.Second,
		}},
		options: o,
	}, nil
}

// Close closes the idle connections.
func (r *Remote) Close() { r.client.CloseIdleConnections() }

// Invoke implements Invoker.
func (r *Remote) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	if len(event) > MaxEvent {
		return nil, fmt.Errorf("invoke %s: %w", function, ErrTooLarge)
	}
	start := time.Now()
	response, requestID, err := r.invoke(ctx, function, event)
	logInvocation(ctx, r.options.Logger, function, requestID, start, err)
	return response, err
}

func (r *Remote) invoke(ctx context.Context, function string, event []byte) (response []byte, requestID string, err error) {
	req, err := r.request(ctx, function, event)
	if err != nil {
		return nil, "", fmt.Errorf("invoke %s: %w", function, err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, "", fmt.Errorf("invoke %s: %w", function, err)
	}
	defer resp.Body.Close()
	requestID = resp.Header.Get("X-Amzn-Requestid")
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxResponse+1))
	switch {
	case err != nil:
		return nil, requestID, fmt.Errorf("invoke %s: read response: %w", function, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, requestID, fmt.Errorf("invoke %s at %s: %w", function, req.URL.Host, ErrNotFound)
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, requestID, fmt.Errorf("invoke %s: %w", function, ErrTooLarge)
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, requestID, &ThrottledError{Function: function}
	case resp.StatusCode != http.StatusOK:
		return nil, requestID, fmt.Errorf("invoke %s: %s: %s", function, resp.Status, apiMessage(body))
	case len(body) > MaxResponse:
		return nil, requestID, responseTooLarge()
	case isFunctionError(resp.Header, body):
		return nil, requestID, &FunctionError{Payload: body}
	case len(body) == 0 && !isLambda(resp.Header):
		// A container of `sam local` that is killed at the function's timeout
		// leaves an empty answer.
		return nil, requestID, newFunctionError("", "the function ended without a response (did it reach its timeout?)")
	}
	return body, requestID, nil
}

func (r *Remote) request(ctx context.Context, function string, event []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+url.PathEscape(function)+"/invocations", bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	if header := TraceOf(ctx); header != "" {
		req.Header.Set("X-Amzn-Trace-Id", header)
	}
	if r.options.Credentials == nil {
		return req, nil
	}
	credentials, err := r.options.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("retrieve credentials: %w", err)
	}
	hash := sha256.Sum256(event)
	err = v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(hash[:]), "lambda", r.options.Region, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return req, nil
}

// isLambda tells the real service, which always names the executed version,
// from those that imitate it.
func isLambda(h http.Header) bool { return h.Get("X-Amz-Executed-Version") != "" }

// isFunctionError recognises a function error by Lambda's header. Versions of
// `sam local` set it for some errors and not for others, by looking at the
// response; so from anything but the real service a response counts as an error
// too if it is an object with errorMessage and errorType and nothing more than
// a stack trace or cause. A function that returns such an object as its result
// is misread, there as here.
func isFunctionError(h http.Header, body []byte) bool {
	if h.Get("X-Amz-Function-Error") != "" {
		return true
	}
	if isLambda(h) {
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return false
	}
	_, hasMessage := members["errorMessage"]
	_, hasType := members["errorType"]
	for _, name := range []string{"errorMessage", "errorType", "stackTrace", "cause"} {
		delete(members, name)
	}
	return hasMessage && hasType && len(members) == 0
}

// apiMessage returns what the service says about a request it refused, cut to a
// line.
func apiMessage(body []byte) string {
	var refusal struct {
		Message string // also matches "message": services differ
	}
	if json.Unmarshal(body, &refusal) != nil || refusal.Message == "" {
		return "no reason given"
	}
	return refusal.Message[:min(len(refusal.Message), 200)]
}
