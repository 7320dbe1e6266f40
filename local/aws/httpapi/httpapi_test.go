package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A function is an invoker of one function that keeps the last event.
type function struct {
	name   string
	event  map[string]any
	raw    []byte
	called int
	answer func(ctx context.Context) (string, error)
}

func (f *function) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	f.called++
	f.name, f.raw, f.event = name, event, nil
	if err := json.Unmarshal(event, &f.event); err != nil {
		return nil, err
	}
	if f.answer == nil {
		return []byte(`{"statusCode":200}`), nil
	}
	payload, err := f.answer(ctx)
	return []byte(payload), err
}

func returns(payload string) *function {
	return &function{answer: func(context.Context) (string, error) { return payload, nil }}
}

func anyRoute() []Route { return []Route{{Path: "$default", Function: "F"}} }

// serve sends one request to a handler with the options and gives the response.
func serve(t *testing.T, o Options, f *function, r *http.Request) *http.Response {
	t.Helper()
	if o.Routes == nil {
		o.Routes = anyRoute()
	}
	h, err := New(o, f)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEventHasExactlyTheKeysOfFormat2(t *testing.T) {
	f := &function{}
	r := httptest.NewRequest("POST", "http://abc.execute-api.us-east-1.amazonaws.com/messages/m1?a=1&a=2&b=x%20y", strings.NewReader(`{"k":1}`))
	r.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"curl/8"}, "X-Twice": {"1", "2"},
		"Cookie": {"a=1; b=2", "c=3"}, "Connection": {"keep-alive"}}
	r.RemoteAddr = "192.0.2.7:1234"
	before := time.Now().UnixMilli()
	serve(t, Options{
		Routes:         []Route{{Method: "POST", Path: "/messages/{id}", Function: "MessagesFunction"}},
		StageVariables: map[string]string{"v": "1"}, APIID: "abc",
	}, f, r)
	if f.name != "MessagesFunction" {
		t.Errorf("%q was invoked", f.name)
	}
	context := f.event["requestContext"].(map[string]any)
	headers := f.event["headers"].(map[string]any)
	check := func(what string, v any, pattern string) {
		t.Helper()
		if s, _ := v.(string); !regexp.MustCompile(pattern).MatchString(s) {
			t.Errorf("%s is %v", what, v)
		}
	}
	check("requestId", context["requestId"], `^[A-Za-z0-9_-]{15}=$`)
	check("time", context["time"], `^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$`)
	check("trace id", headers["x-amzn-trace-id"], `^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	if epoch := int64(context["timeEpoch"].(float64)); epoch < before || epoch > time.Now().UnixMilli() {
		t.Errorf("timeEpoch is %d", epoch)
	}
	for _, key := range []string{"requestId", "time", "timeEpoch"} {
		delete(context, key)
	}
	delete(headers, "x-amzn-trace-id")
	want := map[string]any{
		"version": "2.0", "routeKey": "POST /messages/{id}", "rawPath": "/messages/m1", "rawQueryString": "a=1&a=2&b=x%20y",
		"cookies": []any{"a=1", "b=2", "c=3"},
		"headers": map[string]any{"content-type": "application/json", "user-agent": "curl/8", "x-twice": "1,2",
			"host": "abc.execute-api.us-east-1.amazonaws.com", "content-length": "7", "x-forwarded-for": "192.0.2.7",
			"x-forwarded-port": "443", "x-forwarded-proto": "https"},
		"queryStringParameters": map[string]any{"a": "1,2", "b": "x y"},
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.us-east-1.amazonaws.com", "domainPrefix": "abc",
			"http": map[string]any{"method": "POST", "path": "/messages/m1", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7",
				"userAgent": "curl/8"},
			"routeKey": "POST /messages/{id}", "stage": "$default",
		},
		"body": `{"k":1}`, "pathParameters": map[string]any{"id": "m1"}, "isBase64Encoded": false,
		"stageVariables": map[string]any{"v": "1"},
	}
	if !reflect.DeepEqual(f.event, want) {
		t.Errorf("event is\n%v\nwant\n%v", f.event, want)
	}
}

func TestAbsentKeysAreAbsentNotNull(t *testing.T) {
	f := &function{}
	r := httptest.NewRequest("GET", "/", nil)
	serve(t, Options{}, f, r)
	keys := slices.Sorted(maps.Keys(f.event))
	if want := []string{"headers", "isBase64Encoded", "rawPath", "rawQueryString", "requestContext", "routeKey", "version"}; !slices.Equal(keys, want) {
		t.Errorf("keys are %v", keys)
	}
	if bytes.Contains(f.raw, []byte("null")) {
		t.Errorf("event has a null: %s", f.raw)
	}
}

func TestEventFitsGoTypes(t *testing.T) {
	f := &function{}
	serve(t, Options{}, f, httptest.NewRequest("PUT", "/a?b=c", strings.NewReader("x")))
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(f.raw, &e, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	if e.RequestContext.HTTP.Method != "PUT" || e.QueryStringParameters["b"] != "c" || !e.IsBase64Encoded {
		t.Errorf("event is %+v", e)
	}
}

// "Plain string only for text/*, application/json, application/xml,
// application/javascript; everything else is base64."
func TestBodyEncodingByContentType(t *testing.T) {
	for contentType, text := range map[string]bool{
		"text/plain": true, "text/anything": true, "application/json": true, "Application/JSON; charset=utf-8": true,
		"application/xml": true, "application/javascript": true,
		"": false, "application/x-www-form-urlencoded": false, "application/octet-stream": false,
		"application/problem+json": false, "multipart/form-data; boundary=x": false, "image/png": false,
	} {
		f := &function{}
		r := httptest.NewRequest("POST", "/", strings.NewReader("a=1"))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		serve(t, Options{}, f, r)
		want := "YT0x"
		if text {
			want = "a=1"
		}
		if f.event["body"] != want || f.event["isBase64Encoded"] != !text {
			t.Errorf("%q: body %v, isBase64Encoded %v", contentType, f.event["body"], f.event["isBase64Encoded"])
		}
	}
}

func TestGatewayAddsForwardingHeaders(t *testing.T) {
	f := &function{}
	r := httptest.NewRequest("GET", "http://api.example/", nil)
	r.RemoteAddr = "[2001:db8::1]:99"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	r.Header.Set("X-Amzn-Trace-Id", "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c")
	serve(t, Options{DomainName: "other.example"}, f, r)
	want := map[string]any{"host": "api.example", "content-length": "0", "x-forwarded-for": "198.51.100.1, 2001:db8::1",
		"x-forwarded-port": "443", "x-forwarded-proto": "https", "x-amzn-trace-id": "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c"}
	if !reflect.DeepEqual(f.event["headers"], want) {
		t.Errorf("headers are %v", f.event["headers"])
	}
	if c := f.event["requestContext"].(map[string]any); c["domainName"] != "other.example" || c["domainPrefix"] != "other" {
		t.Errorf("context is %v", c)
	}
}

func TestRawPathAndStage(t *testing.T) {
	routes := []Route{{Method: "GET", Path: "/a/{id}", Function: "F"}, {Method: "GET", Path: "/", Function: "F"}, {Method: "GET", Path: "/el", Function: "F"}}
	for _, test := range []struct {
		name, stage, target string
		unproven            Unproven
		rawPath, id         string // rawPath "" is 404
	}{
		{"[I] $default is not in the path", "", "/a/1", Unproven{}, "/a/1", "1"},
		{"[I] a named stage stays in the path", "dev", "/dev/a/1", Unproven{}, "/dev/a/1", "1"},
		{"a stage alone is its root", "dev", "/dev", Unproven{}, "/dev", ""},
		{"no stage", "dev", "/a/1", Unproven{}, "", ""},
		{"a longer name is another stage", "dev", "/devel", Unproven{}, "", ""},
		{"[?] decoded once", "", "/a/x%20%2520y", Unproven{}, "/a/x %20y", "x %20y"},
		{"an encoded slash separates", "", "/a/x%2Fy", Unproven{}, "", ""},
		{"cut off at a decoded question mark", "", "/a/x%3Fy", Unproven{}, "/a/x", "x"},
		{"[?] encoded, switched", "", "/a/x%20y", Unproven{RawPathEncoded: true}, "/a/x%20y", "x y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &function{}
			resp := serve(t, Options{Routes: routes, Stage: test.stage, Unproven: test.unproven}, f, httptest.NewRequest("GET", test.target, nil))
			if test.rawPath == "" {
				if resp.StatusCode != 404 || f.called != 0 {
					t.Errorf("status %d", resp.StatusCode)
				}
				return
			}
			path := f.event["requestContext"].(map[string]any)["http"].(map[string]any)["path"]
			if f.event["rawPath"] != test.rawPath || path != test.rawPath {
				t.Errorf("rawPath %v, path %v", f.event["rawPath"], path)
			}
			if parameters, _ := f.event["pathParameters"].(map[string]any); test.id != "" && parameters["id"] != test.id {
				t.Errorf("id is %v", parameters["id"])
			}
		})
	}
}

func TestQueryIsRawAndDecoded(t *testing.T) {
	for raw, want := range map[string]map[string]any{
		"":            nil,
		"a":           {"a": ""},
		"a=1&b=2&a=3": {"a": "1,3", "b": "2"},
		"q=x+y%26z":   {"q": "x y&z"},
		"a=%zz&b=1":   {"b": "1"},
	} {
		f := &function{}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = raw
		serve(t, Options{}, f, r)
		got, _ := f.event["queryStringParameters"].(map[string]any)
		if f.event["rawQueryString"] != raw || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v", raw, f.event["rawQueryString"], got)
		}
	}
}

func TestFunctionResponse(t *testing.T) {
	const octets, text, jsonType = "application/octet-stream", "text/plain; charset=utf-8", "application/json"
	tests := []struct {
		name, payload     string
		status            int
		contentType, body string
	}{
		{"full", `{"statusCode":201,"headers":{"content-type":"application/json"},"body":"{}"}`, 201, jsonType, "{}"},
		{"no content type is text", `{"statusCode":200,"body":"hi"}`, 200, text, "hi"},
		{"no body, no content type", `{"statusCode":302,"headers":{"Location":"/x"}}`, 302, "", ""},
		{"[D] base64", `{"statusCode":200,"headers":{"Content-Type":"application/octet-stream"},"body":"AAE=","isBase64Encoded":true}`, 200, octets, "\x00\x01"},
		{"nulls of Go's response type", `{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":"x","cookies":null}`, 200, text, "x"},
		{"[D] missing statusCode: the JSON is the body", `{"message":"hi"}`, 200, jsonType, `{"message":"hi"}`},
		{"members are case-sensitive", `{"StatusCode":500}`, 200, jsonType, `{"StatusCode":500}`},
		{"array", `[1]`, 200, jsonType, `[1]`},
		{"null", `null`, 200, jsonType, `null`},
		{"string", `"a\"b"`, 200, jsonType, `a"b`},
		{"no JSON at all", `{"name": "John`, 200, jsonType, `{"name": "John`},
		{"[D] statusCode of the wrong type", `{"statusCode":"200"}`, 500, jsonType, `{"message":"Internal Server Error"}`},
		{"statusCode null", `{"statusCode":null}`, 500, jsonType, `{"message":"Internal Server Error"}`},
		{"statusCode out of range", `{"statusCode":99}`, 500, jsonType, `{"message":"Internal Server Error"}`},
		{"body of the wrong type", `{"statusCode":200,"body":{}}`, 500, jsonType, `{"message":"Internal Server Error"}`},
		{"body is not base64", `{"statusCode":200,"body":"%","isBase64Encoded":true}`, 500, jsonType, `{"message":"Internal Server Error"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := serve(t, Options{}, returns(test.payload), httptest.NewRequest("GET", "/", nil))
			if resp.StatusCode != test.status || resp.Header.Get("Content-Type") != test.contentType {
				t.Errorf("status %d, content type %q", resp.StatusCode, resp.Header.Get("Content-Type"))
			}
			if got := body(t, resp); got != test.body || resp.Header.Get("Content-Length") != strconv.Itoa(len(test.body)) {
				t.Errorf("body %q", got)
			}
			if !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(resp.Header.Get("apigw-requestid")) {
				t.Errorf("apigw-requestid is %q", resp.Header.Get("apigw-requestid"))
			}
		})
	}
}

func TestCookiesBecomeSetCookieAndMultiValueHeadersAreIgnored(t *testing.T) {
	resp := serve(t, Options{}, returns(`{"statusCode":200,"headers":{"X-One":"1","Content-Length":"99","Transfer-Encoding":"gzip","set-cookie":"c=3"},
		"multiValueHeaders":{"X-Many":["1","2"]},"cookies":["a=1; Path=/","b=2"]}`), httptest.NewRequest("GET", "/", nil))
	if got := resp.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"a=1; Path=/", "b=2", "c=3"}) {
		t.Errorf("Set-Cookie is %q", got)
	}
	if resp.Header.Get("X-One") != "1" || resp.Header.Get("X-Many") != "" || resp.Header.Get("Content-Length") != "0" || resp.Header.Get("Transfer-Encoding") != "" {
		t.Errorf("headers are %v", resp.Header)
	}
}

func TestResponseWithoutContent(t *testing.T) {
	resp := serve(t, Options{}, returns(`{"statusCode":204,"headers":{"content-length":"5"}}`), httptest.NewRequest("DELETE", "/", nil))
	if resp.StatusCode != 204 || resp.Header.Get("Content-Length") != "" {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
}

func TestGatewayErrorsToTheByte(t *testing.T) {
	large := strings.Repeat("x", maxBody+1)
	overLambda := strings.Repeat("x", maxEvent)
	tests := []struct {
		name    string
		options Options
		f       *function
		method  string
		body    string
		header  string
		status  int
		want    string
		called  int
	}{
		{"[D] no route", Options{Routes: []Route{{Method: "GET", Path: "/x", Function: "F"}}}, returns(""), "GET", "", "", 404, `{"message":"Not Found"}`, 0},
		{"[D] no route for the method", Options{Routes: []Route{{Method: "GET", Path: "/", Function: "F"}}}, returns(""), "HEAD", "", "", 404, `{"message":"Not Found"}`, 0},
		{"[D] function error", Options{}, &function{answer: func(context.Context) (string, error) { return "", errors.New("boom") }}, "GET", "", "", 500, `{"message":"Internal Server Error"}`, 1},
		{"[I] integration timeout", Options{IntegrationTimeout: time.Millisecond}, slow(), "GET", "", "", 503, `{"message":"Service Unavailable"}`, 1},
		{"timeout of the route", Options{Routes: []Route{{Path: "$default", Function: "F", Timeout: time.Millisecond}}}, slow(), "GET", "", "", 503, `{"message":"Service Unavailable"}`, 1},
		{"[?] throttled", Options{Throttle: func() bool { return true }}, returns(""), "GET", "", "", 429, `{"message":"Too Many Requests"}`, 0},
		{"[D] 10 MB fit the gateway", Options{Unproven: Unproven{EventTooLargeStatus: 500}}, returns(""), "POST", large[1:], "", 500, `{"message":"Internal Server Error"}`, 0},
		{"[D] over 10 MB do not", Options{Unproven: Unproven{EventTooLargeStatus: 500}}, returns(""), "POST", large, "", 413, `{"message":"Request Entity Too Large"}`, 0},
		{"over Lambda's 6 MB", Options{}, returns(""), "POST", overLambda, "", 413, `{"message":"Request Entity Too Large"}`, 0},
		{"[?] over Lambda's 6 MB, switched", Options{Unproven: Unproven{EventTooLargeStatus: 500}}, returns(""), "POST", overLambda, "", 500, `{"message":"Internal Server Error"}`, 0},
		{"[D] response over 6 MB", Options{}, returns(`{"statusCode":200,"body":"` + strings.Repeat("x", maxResponse) + `"}`), "GET", "", "", 500, `{"message":"Internal Server Error"}`, 1},
		{"[D] headers over 10,240 bytes", Options{}, returns(""), "GET", "", strings.Repeat("x", maxHeaders), 431, `{"message":"Request Header Fields Too Large"}`, 0},
		{"[?] headers, switched", Options{Unproven: Unproven{HeadersTooLargeStatus: 400}}, returns(""), "GET", "", strings.Repeat("x", maxHeaders), 400, `{"message":"Bad Request"}`, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "text/plain")
			if test.header != "" {
				r.Header.Set("X-Large", test.header)
			}
			resp := serve(t, test.options, test.f, r)
			if got := body(t, resp); resp.StatusCode != test.status || got != test.want || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("status %d, %s, %q", resp.StatusCode, resp.Header.Get("Content-Type"), got)
			}
			if test.f.called != test.called {
				t.Errorf("the function was called %d times", test.f.called)
			}
			if resp.Header.Get("apigw-requestid") == "" {
				t.Error("no apigw-requestid")
			}
		})
	}
}

// slow is a function that answers when nobody waits any more.
func slow() *function {
	return &function{answer: func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}}
}

// Base64 counts towards Lambda's 6 MB: 5 MB of text pass, 5 MB of bytes do not.
func TestBase64CountsTowardsTheLimit(t *testing.T) {
	for contentType, want := range map[string]int{"text/plain": 200, "image/png": 413} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 5<<20)))
		r.Header.Set("Content-Type", contentType)
		if resp := serve(t, Options{}, &function{}, r); resp.StatusCode != want {
			t.Errorf("%s: status %d", contentType, resp.StatusCode)
		}
	}
}

func TestInvocationHasADeadlineAndOutlivesTheClient(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	f := &function{answer: func(ctx context.Context) (string, error) {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left <= 0 || left > defaultTimeout {
			t.Errorf("deadline in %s", left)
		}
		return `{"statusCode":200}`, ctx.Err()
	}}
	if resp := serve(t, Options{}, f, httptest.NewRequest("GET", "/", nil).WithContext(gone)); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestCORS(t *testing.T) {
	listed := &CORS{AllowOrigins: []string{"https://a.example", "http://*"}, AllowMethods: []string{"GET", "PUT"}, AllowHeaders: []string{"authorization"},
		ExposeHeaders: []string{"etag"}, AllowCredentials: true, MaxAge: 10 * time.Minute}
	everyone := &CORS{AllowOrigins: []string{"*"}}
	own := `{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"https://evil.example","Access-Control-Max-Age":"1","X-Own":"1"}}`
	tests := []struct {
		name                      string
		cors                      *CORS
		method, origin, requested string
		status                    int
		want                      map[string]string // every Access-Control header without that prefix
		called                    int
	}{
		{"[D] preflight", listed, "OPTIONS", "https://a.example", "DELETE", 204, map[string]string{"Allow-Origin": "https://a.example",
			"Allow-Methods": "GET,PUT", "Allow-Headers": "authorization", "Allow-Credentials": "true", "Expose-Headers": "etag", "Max-Age": "600"}, 0},
		{"[D] preflight, any http origin", listed, "OPTIONS", "http://localhost:5173", "GET", 204, map[string]string{"Allow-Origin": "http://localhost:5173",
			"Allow-Methods": "GET,PUT", "Allow-Headers": "authorization", "Allow-Credentials": "true", "Expose-Headers": "etag", "Max-Age": "600"}, 0},
		{"[D] preflight, other origin", listed, "OPTIONS", "https://b.example", "GET", 204, map[string]string{}, 0},
		{"[D] preflight, everyone", everyone, "OPTIONS", "https://b.example", "GET", 204, map[string]string{"Allow-Origin": "*"}, 0},
		{"OPTIONS that is no preflight", listed, "OPTIONS", "https://a.example", "", 200, map[string]string{"Allow-Origin": "https://a.example",
			"Allow-Credentials": "true", "Expose-Headers": "etag"}, 1},
		{"[D] the function's headers are dropped", listed, "GET", "https://a.example", "", 200, map[string]string{"Allow-Origin": "https://a.example",
			"Allow-Credentials": "true", "Expose-Headers": "etag"}, 1},
		{"the function's headers are dropped without Origin too", listed, "GET", "", "", 200, map[string]string{}, 1},
		{"[D] no configuration: the function's headers", nil, "GET", "https://a.example", "", 200,
			map[string]string{"Allow-Origin": "https://evil.example", "Max-Age": "1"}, 1},
		{"[D] no configuration: no preflight", nil, "OPTIONS", "https://a.example", "GET", 200,
			map[string]string{"Allow-Origin": "https://evil.example", "Max-Age": "1"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := returns(own)
			r := httptest.NewRequest(test.method, "/", nil)
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			if test.requested != "" {
				r.Header.Set("Access-Control-Request-Method", test.requested)
			}
			resp := serve(t, Options{CORS: test.cors}, f, r)
			got := map[string]string{}
			for name := range resp.Header {
				if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
					got[short] = resp.Header.Get(name)
				}
			}
			if resp.StatusCode != test.status || !maps.Equal(got, test.want) || f.called != test.called {
				t.Errorf("status %d, called %d times, %v", resp.StatusCode, f.called, got)
			}
			if test.called == 1 && resp.Header.Get("X-Own") != "1" {
				t.Error("another header of the function is gone")
			}
		})
	}
}

func TestCORSOnErrorsIsASwitch(t *testing.T) {
	for off, want := range map[bool]string{false: "*", true: ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Origin", "https://a.example")
		resp := serve(t, Options{Routes: []Route{}, CORS: &CORS{AllowOrigins: []string{"*"}}, Unproven: Unproven{NoCORSOnErrors: off}}, returns(""), r)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != 404 || got != want {
			t.Errorf("off %t: status %d, %q", off, resp.StatusCode, got)
		}
	}
}

// A real server and client: HEAD has headers and no body, a body over the limit
// gets its 413, the body is not truncated.
func TestOverTheWire(t *testing.T) {
	h, err := New(Options{Routes: anyRoute()}, returns(`{"statusCode":200,"body":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	client := server.Client()
	resp, err := client.Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != 200 || resp.ContentLength != 5 {
		t.Errorf("HEAD: status %d, length %d", resp.StatusCode, resp.ContentLength)
	}
	resp, err = client.Post(server.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, resp); got != "hello" {
		t.Errorf("POST: %q", got)
	}
	resp.Body.Close()
}

func TestLogHasNoQueryAndNoBody(t *testing.T) {
	var log bytes.Buffer
	f := &function{answer: func(context.Context) (string, error) { return "", errors.New("boom") }}
	serve(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, f,
		httptest.NewRequest("POST", "/a?token=secret1", strings.NewReader("secret2")))
	if s := log.String(); strings.Contains(s, "secret") || !strings.Contains(s, "boom") || !strings.Contains(s, "status=500") {
		t.Errorf("log is %s", s)
	}
}

func TestIDsAreUniqueAndOrderedByTime(t *testing.T) {
	now := time.Now()
	seen := map[string]bool{}
	for range 10000 {
		id := newID(now)
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
	}
	if a, b := newID(time.UnixMilli(1)), newID(time.UnixMilli(1<<20)); a[:4] == b[:4] && a[:7] == b[:7] {
		t.Errorf("%s and %s begin alike", a, b)
	}
}
