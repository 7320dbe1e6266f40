package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// An exporter sends spans as OTLP's JSON, https://opentelemetry.io/docs/specs/otlp,
// section OTLP/HTTP. The library's own exporter brings gRPC, and with it a quarter of
// what a first `go run ./local` has to compile.
type exporter struct {
	url    string
	client *http.Client
}

const sendTime = 10 * time.Second // OTLP's default

func newExporter(endpoint string) *exporter {
	return &exporter{url: strings.TrimSuffix(endpoint, "/") + "/v1/traces", client: &http.Client{Timeout: sendTime}}
}

// ExportSpans implements sdk.SpanExporter. What a collector does not take is lost,
// and said in the log by the library.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := json.Marshal(requestOf(spans))
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(r)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
	// OTLP has 200; some collectors answer 202.
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("send spans: %s", response.Status)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// What follows is ExportTraceServiceRequest. Ids are hexadecimal there, numbers of 64
// bits texts, and enumerations numbers.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		ParentID   string     `json:"parentSpanId,omitempty"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Links      []link     `json:"links,omitempty"`
		Status     *status    `json:"status,omitempty"`
	}
	link struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	status struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

func requestOf(spans []sdk.ReadOnlySpan) request {
	all := resourceSpans{ScopeSpans: []scopeSpans{{}}}
	all.ScopeSpans[0].Scope.Name = scope
	for _, s := range spans {
		all.Resource.Attributes = valuesOf(s.Resource().Attributes()) // each has the same
		all.ScopeSpans[0].Spans = append(all.ScopeSpans[0].Spans, spanOf(s))
	}
	return request{[]resourceSpans{all}}
}

const failed = 2 // STATUS_CODE_ERROR

func spanOf(s sdk.ReadOnlySpan) span {
	out := span{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(), Kind: kindOf(s.SpanKind()),
		Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10), Attributes: valuesOf(s.Attributes()),
	}
	if s.Parent().IsValid() {
		out.ParentID = s.Parent().SpanID().String()
	}
	for _, l := range s.Links() {
		out.Links = append(out.Links, link{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String()})
	}
	if s.Status().Code == codes.Error {
		out.Status = &status{failed, s.Status().Description}
	}
	return out
}

func kindOf(k trace.SpanKind) int {
	const server, client = 2, 3 // SPAN_KIND_SERVER, SPAN_KIND_CLIENT
	if k == trace.SpanKindClient {
		return client
	}
	return server
}

func valuesOf(attributes []attribute.KeyValue) (all []keyValue) {
	for _, a := range attributes {
		value := map[string]any{"stringValue": a.Value.String()}
		if a.Value.Type() == attribute.INT64 {
			value = map[string]any{"intValue": a.Value.String()}
		}
		all = append(all, keyValue{string(a.Key), value})
	}
	return all
}
