package httpapi

import (
	"cmp"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/local/aws/account"
)

// An event is an event of payload format 2.0. A key without a value is absent,
// never null.
type event struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        requestContext    `json:"requestContext"`
	Body                  string            `json:"body,omitempty"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent,omitempty"`
}

// event makes the JSON that the function gets.
func (h *Handler) event(r *http.Request, routeKey string, variables map[string]string, body []byte, id string, now time.Time) ([]byte, error) {
	rawPath := decodedPath(r)
	if h.options.Unproven.RawPathEncoded {
		rawPath = r.URL.EscapedPath()
	}
	domain := cmp.Or(h.options.DomainName, r.Host)
	prefix, _, _ := strings.Cut(domain, ".")
	source := sourceIP(r)
	e := event{
		Version:               "2.0",
		RouteKey:              routeKey,
		RawPath:               rawPath,
		RawQueryString:        r.URL.RawQuery,
		Cookies:               cookies(r),
		Headers:               headers(r, source, len(body), now),
		QueryStringParameters: query(r.URL.RawQuery),
		PathParameters:        variables,
		StageVariables:        h.options.StageVariables,
		RequestContext: requestContext{
			AccountID:    account.ID,
			APIID:        h.options.APIID,
			DomainName:   domain,
			DomainPrefix: prefix,
			HTTP: httpContext{
				Method:    r.Method,
				Path:      rawPath,
				Protocol:  "HTTP/1.1", // also where the client speaks HTTP/2
				SourceIP:  source,
				UserAgent: r.UserAgent(),
			},
			RequestID: id,
			RouteKey:  routeKey,
			Stage:     h.options.Stage,
			Time:      now.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			TimeEpoch: now.UnixMilli(),
		},
	}
	if len(body) > 0 && !isText(r.Header.Get("Content-Type")) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	} else {
		e.Body = string(body)
	}
	// Bytes that are no UTF-8, in a header or a decoded path, become U+FFFD:
	// JSON cannot carry them.
	return json.Marshal(e, jsontext.AllowInvalidUTF8(true))
}

// decodedPath is the path as API Gateway sees it: decoded once, so that %2F
// separates segments, and cut off at a decoded question mark.
func decodedPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.URL.Path, "?")
	return path
}

// isText says whether a body of this type is passed as it is. The list was
// measured on AWS (ministack#766): everything else, a form or no type at all
// included, becomes base64.
func isText(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	switch mediaType {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(mediaType, "text/")
}

// headers are the client's, in lower case, with duplicates joined and without
// cookies and what concerns one hop only, and those that API Gateway adds.
func headers(r *http.Request, source string, length int, now time.Time) map[string]string {
	h := make(map[string]string, len(r.Header)+6)
	for name, values := range r.Header {
		switch name {
		case "Cookie", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
			continue
		}
		h[strings.ToLower(name)] = strings.Join(values, ",")
	}
	h["host"] = r.Host
	h["content-length"] = strconv.Itoa(length)
	forwarded := source
	if before := h["x-forwarded-for"]; before != "" {
		forwarded = before + ", " + source
	}
	h["x-forwarded-for"] = forwarded
	h["x-forwarded-port"] = "443"
	h["x-forwarded-proto"] = "https"
	if h["x-amzn-trace-id"] == "" {
		h["x-amzn-trace-id"] = newTraceID(now)
	}
	return h
}

func cookies(r *http.Request) []string {
	var list []string
	for _, line := range r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				list = append(list, cookie)
			}
		}
	}
	return list
}

// query decodes a query string, with the values of a repeated name joined. What
// cannot be decoded is in rawQueryString only.
func query(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	values, _ := url.ParseQuery(raw)
	q := make(map[string]string, len(values))
	for name, v := range values {
		q[name] = strings.Join(v, ",")
	}
	return q
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
