// Package gateway stands between AWS and the handlers: it turns API Gateway,
// SQS and authorizer events into typed calls, and what a handler returns into
// the reply that the caller gets. Logging, panics, deadlines and expired
// tokens are dealt with here, once, so that a handler tells only its own story.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

// replyMargin is kept of a function's time to tell the caller that the time
// was not enough.
const replyMargin = time.Second

// attempt runs fn under the function's deadline less the margin. A panic
// becomes an error, and so does running out of time, which is retryable.
func attempt(ctx context.Context, fn func(context.Context) error) (err error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-replyMargin))
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	err = fn(ctx)
	if _, public := errors.AsType[*chat.Error](err); !public && errors.Is(err, context.DeadlineExceeded) {
		err = chat.Unavailablef(err, "this took too long; try again")
	}
	return err
}

// begin begins an invocation. correlation is what its client, or the invocation
// that it follows from, calls it; "" where that is not known yet; parent is its
// traceparent, likewise.
func begin(ctx context.Context, route, correlation, parent string) (context.Context, *observe.Invocation) {
	s := observe.Start{Route: route, Correlation: observe.CorrelationOf(correlation)}
	xray, _ := ctx.Value("x-amzn-trace-id").(string) // where lambda.Start leaves it
	s.Trace = observe.TraceOf(xray, parent)
	if l, ok := lambdacontext.FromContext(ctx); ok {
		s.RequestID, s.Function = l.AwsRequestID, functionOf(l.InvokedFunctionArn)
	}
	return observe.Begin(ctx, s)
}

// functionOf returns the name in an ARN, arn:aws:lambda:region:account:function:name,
// which a version or an alias may follow.
func functionOf(arn string) string {
	const name = 6
	if parts := strings.Split(arn, ":"); len(parts) > name {
		return parts[name]
	}
	return ""
}

// The outcomes of an event.
const (
	fine    = "ok"
	refused = "refused" // the client's doing, and only worth a line, with the reason of one that tells the client none
	failed  = "failed"  // ours, and worth an alarm
)

// end ends an invocation with the one line of its event, and counts its error.
func end(ctx context.Context, i *observe.Invocation, err error, attrs ...slog.Attr) {
	level, outcome := slog.LevelInfo, fine
	all := make([]slog.Attr, 0, 16)
	all = append(append(all, slog.String("route", i.Route)), attrs...)
	if c := i.Conversation(); c != "" {
		all = append(all, slog.String("conversation", c))
	}
	all = append(all, slog.Duration("took", i.Took().Round(time.Microsecond)))
	if err != nil {
		outcome = refused
		code := chat.CodeOf(err)
		all = append(all, slog.String("code", string(code)))
		reason := errors.Unwrap(chat.Public(err))
		switch {
		case errors.Is(err, chat.ErrModelBroken): // its cause was a line of its own
		case ours(err):
			level, outcome = slog.LevelError, failed
			all = append(all, slog.Any("err", err))
		case code == chat.Unavailable: // the client came at the wrong moment
			all = append(all, slog.String("reason", chat.Public(err).Message))
		case reason != nil:
			all = append(all, slog.Any("reason", reason))
		}
		i.Failed(string(code), level == slog.LevelError)
		if code == chat.RateLimited {
			i.Add(observe.RateLimited, 1)
		}
	}
	slog.LogAttrs(ctx, level, "event", i.Counts(append(all, slog.String("outcome", outcome)))...)
	i.End()
}

// ours reports whether an error is for us to mend.
func ours(err error) bool {
	public := chat.Public(err)
	return public.Code == chat.Internal || public.Code == chat.Unavailable && errors.Unwrap(public) != nil
}

// bearerAttrs say who came with a token, and with which roles: what the mapping
// of an issuer's claims makes of it.
func bearerAttrs(b chat.Bearer) []slog.Attr {
	attrs := []slog.Attr{principalAttr(b.Principal)}
	if len(b.Roles) > 0 {
		attrs = append(attrs, slog.Any("roles", b.Roles))
	}
	return attrs
}

// principalAttr is nothing, which slog leaves out, as long as nobody is known.
func principalAttr(p chat.Principal) slog.Attr {
	if p.IsZero() {
		return slog.Attr{}
	}
	return slog.String("principal", p.String())
}
