// Package faults decides when the local server misbehaves on purpose.
//
// Each kind of fault has a probability and a random sequence of its own,
// derived from one seed. The n-th decision of a kind is therefore the same in
// every run with that seed, whatever the other kinds were asked in between.
// Only the order in which concurrent callers reach the n-th decision is left to
// the scheduler.
package faults

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Kind names one fault. Its value is also the name of its flag.
type Kind string

// The faults of the local server.
const (
	Latency        Kind = "latency"         // an invocation or a post is delayed by up to -latency-max
	Reorder        Kind = "reorder"         // a frame is held back by up to -reorder-max, so that later ones overtake it
	Duplicate      Kind = "duplicate"       // an event is invoked twice
	DropDisconnect Kind = "drop-disconnect" // $disconnect never fires for a connection
	Throttle       Kind = "throttle"        // @connections answers 429
	PostError      Kind = "post-error"      // @connections answers 500, every other time after delivering the frame
	Kill           Kind = "kill"            // a function's process dies in the middle of an invocation
)

var usage = []struct {
	kind Kind
	text string
}{
	{Latency, "`probability` that an invocation or a post to a connection is delayed by up to -latency-max"},
	{Reorder, "`probability` that a frame is held back by up to -reorder-max, so that later ones overtake it"},
	{Duplicate, "`probability` that an event is invoked twice"},
	{DropDisconnect, "`probability` that $disconnect never fires for a connection"},
	{Throttle, "`probability` that @connections answers 429"},
	{PostError, "`probability` that @connections answers 500, every other time after the frame was delivered"},
	{Kill, "`probability` that a function's process dies in the middle of an invocation (-exec only)"},
}

// Faults holds the probabilities and the random sequences. A nil *Faults never
// misbehaves. It is safe for concurrent use once its flags are parsed; Set may be used
// meanwhile.
type Faults struct {
	seed   uint64
	kinds  map[Kind]*sequence // fixed by construction
	limits struct{ latency, reorder time.Duration }

	stopped  atomic.Bool
	happened atomic.Int64
}

type sequence struct {
	probability atomic.Uint64 // the bits of a float64: it changes while others roll
	mu          sync.Mutex
	random      *rand.Rand
}

func (s *sequence) likely() float64 { return math.Float64frombits(s.probability.Load()) }

// New returns faults with the given probabilities (0 to 1; a kind left out
// never happens). The same seed gives the same decisions. Delays reach 200 ms
// for Latency and 50 ms for Reorder.
func New(seed uint64, probabilities map[Kind]float64) (*Faults, error) {
	f := &Faults{kinds: map[Kind]*sequence{}}
	f.limits.latency, f.limits.reorder = 200*time.Millisecond, 50*time.Millisecond
	for _, u := range usage {
		f.kinds[u.kind] = &sequence{}
	}
	f.reseed(seed)
	for kind, p := range probabilities {
		s, known := f.kinds[kind]
		if !known {
			return nil, fmt.Errorf("unknown fault %q", kind)
		}
		if err := s.set(p); err != nil {
			return nil, fmt.Errorf("fault %s: %w", kind, err)
		}
	}
	return f, nil
}

// Register adds one flag per fault, -latency-max, -reorder-max and -seed to fs
// and returns the faults they set. Without -seed the seed is random; print
// String so that a run can be repeated.
func Register(fs *flag.FlagSet) *Faults {
	f, err := New(rand.Uint64(), nil)
	if err != nil {
		panic(err) // no probability was given: it cannot be out of range
	}
	for _, u := range usage {
		fs.Func(string(u.kind), u.text, func(value string) error {
			p, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return err
			}
			return f.kinds[u.kind].set(p)
		})
	}
	fs.DurationVar(&f.limits.latency, "latency-max", f.limits.latency, "longest delay of -latency")
	fs.DurationVar(&f.limits.reorder, "reorder-max", f.limits.reorder, "longest delay of -reorder")
	fs.Func("seed", "`number` that makes the faults repeatable (default random)", func(value string) error {
		seed, err := strconv.ParseUint(value, 10, 64)
		if err == nil {
			f.reseed(seed)
		}
		return err
	})
	return f
}

// Roll reports whether the fault happens this time.
func (f *Faults) Roll(kind Kind) bool {
	hit, _ := f.roll(kind)
	return hit
}

// Delay returns how long Latency or Reorder delays this time: 0 when the fault
// does not happen.
func (f *Faults) Delay(kind Kind) time.Duration {
	hit, share := f.roll(kind)
	if !hit {
		return 0
	}
	limit := f.limits.latency
	if kind == Reorder {
		limit = f.limits.reorder
	}
	return time.Duration(share * float64(limit))
}

// String lists what may happen and the seed, in the form of the flags that
// repeat it; "none" if nothing can happen.
func (f *Faults) String() string {
	if f == nil {
		return "none"
	}
	var b strings.Builder
	for _, u := range usage {
		if p := f.kinds[u.kind].likely(); p > 0 {
			fmt.Fprintf(&b, "-%s %g ", u.kind, p)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	fmt.Fprintf(&b, "-seed %d", f.seed)
	return b.String()
}

// A Switch is one fault as it is set.
type Switch struct {
	Kind        Kind
	Text        string // what it does, to whom has no flags before them
	Probability float64
}

// Switches returns all of them, in their order.
func (f *Faults) Switches() []Switch {
	plain := strings.NewReplacer("`probability` that ", "", "-latency-max", f.limits.latency.String(), "-reorder-max", f.limits.reorder.String())
	var all []Switch
	for _, u := range usage {
		all = append(all, Switch{u.kind, plain.Replace(u.text), f.kinds[u.kind].likely()})
	}
	return all
}

// Set changes probabilities while the server runs. Where one is refused none is changed.
func (f *Faults) Set(probabilities map[Kind]float64) error {
	for _, kind := range slices.Sorted(maps.Keys(probabilities)) {
		if f.kinds[kind] == nil {
			return fmt.Errorf("unknown fault %q", kind)
		}
		if err := (&sequence{}).set(probabilities[kind]); err != nil {
			return fmt.Errorf("fault %s: %w", kind, err)
		}
	}
	for kind, p := range probabilities {
		if err := f.kinds[kind].set(p); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all faults for good.
func (f *Faults) Stop() { f.stopped.Store(true) }

// Happened is the number of faults so far.
func (f *Faults) Happened() int64 { return f.happened.Load() }

// roll decides, and draws a number in [0, 1) that says how much. Kinds that
// never happen cost no lock.
func (f *Faults) roll(kind Kind) (bool, float64) {
	if f == nil || f.stopped.Load() {
		return false, 0
	}
	s := f.kinds[kind]
	if s == nil || s.likely() == 0 {
		return false, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hit, share := s.random.Float64() < s.likely(), s.random.Float64()
	if hit {
		f.happened.Add(1)
	}
	return hit, share
}

// reseed starts every sequence anew; a kind's place in the list keeps its
// sequence apart from the others.
func (f *Faults) reseed(seed uint64) {
	f.seed = seed
	for i, u := range usage {
		f.kinds[u.kind].random = rand.New(rand.NewPCG(seed, uint64(i)))
	}
}

func (s *sequence) set(p float64) error {
	if !(p >= 0 && p <= 1) { // NaN is refused too
		return fmt.Errorf("probability %v is not between 0 and 1", p)
	}
	s.probability.Store(math.Float64bits(p))
	return nil
}
