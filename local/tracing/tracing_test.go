package tracing_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/tracing"
)

const (
	xray   = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	parent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
)

// A function is what invokes; it looks at its trace.
type function func(ctx context.Context, event []byte) ([]byte, error)

func (f function) Invoke(ctx context.Context, _ string, event []byte) ([]byte, error) {
	return f(ctx, event)
}

type span struct {
	TraceID, SpanID, ParentSpanID, Name, StartTimeUnixNano, EndTimeUnixNano string
	Kind                                                                    int
	Links                                                                   []struct{ SpanID string }
	Status                                                                  struct{ Code int }
}

// collector keeps what it is sent.
func collector(t *testing.T) (url string, spans func() []span) {
	t.Helper()
	var all []span
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ResourceSpans []struct {
				Resource   struct{ Attributes []struct{ Key string } }
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", r.URL, err)
		}
		for _, rs := range in.ResourceSpans {
			if len(rs.Resource.Attributes) != 1 || rs.Resource.Attributes[0].Key != "service.name" {
				t.Errorf("a resource of %v", rs.Resource)
			}
			for _, ss := range rs.ScopeSpans {
				all = append(all, ss.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []span { return all }
}

// An invocation is a span of the trace that its event names, its function learns of
// it as it does on Lambda, and its posts are spans below.
func TestSpans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, event   string
		span, trace   string // want
		parent, links string
	}{
		{"a frame", `{"requestContext":{"routeKey":"send","connectionId":"A="}}`, "send", "", "", ""},
		{"a request", `{"routeKey":"GET /conversations","headers":{"traceparent":"` + parent + `"}}`, "GET /conversations", "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8", ""},
		{"a job", `{"Records":[{"eventSourceARN":"arn:aws:sqs:r:1:Jobs","attributes":{"AWSTraceHeader":"` + xray + `"}}]}`, "Jobs", "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8", ""},
		{"a job of somebody else", `{"Records":[{"eventSourceARN":"x:Jobs","messageAttributes":{"traceparent":{"stringValue":"` + parent + `"}}}]}`, "Jobs", "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8", ""},
		{"jobs", `{"Records":[{"eventSourceARN":"x:Jobs"},{"attributes":{"AWSTraceHeader":"` + xray + `"}}]}`, "Jobs", "", "", "53995c3f42cd8ad8"},
		{"an authorizer", `{"methodArn":"arn:x","requestContext":{"routeKey":"$connect","connectionId":"A="}}`, "TheFunction", "", "", ""},
		{"the clock", `{"source":"aws.events"}`, "TheFunction", "", "", ""},
		{"no event", `[`, "TheFunction", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, spans := collector(t)
			tracer, err := tracing.New(url + "/")
			if err != nil {
				t.Fatal(err)
			}
			var header string
			transport := tracer.Transport(answer(http.StatusInternalServerError))
			f := tracer.Functions(function(func(ctx context.Context, _ []byte) ([]byte, error) {
				header = lambda.TraceOf(ctx)
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://x/@connections/A=", nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := transport.RoundTrip(r); err != nil { //nolint:bodyclose // there is none
					t.Error(err)
				}
				return nil, nil
			}))
			if _, err := f.Invoke(t.Context(), "TheFunction", []byte(tt.event)); err != nil {
				t.Fatal(err)
			}
			if err := tracer.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := spans()
			if len(got) != 2 {
				t.Fatalf("%d spans", len(got))
			}
			post, own := got[0], got[1]
			if own.Name != tt.span || own.ParentSpanID != tt.parent || tt.trace != "" && own.TraceID != tt.trace || own.Kind != 2 || own.Status.Code != 0 || own.StartTimeUnixNano > own.EndTimeUnixNano {
				t.Errorf("the invocation is %+v", own)
			}
			if linked := len(own.Links) == 1 && own.Links[0].SpanID == tt.links; linked != (tt.links != "") {
				t.Errorf("linked to %v", own.Links)
			}
			if post.Name != "POST @connections" || post.TraceID != own.TraceID || post.ParentSpanID != own.SpanID || post.Kind != 3 || post.Status.Code != 2 {
				t.Errorf("the post is %+v", post)
			}
			if want := "Root=1-" + own.TraceID[:8] + "-" + own.TraceID[8:] + ";Parent=" + own.SpanID + ";Sampled=1"; header != want {
				t.Errorf("the function was told %s, want %s", header, want)
			}
		})
	}
}

type answer int

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(a), Status: http.StatusText(int(a))}, nil
}

// What fails is seen to.
func TestFailures(t *testing.T) {
	t.Parallel()
	url, spans := collector(t)
	tracer, err := tracing.New(url)
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("down")
	if _, err := tracer.Functions(function(func(context.Context, []byte) ([]byte, error) { return nil, down })).Invoke(t.Context(), "F", nil); !errors.Is(err, down) {
		t.Error(err)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := spans(); len(got) != 1 || got[0].Status.Code != 2 {
		t.Errorf("got %+v", got)
	}
}

// Without an endpoint nothing is in between.
func TestNone(t *testing.T) {
	t.Parallel()
	tracer, err := tracing.New("")
	if err != nil || tracer.Close(t.Context()) != nil {
		t.Fatal(err)
	}
	if got := tracer.Transport(answer(1)); got != answer(1) {
		t.Errorf("a transport %T", got)
	}
	for _, bad := range []string{"127.0.0.1:4318", "ftp://x", "http://", "http://a b"} {
		if _, err := tracing.New(bad); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
