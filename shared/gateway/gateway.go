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
	"time"

	"aiwm-chat/shared/chat"
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

// logEvent writes the one line of an event. Refusals are the client's doing
// and only worth a line, with the reason of one that tells the client none;
// failures are ours and worth an alarm.
func logEvent(ctx context.Context, route string, start time.Time, err error, attrs ...slog.Attr) {
	level := slog.LevelInfo
	attrs = append([]slog.Attr{slog.String("route", route)}, attrs...)
	attrs = append(attrs, slog.Duration("took", time.Since(start).Round(time.Microsecond)))
	if err != nil {
		code := chat.CodeOf(err)
		attrs = append(attrs, slog.String("code", string(code)))
		reason := errors.Unwrap(chat.Public(err))
		switch {
		case errors.Is(err, chat.ErrModelBroken): // its cause was a line of its own
		case code == chat.Internal || code == chat.Unavailable && reason != nil:
			level = slog.LevelError
			attrs = append(attrs, slog.Any("err", err))
		case code == chat.Unavailable: // the client came at the wrong moment
			attrs = append(attrs, slog.String("reason", chat.Public(err).Message))
		case reason != nil:
			attrs = append(attrs, slog.Any("reason", reason))
		}
	}
	slog.LogAttrs(ctx, level, "event", attrs...)
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
