package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"aiwm-chat/shared/protocol"
)

const (
	// maxBody is the most bytes of a response that are read: a function
	// cannot return more.
	maxBody = 6 << 20
	// restTimeout is a little longer than API Gateway waits for a function.
	restTimeout = 35 * time.Second
)

// A REST calls the REST interface with one token.
type REST struct {
	url   string
	token string
	http  *http.Client
}

// NewREST returns a REST for the server at a URL like "http://127.0.0.1:3003".
func NewREST(url, token string) *REST {
	return &REST{
		url: strings.TrimSuffix(url, "/"), token: token,
		http: &http.Client{Transport: &http.Transport{}, Timeout: restTimeout},
	}
}

// Through lets every call go through a transport, and returns r.
func (r *REST) Through(t http.RoundTripper) *REST {
	r.http.Transport = t
	return r
}

// Do sends in as JSON, unless it is nil, and parses the answer into out,
// unless that is nil. path contains the query. A status other than 2xx is an
// *Error.
func (r *REST) Do(ctx context.Context, method, path string, in, out any) error {
	if err := r.do(ctx, method, path, in, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (r *REST) do(ctx context.Context, method, path string, in, out any) error {
	request, err := r.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return refusal(response)
	}
	if out == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("parse the answer: %w", err)
	}
	return nil
}

func (r *REST) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := protocol.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// Close closes idle connections.
func (r *REST) Close() { r.http.CloseIdleConnections() }

// refusal makes the error of a response: a problem document, API Gateway's own
// {"message": …}, or only a status.
func refusal(response *http.Response) *Error {
	e := &Error{Status: response.StatusCode, Message: http.StatusText(response.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRead))
	if err != nil {
		return e
	}
	var answer struct {
		protocol.Problem
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return e
	}
	switch {
	case answer.Code != "":
		e.Code, e.Message, e.Retryable, e.Details = answer.Code, answer.Detail, answer.Retryable, answer.Details
	case answer.Message != "":
		e.Message = "API Gateway: " + answer.Message
	}
	return e
}
