package apigateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"aiwm-chat/shared/delivery"
)

// direct sends each request as it is: signed requests are not redirected, and
// there are no cookies.
type direct struct{ transport http.RoundTripper }

// Do is what the SDK calls.
func (d direct) Do(r *http.Request) (*http.Response, error) { return d.transport.RoundTrip(r) }

// idlePerHost keeps the connections of several full fan-outs, so that the next
// one needs no handshakes.
const idlePerHost = 128

// newTransport speaks HTTP/1.1: over the single connection of HTTP/2 all posts
// would hang together when that one dies while Lambda is frozen.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 2 * time.Second,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     50 * time.Second, // below what load balancers allow
		DisableCompression:  true,
	}
}

var errSlow = fmt.Errorf("no answer within %v", delivery.AttemptTime)

// limit returns a context that ends delivery.AttemptTime after the HTTP
// connection of its request is ready. Getting one has limits of its own, those
// of the transport and of ctx: a handshake is nothing that a client could be
// slow with. A transport within the process never asks for a connection, and
// the time runs from the beginning.
func limit(ctx context.Context) (limited context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(delivery.AttemptTime, func() { cancel(errSlow) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { timer.Stop() },
		GotConn: func(httptrace.GotConnInfo) { timer.Reset(delivery.AttemptTime) },
	})
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// drained is more than any answer has.
const drained = 16 << 10

// drain reads what is left of an answer, so that its connection can be used
// again, and closes it.
func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, drained)
	body.Close()
}
