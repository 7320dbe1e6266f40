// Package apigateway posts frames through the API Gateway Management API.
package apigateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/credentials"
	"aiwm-chat/shared/delivery"
)

// Options says where the Management API is and who calls it.
type Options struct {
	Endpoint string // CONNECTIONS_URL: with the stage, or the path of a custom domain's mapping
	AWS      config.AWS

	// Transport carries the requests; nil: HTTP with connections kept for the
	// next fan-out. A server in the same process may take them without a network.
	Transport http.RoundTripper
}

// A Poster implements delivery.Poster. It is safe for concurrent use.
type Poster struct {
	client *mgmt.Client
	posts  sync.Pool // of postStack, each used by one call at a time
}

var _ delivery.Poster = (*Poster)(nil)

// New returns a Poster. It makes no call.
//
// The SDK does not retry: on a throttled connection its own back-off takes
// seconds, and on a server error it posts the frame again at once. The caller
// knows its deadline and decides. The client is built from the region and the
// credentials that Lambda puts into the environment, which are good for as long
// as the execution environment lives.
func New(o Options) (*Poster, error) {
	if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" {
		return nil, errors.New("set up the management api: its url is not valid")
	}
	if o.AWS.Region == "" {
		return nil, errors.New("set up the management api: no region")
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	p := &Poster{client: mgmt.New(mgmt.Options{
		Region:       o.AWS.Region,
		BaseEndpoint: aws.String(o.Endpoint),
		Credentials:  credentials.Of(o.AWS),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   direct{o.Transport},
	})}
	first, err := newPostStack(p.client)
	if err != nil {
		return nil, fmt.Errorf("set up the management api: %w", err)
	}
	p.posts.Put(first)
	return p, nil
}

// Post sends one frame, once.
func (p *Poster) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	stack, ok := p.posts.Get().(*postStack)
	if !ok {
		var err error
		if stack, err = newPostStack(p.client); err != nil {
			return fmt.Errorf("post: %w", err)
		}
	}
	defer p.posts.Put(stack)
	return describe("post", stack.post(ctx, id, frame))
}

// Close ends the connection: its client sees close code 1000, and $disconnect
// is invoked.
func (p *Poster) Close(ctx context.Context, id chat.ConnectionID) error {
	_, err := p.client.DeleteConnection(ctx, &mgmt.DeleteConnectionInput{ConnectionId: aws.String(string(id))})
	return describe("close", err)
}

// describe says of an SDK error what delivery wants to know.
func describe(step string, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.GoneException](err); gone {
		return fmt.Errorf("%s: %w", step, delivery.ErrGone)
	}
	err = fmt.Errorf("%s: %w", step, err)
	if passing(err) {
		return passingError{err}
	}
	return err
}

// passing reports whether the error may be over at the next attempt: 429, 5xx,
// and a request that was sent and got no answer (status 0). 403 and 413 will be
// the same again, and so will what the SDK did not want to send.
func passing(err error) bool {
	response, sent := errors.AsType[*awshttp.ResponseError](err)
	if !sent || errors.Is(err, context.Canceled) {
		return false
	}
	status := response.HTTPStatusCode()
	return status == 0 || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

type passingError struct{ error }

// Retryable tells delivery to try again.
func (passingError) Retryable() bool { return true }

// Unwrap returns the SDK's error.
func (e passingError) Unwrap() error { return e.error }
