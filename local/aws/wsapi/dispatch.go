package wsapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gobwas/ws"

	"aiwm-chat/local/faults"
)

// Texts of error frames and error bodies, as captured from API Gateway.
const (
	forbidden     = "Forbidden"
	internalError = "Internal server error"
	timedOut      = "Endpoint request timed out"
)

var errTimedOut = errors.New("the integration timed out")

// dispatch starts the invocation for a message. Messages of one connection run
// concurrently and may overtake each other. When too many are in flight it
// waits, and with it the reader and in the end the client: a flood grows
// nothing.
func (c *conn) dispatch(body []byte) {
	at := time.Now()
	o := occasion{
		route:     c.api.route(body),
		eventType: "MESSAGE",
		requestID: newID(at, newTail()),
		messageID: newID(at, c.tail),
		at:        at,
	}
	if o.route == nil {
		c.postError(forbidden, o.requestID)
		return
	}
	if !acquire(c.slots, c.ended) {
		return
	}
	if !acquire(c.api.slots, c.ended) {
		<-c.slots
		return
	}
	event := c.messageEvent(o, body)
	c.api.work.Add(1)
	go func() {
		defer func() {
			<-c.api.slots
			<-c.slots
			c.api.work.Done()
		}()
		c.handle(o, event)
	}()
}

// acquire takes a slot; false if the connection ended first.
func acquire(slots chan<- struct{}, ended <-chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ended:
		return false
	}
}

// handle invokes a message's function. Whatever status it returns, the client
// sees nothing but the body of a route response, or an error frame when the
// integration failed.
func (c *conn) handle(o occasion, event []byte) {
	c.api.pause(c.api.options.Faults.Delay(faults.Latency) + c.api.options.Faults.Delay(faults.Reorder))
	out, err := c.api.invoke(o, c.id, event)
	if err != nil {
		c.postError(c.api.failure(err), o.requestID)
		return
	}
	response, err := parseResponse(out)
	if err != nil {
		c.api.options.Logger.Warn("malformed response", "function", o.route.Function, "route", o.route.Key, "err", err)
		c.postError(internalError, o.requestID)
		return
	}
	switch {
	case !o.route.RouteResponse || response.Body == "":
	case len(response.Body) > maxMessage:
		c.api.options.Logger.Warn("route response not delivered: it is over 128 KB", "function", o.route.Function, "route", o.route.Key,
			"bytes", len(response.Body))
	default:
		c.logUndelivered(c.post(newFrame(ws.OpText, response.Body)))
	}
}

// disconnected fires $disconnect.
func (c *conn) disconnected(e ending) {
	o := &c.api.options
	if c.api.disconnect == nil || e.lost && o.Unproven.LostSilently || o.Faults.Roll(faults.DropDisconnect) {
		return
	}
	c.api.slots <- struct{}{}
	defer func() { <-c.api.slots }()
	c.api.pause(o.Faults.Delay(faults.Latency))
	at := time.Now()
	event := occasion{route: c.api.disconnect, eventType: "DISCONNECT", requestID: newID(at, newTail()), at: at, end: &e}
	_, _ = c.api.invoke(event, c.id, c.disconnectEvent(event)) // logged there; there is nobody left to tell
}

// invoke runs the function of an event under the integration timeout, twice if
// the duplicate fault says so; the last result counts.
func (a *API) invoke(o occasion, connectionID string, event []byte) (out []byte, err error) {
	times := 1
	if a.options.Faults.Roll(faults.Duplicate) {
		times = 2
	}
	for range times {
		out, err = a.invokeOnce(o, connectionID, event)
	}
	return out, err
}

func (a *API) invokeOnce(o occasion, connectionID string, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(a.base, cmp.Or(o.route.Timeout, a.options.IntegrationTimeout))
	defer cancel()
	start := time.Now()
	out, err := a.functions.Invoke(ctx, o.route.Function, event)
	// An invoker's own timer for the same deadline may strike a moment before
	// ours.
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)) {
		err = errTimedOut
	}
	level := slog.LevelInfo
	if err != nil && !(o.route == a.authorize && isUnauthorized(err)) {
		level = slog.LevelError
	}
	if log := a.options.Logger; log.Enabled(ctx, level) {
		attrs := []slog.Attr{slog.String("route", o.route.Key), slog.String("function", o.route.Function), slog.String("connection", connectionID),
			slog.String("request", o.requestID), slog.Duration("took", time.Since(start))}
		if o.end != nil {
			attrs = append(attrs, slog.Int("code", o.end.code))
		}
		if err != nil {
			attrs = append(attrs, slog.Any("err", err))
		}
		log.LogAttrs(ctx, level, "invoke", attrs...)
	}
	return out, err
}

// pause waits for d, or until Shutdown gives up.
func (a *API) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-a.base.Done():
	}
}

// failure is what the client is told of a failed integration.
func (a *API) failure(err error) string {
	switch {
	case errors.Is(err, errTimedOut):
		return timedOut
	case throttled(err):
		return a.options.Unproven.ThrottledMessage
	}
	return internalError
}

func throttled(err error) bool {
	var t interface{ Throttled() bool }
	return errors.As(err, &t) && t.Throttled()
}

// postError sends an error frame; the connection stays open.
func (c *conn) postError(message, requestID string) {
	c.logUndelivered(c.post(newFrame(ws.OpText, errorBody(message, c.id, requestID))))
}

func (c *conn) logUndelivered(err error) {
	if err != nil {
		c.api.options.Logger.Debug("frame not delivered", "connection", c.id, "err", err)
	}
}

// errorBody returns the bytes that API Gateway sends, odd spaces included.
func errorBody(message, connectionID, requestID string) string {
	return `{"message": ` + string(quote(message)) + `, "connectionId":"` + connectionID + `", "requestId":"` + requestID + `"}`
}

// A response is what a proxy integration returns.
type response struct {
	Status            jsontext.Value            `json:"statusCode"`
	Headers           map[string]jsontext.Value `json:"headers"`
	MultiValueHeaders map[string][]string       `json:"multiValueHeaders"`
	Body              string                    `json:"body"`
	IsBase64Encoded   bool                      `json:"isBase64Encoded"`

	status int // of Status, which may be a string of digits
}

// parseResponse refuses what API Gateway calls a malformed proxy response: no
// JSON object, no status code, wrong types, and any member that is none of
// format 1.0's, such as the cookies of an HTTP API's response.
func parseResponse(out []byte) (r response, err error) {
	if err := json.Unmarshal(out, &r, jsontext.AllowDuplicateNames(true), json.RejectUnknownMembers(true)); err != nil {
		return r, err
	}
	r.status, err = strconv.Atoi(string(unquote(r.Status)))
	if err != nil || r.status < 200 || r.status > 599 {
		return r, errors.New("no statusCode between 200 and 599")
	}
	if r.IsBase64Encoded {
		plain, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			return r, err
		}
		r.Body = string(plain)
	}
	return r, nil
}

// eachHeader calls visit with every header of the response.
func (r response) eachHeader(visit func(name, value string)) {
	for name, value := range r.Headers {
		if value.Kind() != 'n' {
			visit(name, string(unquote(value)))
		}
	}
	for name, values := range r.MultiValueHeaders {
		if len(values) > 0 {
			visit(name, strings.Join(values, ","))
		}
	}
}
