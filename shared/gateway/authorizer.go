package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

// AuthorizerHandler is what Lambda runs for the REQUEST authorizer of $connect.
type AuthorizerHandler = func(context.Context, events.APIGatewayCustomAuthorizerRequestTypeRequest) (events.APIGatewayCustomAuthorizerResponse, error)

// A Handshake is what a client showed when it asked to connect.
type Handshake struct {
	Header http.Header
	Query  map[string][]string
}

// errUnauthorized is the one error that API Gateway turns into a 401; any
// other becomes a 500.
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // API Gateway compares this very text

// Authorizer adapts a function that says who is calling and until when. What
// it returns reaches every later event of the connection.
func Authorizer(identify func(ctx context.Context, h Handshake) (chat.Bearer, error)) AuthorizerHandler {
	return func(ctx context.Context, event events.APIGatewayCustomAuthorizerRequestTypeRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
		ctx, seen := begin(ctx, "authorize", "", "")
		var b chat.Bearer
		handshake := handshakeOf(event)
		err := attempt(ctx, func(ctx context.Context) (err error) {
			b, err = identify(ctx, handshake)
			return err
		})
		// Lambda counts a 401 as an error of the function, too: it can be told no
		// other way. Alarms look at what is counted here.
		if err != nil && ours(err) {
			seen.Add(observe.Crashes, 1)
		}
		end(ctx, seen, err, bearerAttrs(b)...)
		if code := chat.CodeOf(err); err != nil && (code == chat.Unauthorized || code == chat.TokenExpired) {
			return events.APIGatewayCustomAuthorizerResponse{}, errUnauthorized
		}
		if err != nil && chat.CodeOf(err) == chat.Forbidden { // a 403 takes a policy that says so
			return events.APIGatewayCustomAuthorizerResponse{PrincipalID: "nobody", PolicyDocument: policy("Deny", event.MethodArn)}, nil
		}
		if err != nil {
			return events.APIGatewayCustomAuthorizerResponse{}, errors.New("authorization failed")
		}
		return events.APIGatewayCustomAuthorizerResponse{
			PrincipalID:    b.Principal.String(),
			PolicyDocument: policy("Allow", event.MethodArn),
			Context:        AuthorizerContext(b.Principal, b.ExpiresAt, handshake.dialect()),
		}, nil
	}
}

// dialect is how the client wants the protocol written: ?v=2, or the
// subprotocol aiwm.v2 beside bearer, asks for lean.
func (h Handshake) dialect() chat.Dialect {
	if slices.Contains(h.Query["v"], "2") || offers(h.Header, leanSubprotocol) {
		return chat.Lean
	}
	return chat.AIWM
}

func handshakeOf(event events.APIGatewayCustomAuthorizerRequestTypeRequest) Handshake {
	h := Handshake{Header: http.Header{}, Query: event.MultiValueQueryStringParameters}
	for name, values := range event.MultiValueHeaders {
		for _, v := range values {
			h.Header.Add(name, v)
		}
	}
	return h
}

func policy(effect, arn string) events.APIGatewayCustomAuthorizerPolicy {
	return events.APIGatewayCustomAuthorizerPolicy{
		Version: "2012-10-17",
		Statement: []events.IAMPolicyStatement{{
			Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{arn},
		}},
	}
}
