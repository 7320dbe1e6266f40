package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/protocol"
)

type tokens func(token string) (chat.Bearer, error)

func (v tokens) Verify(_ context.Context, token string) (chat.Bearer, error) {
	return v(token)
}

func verify(token string) (chat.Bearer, error) {
	if token != secretToken {
		return chat.Bearer{}, chat.Refused(errors.New("the signature is wrong"))
	}
	return chat.Bearer{Principal: caller.Principal, ExpiresAt: caller.ExpiresAt}, nil
}

// limits refuse what they are told to, and note what is counted.
type limits func(p chat.Principal, u chat.Use) error

func (l limits) Allow(_ context.Context, p chat.Principal, u chat.Use) (*chat.Quota, error) {
	return nil, l(p, u)
}

// quotas are what is left of each use.
type quotas map[chat.Use]chat.Quota

func (q quotas) Allow(_ context.Context, _ chat.Principal, u chat.Use) (*chat.Quota, error) {
	left, ok := q[u]
	if !ok {
		return nil, nil
	}
	left.Use = u
	if left.Remaining < 0 {
		left.Remaining = 0
		return &left, chat.LimitedFor(90 * time.Second)
	}
	return &left, nil
}

var unlimited = limits(func(chat.Principal, chat.Use) error { return nil })

type thing struct {
	Name string `json:"name"`
}

func (b thing) Check() error {
	if b.Name == "" {
		return chat.Invalid("name", "is required")
	}
	return nil
}

// routes is an API with one resource.
func routes(err error) map[string]gateway.HTTPRoute {
	return map[string]gateway.HTTPRoute{
		"POST /things/{id}": func(_ context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			in, bodyErr := gateway.Body[thing](r)
			if bodyErr != nil {
				return gateway.HTTPResponse{}, bodyErr
			}
			return gateway.HTTPResponse{Status: http.StatusCreated, Body: map[string]any{
				"id": r.Path("id"), "name": in.Name, "agent": r.Header("user-agent"), "caller": r.Principal.String(),
			}}, err
		},
		"DELETE /things/{id}": func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			return gateway.HTTPResponse{Status: http.StatusNoContent}, err
		},
		"GET /things": func(_ context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			q := r.Query()
			body := map[string]any{
				"text": q.Text("text"), "id": q.ID("id"), "need": q.RequiredID("need"),
				"limit": q.Int("limit", 20, 1, 100), "after": q.OptionalInt("after", 0, math.MaxInt64),
			}
			return gateway.HTTPResponse{Status: http.StatusOK, Body: body}, q.Err()
		},
	}
}

func TestHTTP(t *testing.T) {
	log := logged(t)
	h := gateway.HTTP(tokens(verify), unlimited, routes(nil))
	got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", nil))
	if err != nil || got.StatusCode != 201 || got.Headers["content-type"] != "application/json" || got.Headers["cache-control"] != "no-store" || got.IsBase64Encoded {
		t.Errorf("got %+v, %v", got, err)
	}
	if want := `{"agent":"curl/8.5.0","caller":"user:u1","id":"t1","name":"thing"}`; got.Body != want {
		t.Errorf("got %s, want %s", got.Body, want)
	}
	if l := line(t, log); l["route"] != "POST /things/{id}" || l["principal"] != "user:u1" {
		t.Errorf("logged %v", l)
	}
	got, err = invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", fields{"routeKey": "DELETE /things/{id}", "body": nil}))
	if _, typed := got.Headers["content-type"]; err != nil || got.StatusCode != 204 || got.Body != "" || typed {
		t.Errorf("no content is %+v, %v", got, err)
	}
}

// Whatever is wrong with a token, and where there is none, the answer is the same
// to the last byte; the reason is in the log.
func TestOneAnswerToRefusedTokens(t *testing.T) {
	tests := []struct{ name, authorization, reason string }{
		{"no token", "", "no bearer token is given"},
		{"another scheme", "Basic " + secretToken, "no bearer token is given"},
		{"an empty token", "Bearer ", "no bearer token is given"},
		{"a wrong token", "Bearer x" + secretToken, "the signature is wrong"},
	}
	var first events.APIGatewayV2HTTPResponse
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := logged(t)
			got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), gateway.HTTP(tokens(verify), unlimited, routes(nil)), event(t, "http", fields{"headers/authorization": tt.authorization}))
			if i == 0 {
				first = got
			}
			if err != nil || got.StatusCode != 401 || got.Body != first.Body || !maps.Equal(got.Headers, first.Headers) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, first)
			}
			if l := line(t, log); l["reason"] != tt.reason || l["level"] != "INFO" || l["code"] != "unauthorized" {
				t.Errorf("logged %v", l)
			}
		})
	}
}

// An id with "|" is percent-encoded in a path. Whether API Gateway decodes it is
// not documented: the route gets the id either way.
func TestPathIsDecoded(t *testing.T) {
	for sent, want := range map[string]string{
		"auth0|5f7c": "auth0|5f7c", "auth0%7C5f7c": "auth0|5f7c", "a+b@example.org": "a+b@example.org", "a%2Bb%40example.org": "a+b@example.org", "a%zz": "a%zz",
	} {
		logged(t)
		var got string
		h := gateway.HTTP(tokens(verify), unlimited, map[string]gateway.HTTPRoute{"POST /things/{id}": func(_ context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			got = r.Path("id")
			return gateway.HTTPResponse{Status: http.StatusNoContent}, nil
		}})
		if _, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", fields{"pathParameters/id": sent})); err != nil || got != want {
			t.Errorf("%q is %q, %v", sent, got, err)
		}
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name   string
		change fields
		err    error // of the route
		status int
		code   chat.Code
		header [2]string
	}{
		{"no token", fields{"headers/authorization": nil}, nil, 401, chat.Unauthorized, [2]string{"www-authenticate", "Bearer"}},
		{"another scheme", fields{"headers/authorization": "Basic " + secretToken}, nil, 401, chat.Unauthorized, [2]string{"www-authenticate", "Bearer"}},
		{"an empty token", fields{"headers/authorization": "Bearer "}, nil, 401, chat.Unauthorized, [2]string{}},
		{"two tokens", fields{"headers/authorization": "Bearer " + secretToken + ",Bearer " + secretToken}, nil, 401, chat.Unauthorized, [2]string{}},
		{"a wrong token, no route", fields{"headers/authorization": "Bearer x", "routeKey": "GET /secret"}, nil, 401, chat.Unauthorized, [2]string{}},
		{"no route", fields{"routeKey": "HEAD /things/{id}"}, nil, 404, chat.NotFound, [2]string{}},
		{"no content type", fields{"headers/content-type": nil}, nil, 415, chat.UnsupportedMedia, [2]string{}},
		{"another content type", fields{"headers/content-type": "text/plain"}, nil, 415, chat.UnsupportedMedia, [2]string{}},
		{"much like it", fields{"headers/content-type": "application/jsonx"}, nil, 415, chat.UnsupportedMedia, [2]string{}},
		{"a vendor's JSON", fields{"headers/content-type": "application/vnd.thing+json"}, nil, 415, chat.UnsupportedMedia, [2]string{}},
		{"too large", fields{"body": `{"name":"` + strings.Repeat("x", 256<<10) + `"}`}, nil, 413, chat.PayloadTooLarge, [2]string{}},
		{"no base64", fields{"isBase64Encoded": true}, nil, 400, chat.BadRequest, [2]string{}},
		{"no JSON", fields{"body": "name=thing"}, nil, 400, chat.BadRequest, [2]string{}},
		{"no body", fields{"body": nil}, nil, 400, chat.BadRequest, [2]string{}},
		{"not valid", fields{"body": `{"name":""}`}, nil, 400, chat.ValidationFailed, [2]string{}},
		{"an unknown member", fields{"body": `{"name":"thing","orgId":"x"}`}, nil, 400, chat.ValidationFailed, [2]string{}},
		{"too many", nil, chat.LimitedFor(2100 * time.Millisecond), 429, chat.RateLimited, [2]string{"retry-after", "3"}},
		{"a moment too many", nil, chat.LimitedFor(time.Millisecond), 429, chat.RateLimited, [2]string{"retry-after", "1"}},
		{"a whole second", nil, chat.LimitedFor(2 * time.Second), 429, chat.RateLimited, [2]string{"retry-after", "2"}},
		{"too many rooms", nil, chat.Errorf(chat.TooManyRooms, "no"), 429, chat.TooManyRooms, [2]string{}},
		{"not the caller's", nil, chat.Errorf(chat.Forbidden, "no"), 403, chat.Forbidden, [2]string{}},
		{"not now", nil, chat.Unavailablef(errors.New("no route to host"), "try again"), 503, chat.Unavailable, [2]string{"retry-after", "1"}},
		{"broken", nil, errors.New("no route to host"), 500, chat.Internal, [2]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := logged(t)
			got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), gateway.HTTP(tokens(verify), unlimited, routes(tt.err)), event(t, "http", tt.change))
			if err != nil {
				t.Fatal(err)
			}
			var p protocol.Problem
			if err := json.Unmarshal([]byte(got.Body), &p); err != nil || got.Headers["content-type"] != "application/problem+json" {
				t.Fatalf("no problem document: %+v", got)
			}
			if got.StatusCode != tt.status || p.Status != tt.status || p.Code != tt.code || p.Title != http.StatusText(tt.status) || p.Type != "about:blank" || p.Detail == "" {
				t.Errorf("got %d %+v", got.StatusCode, p)
			}
			if tt.header[0] != "" && got.Headers[tt.header[0]] != tt.header[1] {
				t.Errorf("the headers are %v", got.Headers)
			}
			if got.Headers["cache-control"] != "no-store" || strings.Contains(got.Body, "no route to host") {
				t.Errorf("got %+v", got)
			}
			mustNotLeak(t, "the answer", got.Body)
			if l := line(t, log); l["code"] != string(tt.code) || (l["level"] == "ERROR") != (tt.status >= 500) {
				t.Errorf("logged %v", l)
			}
		})
	}
}

// What a caller does is counted before a route is reached, as a read or a write,
// and of one over the limit nothing else is done.
func TestHTTPLimits(t *testing.T) {
	down := chat.Unavailablef(errors.New("no route to host"), "try again")
	tests := []struct {
		name          string
		route, method string
		change        fields
		err           error
		counted       string
		status        int
		called        bool
		wait          string
	}{
		{"a read", "GET /things", "GET", nil, nil, "user:u1 read", 200, true, ""},
		{"a write", "POST /things/{id}", "POST", nil, nil, "user:u1 write", 200, true, ""},
		{"a removal", "DELETE /things/{id}", "DELETE", nil, nil, "user:u1 write", 200, true, ""},
		{"a change", "PUT /things/{id}", "PUT", nil, nil, "user:u1 write", 200, true, ""},
		{"too many reads", "GET /things", "GET", nil, chat.LimitedFor(1500 * time.Millisecond), "user:u1 read", 429, false, "2"},
		{"too many writes", "POST /things/{id}", "POST", nil, chat.LimitedFor(time.Minute), "user:u1 write", 429, false, "60"},
		{"too many of what is wrong", "POST /things/{id}", "POST", fields{"isBase64Encoded": true, "body": "~"}, chat.LimitedFor(time.Second), "user:u1 write", 429, false, "1"},
		{"not now", "GET /things", "GET", nil, down, "user:u1 read", 503, false, "1"},
		{"nobody", "GET /things", "GET", fields{"headers/authorization": "Bearer x"}, nil, "", 401, false, ""},
		{"no route", "GET /nothing", "GET", nil, nil, "", 404, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, counted, called := logged(t), "", false
			route := func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
				if counted == "" {
					t.Error("the route was called before it was counted")
				}
				called = true
				return gateway.HTTPResponse{Status: 200}, nil
			}
			l := limits(func(p chat.Principal, u chat.Use) error { counted += p.String() + " " + string(u); return tt.err })
			h := gateway.HTTP(tokens(verify), l, map[string]gateway.HTTPRoute{
				"GET /things": route, "POST /things/{id}": route, "PUT /things/{id}": route, "DELETE /things/{id}": route,
			})
			change := fields{"routeKey": tt.route, "requestContext/http/method": tt.method}
			maps.Copy(change, tt.change)
			got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", change))
			if err != nil || got.StatusCode != tt.status || got.Headers["retry-after"] != tt.wait {
				t.Errorf("got %+v, %v", got, err)
			}
			if counted != tt.counted || called != tt.called {
				t.Errorf("counted %q, called %v", counted, called)
			}
			line(t, log)
		})
	}
}

func TestHTTPPanicAndDeadline(t *testing.T) {
	tests := map[int]gateway.HTTPRoute{
		http.StatusInternalServerError: func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) { panic("index out of range") },
		http.StatusServiceUnavailable: func(ctx context.Context, _ *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			return gateway.HTTPResponse{}, ctx.Err()
		},
	}
	for want, route := range tests {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		h := gateway.HTTP(tokens(verify), unlimited, map[string]gateway.HTTPRoute{"POST /things/{id}": route})
		got, err := invoke[events.APIGatewayV2HTTPResponse](t, ctx, h, event(t, "http", nil))
		if err != nil || got.StatusCode != want || strings.Contains(got.Body, "goroutine") || strings.Contains(got.Body, "index") {
			t.Errorf("got %+v, %v, want %d", got, err, want)
		}
	}
}

func TestBase64Body(t *testing.T) {
	// Whatever is not text, JSON, XML or JavaScript comes in base64.
	h := gateway.HTTP(tokens(verify), unlimited, routes(nil))
	got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http-base64", fields{"headers/content-type": "application/json; charset=utf-8"}))
	if err != nil || got.StatusCode != 201 || !strings.Contains(got.Body, `"name":"thing"`) {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http-base64", nil))
	if err != nil || got.StatusCode != 415 {
		t.Errorf("another media type got %+v, %v", got, err)
	}
}

func TestQuery(t *testing.T) {
	tests := []struct {
		query string
		want  string // the body, or
		field string // what is at fault
	}{
		{"need=n1", `{"after":null,"id":"","limit":20,"need":"n1","text":""}`, ""},
		{"need=n1&text=a%20b+c&id=i1&limit=100&after=0", `{"after":0,"id":"i1","limit":100,"need":"n1","text":"a b c"}`, ""},
		{"", "", "need"},
		{"need=", "", "need"},
		{"need=%7Bn1%7D", "", "need"},
		{"need=n1&id=a%00b", "", "id"},
		{"need=n1&limit=0", "", "limit"},
		{"need=n1&limit=101", "", "limit"},
		{"need=n1&limit=ten", "", "limit"},
		{"need=n1&limit=", "", "limit"},
		{"need=n1&limit=1.5", "", "limit"},
		{"need=n1&after=-1", "", "after"},
		{"need=n1&after=9223372036854775808", "", "after"},
		{"need=n1&need=n1", "", "need"},
		{"need=n1&text=a&text=b", "", "text"},
		{"need=n1&text[$ne]=a", "", "text[$ne]"},
		{"need=n1&Text=a", "", "Text"},
		{"need=n1&other", "", "other"},
		{"need=n1&" + strings.Repeat("x", 100) + "=1", "", strings.Repeat("x", 64)},
		{"need=n1&%ff=1", "", "\uFFFD"},
		{"need=n1&text=%zz", "", "query"},
		{"need=n1;text=a", "", "query"},
	}
	h := gateway.HTTP(tokens(verify), unlimited, routes(nil))
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", fields{"routeKey": "GET /things", "rawQueryString": tt.query}))
			if err != nil {
				t.Fatal(err)
			}
			if tt.field == "" {
				if got.StatusCode != 200 || got.Body != tt.want {
					t.Errorf("got %d %s", got.StatusCode, got.Body)
				}
				return
			}
			var p protocol.Problem
			if err := json.Unmarshal([]byte(got.Body), &p); err != nil || got.StatusCode != 400 || p.Code != chat.ValidationFailed {
				t.Fatalf("got %d %s", got.StatusCode, got.Body)
			}
			if _, named := p.Details[tt.field]; !named {
				t.Errorf("the details %v do not name %q", p.Details, tt.field)
			}
		})
	}
}

// A file is the same bytes whatever they are, is not kept, and tells what follows it.
func TestFile(t *testing.T) {
	logged(t)
	file := &gateway.File{Media: "text/markdown; charset=utf-8", Name: "a b.md", Bytes: []byte("<\x00\xff\"")}
	h := gateway.HTTP(tokens(verify), unlimited, map[string]gateway.HTTPRoute{"GET /things": func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
		return gateway.HTTPResponse{Status: http.StatusOK, File: file}, nil
	}})
	ask := func() events.APIGatewayV2HTTPResponse {
		got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", fields{"routeKey": "GET /things", "requestContext/http/method": "GET"}))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]string{
		"cache-control": "no-store", "x-content-type-options": "nosniff", "content-type": "text/markdown; charset=utf-8", "content-disposition": `attachment; filename="a b.md"`,
	}
	got := ask()
	if text, err := base64.StdEncoding.DecodeString(got.Body); err != nil || !got.IsBase64Encoded || got.StatusCode != 200 || string(text) != string(file.Bytes) || !maps.Equal(got.Headers, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	file.Next, file.Cursor = "cursor=c", "c"
	want["link"], want["next-cursor"] = `<?cursor=c>; rel="next"`, "c"
	if got := ask(); !maps.Equal(got.Headers, want) {
		t.Errorf("the headers are %v", got.Headers)
	}
}

// What a GET returns has an ETag, and who has it already gets nothing.
func TestETag(t *testing.T) {
	body, version, status := "a", "", http.StatusOK
	route := func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
		return gateway.HTTPResponse{Status: status, Body: body, Version: version}, nil
	}
	h := gateway.HTTP(tokens(verify), unlimited, map[string]gateway.HTTPRoute{"GET /things": route, "PUT /things": route})
	ask := func(method, known string) events.APIGatewayV2HTTPResponse {
		change := fields{"routeKey": method + " /things", "requestContext/http/method": method}
		if known != "" {
			change["headers/if-none-match"] = known
		}
		got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", change))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := ask("GET", "")
	a := first.Headers["etag"]
	if first.StatusCode != 200 || len(a) < 10 || a[0] != '"' || first.Headers["cache-control"] != "private, no-cache" || first.Headers["vary"] != "authorization" {
		t.Fatalf("got %+v", first)
	}
	body = "b"
	b := ask("GET", "").Headers["etag"]
	version = "1"
	v := ask("GET", "").Headers["etag"]
	if a == b || v == a || v == b {
		t.Errorf("the tags are %s, %s, %s", a, b, v)
	}
	for _, tt := range []struct {
		known, tag string
		status     int
	}{
		{v, v, 304}, {"W/" + v, v, 304}, {a + ", " + v, v, 304}, {a + ",W/" + v, v, 304}, {"*", v, 304},
		{a, v, 200}, {v[1 : len(v)-1], v, 200}, {"\"*\"", v, 200}, {"w/" + v, v, 200}, {",", v, 200},
	} {
		got := ask("GET", tt.known)
		if _, typed := got.Headers["content-type"]; got.StatusCode != tt.status || (got.Body == "") != (tt.status == 304) || typed != (tt.status == 200) || got.Headers["etag"] != tt.tag {
			t.Errorf("with %s: got %+v", tt.known, got)
		}
	}
	if got := ask("PUT", v); got.StatusCode != 200 || got.Headers["etag"] != "" || got.Headers["cache-control"] != "no-store" {
		t.Errorf("PUT got %+v", got)
	}
	status = http.StatusAccepted
	if got := ask("GET", v); got.StatusCode != 202 || got.Headers["etag"] != "" {
		t.Errorf("another status got %+v", got)
	}
}

// What is left of the limits is told with every answer, in the form of the IETF's
// draft, and nothing is sniffed.
func TestRateLimitHeaders(t *testing.T) {
	status := http.StatusCreated
	h := gateway.HTTP(tokens(verify), quotas{
		chat.UseWrite:    {Count: 120, Window: time.Minute, Burst: 120, Remaining: 119, Reset: 500 * time.Millisecond},
		chat.UseCreation: {Count: 30, Window: time.Minute, Burst: 60, Remaining: 2, Reset: 1500 * time.Millisecond},
		chat.UseAddition: {Count: 1, Window: time.Second, Burst: 1, Remaining: -1, Reset: time.Second},
	}, map[string]gateway.HTTPRoute{
		"POST /things/{id}": func(ctx context.Context, r *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
			if err := r.Allow(ctx, chat.UseCreation); err != nil {
				return gateway.HTTPResponse{}, err
			}
			if status == http.StatusCreated {
				return gateway.HTTPResponse{Status: status, Location: "/things/1"}, nil
			}
			return gateway.HTTPResponse{}, r.Allow(ctx, chat.UseAddition)
		},
	})
	ask := func(change fields) map[string]string {
		got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", change))
		if err != nil || got.Headers["x-content-type-options"] != "nosniff" {
			t.Fatalf("got %+v, %v", got, err)
		}
		return got.Headers
	}
	const policies = `"write";q=120;w=60, "creation";q=30;w=60;aiwm-burst=60`
	if got := ask(nil); got["ratelimit-policy"] != policies || got["ratelimit"] != `"write";r=119;t=1, "creation";r=2;t=2` || got["location"] != "/things/1" || got["retry-after"] != "" {
		t.Errorf("got %v", got)
	}
	status = http.StatusTooManyRequests
	if got := ask(nil); got["ratelimit-policy"] != policies+`, "addition";q=1;w=1` || got["ratelimit"] != `"write";r=119;t=1, "creation";r=2;t=2, "addition";r=0;t=90` || got["retry-after"] != "90" {
		t.Errorf("over a limit: got %v", got)
	}
	if got := ask(fields{"headers/authorization": nil}); got["ratelimit"] != "" || got["ratelimit-policy"] != "" {
		t.Errorf("of nobody: got %v", got)
	}
}

// Who is told to come again soon, for another reason, is not told that a limit which
// is used up were over by then.
func TestRateLimitOfAFailure(t *testing.T) {
	h := gateway.HTTP(tokens(verify), quotas{
		chat.UseWrite: {Count: 6, Window: time.Minute, Burst: 6, Remaining: 0, Reset: 9500 * time.Millisecond},
	}, map[string]gateway.HTTPRoute{"POST /things/{id}": func(context.Context, *gateway.HTTPRequest) (gateway.HTTPResponse, error) {
		return gateway.HTTPResponse{}, chat.Errorf(chat.Unavailable, "not now")
	}})
	got, err := invoke[events.APIGatewayV2HTTPResponse](t, t.Context(), h, event(t, "http", nil))
	if err != nil || got.StatusCode != 503 || got.Headers["retry-after"] != "1" || got.Headers["ratelimit"] != `"write";r=0;t=10` {
		t.Errorf("got %+v, %v", got, err)
	}
}

// FuzzHTTP: whatever is asked, it is answered, and a refusal is a problem.
func FuzzHTTP(f *testing.F) {
	f.Add("need=n1&limit=3", "application/json", `{"name":"thing"}`, `"x", W/"y"`)
	f.Add("%ff=1&%zz", "application/json; charset=\xff", "\x00\xff{", `",`)
	f.Add("a=1&a=2;b", "", "", "*")
	gateway.LogJSON(io.Discard, slog.LevelError+1)
	h := gateway.HTTP(tokens(verify), unlimited, routes(nil))
	f.Fuzz(func(t *testing.T, query, media, body, known string) {
		for _, e := range []events.APIGatewayV2HTTPRequest{
			{RouteKey: "GET /things", RawQueryString: query},
			{RouteKey: "POST /things/{id}", Body: body},
			{RouteKey: "POST /things/{id}", Body: base64.StdEncoding.EncodeToString([]byte(body)), IsBase64Encoded: true},
			{RouteKey: "POST /things/{id}", Body: body, IsBase64Encoded: true},
		} {
			e.Headers = map[string]string{"authorization": "Bearer " + secretToken, "content-type": media, "if-none-match": known}
			e.RequestContext.HTTP.Method, _, _ = strings.Cut(e.RouteKey, " ")
			got, err := h(t.Context(), e)
			if err == nil && got.StatusCode == http.StatusNotModified && got.Body == "" && known != "" {
				continue
			}
			if err != nil || !json.Valid([]byte(got.Body)) || got.StatusCode >= 500 {
				t.Fatalf("%s got %+v, %v", e.RouteKey, got, err)
			}
			if problem := got.Headers["content-type"] == "application/problem+json"; problem != (got.StatusCode >= 400) {
				t.Fatalf("%s got %+v", e.RouteKey, got)
			}
		}
	})
}
