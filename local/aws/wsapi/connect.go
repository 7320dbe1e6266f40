package wsapi

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"aiwm-chat/local/faults"
)

// subprotocol is the header in RFC 6455's spelling, which net/http's is not.
const subprotocol = "Sec-WebSocket-Protocol"

// ConnectHandler accepts WebSocket connections at /{Stage} and /{MappingKey}.
// Mount it for every path whose first segment could be a stage: it answers an
// unknown one as API Gateway does. The authorizer and $connect run before the
// upgrade, and their refusal is the HTTP response.
func (a *API) ConnectHandler() http.Handler { return http.HandlerFunc(a.serveConnect) }

func (a *API) serveConnect(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	c := a.newConn(r, at)
	requestID := newID(at, newTail())
	w.Header()["x-amzn-RequestId"] = []string{requestID}
	if !a.begin() {
		c.reply(w, http.StatusServiceUnavailable, "Service Unavailable", requestID)
		return
	}
	defer a.work.Done()
	if status, message := a.refuse(r); status != 0 {
		c.reply(w, status, message, requestID)
		return
	}

	a.slots <- struct{}{}
	response, status, message := c.connect(newHandshake(r), requestID, at)
	<-a.slots
	if status != 0 {
		c.reply(w, status, message, requestID)
		return
	}
	header := a.connectHeader(response)
	if response.status/100 != 2 {
		delete(header, subprotocol)
		maps.Copy(w.Header(), header)
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(response.status)
		io.WriteString(w, response.Body)
		return
	}
	reader, err := c.upgrade(w, r, header)
	if err != nil { // the function has accepted the connection, and so it hears that it ended
		a.options.Logger.Debug("upgrade failed", "connection", c.id, "err", err)
		c.setEnd(ending{code: a.options.Unproven.LostCode, lost: true})
		c.disconnected(*c.end.Load())
		return
	}
	a.work.Add(1)
	go c.serve(reader) // a goroutine of its own gives net/http's stack and buffers back
}

// connectHeader returns the headers of $connect's response that reach the
// client.
func (a *API) connectHeader(r response) http.Header {
	header := http.Header{}
	r.eachHeader(func(name, value string) {
		if strings.EqualFold(name, subprotocol) {
			header[subprotocol] = []string{value}
		} else if a.options.Unproven.ConnectHeaders && !hopHeader(name) {
			header.Set(name, value)
		}
	})
	return header
}

func (a *API) newConn(r *http.Request, at time.Time) *conn {
	end := newTail()
	c := &conn{
		api:         a,
		id:          newID(at, end),
		tail:        end,
		host:        strings.Clone(r.Host),
		sourceIP:    sourceIP(r),
		userAgent:   strings.Clone(r.UserAgent()),
		connectedAt: at,
		token:       make(chan struct{}, 1),
		slots:       make(chan struct{}, maxInFlightConnection),
		ended:       make(chan struct{}),
	}
	c.repeated = a.newRepeated(c, cmp.Or(a.options.DomainName, c.host))
	return c
}

// refuse returns the status and message for a request that no function gets to
// see; 0 if it is a proper handshake.
func (a *API) refuse(r *http.Request) (status int, message string) {
	path := strings.Trim(r.URL.Path, "/")
	unproven := a.options.Unproven
	switch {
	case len("wss://")+len(r.Host)+len(r.RequestURI) > maxURL:
		return http.StatusRequestURITooLong, "Request-URI Too Long"
	case unproven.MaxHeaderBytes > 0 && headerBytes(r) > unproven.MaxHeaderBytes:
		return http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"
	case path != a.options.Stage && path != a.options.MappingKey:
		return unproven.UnknownStageStatus, forbidden
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		if unproven.HidePlainGET {
			return http.StatusForbidden, forbidden
		}
		return http.StatusUpgradeRequired, "Upgrade Required"
	case r.Method != http.MethodGet, !r.ProtoAtLeast(1, 1), !strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade"),
		len(r.Header.Get("Sec-WebSocket-Key")) != 24, r.Header.Get("Sec-WebSocket-Version") != "13":
		return http.StatusBadRequest, "Bad Request"
	}
	return 0, ""
}

func headerBytes(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

// connect asks the authorizer and $connect. A status other than 0 refuses the
// handshake in the gateway's own words; otherwise the response decides.
func (c *conn) connect(h handshake, requestID string, at time.Time) (r response, status int, message string) {
	a := c.api
	h.forwardedFor(c.sourceIP)
	if a.authorize != nil {
		if status, err := c.authorize(h); status != http.StatusOK {
			a.options.Logger.Warn("handshake refused", "status", status, "err", err)
			return r, status, map[int]string{401: "Unauthorized", 403: forbidden, 500: internalError}[status]
		}
	}
	if a.connect == nil {
		return response{status: http.StatusOK}, 0, ""
	}
	a.pause(a.options.Faults.Delay(faults.Latency))
	o := occasion{route: a.connect, eventType: "CONNECT", requestID: requestID, at: at}
	out, err := a.invoke(o, c.id, c.connectEvent(o, h))
	if notInvoked(err) {
		return r, a.options.Unproven.ConnectNotInvoked, internalError
	}
	if err == nil {
		if r, err = parseResponse(out); err != nil {
			a.options.Logger.Warn("malformed response", "function", a.connect.Function, "route", "$connect", "err", err)
		}
	}
	if throttled(err) {
		return r, a.options.Unproven.ConnectThrottled, internalError
	}
	if err != nil {
		return r, http.StatusBadGateway, a.failure(err)
	}
	return r, 0, ""
}

// notInvoked reports whether the function did not run: there is none, or it may
// not be invoked.
func notInvoked(err error) bool {
	_, failed := errors.AsType[interface {
		error
		ErrorMessage() string
	}](err)
	return err != nil && !failed && !throttled(err) && !errors.Is(err, errTimedOut)
}

// upgrade sends the 101 and returns a reader of what the client sends. The
// connection becomes reachable for @connections before the client can know of
// it, but what is posted waits for the 101.
func (c *conn) upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*bufio.Reader, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	nc = bare(nc)
	c.nc = nc
	c.token <- struct{}{}
	defer c.unlock()
	c.touch()
	if !c.api.add(c) {
		nc.Close()
		return nil, errors.New("shutting down")
	}
	// No Negotiate and no Protocol: extensions are never accepted, and a
	// subprotocol only in the words of $connect.
	upgrader := ws.HTTPUpgrader{Header: header, Timeout: handshakeTimeout}
	if _, _, _, err := upgrader.Upgrade(r, hijacked{w, nc, rw}); err != nil {
		nc.Close()
		return nil, fmt.Errorf("send 101: %w", err)
	}
	var from io.Reader = c
	if n := rw.Reader.Buffered(); n > 0 { // an impatient client
		early, _ := rw.Reader.Peek(n)
		from = io.MultiReader(bytes.NewReader(bytes.Clone(early)), c)
	}
	return bufio.NewReaderSize(from, smallReadBuffer), nil
}

// hijacked hands a connection that was already taken over to gobwas/ws, which
// takes it over itself.
type hijacked struct {
	http.ResponseWriter
	nc net.Conn
	rw *bufio.ReadWriter
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.nc, h.rw, nil }

// reply answers a handshake in the gateway's own words.
func (c *conn) reply(w http.ResponseWriter, status int, message, requestID string) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUpgradeRequired {
		w.Header().Set("Upgrade", "websocket")
	}
	w.WriteHeader(status)
	io.WriteString(w, errorBody(message, c.id, requestID))
}

// hopHeader reports whether a header belongs to the upgrade itself or to the
// length of the body.
func hopHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Upgrade", "Content-Length", "Transfer-Encoding", "Sec-Websocket-Accept", "Sec-Websocket-Extensions":
		return true
	}
	return false
}
