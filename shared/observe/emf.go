package observe

import (
	"context"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// A Sink gets the numbers of the invocations of one process, each invocation's as
// one line of CloudWatch's embedded metric format.
type Sink struct {
	stack  string
	mu     sync.Mutex
	out    io.Writer
	daemon io.Writer // of X-Ray; nil: there is none
	warm   atomic.Bool
}

// NewSink returns a Sink that writes each line with one call of out, which fails
// at nobody's cost. stack tells the numbers of several installations apart.
func NewSink(stack string, out io.Writer) *Sink { return &Sink{stack: stack, out: out} }

// To has the invocations of a context send their numbers to s.
func To(ctx context.Context, s *Sink) context.Context { return context.WithValue(ctx, sinkKey, s) }

// isCold is true once.
func (s *Sink) isCold() bool { return s != nil && !s.warm.Load() && s.warm.CompareAndSwap(false, true) }

// End writes the numbers of the invocation, if there are any, and tells X-Ray of its
// calls. Nothing may be added to it afterwards.
func (i *Invocation) End() {
	if i == nil {
		return
	}
	i.whole.take(i)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tell()
	if i.sink == nil {
		return
	}
	line := i.emf(make([]byte, 0, 1024), time.Now())
	if line == nil {
		return
	}
	i.sink.mu.Lock()
	defer i.sink.mu.Unlock()
	_, _ = i.sink.out.Write(line) // numbers are worth no failure
}

// LinePrefix is how a line of numbers begins, and no other line of a function.
const LinePrefix = `{"_aws":`

// emf appends the line to b, written by hand: it costs less than one allocation
// for each of its parts would. A metric that has a label has a directive of its
// own, because its dimensions are its own.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func (i *Invocation) emf(b []byte, now time.Time) []byte {
	b = append(b, LinePrefix+`{"Timestamp":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[`...)
	empty := len(b)
	const opening = `{"Namespace":"` + Namespace + `","Dimensions":[["` + StackDimension + `"`
	plain := false
	for m := range metrics {
		if d := &descriptions[m]; i.seen[m] && d.Label == "" {
			if !plain {
				plain = true
				b = append(b, opening+`]],"Metrics":[`...)
			}
			b = appendDefinition(b, d)
		}
	}
	if plain {
		b = append(b, `]}`...)
	}
	for m := range metrics {
		d := &descriptions[m]
		if !i.seen[m] || d.Label == "" {
			continue
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		b = append(b, opening...)
		if d.Total {
			b = append(b, `],["`+StackDimension+`"`...)
		}
		b = append(b, `,"`...)
		b = append(b, d.Label...)
		b = append(b, `"]],"Metrics":[`...)
		b = append(appendDefinition(b, d), `]}`...)
	}
	if len(b) == empty {
		return nil
	}
	b = append(b, `]},"`+StackDimension+`":`...)
	b = appendString(b, i.sink.stack)
	b = append(b, `,"requestId":`...)
	b = appendString(b, i.RequestID)
	for m := range metrics {
		if i.seen[m] {
			b = i.appendValue(b, m)
		}
	}
	return append(b, "}\n"...)
}

func appendDefinition(b []byte, d *Description) []byte {
	if b[len(b)-1] == '}' {
		b = append(b, ',')
	}
	b = append(b, `{"Name":"`...)
	b = append(b, d.Name...)
	b = append(b, `","Unit":"`...)
	b = append(b, d.Unit...)
	return append(b, `"}`...)
}

// appendValue appends a metric's value, or its values, and its label.
func (i *Invocation) appendValue(b []byte, m Metric) []byte {
	d := &descriptions[m]
	b = append(b, `,"`...)
	b = append(b, d.Name...)
	b = append(b, `":`...)
	more := i.more[m]
	if len(more) > 0 {
		b = append(b, '[')
	}
	b = strconv.AppendFloat(b, i.values[m], 'f', -1, 64)
	for _, v := range more {
		b = append(b, ',')
		b = strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	if len(more) > 0 {
		b = append(b, ']')
	}
	if d.Label == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, d.Label...)
	b = append(b, `":`...)
	return appendString(b, i.labels[m])
}

// appendString appends a text of JSON.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default: // what is not UTF-8 is a replacement character by now
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
