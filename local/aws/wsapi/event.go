package wsapi

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/local/aws/account"
)

// Events are appended piece by piece instead of marshalled: they are made for
// every frame, and most of their text never changes during a connection.
// Members that do not apply are absent, never null, as in captures of real
// events.

// repeated is what every requestContext of a connection says, as JSON members
// in the order of real events.
type repeated struct {
	stage      []byte // ,"messageDirection":"IN","stage":…,"connectedAt":…
	identity   []byte // ,"identity":{…}
	names      []byte // ,"domainName":…,"connectionId":…,"apiId":…
	authorizer []byte // ,"authorizer":{…}, empty if there was none
}

func (a *API) newRepeated(c *conn, domain string) repeated {
	var r repeated
	b := make([]byte, 0, 320) // one allocation for all three
	cut := func(from int) []byte { return b[from:len(b):len(b)] }

	b = append(b, `,"messageDirection":"IN","stage":`...)
	b = appendQuote(b, a.options.Stage)
	b = append(b, `,"connectedAt":`...)
	b = strconv.AppendInt(b, c.connectedAt.UnixMilli(), 10)
	r.stage = cut(0)

	start := len(b)
	b = append(b, `,"identity":{`...)
	if c.userAgent != "" {
		b = append(b, `"userAgent":`...)
		b = append(appendQuote(b, c.userAgent), ',')
	}
	b = append(b, `"sourceIp":`...)
	b = append(appendQuote(b, c.sourceIP), '}')
	r.identity = cut(start)

	start = len(b)
	b = append(b, `,"domainName":`...)
	b = appendQuote(b, domain)
	b = append(b, `,"connectionId":"`...)
	b = append(b, c.id...)
	b = append(b, `","apiId":`...)
	b = appendQuote(b, a.options.APIID)
	r.names = cut(start)
	return r
}

// An occasion is what is new in an event.
type occasion struct {
	route     *route
	eventType string
	requestID string
	messageID string // MESSAGE only
	at        time.Time
	end       *ending // DISCONNECT only
}

// appendContext appends `"requestContext":{…}`.
func (r *repeated) appendContext(b []byte, o occasion) []byte {
	b = append(b, `"requestContext":{"routeKey":`...)
	b = append(b, o.route.quotedKey...)
	if o.end != nil {
		b = append(b, `,"disconnectStatusCode":`...)
		b = strconv.AppendInt(b, int64(o.end.code), 10)
	}
	if o.messageID != "" {
		b = append(b, `,"messageId":"`...)
		b = append(append(b, o.messageID...), '"')
	}
	b = append(b, `,"eventType":"`...)
	b = append(b, o.eventType...)
	b = append(b, `","extendedRequestId":"`...)
	b = append(b, o.requestID...)
	b = append(b, `","requestTime":"`...)
	b = o.at.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, '"')
	b = append(b, r.stage...)
	if o.end != nil {
		b = append(b, `,"disconnectReason":`...)
		b = appendQuote(b, o.end.reason)
	}
	b = append(b, `,"requestTimeEpoch":`...)
	b = strconv.AppendInt(b, o.at.UnixMilli(), 10)
	b = append(b, r.identity...)
	b = append(b, `,"requestId":"`...)
	b = append(b, o.requestID...)
	b = append(b, '"')
	b = append(b, r.names...)
	b = append(b, r.authorizer...)
	return append(b, '}')
}

// messageEvent returns the event of one message: requestContext and body, no
// headers.
func (c *conn) messageEvent(o occasion, body []byte) []byte {
	r := &c.repeated
	b := make([]byte, 0, 480+len(r.stage)+len(r.identity)+len(r.names)+len(r.authorizer)+len(body)+len(body)/8)
	b = append(b, '{')
	b = r.appendContext(b, o)
	b = c.api.appendVariables(b)
	b = append(b, `,"body":`...)
	b = appendQuote(b, body)
	return append(b, `,"isBase64Encoded":false}`...)
}

// connectEvent returns the event of $connect.
func (c *conn) connectEvent(o occasion, h handshake) []byte {
	b := append([]byte{'{'}, h.headers(false)...)
	if len(h.query) > 0 {
		b = append(append(b, ','), h.queryParameters()...)
	}
	b = append(b, ',')
	b = c.repeated.appendContext(b, o)
	b = c.api.appendVariables(b)
	return append(b, `,"isBase64Encoded":false}`...)
}

// authorizerEvent returns the REQUEST authorizer's event (awsdocs:
// apigateway-websocket-api-lambda-auth). It has no authorizer context yet.
func (c *conn) authorizerEvent(o occasion, h handshake) []byte {
	b := append([]byte(`{"type":"REQUEST","methodArn":`), quote(c.api.methodARN())...)
	b = append(append(b, ','), h.headers(true)...)
	b = append(append(b, ','), h.queryParameters()...)
	b = append(b, `,"stageVariables":`...)
	if c.api.variables != nil {
		b = append(b, c.api.variables...)
	} else {
		b = append(b, `{}`...)
	}
	b = append(b, ',')
	b = c.repeated.appendContext(b, o)
	return append(b, '}')
}

// disconnectEvent returns the event of $disconnect, whose headers are always
// these four.
func (c *conn) disconnectEvent(o occasion) []byte {
	forwarded := ""
	if c.api.options.Unproven.DisconnectedClientIP {
		forwarded = c.sourceIP
	}
	headers := map[string][]string{"Host": {c.host}, "x-api-key": {""}, "X-Forwarded-For": {forwarded}, "x-restapi": {""}}
	b := appendMaps([]byte{'{'}, "headers", "multiValueHeaders", headers)
	b = append(b, ',')
	b = c.repeated.appendContext(b, o)
	b = c.api.appendVariables(b)
	return append(b, `,"isBase64Encoded":false}`...)
}

func (a *API) methodARN() string {
	return "arn:aws:execute-api:" + account.Region + ":" + account.ID + ":" + a.options.APIID + "/" + a.options.Stage + "/$connect"
}

func (a *API) appendVariables(b []byte) []byte {
	if a.variables == nil {
		return b
	}
	return append(append(b, `,"stageVariables":`...), a.variables...)
}

// A handshake is what the events of a connection attempt say of its HTTP
// request.
type handshake struct {
	header   http.Header       // canonical names
	spelling map[string]string // what the client wrote for them, if that is known
	host     string
	query    url.Values
	traceID  string
}

func newHandshake(r *http.Request) handshake {
	h := handshake{header: http.Header{}, host: r.Host, query: r.URL.Query(), traceID: newTraceID(), spelling: spelling(r)}
	maps.Copy(h.header, r.Header)
	return h
}

// headers returns `"headers":{…},"multiValueHeaders":{…}`. API Gateway is
// reached over TLS on port 443, and so the events say. Only the authorizer sees
// the headers that belong to one hop.
func (h handshake) headers(authorizer bool) []byte {
	all := map[string][]string{
		"Host":              {h.host},
		"X-Amzn-Trace-Id":   {h.traceID},
		"X-Forwarded-Port":  {"443"},
		"X-Forwarded-Proto": {"https"},
	}
	if authorizer {
		all["content-length"] = []string{"0"}
	}
	for name, values := range h.header {
		_, ours := all[name]
		if ours || !authorizer && (name == "Connection" || name == "Upgrade") {
			continue
		}
		if written, ok := h.spelling[name]; ok {
			name = written
		} else if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok { // net/http's idea of it
			name = "Sec-WebSocket-" + rest
		}
		all[name] = values
	}
	return appendMaps(nil, "headers", "multiValueHeaders", all)
}

func (h handshake) queryParameters() []byte {
	return appendMaps(nil, "queryStringParameters", "multiValueQueryStringParameters", h.query)
}

// appendMaps appends `"single":{name: last value},"multi":{name: [values]}`,
// sorted by name.
func appendMaps(b []byte, single, multi string, values map[string][]string) []byte {
	names := slices.Sorted(maps.Keys(values))
	b = append(appendQuote(b, single), `:{`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuote(b, name), ':')
		b = appendQuote(b, values[name][len(values[name])-1])
	}
	b = append(appendQuote(append(b, `},`...), multi), `:{`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuote(b, name), `:[`...)
		for j, value := range values[name] {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendQuote(b, value)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// forwardedFor appends the client's address to what proxies before it said.
func (h handshake) forwardedFor(sourceIP string) {
	before := h.header.Values("X-Forwarded-For")
	delete(h.spelling, "X-Forwarded-For") // it is ours now
	h.header["X-Forwarded-For"] = []string{strings.Join(append(slices.Clone(before), sourceIP), ", ")}
}

func newTraceID() string {
	return fmt.Sprintf("Root=1-%08x-%016x%08x", time.Now().Unix(), rand.Uint64(), rand.Uint32())
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func quote(s string) []byte { return appendQuote(nil, s) }

// appendQuote appends s as a JSON string. Bytes that are no UTF-8, possible in
// headers and queries, become U+FFFD.
func appendQuote[Bytes ~[]byte | ~string](b []byte, s Bytes) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(string(s), "\uFFFD"))
	}
	return out
}

func quoteMap(m map[string]string) []byte {
	b, err := json.Marshal(m, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}
