// Package observe says what became of an invocation: what its line of the log
// tells of it, what every other line repeats so that they are found together, and
// the numbers that CloudWatch makes metrics of. It travels in the context, so
// that whoever does something countable counts it where it is done.
package observe

import (
	"context"
	"sync"
	"time"
)

// A Start is what is known of an invocation before it does anything.
type Start struct {
	RequestID string // Lambda's
	Function  string
	Route     string // or queue, or schedule
	Trace     Trace
	// Correlation is what somebody gave to whatever this invocation follows from,
	// "" where nobody did.
	Correlation string
}

// An Invocation is one run of a function. A nil Invocation takes everything and
// keeps nothing. It is safe for concurrent use.
type Invocation struct {
	Start
	sink  *Sink
	whole *Invocation // that this one is a job of
	begun time.Time

	mu           sync.Mutex
	correlation  string // the client's own id of what it asked for
	conversation string
	values       [metrics]float64
	seen         [metrics]bool
	more         map[Metric][]float64 // of a distribution, all after the first
	labels       [metrics]string
	codes        map[string]int // of errors, where there is more than one
	calls        []call
}

type contextKey int

const (
	invocationKey contextKey = iota
	sinkKey
)

// Begin begins an invocation. Its numbers go where To said, or nowhere.
func Begin(ctx context.Context, s Start) (context.Context, *Invocation) {
	i := &Invocation{Start: s, begun: time.Now(), correlation: s.Correlation}
	if i.sink, _ = ctx.Value(sinkKey).(*Sink); i.sink.isCold() {
		i.Label(ColdStarts, s.Function)
	}
	return context.WithValue(ctx, invocationKey, i), i
}

// Job begins one of several things that an invocation does at the same time. It has
// a line of the log of its own, and a trace if it was given one; its numbers are the
// invocation's.
func Job(ctx context.Context, correlation string, t Trace) (context.Context, *Invocation) {
	whole := Of(ctx)
	i := &Invocation{begun: time.Now(), whole: whole, correlation: correlation}
	if whole != nil {
		i.Start = whole.Start
	}
	if t != (Trace{}) {
		i.Trace = t
	}
	return context.WithValue(ctx, invocationKey, i), i
}

// Of returns the invocation that ctx belongs to, or nil.
func Of(ctx context.Context) *Invocation {
	i, _ := ctx.Value(invocationKey).(*Invocation)
	return i
}

// In says which conversation it is about.
func (i *Invocation) In(conversation string) {
	if i == nil || conversation == "" {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.conversation = conversation
}

// Conversation is the one that it is about, as far as is known.
func (i *Invocation) Conversation() string {
	if i == nil {
		return ""
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.conversation
}

// Took is how long it has been going on.
func (i *Invocation) Took() time.Duration { return time.Since(i.begun) }

// Add counts n more of a metric.
func (i *Invocation) Add(m Metric, n int) {
	if i == nil || n == 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.values[m] += float64(n)
	i.seen[m] = true
}

// Zero tells of a metric also where nothing was counted of it: an alarm that weighs
// it against another needs both.
func (i *Invocation) Zero(m Metric) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen[m] = true
}

// maxValues is how many values of a metric one line may have: CloudWatch's.
const maxValues = 100

// Record adds one value of a distribution, such as a latency. Of the values of one
// invocation the first hundred count.
func (i *Invocation) Record(m Metric, v float64) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case !i.seen[m]:
		i.values[m], i.seen[m] = v, true
	case len(i.more[m])+1 < maxValues:
		if i.more == nil {
			i.more = map[Metric][]float64{}
		}
		i.more[m] = append(i.more[m], v)
	}
}

// Label counts one of a metric that is told apart by a label: see Description.
func (i *Invocation) Label(m Metric, label string) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.values[m]++
	i.seen[m], i.labels[m] = true, label
}

// Failed counts an error. ours is one that is for us to mend.
func (i *Invocation) Failed(code string, ours bool) {
	if i == nil {
		return
	}
	i.Add(Errors, 1)
	if ours {
		i.Add(Failures, 1)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.code(code, 1)
}

// code counts errors of a code. The caller holds i.mu.
func (i *Invocation) code(code string, n int) {
	// A line has one value of a dimension: of the jobs of a batch, that of the
	// most frequent code.
	if i.codes == nil {
		i.codes = make(map[string]int, 1)
	}
	i.codes[code] += n
	if all := float64(i.codes[code]); all > i.values[ErrorsByCode] {
		i.values[ErrorsByCode], i.seen[ErrorsByCode], i.labels[ErrorsByCode] = all, true, code
	}
}

// take adds the numbers of a job, which has ended.
func (i *Invocation) take(job *Invocation) {
	if i == nil {
		return
	}
	job.mu.Lock()
	defer job.mu.Unlock()
	for m := range metrics {
		switch {
		case !job.seen[m] || m == ErrorsByCode:
		case descriptions[m].Distribution:
			i.Record(m, job.values[m])
			for _, v := range job.more[m] {
				i.Record(m, v)
			}
		default:
			i.Zero(m)
			i.Add(m, int(job.values[m]))
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for m := range metrics {
		if job.seen[m] && m != ErrorsByCode && descriptions[m].Label != "" {
			i.labels[m] = job.labels[m]
		}
	}
	for code, n := range job.codes {
		i.code(code, n)
	}
}

// Milliseconds is d as metrics have it.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
