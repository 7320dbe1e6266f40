package gateway_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
)

func TestAuthorizerAllows(t *testing.T) {
	log := logged(t)
	h := gateway.Authorizer(func(_ context.Context, h gateway.Handshake) (chat.Bearer, error) {
		if h.Header.Get("sec-websocket-protocol") != "bearer, "+secretToken || !slices.Equal(h.Query["token"], []string{secretToken}) {
			t.Errorf("the handshake is %+v", h)
		}
		return chat.Bearer{Principal: caller.Principal, ExpiresAt: caller.ExpiresAt, Roles: []string{"admin", "staff"}}, nil
	})
	got, err := invoke[events.APIGatewayCustomAuthorizerResponse](t, t.Context(), h, event(t, "authorizer", nil))
	if err != nil {
		t.Fatal(err)
	}
	statements := got.PolicyDocument.Statement
	if got.PrincipalID != "user:u1" || got.PolicyDocument.Version != "2012-10-17" || len(statements) != 1 {
		t.Fatalf("got %+v", got)
	}
	s := statements[0]
	if s.Effect != "Allow" || !slices.Equal(s.Action, []string{"execute-api:Invoke"}) ||
		!slices.Equal(s.Resource, []string{"arn:aws:execute-api:eu-central-1:123456789012:gy415nuibc/prod/$connect"}) {
		t.Errorf("the policy is %+v", s)
	}
	// API Gateway makes strings of what it repeats: they must be strings already.
	want := map[string]any{"type": "user", "id": "u1", "orgId": "acme", "exp": "4102444800"}
	if !maps.Equal(got.Context, want) {
		t.Errorf("the context is %v, want %v", got.Context, want)
	}
	if l := line(t, log); l["route"] != "authorize" || l["principal"] != "user:u1" || !reflect.DeepEqual(l["roles"], []any{"admin", "staff"}) {
		t.Errorf("logged %v", l)
	}
}

// A client asks for lean by the query or by a subprotocol beside bearer; whoever
// does not, gets no dialect in the context.
func TestAuthorizerDialect(t *testing.T) {
	const query, header = "multiValueQueryStringParameters", "multiValueHeaders/Sec-WebSocket-Protocol"
	tests := []struct {
		name   string
		change fields
		want   any
	}{
		{"as ever", nil, nil},
		{"v=2", fields{query + "/v": []any{"2"}}, "lean"},
		{"v=1", fields{query + "/v": []any{"1"}}, nil},
		{"v=22", fields{query + "/v": []any{"22"}}, nil},
		{"no query", fields{query: nil}, nil},
		{"aiwm.v2", fields{header: []any{"aiwm.v2, bearer, " + secretToken}}, "lean"},
		{"aiwm.v2 without spaces", fields{header: []any{"bearer," + secretToken + ",aiwm.v2"}}, "lean"},
		{"aiwm.v2 in its own header", fields{header: []any{"bearer, " + secretToken, "aiwm.v2"}}, "lean"},
		{"much like it", fields{header: []any{"aiwm.v22, bearer, " + secretToken}}, nil},
		{"both", fields{query + "/v": []any{"2"}, header: []any{"aiwm.v2, bearer, " + secretToken}}, "lean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			logged(t)
			h := gateway.Authorizer(func(context.Context, gateway.Handshake) (chat.Bearer, error) {
				return chat.Bearer{Principal: caller.Principal, ExpiresAt: caller.ExpiresAt}, nil
			})
			got, err := invoke[events.APIGatewayCustomAuthorizerResponse](t, t.Context(), h, event(t, "authorizer", tt.change))
			if err != nil || got.Context["dialect"] != tt.want {
				t.Errorf("the context is %v, %v", got.Context, err)
			}
			if _, there := got.Context["dialect"]; there != (tt.want != nil) {
				t.Errorf("the context is %v", got.Context)
			}
		})
	}
}

// API Gateway makes a 401 of this very text, and a 500 of any other.
func TestAuthorizerRefuses(t *testing.T) {
	tests := []struct {
		name, want, level string
		err               error
		reason            any
	}{
		{"no token", "Unauthorized", "INFO", chat.Refused(errors.New("no token is given")), "no token is given"},
		{"expired", "Unauthorized", "INFO", chat.Errorf(chat.TokenExpired, "no"), nil},
		{"a key not known yet", "authorization failed", "INFO", chat.Errorf(chat.Unavailable, "not known yet"), "not known yet"},
		{"no keys", "authorization failed", "ERROR", chat.Unavailablef(errors.New("jwks"), "try again"), nil},
		{"broken", "authorization failed", "ERROR", errors.New("broken"), nil},
		{"a panic", "authorization failed", "ERROR", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := logged(t)
			h := gateway.Authorizer(func(context.Context, gateway.Handshake) (chat.Bearer, error) {
				if tt.err == nil {
					panic("!")
				}
				return chat.Bearer{Principal: caller.Principal, ExpiresAt: caller.ExpiresAt}, tt.err
			})
			_, err := invoke[events.APIGatewayCustomAuthorizerResponse](t, t.Context(), h, event(t, "authorizer", nil))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v", err)
			}
			if l := line(t, log); l["level"] != tt.level || l["reason"] != tt.reason {
				t.Errorf("logged %v", l)
			}
		})
	}
}

// A page that may not connect gets a 403, which takes a policy.
func TestAuthorizerForbids(t *testing.T) {
	logged(t)
	h := gateway.Authorizer(func(context.Context, gateway.Handshake) (chat.Bearer, error) {
		return chat.Bearer{Principal: caller.Principal}, chat.Errorf(chat.Forbidden, "no")
	})
	got, err := invoke[events.APIGatewayCustomAuthorizerResponse](t, t.Context(), h, event(t, "authorizer", nil))
	if err != nil || got.PolicyDocument.Statement[0].Effect != "Deny" || len(got.Context) != 0 || got.PrincipalID == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}
