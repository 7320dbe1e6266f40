package prometheus_test

import (
	"bufio"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"aiwm-chat/local/prometheus"
	"aiwm-chat/shared/observe"
)

// emit writes what one invocation counts.
func emit(t testing.TB, n *prometheus.Numbers, do func(i *observe.Invocation)) {
	_, i := observe.Begin(observe.To(t.Context(), observe.NewSink("local", n)), observe.Start{Function: "F"})
	do(i)
	i.End()
}

func text(t testing.TB, n *prometheus.Numbers) string {
	t.Helper()
	var b strings.Builder
	if _, err := n.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	n := prometheus.New()
	for _, who := range []string{"user", "user", "agent"} {
		emit(t, n, func(i *observe.Invocation) {
			i.Label(observe.Connects, who)
			i.Add(observe.Posts, 2)
			i.Record(observe.DeliveryLatency, 40)
			i.Record(observe.DeliveryLatency, 400)
			i.Failed("not_found", false)
		})
	}
	got := text(t, n)
	for _, want := range []string{
		"# TYPE aiwm_chat_connects_total counter\naiwm_chat_connects_total{type=\"agent\"} 1\naiwm_chat_connects_total{type=\"user\"} 2\n",
		"aiwm_chat_posts_total 6\n", "aiwm_chat_messages_total 0\n", "aiwm_chat_errors_by_code_total{code=\"not_found\"} 3\n",
		"# TYPE aiwm_chat_delivery_latency_seconds histogram\naiwm_chat_delivery_latency_seconds_bucket{le=\"0.005\"} 0\n",
		"aiwm_chat_delivery_latency_seconds_bucket{le=\"0.05\"} 3\n", "aiwm_chat_delivery_latency_seconds_bucket{le=\"0.5\"} 6\n",
		"aiwm_chat_delivery_latency_seconds_bucket{le=\"+Inf\"} 6\naiwm_chat_delivery_latency_seconds_sum 1.32\naiwm_chat_delivery_latency_seconds_count 6\n",
		"aiwm_chat_cold_starts_total{function=\"F\"} 3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s in\n%s", want, got)
		}
	}
}

// sample is a line of the text format, version 0.0.4, as far as we write it.
var sample = regexp.MustCompile(`^[a-z_]+(\{[a-z]+="(\\[\\"n]|[^"\\])*"(,[a-z]+="(\\[\\"n]|[^"\\])*")*\})? ([0-9.e+-]+|\+Inf)$`)

func check(t testing.TB, text string) {
	t.Helper()
	seen := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		series, _, _ := strings.Cut(lines.Text(), "} ")
		if strings.Contains(series, "{") && seen[series] {
			t.Errorf("twice: %s", series)
		}
		seen[series] = true
		if line := lines.Text(); !strings.HasPrefix(line, "# HELP ") && !strings.HasPrefix(line, "# TYPE ") && !sample.MatchString(line) {
			t.Errorf("not of the format: %q", line)
		}
	}
}

func TestEveryMetricIsShown(t *testing.T) {
	t.Parallel()
	n := prometheus.New()
	got := text(t, n)
	check(t, got)
	for _, d := range observe.Descriptions() {
		if !strings.Contains(got, "# TYPE "+prometheus.Name(d)+" ") {
			t.Errorf("%s is not shown", d.Name)
		}
	}
}

// Whatever a function prints, the page stays one that Prometheus can read.
func FuzzWrite(f *testing.F) {
	f.Add([]byte(`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"x","Dimensions":[["Stack","Type"]],"Metrics":[{"Name":"Connects","Unit":"Count"}]}]},"Connects":1,"Type":"a\"b\nc"}`))
	f.Add([]byte(`{"_aws":{"CloudWatchMetrics":[{"Dimensions":[],"Metrics":[{"Name":"Posts"}]}]},"Posts":[1,2]}`))
	f.Add([]byte(`{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["a\"b"]],"Metrics":[{"Name":"Posts"},{"Name":"FanOut"}]}]},"Posts":1,"FanOut":[1e308,1e308],"a\"b":"x"}`))
	f.Add([]byte(`{"_aws":{"CloudWatchMetrics":[{"Dimensions":[["Who"]],"Metrics":[{"Name":"FanOut"}]},{"Dimensions":[],"Metrics":[{"Name":"FanOut"}]}]},"FanOut":1,"Who":"x"}`))
	f.Add([]byte(`{"_aws":`))
	f.Fuzz(func(t *testing.T, line []byte) {
		n := prometheus.New()
		if written, err := fmt.Fprintf(n, "%s", line); err != nil || written != len(line) {
			t.Fatal(written, err)
		}
		check(t, text(t, n))
	})
}
