package lambda

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"time"
)

const (
	// leakGrace is how long a goroutine that is already on its way out may
	// take.
	leakGrace = 500 * time.Millisecond
	leakStep  = 5 * time.Millisecond

	invocationLabel = "aiwm-chat-invocation"
	modulePath      = "aiwm-chat/"
)

// A leakCheck finds goroutines that outlive an invocation. Profiler labels are
// inherited by the goroutines that a goroutine starts, so those of an
// invocation can be told from all others. Drivers start pools on first use, and
// those inherit labels too: only a goroutine with a function of this module on
// its stack counts.
type leakCheck struct {
	ctx   context.Context // the labels that the goroutine had before
	label string
}

// begin labels the calling goroutine, which must be the one that calls the
// handler and then end.
func (c *leakCheck) begin(ctx context.Context, requestID string) context.Context {
	c.ctx, c.label = ctx, `"`+invocationLabel+`":"`+requestID+`"`
	ctx = pprof.WithLabels(ctx, pprof.Labels(invocationLabel, requestID))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// end returns the functions on the stack of a goroutine that is still running,
// innermost first, or nothing.
func (c *leakCheck) end() string {
	pprof.SetGoroutineLabels(c.ctx)
	for waited := time.Duration(0); ; waited += leakStep {
		leaked := c.find()
		if leaked == "" || waited >= leakGrace {
			return leaked
		}
		time.Sleep(leakStep)
	}
}

func (c *leakCheck) find() string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return "goroutine profile: " + err.Error()
	}
	// One paragraph per distinct stack: a line with the count and addresses,
	// one with the labels, one per frame.
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		_, frames, ok := strings.Cut(stack, "# labels: ")
		if !ok {
			continue
		}
		labels, frames, _ := strings.Cut(frames, "\n")
		switch {
		case !strings.Contains(labels, c.label):
		case !strings.Contains(frames, "\t"): // it was started and has not run yet, so has no frames
			return "(not running yet)"
		case strings.Contains(frames, "\t"+modulePath):
			return functionNames(frames)
		}
	}
	return ""
}

// functionNames reduces frames like
// "#\t0x48\tpackage.Function+0x1f\t/file.go:12" to the names.
func functionNames(frames string) string {
	var names []string
	for line := range strings.Lines(frames) {
		fields := strings.Split(line, "\t")
		if len(fields) < 3 {
			continue
		}
		name, _, _ := strings.Cut(fields[2], "+")
		names = append(names, name)
	}
	return strings.Join(names, " < ")
}
