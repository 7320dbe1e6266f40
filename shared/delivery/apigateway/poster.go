// Package apigateway posts frames through the API Gateway Management API.
package apigateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/smithy-go"

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
	client      *mgmt.Client // for what is rare
	connections url.URL      // where the path of each begins
	transport   http.RoundTripper
	credentials aws.CredentialsProvider
	signer      *v4.Signer // keeps the key that it derives for a day
	region      string
}

var _ delivery.Poster = (*Poster)(nil)

// New returns a Poster. It makes no call.
//
// The SDK does not retry: on a throttled connection its own back-off takes
// seconds, and on a server error it sends the request again at once. The caller
// knows its deadline and decides. The Poster is built from the region and the
// credentials that Lambda puts into the environment, which are good for as long
// as the execution environment lives.
func New(o Options) (*Poster, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("set up the management api: its url is not valid")
	}
	if o.AWS.Region == "" {
		return nil, errors.New("set up the management api: no region")
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	keys := credentials.Of(o.AWS)
	return &Poster{
		client: mgmt.New(mgmt.Options{
			Region:       o.AWS.Region,
			BaseEndpoint: aws.String(o.Endpoint),
			Credentials:  keys,
			Retryer:      aws.NopRetryer{},
			HTTPClient:   direct{o.Transport},
		}),
		connections: connections(u),
		transport:   o.Transport,
		credentials: keys,
		signer:      v4.NewSigner(),
		region:      o.AWS.Region,
	}, nil
}

// Post sends one frame, once.
func (p *Poster) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	ctx, end := limit(ctx)
	defer end()
	request, err := p.request(ctx, id, frame)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return unanswered(ctx, "post", err)
	}
	drain(response.Body)
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return answered("post", response.StatusCode, response.Header.Get("X-Amzn-Errortype"), response.Header.Get("X-Amzn-Requestid"))
}

// Close ends the connection: its client sees close code 1000, and $disconnect
// is invoked.
func (p *Poster) Close(ctx context.Context, id chat.ConnectionID) error {
	ctx, end := limit(ctx)
	defer end()
	_, err := p.client.DeleteConnection(ctx, &mgmt.DeleteConnectionInput{ConnectionId: aws.String(string(id))})
	return outcome(ctx, "close", err)
}

// Gone asks whether a connection is no more, of which its client hears nothing.
func (p *Poster) Gone(ctx context.Context, id chat.ConnectionID) (bool, error) {
	ctx, end := limit(ctx)
	defer end()
	_, err := p.client.GetConnection(ctx, &mgmt.GetConnectionInput{ConnectionId: aws.String(string(id))})
	if err = outcome(ctx, "ask", err); errors.Is(err, delivery.ErrGone) {
		return true, nil
	}
	return false, err
}

// outcome says of an operation of the SDK what answered says.
func outcome(ctx context.Context, step string, err error) error {
	if err == nil {
		return nil
	}
	response, sent := errors.AsType[*awshttp.ResponseError](err)
	if sent && response.HTTPStatusCode() != 0 {
		var kind string
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			kind = e.ErrorCode()
		}
		return answered(step, response.HTTPStatusCode(), kind, response.ServiceRequestID())
	}
	if sent || ctx.Err() != nil {
		return unanswered(ctx, step, err)
	}
	return fmt.Errorf("%s: %w", step, err)
}

// answered says of an answer other than success what delivery wants to know.
// Its message is left out: that of a wrong signature repeats the session token.
func answered(step string, status int, kind, request string) error {
	if status == http.StatusGone {
		return fmt.Errorf("%s: %w", step, delivery.ErrGone)
	}
	kind, _, _ = strings.Cut(kind, ":")
	err := fmt.Errorf("%s: status %d, %q, request %q", step, status, kind, request)
	if status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
		return passingError{err}
	}
	return err
}

// unanswered describes a request that got no answer: the next one may.
func unanswered(ctx context.Context, step string, err error) error {
	return passingError{fmt.Errorf("%s: %w", step, cmp.Or(context.Cause(ctx), err))}
}

type passingError struct{ error }

// Retryable tells delivery to try again.
func (passingError) Retryable() bool { return true }

// Unwrap returns what happened.
func (e passingError) Unwrap() error { return e.error }
