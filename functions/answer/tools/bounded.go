package tools

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// errTooLarge ends the reading of an answer.
var errTooLarge = errors.New("the answer is longer than is read")

// bounded is what the library sends its requests with: they have the headers of the
// configuration, end with the session, and no more is read of an answer than maxBody,
// after it was decompressed. The headers are sent to no other host, because redirects
// are not followed.
type bounded struct {
	next    http.RoundTripper
	alive   context.Context // of all requests: the library ends some of them late
	headers atomic.Pointer[map[string]string]
	renew   func(ctx context.Context, refused map[string]string) (map[string]string, bool)
}

func newBounded(next http.RoundTripper, alive context.Context, headers map[string]string, renew func(context.Context, map[string]string) (map[string]string, bool)) *bounded {
	b := &bounded{next: next, alive: alive, renew: renew}
	b.headers.Store(&headers)
	return b
}

// renewing is Renew of one server.
func (s *Servers) renewing(server string) func(context.Context, map[string]string) (map[string]string, bool) {
	return func(ctx context.Context, refused map[string]string) (map[string]string, bool) {
		if s.Renew == nil {
			return nil, false
		}
		return s.Renew(ctx, server, refused)
	}
}

// An exchange is what became of a request, for who has put it into its context: the
// library's errors tell it in prose.
type exchange struct {
	sent   atomic.Bool  // as far as to the transport
	status atomic.Int64 // 0 where there was no answer
	large  atomic.Bool  // the answer was
}

// isDoubtful reports whether the status is one that also comes, from the server or from what
// stands before it, after a call was executed: whoever answers so gave up waiting, broke
// down, or no longer knows whom it was from.
func (x *exchange) isDoubtful() bool {
	status := x.status.Load()
	return status == http.StatusNotFound || status == http.StatusRequestTimeout || status >= 500
}

type exchangeKey struct{}

// RoundTrip sends one request; once more where it was refused by headers that are others
// now. What answers 401 has done nothing.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	headers := b.headers.Load()
	response, err := b.send(r, *headers)
	if err != nil || response.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return response, err
	}
	fresh, changed := b.renew(r.Context(), *headers)
	if !changed {
		return response, nil
	}
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return response, nil //nolint:nilerr // it stays refused
		}
	}
	response.Body.Close()
	b.headers.Store(&fresh)
	return b.send(again, fresh)
}

func (b *bounded) send(r *http.Request, headers map[string]string) (*http.Response, error) {
	seen, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if seen == nil {
		seen = &exchange{}
	}
	seen.sent.Store(true)
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(b.alive, cancel)
	release := func() { stop(); cancel() }
	r = r.Clone(ctx)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := b.next.RoundTrip(r)
	if err != nil {
		release()
		return nil, err
	}
	seen.status.Store(int64(response.StatusCode))
	response.Body = &body{ReadCloser: response.Body, left: maxBody, seen: seen, release: release}
	return response, nil
}

// A body is what is read of an answer.
type body struct {
	io.ReadCloser
	left    int
	seen    *exchange
	release func()
}

// Read reads until there was too much.
func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		b.seen.large.Store(true)
		return 0, errTooLarge
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
