package lambda

import (
	"bytes"
	"io"
	"sync"
)

// maxLine is the longest line of a function's output that is shown whole, in
// bytes.
const maxLine = 16 << 10

// A lineWriter writes whole lines of many processes to one writer.
type lineWriter struct {
	mu      sync.Mutex
	out     io.Writer
	metrics io.Writer // nil: out
}

// metricsPrefix is how a line of CloudWatch's embedded metric format begins, in
// every library that writes it, and our own.
var metricsPrefix = []byte(`{"_aws":`)

// A processOutput is one process's standard output and error. It is used by one
// goroutine.
type processOutput struct {
	to     *lineWriter
	prefix string
	line   []byte
	cut    bool // the rest of this line is dropped
}

// Write never fails: a function must not die because the log does.
func (o *processOutput) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part, rest, ended := bytes.Cut(b, []byte("\n"))
		if room := maxLine - len(o.line); len(part) > room {
			part, o.cut = part[:room], true
		}
		o.line = append(o.line, part...)
		if ended {
			o.flush()
		}
		b = rest
	}
	return n, nil
}

// flush writes the line there is, if any.
func (o *processOutput) flush() {
	if len(o.line) == 0 {
		return
	}
	if o.to.metrics != nil && !o.cut && bytes.HasPrefix(o.line, metricsPrefix) {
		o.to.mu.Lock()
		defer o.to.mu.Unlock()
		_, _ = o.to.metrics.Write(o.line)
		o.line = o.line[:0]
		return
	}
	if o.cut {
		o.line = append(o.line, " …"...)
	}
	o.to.mu.Lock()
	defer o.to.mu.Unlock()
	_, _ = o.to.out.Write(append(append([]byte(o.prefix), o.line...), '\n'))
	o.line, o.cut = o.line[:0], false
}
