// Package prometheus shows the numbers of the functions as a server of
// Prometheus reads them. It is fed with what the functions write: lines of
// CloudWatch's embedded metric format.
package prometheus

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"aiwm-chat/shared/observe"
)

// Numbers are the sums of all lines that were written to it. It is safe for
// concurrent use.
type Numbers struct {
	mu     sync.Mutex
	series map[string]map[string]*series // by metric, and by its label as it is shown
}

// A series is a counter, or a histogram.
type series struct {
	sum     float64
	count   int64
	buckets []int64 // of as many as are in a bucket or below it
}

// bounds are the upper ends of buckets, by unit. Those of time are read in
// milliseconds and shown in seconds, as Prometheus has it.
var bounds = map[string][]float64{
	"Milliseconds": {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000},
	"Seconds":      {0, 30, 60, 120, 300, 600, 3600, 86_400},
	"Count":        {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000},
}

// New returns Numbers of nothing.
func New() *Numbers { return &Numbers{series: map[string]map[string]*series{}} }

// Write adds one line. What is not one changes nothing.
func (n *Numbers) Write(line []byte) (int, error) {
	var about struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Metrics []struct{ Name string }
			}
		} `json:"_aws"`
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(line, &about) != nil || json.Unmarshal(line, &values) != nil {
		return len(line), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, directive := range about.AWS.CloudWatchMetrics {
		for _, m := range directive.Metrics {
			if d, ok := known[m.Name]; ok {
				n.add(d, labelOf(d, values), numbersOf(values[m.Name]))
			}
		}
	}
	return len(line), nil
}

// labelOf shows the dimension that tells the values of a metric apart, "" for none.
// Of which stack it is, is known here.
func labelOf(d observe.Description, values map[string]json.RawMessage) string {
	var value string
	if d.Label == "" || json.Unmarshal(values[d.Label], &value) != nil {
		return ""
	}
	return strings.ToLower(d.Label) + `="` + escape.Replace(value) + `"`
}

// escape is all that the text format knows of it.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// numbersOf reads a number or several.
func numbersOf(value json.RawMessage) []float64 {
	var one float64
	if json.Unmarshal(value, &one) == nil {
		return []float64{one}
	}
	var all []float64
	_ = json.Unmarshal(value, &all) // none, if it is something else
	return all
}

func (n *Numbers) add(d observe.Description, label string, values []float64) {
	if n.series[d.Name] == nil {
		n.series[d.Name] = map[string]*series{}
	}
	limits := bounds[d.Unit]
	s := n.series[d.Name][label]
	if s == nil {
		s = &series{buckets: make([]int64, len(limits))}
		n.series[d.Name][label] = s
	}
	for _, v := range values {
		s.sum += v
		s.count++
		for i, limit := range limits {
			if v <= limit {
				s.buckets[i]++
			}
		}
	}
}

// known are the metrics by name. Others are nobody's, and kept nowhere.
var known = func() map[string]observe.Description {
	all := map[string]observe.Description{}
	for _, d := range observe.Descriptions() {
		all[d.Name] = d
	}
	return all
}()

// WriteTo writes all metrics in Prometheus's text format, version 0.0.4, also those
// of which there is nothing yet.
func (n *Numbers) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	n.mu.Lock()
	for _, d := range observe.Descriptions() {
		n.show(&b, d)
	}
	n.mu.Unlock()
	written, err := io.WriteString(w, b.String())
	return int64(written), err
}

func (n *Numbers) show(b *strings.Builder, d observe.Description) {
	name, scale := nameOf(d)
	kind := "counter"
	if d.Distribution {
		kind = "histogram"
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, d.Help, name, kind)
	all := n.series[d.Name]
	if len(all) == 0 && d.Label == "" {
		all = map[string]*series{"": {}}
	}
	for _, label := range slices.Sorted(maps.Keys(all)) {
		s := all[label]
		if !d.Distribution {
			fmt.Fprintf(b, "%s%s %s\n", name, braces(label), number(s.sum))
			continue
		}
		// No distribution has a label.
		for i, limit := range bounds[d.Unit] {
			n := int64(0)
			if s.buckets != nil {
				n = s.buckets[i]
			}
			fmt.Fprintf(b, "%s_bucket{le=%q} %d\n", name, number(limit*scale), n)
		}
		fmt.Fprintf(b, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %s\n%s_count %d\n", name, s.count, name, number(s.sum*scale), name, s.count)
	}
}

// Name returns what Prometheus calls a metric.
func Name(d observe.Description) string {
	name, _ := nameOf(d)
	return name
}

func nameOf(d observe.Description) (name string, scale float64) {
	name, scale = "aiwm_chat"+snake(d.Name), 1.0
	switch {
	case d.Unit == "Milliseconds":
		name, scale = name+"_seconds", 0.001
	case d.Unit == "Seconds":
		name += "_seconds"
	}
	if !d.Distribution {
		name += "_total"
	}
	return name, scale
}

func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func braces(label string) string {
	if label == "" {
		return ""
	}
	return "{" + label + "}"
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
