package wsapi

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a transport that hands requests to the ManagementHandler
// without a network between, whatever host they name. An unmodified SDK client
// that is given it (as the Transport of its HTTPClient) sees the same answers
// at a third of the cost. Whoever has it is let in: of signatures only the form
// is checked.
func (a *API) Transport() http.RoundTripper { return transport{a} }

type transport struct{ api *API }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := *r // a round tripper must not change its request
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	w := answer{header: http.Header{}, status: http.StatusOK}
	t.api.serveManagement(&w, &in, nil)
	header := make(http.Header, len(w.header))
	for name, values := range w.header {
		header[http.CanonicalHeaderKey(name)] = values // as a client reads it from the wire
	}
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(w.body)),
		ContentLength: int64(len(w.body)),
		Request:       r,
	}, nil
}

// An answer is a ResponseWriter in memory.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}
