package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/observe/observetest"
)

// begin begins an invocation whose numbers go to out, and which is no cold start.
func begin(t testing.TB, out *bytes.Buffer) (context.Context, *observe.Invocation) {
	ctx := observetest.Context(t, out)
	_, first := observe.Begin(ctx, observe.Start{})
	first.End()
	out.Reset()
	return observe.Begin(ctx, observe.Start{RequestID: "r1", Function: "SendFunction", Route: "send"})
}

func TestLine(t *testing.T) {
	t.Parallel()
	const opening = `"CloudWatchMetrics":[{"Namespace":"aiwm-chat","Dimensions":[`
	for _, row := range []struct {
		name string
		do   func(i *observe.Invocation)
		want string // after the time
	}{
		{"nothing", func(*observe.Invocation) {}, ""},
		{"nothing of something", func(i *observe.Invocation) { i.Add(observe.Posts, 0) }, ""},
		{
			"a sum", func(i *observe.Invocation) { i.Add(observe.Posts, 2); i.Add(observe.Posts, 3) },
			opening + `["Stack"]],"Metrics":[{"Name":"Posts","Unit":"Count"}]}]},"Stack":"prod","requestId":"r1","Posts":5}`,
		},
		{
			"two, one of many values", func(i *observe.Invocation) {
				i.Record(observe.DeliveryLatency, 1.5)
				i.Record(observe.DeliveryLatency, 20)
				i.Add(observe.Messages, 1)
			},
			opening + `["Stack"]],"Metrics":[{"Name":"Messages","Unit":"Count"},{"Name":"DeliveryLatency","Unit":"Milliseconds"}]}]},` +
				`"Stack":"prod","requestId":"r1","Messages":1,"DeliveryLatency":[1.5,20]}`,
		},
		{
			"a label, and the whole", func(i *observe.Invocation) { i.Label(observe.Connects, "agent") },
			opening + `["Stack"],["Stack","Type"]],"Metrics":[{"Name":"Connects","Unit":"Count"}]}]},"Stack":"prod","requestId":"r1","Connects":1,"Type":"agent"}`,
		},
		{
			"a 0 that counts", func(i *observe.Invocation) { i.Record(observe.OldestDue, 0) },
			opening + `["Stack"]],"Metrics":[{"Name":"OldestDue","Unit":"Seconds"}]}]},"Stack":"prod","requestId":"r1","OldestDue":0}`,
		},
		{
			"another, of a count", func(i *observe.Invocation) { i.Zero(observe.SummarySuccesses) },
			opening + `["Stack"]],"Metrics":[{"Name":"SummarySuccesses","Unit":"Count"}]}]},"Stack":"prod","requestId":"r1","SummarySuccesses":0}`,
		},
		{
			"errors: the most frequent code", func(i *observe.Invocation) {
				i.Failed("conflict", false)
				i.Failed("internal", true)
				i.Failed("internal", true)
			},
			opening + `["Stack"]],"Metrics":[{"Name":"Errors","Unit":"Count"},{"Name":"Failures","Unit":"Count"}]},` +
				`{"Namespace":"aiwm-chat","Dimensions":[["Stack","Code"]],"Metrics":[{"Name":"ErrorsByCode","Unit":"Count"}]}]},` +
				`"Stack":"prod","requestId":"r1","Errors":3,"ErrorsByCode":2,"Code":"internal","Failures":2}`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			_, i := begin(t, &out)
			row.do(i)
			i.End()
			got := out.String()
			if row.want == "" {
				if got != "" {
					t.Errorf("wrote %s", got)
				}
				return
			}
			_, rest, _ := strings.Cut(got, ",")
			if !strings.HasPrefix(got, observe.LinePrefix+`{"Timestamp":1`) || rest != row.want+"\n" || !json.Valid([]byte(got)) {
				t.Errorf("got  %swant %s", rest, row.want)
			}
		})
	}
}

// The first invocation of a process is its cold start, and no other.
func TestColdStart(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := observe.To(t.Context(), observe.NewSink(`a "stack"`+"\n\xff", &out))
	for range 2 {
		_, i := observe.Begin(ctx, observe.Start{Function: "F"})
		i.End()
	}
	var line struct {
		ColdStarts      int
		Function, Stack string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.ColdStarts != 1 || line.Function != "F" || line.Stack != "a \"stack\"\n\uFFFD" {
		t.Errorf("%+v, %v: %s", line, err, out.String())
	}
}

// The jobs of a batch have one line together, also those that run at the same time.
func TestJobs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, whole := begin(t, &out)
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			ctx, job := observe.Job(ctx, "", observe.Trace{})
			observe.Of(ctx).Add(observe.Posts, 1)
			observe.Of(ctx).Record(observe.FanOut, float64(n))
			if n < 3 {
				job.Failed("internal", true)
			}
			if n == 3 {
				job.Label(observe.Connects, "user")
				job.Failed("unavailable", false)
			}
			if attrs := job.Counts(nil); len(attrs) != 2 || attrs[1].Value.Float64() != 1 {
				t.Errorf("a job counts %v", attrs)
			}
			job.End()
		})
	}
	wg.Wait()
	if out.Len() > 0 {
		t.Errorf("a job wrote %s", out.String())
	}
	whole.End()
	var line struct {
		Posts, Errors, Failures, ErrorsByCode, Connects int
		Code, Type                                      string
		FanOut                                          []float64
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err, out.String())
	}
	if line.Posts != 10 || line.Errors != 4 || line.Failures != 3 || line.ErrorsByCode != 3 || line.Code != "internal" || line.Type != "user" || line.Connects != 1 || len(line.FanOut) != 10 {
		t.Errorf("%+v", line)
	}
}

// CloudWatch takes a hundred values of a metric in one line.
// A job's 0 is its invocation's too.
func TestZeroOfAJob(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, whole := begin(t, &out)
	_, job := observe.Job(ctx, "", observe.Trace{})
	job.Zero(observe.SummarySuccesses)
	job.End()
	whole.End()
	if !strings.Contains(out.String(), `"SummarySuccesses":0}`) {
		t.Errorf("wrote %s", out.String())
	}
	var none *observe.Invocation
	none.Zero(observe.SummarySuccesses)
}

func TestManyValues(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, i := begin(t, &out)
	for n := range 150 {
		i.Record(observe.DeliveryLatency, float64(n))
	}
	i.End()
	var line struct{ DeliveryLatency []float64 }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || len(line.DeliveryLatency) != 100 {
		t.Errorf("%d values, %v", len(line.DeliveryLatency), err)
	}
}

// What is outside of any invocation counts nowhere, and nothing fails.
func TestNothing(t *testing.T) {
	t.Parallel()
	var none *observe.Invocation
	if observe.Of(t.Context()) != none {
		t.Error("there is an invocation")
	}
	none.Add(observe.Posts, 1)
	none.Record(observe.FanOut, 1)
	none.Label(observe.Connects, "user")
	none.Failed("internal", true)
	none.Correlate("x")
	none.In("c")
	none.End()
	if none.Correlation() != "" || none.Conversation() != "" || none.Counts(nil) != nil {
		t.Error("nothing has something")
	}
	_, i := observe.Begin(t.Context(), observe.Start{}) // no sink
	i.Add(observe.Posts, 1)
	i.End()
}

// Every line of an invocation says which one it is, and what it follows from.
func TestHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(observe.Handler(slog.NewJSONHandler(&out, nil))).With("a", 1)
	ctx, i := observe.Begin(t.Context(), observe.Start{RequestID: "r1", Trace: observe.TraceOf(xray, "")})
	log.InfoContext(ctx, "one")
	i.Correlate("first")
	i.Correlate("second")
	log.InfoContext(ctx, "two")
	log.InfoContext(t.Context(), "three")
	lines := strings.Split(out.String(), "\n")
	for n, want := range []string{`"msg":"one","a":1,"requestId":"r1","trace":"5759e988bd862e3fe1be46a994272793"}`, `"msg":"two","a":1,"requestId":"r1","correlation":"first","trace":"5759e988bd862e3fe1be46a994272793"}`, `"msg":"three","a":1}`} {
		if !strings.HasSuffix(lines[n], want) {
			t.Errorf("got %s, want %s", lines[n], want)
		}
	}
}

func TestCorrelationOf(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": false, "1": true, "é 日本": true, strings.Repeat("é", 64): true, strings.Repeat("x", 65): false,
		"a\nb": false, "\x00": false, "\xff": false, "\u202e": false,
	} {
		if got := observe.CorrelationOf(id); got != "" != want || got != "" && got != id {
			t.Errorf("of %q it is %q", id, got)
		}
	}
}

// Every metric has what CloudWatch and people need.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for m, d := range observe.Descriptions() {
		if d.Name == "" || d.Unit == "" || d.Help == "" || names[d.Name] || d.Total && d.Label == "" {
			t.Errorf("metric %d is %+v", m, d)
		}
		names[d.Name] = true
	}
}

// What a message of a send costs to count and to tell.
func BenchmarkInvocation(b *testing.B) {
	for name, ctx := range map[string]context.Context{
		"told": observe.To(b.Context(), observe.NewSink("prod", io.Discard)), "not told": b.Context(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, i := observe.Begin(ctx, observe.Start{RequestID: "8f7c5d0e-6b1a-4c55-9f5e-0d5a4f9c2b11", Function: "SendFunction", Route: "send"})
				observe.Of(ctx).Add(observe.Messages, 1)
				observe.Of(ctx).Add(observe.Posts, 1)
				observe.Of(ctx).Add(observe.Posts, 3)
				observe.Of(ctx).Record(observe.FanOut, 3)
				observe.Of(ctx).Record(observe.DeliveryLatency, 12.345)
				i.End()
			}
		})
	}
}
