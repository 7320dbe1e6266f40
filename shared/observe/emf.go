package observe

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// LinePrefix is how a line of numbers begins, and no other line of a function.
const LinePrefix = `{"_aws":`

// emf appends the line to b, or returns nil where there is nothing to tell. It is
// written by hand: that costs less than one allocation for each of its parts would.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func (i *Invocation) emf(b []byte, now time.Time) []byte {
	b = append(b, LinePrefix+`{"Timestamp":`...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[`...)
	empty := len(b)
	if b = i.appendDirectives(b); len(b) == empty {
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

// appendDirectives appends one for all metrics that have no label, and for each that
// has one its own, because its dimensions are its own.
func (i *Invocation) appendDirectives(b []byte) []byte {
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
		b = append(appendComma(b), opening...)
		if d.Total {
			b = append(b, `],["`+StackDimension+`"`...)
		}
		b = append(b, `,"`...)
		b = append(b, d.Label...)
		b = append(b, `"]],"Metrics":[`...)
		b = append(appendDefinition(b, d), `]}`...)
	}
	return b
}

func appendDefinition(b []byte, d *Description) []byte {
	b = append(appendComma(b), `{"Name":"`...)
	b = append(b, d.Name...)
	b = append(b, `","Unit":"`...)
	b = append(b, d.Unit...)
	return append(b, `"}`...)
}

// appendComma separates an object from the one before it, if there is one.
func appendComma(b []byte) []byte {
	if b[len(b)-1] == '}' {
		return append(b, ',')
	}
	return b
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
