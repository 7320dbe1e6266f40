// Package httpapi is an Amazon API Gateway HTTP API on one machine: it turns
// HTTP requests into events of payload format 2.0, has a function invoked with
// them, and turns what the function returns into HTTP responses.
//
// It follows AWS's developer guide (http-api-develop-integrations-lambda,
// http-api-develop-routes, http-api-cors, http-api-quotas), captures of real
// events and responses, and what AWS's own Lambda Test Tool measured on real
// APIs. What nobody could prove is a field of Unproven. Not emulated:
// authorizers (a template with one is refused), rates of the account, mutual
// TLS, the limit of 300 routes.
//
// The handler wants the request as it came: behind an http.ServeMux, which
// cleans paths and redirects, it would see other paths than AWS shows.
package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"
)

// Limits of API Gateway (http-api-quotas) and Lambda, in bytes. An event or a
// function's response of more than 6 MB cannot be; base64 counts. That
// responses may be 100 bytes longer is what Lambda's own error message says.
const (
	maxBody        = 10 << 20
	maxHeaders     = 10240 // request line and headers together
	maxEvent       = 6 << 20
	maxResponse    = 6<<20 + 100
	defaultTimeout = 30 * time.Second
)

// An invoker runs a function with an event and gives what it returned. An error
// means that the function failed. It returns soon after the context is done.
type invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// A Route connects a route key with a function.
type Route struct {
	Method   string        // upper case, or "ANY"; not looked at where Path is "$default"
	Path     string        // "/", "/messages/{id}", "/files/{proxy+}", or "$default" for what nothing else matches
	Function string        // what Invoke is called with
	Timeout  time.Duration // of the integration; Options.IntegrationTimeout if zero
}

// CORS is a CORS configuration. With one the gateway answers preflight requests
// itself and ignores the CORS headers that functions return.
type CORS struct {
	AllowOrigins     []string // "https://www.example.com", "https://*" or "*"
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAge           time.Duration // 0: not sent
}

// Options describes one stage of one API. Routes is required.
type Options struct {
	Routes             []Route
	CORS               *CORS             // nil: functions are responsible for CORS
	Stage              string            // first segment of every path; $default, which is in no path, if empty
	StageVariables     map[string]string // in every event; nil: none
	APIID              string            // localhttp0 if empty
	DomainName         string            // the host that each request names, as if it were a custom domain, if empty
	IntegrationTimeout time.Duration     // 30 s if zero
	Throttle           func() bool       // true refuses the request with 429; nil: never
	Logger             *slog.Logger      // one line per request, without query, headers and bodies; nil: nothing is logged
	Unproven           Unproven
}

// Unproven are the answers to questions that AWS's documentation leaves open
// and that no public capture settles. The zero value is what most reports speak
// for.
type Unproven struct {
	// RawPathEncoded leaves rawPath and http.path as they came. By default they
	// are percent-decoded once and end before a decoded question mark, as
	// pathParameters are (aws-lambda-dotnet#1901,
	// middleapi/standard-server#93).
	RawPathEncoded bool
	// IgnoreTrailingSlash lets "/health/" find the route "/health". By default
	// it does not (w3infra#166).
	IgnoreTrailingSlash bool
	// GreedyNeedsSegment keeps "/files/" from the route "/files/{proxy+}". By
	// default it goes there, with an empty variable (w3infra#166).
	GreedyNeedsSegment bool
	// NoCORSOnErrors leaves CORS headers off the gateway's own 4xx and 5xx. By
	// default they are there, as on every response.
	NoCORSOnErrors bool
	// HeadersTooLargeStatus answers a request line and headers over 10,240
	// bytes; 431 if zero.
	HeadersTooLargeStatus int
	// EventTooLargeStatus answers a request that fits API Gateway's limit and
	// not Lambda's; 413 if zero.
	EventTooLargeStatus int
}

// A Handler serves one stage.
type Handler struct {
	options   Options
	routes    []route
	functions invoker
}

// New checks the routes and makes the handler.
func New(o Options, functions invoker) (*Handler, error) {
	routes, err := compile(o.Routes)
	if err != nil {
		return nil, err
	}
	o.Stage = cmp.Or(o.Stage, "$default")
	o.APIID = cmp.Or(o.APIID, "localhttp0")
	o.IntegrationTimeout = cmp.Or(o.IntegrationTimeout, defaultTimeout)
	u := &o.Unproven
	u.HeadersTooLargeStatus = cmp.Or(u.HeadersTooLargeStatus, http.StatusRequestHeaderFieldsTooLarge)
	u.EventTooLargeStatus = cmp.Or(u.EventTooLargeStatus, http.StatusRequestEntityTooLarge)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{options: o, routes: routes, functions: functions}, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := newID(start)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	resp, routeKey, err := h.serve(r, id, start)
	h.write(w, r, id, resp)
	level := slog.LevelInfo
	if resp.status >= 500 {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", routeKey),
		slog.Int("status", resp.status), slog.Duration("took", time.Since(start)), slog.String("request", id)}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	h.options.Logger.LogAttrs(r.Context(), level, "http", attrs...)
}

// RouteKey is that of the route which gets the requests of a path, percent-decoded,
// and "" where there is none.
func (h *Handler) RouteKey(method, path string) string {
	path, ok := h.withinStage(path)
	if !ok {
		return ""
	}
	if route, _ := match(h.routes, method, path, h.options.Unproven); route != nil {
		return route.key
	}
	return ""
}

// serve finds the response. The error is the cause of a 5xx, for the log.
func (h *Handler) serve(r *http.Request, id string, start time.Time) (response, string, error) {
	if headerSize(r) > maxHeaders {
		return failure(h.options.Unproven.HeadersTooLargeStatus), "", nil
	}
	path, ok := h.withinStage(decodedPath(r))
	if !ok {
		return failure(http.StatusNotFound), "", nil
	}
	if h.options.CORS != nil && isPreflight(r) {
		return h.options.CORS.preflight(r.Header.Get("Origin")), "", nil
	}
	route, variables := match(h.routes, r.Method, path, h.options.Unproven)
	if route == nil {
		return failure(http.StatusNotFound), "", nil
	}
	if h.options.Throttle != nil && h.options.Throttle() {
		return failure(http.StatusTooManyRequests), route.key, nil
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return failure(http.StatusRequestEntityTooLarge), route.key, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // the server's: the client is too slow
		return failure(http.StatusRequestTimeout), route.key, nil
	}
	if err != nil {
		return failure(http.StatusBadRequest), route.key, nil
	}
	event, err := h.event(r, route.key, variables, body, id, start)
	if err != nil {
		return failure(http.StatusInternalServerError), route.key, err
	}
	if len(event) > maxEvent {
		return failure(h.options.Unproven.EventTooLargeStatus), route.key, nil
	}
	resp, err := h.invoke(r.Context(), route, event)
	return resp, route.key, err
}

// invoke runs the integration. A client that goes away does not stop it: API
// Gateway has no way to take an invocation back.
func (h *Handler) invoke(ctx context.Context, route *route, event []byte) (response, error) {
	timeout := cmp.Or(route.timeout, h.options.IntegrationTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	payload, err := h.functions.Invoke(ctx, route.function, event)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return failure(http.StatusServiceUnavailable), fmt.Errorf("invoke %s: no answer in %s", route.function, timeout)
	}
	if err != nil {
		return failure(http.StatusInternalServerError), fmt.Errorf("invoke %s: %w", route.function, err)
	}
	resp, err := parseResponse(payload)
	if err != nil {
		return failure(http.StatusInternalServerError), fmt.Errorf("read the response of %s: %w", route.function, err)
	}
	if h.options.CORS != nil {
		h.options.CORS.drop(resp.header)
	}
	return resp, nil
}

// withinStage takes the stage off a path. A path outside the stage does not
// exist.
func (h *Handler) withinStage(path string) (string, bool) {
	if h.options.Stage == "$default" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, "/"+h.options.Stage)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		rest = "/"
	}
	return rest, true
}

// headerSize is what the request line and the headers take on the wire in
// HTTP/1.1.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	return size
}
