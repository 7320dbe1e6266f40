package completion

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"time"
)

// What is read of a response.
const (
	maxWhole   = 1 << 20  // bytes of an answer that comes as one
	maxFailure = 64 << 10 // bytes of what is no answer
	maxStream  = 64 << 20 // bytes of a stream: of a token most are its envelope
	maxLine    = 1 << 20  // bytes of one of its events
)

var (
	errRedirect = &Error{Kind: Permanent, cause: errors.New("it redirects to another address")}
	errTooLarge = &Error{Kind: TooLarge, cause: errors.New("its answer is too large")}
)

// noRedirect: who could make the service redirect would read what people write.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// An exchange is one request and its response. It is the library's HTTP client,
// reads only so much of a response, and takes no redirect for an answer.
type exchange struct {
	client *http.Client
	hush   *time.Timer // ends a stream that was quiet for so long; nil: nothing does
	quiet  time.Duration
	status int
	header http.Header
	body   io.ReadCloser
}

// Do implements openai.HTTPDoer.
func (x *exchange) Do(r *http.Request) (*http.Response, error) {
	response, err := x.client.Do(r)
	if err != nil {
		return nil, err
	}
	x.status, x.header = response.StatusCode, response.Header
	limited := &limitedBody{ReadCloser: response.Body, left: maxWhole}
	switch {
	case x.status/100 == 3:
		response.Body.Close()
		return nil, errRedirect
	case x.status/100 != 2:
		response.Body = readCloser{io.LimitReader(response.Body, maxFailure), response.Body}
	case r.Header.Get("Accept") == "text/event-stream":
		limited.left = maxStream
		fallthrough
	default:
		response.Body = limited
	}
	x.body = response.Body
	return response, nil
}

// close closes the body, which the library leaves open where a stream is refused.
func (x *exchange) close() {
	if x.body != nil {
		x.body.Close()
	}
}

var (
	dataField = []byte("data:")
	done      = []byte("[DONE]")
)

// events calls on with the data of each event, until the last, or on's error. A
// stream that ends without the mark of its end broke off: io.ErrUnexpectedEOF.
func (x *exchange) events(on func(data []byte) error) error {
	lines := bufio.NewScanner(x.body)
	lines.Buffer(nil, maxLine)
	for x.next(lines) {
		data, ok := bytes.CutPrefix(lines.Bytes(), dataField)
		if data = bytes.TrimSpace(data); !ok || len(data) == 0 {
			continue // the end of an event, or a comment
		}
		if bytes.Equal(data, done) {
			return nil
		}
		if err := on(data); err != nil {
			return cmp.Or(lines.Err(), err) // half an event is what is left of a connection that broke
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return errTooLarge
	case err != nil:
		return err
	}
	return io.ErrUnexpectedEOF
}

// next waits for the next line. How long somebody takes for the last one is not the
// service's silence.
func (x *exchange) next(lines *bufio.Scanner) bool {
	if x.hush != nil {
		x.hush.Reset(x.quiet)
		defer x.hush.Stop()
	}
	return lines.Scan()
}

// A limitedBody fails where its limit is passed.
type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// What ends at the limit is not over it.
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

type readCloser struct {
	io.Reader
	io.Closer
}
