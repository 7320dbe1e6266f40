package tracing

import (
	"encoding/json"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/protocol"
)

// An origin is what an event says of where it comes from, whatever kind it is.
type origin struct {
	MethodARN      string            // of what an authorizer is asked for
	RouteKey       string            // of the HTTP API
	Headers        map[string]string // likewise
	RequestContext struct {
		RouteKey     string // of the WebSocket API
		ConnectionID string
	}
	Records []struct { // of a queue
		EventSourceARN    string
		Attributes        map[string]string
		MessageAttributes map[string]struct{ StringValue string }
	}
}

func originOf(event []byte) (o origin) {
	_ = json.Unmarshal(event, &o) // what it does not say is not shown
	return o
}

// name is the route, or what else calls the function.
func (o origin) name(function string) string {
	switch {
	case o.MethodARN != "":
		return function
	case o.RequestContext.RouteKey != "":
		return o.RequestContext.RouteKey
	case o.RouteKey != "":
		return o.RouteKey
	case len(o.Records) > 0:
		return o.queue()
	}
	return function
}

func (o origin) queue() string {
	arn := o.Records[0].EventSourceARN
	return arn[strings.LastIndexByte(arn, ':')+1:]
}

// attributes are named as OpenTelemetry's semantic conventions have it.
func (o origin) attributes(function string) []attribute.KeyValue {
	all := []attribute.KeyValue{attribute.String("faas.name", function)}
	switch {
	case o.RequestContext.ConnectionID != "":
		return append(all, attribute.String("faas.trigger", "http"), attribute.String("network.protocol.name", "websocket"), attribute.String("aiwm.connection.id", o.RequestContext.ConnectionID))
	case o.RouteKey != "":
		return append(all, attribute.String("faas.trigger", "http"), attribute.String("http.route", o.RouteKey))
	case len(o.Records) > 0:
		return append(all, attribute.String("faas.trigger", "pubsub"), attribute.String("messaging.destination.name", o.queue()), attribute.Int("messaging.batch.message_count", len(o.Records)))
	}
	return append(all, attribute.String("faas.trigger", "other"))
}

// parents returns the span that the event follows from; of a batch the first, and
// links to the others.
func (o origin) parents() (parent trace.SpanContext, links []trace.Link) {
	if len(o.Records) == 0 {
		return contextOf("", o.Headers["traceparent"]), nil
	}
	for i, r := range o.Records {
		c := contextOf(r.Attributes["AWSTraceHeader"], r.MessageAttributes[protocol.TraceAttribute].StringValue)
		if i == 0 {
			parent = c
		} else if c.IsValid() {
			links = append(links, trace.Link{SpanContext: c})
		}
	}
	return parent, links
}

// contextOf returns the span of one header or the other; an invalid one for none.
func contextOf(xray, parent string) trace.SpanContext {
	return w3c(observe.TraceOf(xray, parent).Parent)
}

// headerOf is a span as X-Ray's header has it, whose ids are the same.
func headerOf(c trace.SpanContext) string {
	id := c.TraceID().String()
	const epoch = 8 // digits
	sampled := "0"
	if c.IsSampled() {
		sampled = "1"
	}
	return "Root=1-" + id[:epoch] + "-" + id[epoch:] + ";Parent=" + c.SpanID().String() + ";Sampled=" + sampled
}
