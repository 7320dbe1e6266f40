// Package lambda invokes functions as AWS Lambda does: a JSON event in, a JSON
// response or a function error out.
//
// There are three ways to run a function, and callers need not know which one
// they have:
//
//   - InProcess calls the handler in this process: fast, debuggable, and strict
//     about what Lambda is strict about;
//   - Exec runs the built bootstrap binaries, one process per concurrent
//     invocation, over a Lambda Runtime API of its own;
//   - Remote speaks the Invoke API, as `sam local start-lambda` and the real
//     service do.
//
// All three invoke synchronously (RequestResponse), never retry, and enforce
// Lambda's limits: 6 MB for the event and the response, the function's timeout,
// and a number of invocations at the same time. They are safe for concurrent
// use.
package lambda

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"aiwm-chat/local/aws/account"
)

const (
	// MaxEvent is the largest event, in bytes, that a function can be invoked
	// with.
	MaxEvent = 6 << 20
	// MaxResponse is the largest response, in bytes, that a function can
	// return: Lambda grants 100 bytes more than 6 MB.
	MaxResponse = 6<<20 + 100

	// defaultTimeout is Lambda's timeout of a function that names none.
	defaultTimeout = 3 * time.Second
	// defaultConcurrency is the concurrency that Lambda gives an account.
	defaultConcurrency = 1000
)

// An Invoker invokes a function by its name and waits for its response.
//
// The error is a *FunctionError when the function ran and failed,
// *ThrottledError when too much is running already, ErrNotFound when there is
// no such function, ErrTooLarge when the event is over MaxEvent, and the error
// of ctx when the caller gave up first; the invocation itself then goes on
// until it ends or reaches its timeout, as it does on Lambda.
type Invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

var (
	_ Invoker = (*InProcess)(nil)
	_ Invoker = (*Exec)(nil)
	_ Invoker = (*Remote)(nil)
)

// admit finds a function, and refuses what is not invoked at all.
func admit[F any](ctx context.Context, functions map[string]F, function string, event []byte) (f F, err error) {
	f, ok := functions[function]
	switch {
	case !ok:
		err = ErrNotFound
	case len(event) > MaxEvent:
		err = ErrTooLarge
	default:
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("invoke %s: %w", function, err)
	}
	return f, err
}

// ARN returns the ARN of a function.
func ARN(function string) string {
	return "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:" + function
}

// functionDeadline returns when an invocation that starts now must be over,
// which is what the function is told: at its own timeout, or before that at the
// deadline of its caller.
func functionDeadline(ctx context.Context, timeout time.Duration) time.Time {
	deadline := time.Now().Add(timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		return d
	}
	return deadline
}

// logInvocation writes the one line that each invocation has in the log.
func logInvocation(ctx context.Context, log *slog.Logger, function, requestID string, start time.Time, err error) {
	level := slog.LevelDebug
	if err != nil {
		level = slog.LevelWarn
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("function", function),
		slog.String("requestId", requestID),
		slog.Duration("duration", time.Since(start)),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	log.LogAttrs(ctx, level, "invoke", attrs...)
}
