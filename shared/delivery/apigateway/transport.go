package apigateway

import (
	"net"
	"net/http"
	"time"
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
		DialContext:           (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   2 * time.Second,
		ResponseHeaderTimeout: 5 * time.Second, // for callers with a longer deadline
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       50 * time.Second, // below what load balancers allow
		DisableCompression:    true,
	}
}
