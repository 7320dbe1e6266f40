// Package apigateway posts frames through the API Gateway Management API.
package apigateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery"
)

// Options says where the Management API is and who calls it.
type Options struct {
	Endpoint string // CONNECTIONS_URL: with the stage, or the path of a custom domain's mapping
	AWS      config.AWS

	// Transport carries the requests; nil: HTTP with connections kept for a full
	// fan-out. A server in the same process may take them without a network.
	Transport http.RoundTripper
}

// A Poster implements delivery.Poster. It is safe for concurrent use.
type Poster struct{ client *mgmt.Client }

// idlePerHost keeps a connection for each post of a full fan-out, so that the
// next one needs no handshakes.
const idlePerHost = 64

// New returns a Poster. It makes no call.
//
// The SDK does not retry: on a throttled connection its own back-off takes
// seconds, and on a server error it posts the frame again at once. The caller
// knows its deadline and decides. The client is built from the region and the
// credentials that Lambda puts into the environment: config.LoadDefaultConfig
// alone would cost 5 ms of every cold start.
func New(o Options) (*Poster, error) {
	if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" {
		return nil, errors.New("the url of the management api is not valid")
	}
	if o.AWS.Region == "" {
		return nil, errors.New("the management api needs a region")
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	return &Poster{client: mgmt.New(mgmt.Options{
		Region:       o.AWS.Region,
		BaseEndpoint: aws.String(o.Endpoint),
		Credentials:  credentials(o.AWS),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: o.Transport},
	})}, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 2 * time.Second,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
	}
}

func credentials(a config.AWS) aws.CredentialsProvider {
	fixed := aws.Credentials{
		AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey, SessionToken: a.SessionToken, Source: "environment",
	}
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return fixed, nil }))
}

// Post sends one frame, once.
func (p *Poster) Post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	_, err := p.client.PostToConnection(ctx, &mgmt.PostToConnectionInput{ConnectionId: aws.String(string(id)), Data: frame})
	return describe("post", err)
}

// Close ends the connection; its client sees close code 1000.
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
	if passing(err) {
		return &passingError{fmt.Errorf("%s: %w", step, err)}
	}
	return fmt.Errorf("%s: %w", step, err)
}

// passing reports whether the error may be gone at the next attempt:
// everything that is no definite answer.
func passing(err error) bool {
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok {
		return !errors.Is(err, context.Canceled)
	}
	status := response.HTTPStatusCode()
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError || status == 0
}

type passingError struct{ error }

// Retryable tells delivery to try again.
func (*passingError) Retryable() bool { return true }

// Unwrap returns the SDK's error.
func (e *passingError) Unwrap() error { return e.error }
