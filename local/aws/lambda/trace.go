package lambda

import "context"

// traceKey is the key under which lambda.Start leaves the header for handlers.
const traceKey = "x-amzn-trace-id"

// WithTrace makes an invocation part of a trace: header is X-Ray's,
// Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1, which
// the handler finds in its context.
func WithTrace(ctx context.Context, header string) context.Context {
	//lint:ignore SA1029 the library's own key is a string
	return context.WithValue(ctx, traceKey, header)
}

// TraceOf returns the header of an invocation, of the caller's context or the
// handler's; "" for none.
func TraceOf(ctx context.Context) string {
	header, _ := ctx.Value(traceKey).(string)
	return header
}
