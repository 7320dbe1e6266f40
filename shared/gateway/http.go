package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// HTTPHandler is what Lambda runs for routes of the HTTP API, payload 2.0.
type HTTPHandler = func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// verifier says who a token speaks for.
type verifier interface {
	Verify(ctx context.Context, token string) (chat.Bearer, error)
}

// limiter counts what a principal does, and refuses it over a limit.
type limiter interface {
	Allow(ctx context.Context, p chat.Principal, u chat.Use) (*chat.Quota, error)
}

// An HTTPRequest is one REST call of a known caller.
type HTTPRequest struct {
	Principal chat.Principal
	Roles     []string // of the token; in no order, and often none
	event     *events.APIGatewayV2HTTPRequest
	body      []byte
	limiter   limiter
	quotas    []chat.Quota
}

// Allow counts one more use of the caller's, or refuses it. The answer tells what is
// left.
func (r *HTTPRequest) Allow(ctx context.Context, u chat.Use) error {
	q, err := r.limiter.Allow(ctx, r.Principal, u)
	if q != nil {
		r.quotas = append(r.quotas, *q)
	}
	return err
}

// Path returns a parameter of the route's path, decoded: whether API Gateway has
// done that is not documented, and "%" is in no id.
func (r *HTTPRequest) Path(name string) string {
	s := r.event.PathParameters[name]
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

// Header returns a header of the request; name in lower case, as API Gateway
// sends them.
func (r *HTTPRequest) Header(name string) string { return r.event.Headers[name] }

// IdempotencyKey returns the key under which a repeat of the call is to do nothing
// again, "" where there is none: as it is, or quoted, as the IETF's draft of that
// header has it. A header that is there and empty is no key, and not none: two
// quotes, which are no id either. Who sent it believes that a repeat is safe.
func (r *HTTPRequest) IdempotencyKey() string {
	key, given := r.event.Headers["idempotency-key"]
	key = strings.TrimSpace(key)
	if len(key) > 2 && key[0] == '"' && key[len(key)-1] == '"' {
		return key[1 : len(key)-1] // an id has nothing that would be escaped
	}
	if given && key == "" {
		return `""`
	}
	return key
}

// An HTTPResponse is what a route answers: a body that becomes JSON, or nil.
type HTTPResponse struct {
	Status   int
	Body     any
	Location string // the path of what was created
	// Version tells this state of what a GET returns from any other; "" where
	// that is the body itself. It becomes the ETag.
	Version string
	// File is sent in place of Body; nil: there is none.
	File *File
}

// A File is an answer that is no JSON: to be kept, and never shown by a browser.
type File struct {
	Media, Name string
	Bytes       []byte // at most 4.5 MB: it goes in base64, and Lambda returns 6 MB
	// Next is the query of what follows it, Cursor the one in there: "" after the last. The
	// answer tells them in a Link, and in Next-Cursor, for those who do not read links.
	Next, Cursor string
}

// An HTTPRoute handles the calls of one route key, such as "GET /messages/{id}".
type HTTPRoute = func(ctx context.Context, r *HTTPRequest) (HTTPResponse, error)

// HTTP adapts a function with several routes. The caller is known by the
// bearer token, and within the limits, before a route is reached; every error
// becomes a problem document (RFC 9457).
func HTTP(v verifier, l limiter, routes map[string]HTTPRoute) HTTPHandler {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		ctx, seen := begin(ctx, event.RouteKey, event.Headers["x-request-id"], event.Headers["traceparent"])
		seen.In(conversationIn(&event))
		r := &HTTPRequest{event: &event, limiter: l}
		var response HTTPResponse
		err := attempt(ctx, func(ctx context.Context) (err error) {
			response, err = r.serve(ctx, v, routes[event.RouteKey])
			return err
		})
		end(ctx, seen, err, principalAttr(r.Principal))
		var answer events.APIGatewayV2HTTPResponse
		if err != nil {
			answer, err = problem(err)
		} else {
			answer, err = r.answer(response)
		}
		if err == nil {
			tellQuotas(answer.Headers, r.quotas, answer.Headers["retry-after"])
		}
		return answer, err
	}
}

// conversationIn is the one that a call names in its path or its query, for the log.
func conversationIn(event *events.APIGatewayV2HTTPRequest) string {
	id := event.QueryStringParameters["conversationId"]
	if strings.Contains(event.RouteKey, " /conversations/{id}") {
		id = event.PathParameters["id"]
	}
	if !chat.ValidID(chat.ConversationID(id)) {
		return ""
	}
	return id
}

func (r *HTTPRequest) serve(ctx context.Context, v verifier, route HTTPRoute) (_ HTTPResponse, err error) {
	bearer, err := bearerOf(ctx, r.event, v)
	if err != nil {
		return HTTPResponse{}, err
	}
	r.Principal, r.Roles = bearer.Principal, bearer.Roles
	if route == nil {
		return HTTPResponse{}, chat.Errorf(chat.NotFound, "there is no such route")
	}
	use := chat.UseWrite
	if r.event.RequestContext.HTTP.Method == http.MethodGet {
		use = chat.UseRead
	}
	if err := r.Allow(ctx, use); err != nil {
		return HTTPResponse{}, err
	}
	if r.body, err = decodeBody(r.event); err != nil {
		return HTTPResponse{}, err
	}
	return route(ctx, r)
}

func bearerOf(ctx context.Context, event *events.APIGatewayV2HTTPRequest, v verifier) (chat.Bearer, error) {
	scheme, token, _ := strings.Cut(event.Headers["authorization"], " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return chat.Bearer{}, chat.Refused(errors.New("no bearer token is given"))
	}
	return v.Verify(ctx, token)
}

// Body decodes and checks the JSON body of r.
func Body[In any](r *HTTPRequest) (In, error) {
	var zero In
	media, _, err := mime.ParseMediaType(r.Header("content-type"))
	if err != nil || media != "application/json" {
		return zero, chat.Errorf(chat.UnsupportedMedia, "the content-type must be application/json")
	}
	in, err := protocol.Decode[In](r.body)
	if err != nil {
		return zero, err
	}
	if c, ok := any(in).(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return zero, err
		}
	}
	return in, nil
}

// decodeBody returns the bytes of the body. API Gateway sends those of most
// media types in base64.
func decodeBody(event *events.APIGatewayV2HTTPRequest) ([]byte, error) {
	if !event.IsBase64Encoded {
		return []byte(event.Body), nil
	}
	b, err := base64.StdEncoding.DecodeString(event.Body)
	if err != nil {
		return nil, chat.Errorf(chat.BadRequest, "the body is not valid base64")
	}
	return b, nil
}
