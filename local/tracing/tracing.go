// Package tracing shows what a frame or a request sets off in the local server, the
// invocations, their posts and the jobs that follow, as one trace of OpenTelemetry.
// Functions on Lambda have X-Ray for that: the exporter would add 7 MB to each.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"aiwm-chat/local/aws/lambda"
)

// A Tracer sends spans by OTLP over HTTP. Nil traces nothing. It is safe for
// concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// scope names who makes the spans.
const scope = "aiwm-chat/local/tracing"

// New returns a Tracer that sends to the collector at endpoint, such as
// http://127.0.0.1:4318, in batches; nil where that is empty.
func New(endpoint string) (*Tracer, error) {
	if endpoint == "" {
		return nil, nil //nolint:nilnil // nil traces nothing
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://127.0.0.1:4318")
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(newExporter(endpoint)), sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "aiwm-chat"))))
	return &Tracer{provider, provider.Tracer(scope)}, nil
}

// Close sends what is left, until ctx is done.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// Functions returns an invoker of the same functions that makes each invocation a
// span, and hands its id on as X-Ray does: a job is of the trace of who enqueued it.
func (t *Tracer) Functions(next lambda.Invoker) lambda.Invoker {
	if t == nil {
		return next
	}
	return functions{t, next}
}

type functions struct {
	*Tracer
	next lambda.Invoker
}

// Invoke implements lambda.Invoker.
func (f functions) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	o := originOf(event)
	parent, links := o.parents()
	ctx, span := f.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), o.name(function), trace.WithLinks(links...),
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(o.attributes(function)...))
	defer span.End()
	response, err := f.next.Invoke(lambda.WithTrace(ctx, headerOf(span.SpanContext())), function, event)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return response, err
}

// Transport returns a transport that makes each post of an invocation a span.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return posts{t, next}
}

type posts struct {
	*Tracer
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (p posts) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := trace.ContextWithRemoteSpanContext(r.Context(), contextOf(lambda.TraceOf(r.Context()), ""))
	_, span := p.tracer.Start(ctx, r.Method+" @connections", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	response, err := p.next.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return response, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= http.StatusBadRequest && response.StatusCode != http.StatusGone {
		span.SetStatus(codes.Error, response.Status)
	}
	return response, nil
}

// w3c reads a traceparent.
func w3c(parent string) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": parent}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}
