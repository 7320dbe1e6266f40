package gateway

import (
	"context"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"aiwm-chat/shared/chat"
)

// OperatorRole is the role, of the issuer's, of those who may know why something
// is down.
const OperatorRole = "chat:operator"

// Probe adapts a function with one route that asks no token: whether all is well
// is everybody's to know. With ?deep=true it is asked by an operator, whose token
// says so, and what it answers is for no one else.
func Probe(v verifier, look func(ctx context.Context, deep bool) HTTPResponse) HTTPHandler {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		ctx, seen := begin(ctx, event.RouteKey, event.Headers["x-request-id"], event.Headers["traceparent"])
		var by chat.Principal
		var response HTTPResponse
		err := attempt(ctx, func(ctx context.Context) error {
			deep := event.QueryStringParameters["deep"]
			switch deep {
			case "", "false":
				response = look(ctx, false)
				return nil
			case "true":
			default:
				return chat.Invalid("deep", "must be true or false")
			}
			b, err := bearerOf(ctx, &event, v)
			if err != nil {
				return err
			}
			if by = b.Principal; !slices.Contains(b.Roles, OperatorRole) {
				return chat.Errorf(chat.Forbidden, "this is for operators only: a token with the role %s", OperatorRole)
			}
			response = look(ctx, true)
			return nil
		})
		end(ctx, seen, err, principalAttr(by))
		if err != nil {
			return problem(err)
		}
		return jsonResponse(response.Status, "application/json", response.Body)
	}
}
