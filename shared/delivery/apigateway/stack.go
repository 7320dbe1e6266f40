package apigateway

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	mgmt "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"aiwm-chat/shared/chat"
)

// A postStack is the SDK's own stack of middleware for PostToConnection, kept
// for many calls: it serialises, signs and sends. The client would build it
// again for each call, which costs as much as all that it does, and a message
// is posted to everyone in the room. A stack must not be used by two calls at
// the same time, because its steps note where they are.
type postStack struct{ handler middleware.Handler }

// errBuilt stops a call of the client when its stack is complete.
var errBuilt = errors.New("the stack is built")

func newPostStack(c *mgmt.Client) (*postStack, error) {
	var built *middleware.Stack
	_, err := c.PostToConnection(context.Background(), &mgmt.PostToConnectionInput{}, func(o *mgmt.Options) {
		o.APIOptions = append(o.APIOptions, lighten, func(s *middleware.Stack) error {
			built = s
			return errBuilt
		})
	})
	if built == nil {
		return nil, err
	}
	return &postStack{middleware.DecorateHandler(smithyhttp.NewClientHandlerWithOptions(c.Options().HTTPClient), built)}, nil
}

// lighten takes out what a single signed attempt does not need: retries and
// what serves them, the search for Lambda recursion, and what is measured,
// logged or kept about a call for later. An id that an SDK to come does not
// know is an error of New.
func lighten(s *middleware.Stack) error {
	var errs []error
	for _, id := range []string{"ClientRequestID", "SetCredentialSourceMiddleware", "UserAgent", "RecursionDetection"} {
		_, err := s.Build.Remove(id)
		errs = append(errs, err)
	}
	for _, id := range []string{
		"spanRetryLoop", "InterceptBeforeRetryLoop", "Retry", "InterceptAttempt", "RetryMetricsHeader",
		"disableHTTPS", "setLegacyContextSigningOptions",
	} {
		_, err := s.Finalize.Remove(id)
		errs = append(errs, err)
	}
	for _, id := range []string{"AddRawResponseToMetadata", "RecordResponseTiming", "RequestResponseLogger"} {
		_, err := s.Deserialize.Remove(id)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *postStack) post(ctx context.Context, id chat.ConnectionID, frame []byte) error {
	_, _, err := s.handler.Handle(ctx, &mgmt.PostToConnectionInput{ConnectionId: aws.String(string(id)), Data: frame})
	return err
}
