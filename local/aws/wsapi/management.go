package wsapi

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"aiwm-chat/local/faults"
)

// The @connections API: service model apigatewaymanagementapi 2018-11-29,
// restJson1.

// pooledFrame is the largest buffer that is kept for the next post.
const pooledFrame = 16 << 10

// ManagementHandler serves POST, GET and DELETE on @connections/{connectionId}
// at the root, under /{Stage} and under /{MappingKey}. It reads the escaped
// path itself, so an id may come as it is or escaped.
func (a *API) ManagementHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.serveManagement(w, r, a.options.SigningKeys) })
}

// IsManagement reports whether a request is for a ManagementHandler, whatever
// its prefix: for callers that share one port.
func IsManagement(r *http.Request) bool {
	_, _, ok := splitManagement(r)
	return ok
}

// splitManagement takes /{prefix}/@connections/{id} apart. SDKs escape the '='
// of an id, and some clients the '@'.
func splitManagement(r *http.Request) (prefix, id string, ok bool) {
	path := r.URL.EscapedPath()
	last := strings.LastIndexByte(path, '/')
	if last < 0 {
		return "", "", false
	}
	id, err := url.PathUnescape(path[last+1:])
	if err != nil || id == "" {
		return "", "", false
	}
	path = path[:last]
	for _, name := range []string{"/@connections", "/%40connections"} {
		if prefix, ok = strings.CutSuffix(path, name); ok {
			return strings.TrimPrefix(prefix, "/"), id, true
		}
	}
	return "", "", false
}

func (a *API) serveManagement(w http.ResponseWriter, r *http.Request, keys map[string]SigningKey) {
	o := &a.options
	now := time.Now()
	w.Header()["x-amzn-RequestId"] = []string{newID(now, newTail())}
	prefix, id, ok := splitManagement(r)
	if !ok || prefix != "" && prefix != o.Stage && prefix != o.MappingKey {
		refuseManagement(w, http.StatusForbidden, "ForbiddenException", forbidden)
		return
	}
	if refusal := a.checkSignature(r, keys, now); refusal == unreadable {
		refuseManagement(w, http.StatusRequestTimeout, "RequestTimeoutException", refusal)
		return
	} else if refusal != "" {
		refuseManagement(w, http.StatusForbidden, "ForbiddenException", refusal)
		return
	}
	if o.Faults.Roll(faults.Throttle) {
		refuseManagement(w, http.StatusTooManyRequests, "LimitExceededException", "Too Many Requests")
		return
	}
	c := a.lookup(id)
	if c == nil {
		if o.Unproven.MalformedIDStatus != http.StatusGone && !possibleID(id) {
			refuseManagement(w, o.Unproven.MalformedIDStatus, "BadRequestException", "Invalid connectionId: "+id)
			return
		}
		refuseManagement(w, http.StatusGone, "GoneException", "Gone")
		return
	}
	switch r.Method {
	case http.MethodPost:
		a.servePost(w, r, c)
	case http.MethodGet:
		c.serveGet(w)
	case http.MethodDelete:
		c.shut(int(ws.StatusNormalClosure), closedNormally)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuseManagement(w, http.StatusForbidden, "ForbiddenException", forbidden)
	}
}

func (a *API) servePost(w http.ResponseWriter, r *http.Request, c *conn) {
	buffer, _ := a.frames.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer func() {
		if cap(*buffer) <= pooledFrame {
			a.frames.Put(buffer)
		}
	}()
	var err error
	if *buffer, err = readPayload(*buffer, r, a.options.Unproven.MaxPost); err != nil {
		if errors.Is(err, errTooLarge) {
			_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // an answer to a client that still writes may be lost
			refuseManagement(w, http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "Message too long")
		} else {
			refuseManagement(w, http.StatusRequestTimeout, "RequestTimeoutException", unreadable)
		}
		return
	}
	if status := a.options.Unproven.InvalidPostStatus; status != 0 && !utf8.Valid((*buffer)[headerRoom:]) {
		refuseManagement(w, status, "BadRequestException", "The body is not UTF-8")
		return
	}
	a.pause(a.options.Faults.Delay(faults.Latency))
	failing := a.options.Faults.Roll(faults.PostError)
	// A real 500 leaves open whether the frame was delivered. Both happen here,
	// in turn.
	if failing && a.failures.Add(1)%2 == 1 {
		refuseManagement(w, http.StatusInternalServerError, "InternalServerErrorException", internalError)
		return
	}
	switch err := c.post(seal(ws.OpText, *buffer)); {
	case errors.Is(err, errBusy):
		refuseManagement(w, http.StatusTooManyRequests, "LimitExceededException", "The client side buffer is full")
	case err != nil:
		refuseManagement(w, http.StatusGone, "GoneException", "Gone")
	case failing:
		refuseManagement(w, http.StatusInternalServerError, "InternalServerErrorException", internalError)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

var errTooLarge = errors.New("the payload is too large")

// maxDrain is how much of a body that is too large is read before it is
// refused.
const maxDrain = 1 << 20

// readPayload reads a request's body into b, after the room for a frame header.
func readPayload(b []byte, r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return b, errTooLarge
	}
	size := headerRoom + int(max(r.ContentLength, 512)) + 1 // the last byte finds out whether there is more
	if cap(b) < size {
		b = make([]byte, size)
	}
	b = b[:headerRoom]
	for {
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b)-headerRoom > limit:
			return b, errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

func (c *conn) serveGet(w http.ResponseWriter) {
	const iso8601 = "2006-01-02T15:04:05.000Z"
	b := append([]byte(`{"connectedAt":"`), c.connectedAt.UTC().Format(iso8601)...)
	b = append(b, `","identity":{"sourceIp":`...)
	b = appendQuote(b, c.sourceIP)
	b = append(b, `,"userAgent":`...)
	b = appendQuote(b, c.userAgent)
	b = append(b, `},"lastActiveAt":"`...)
	b = append(b, time.Unix(0, c.lastActive.Load()).UTC().Format(iso8601)...)
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(b, `"}`...))
}

// refuseManagement answers with the header by which SDKs make a typed error.
func refuseManagement(w http.ResponseWriter, status int, errorType, message string) {
	w.Header()["x-amzn-ErrorType"] = []string{errorType}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(appendQuote([]byte(`{"message":`), message), '}'))
}
