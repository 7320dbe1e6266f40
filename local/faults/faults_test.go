package faults

import (
	"flag"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

func rolls(f *Faults, kind Kind, n int) string {
	var b strings.Builder
	for range n {
		if f.Roll(kind) {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func mustNew(t *testing.T, seed uint64, p map[Kind]float64) *Faults {
	t.Helper()
	f, err := New(seed, p)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSameSeedSameDecisions(t *testing.T) {
	p := map[Kind]float64{Throttle: 0.5, Duplicate: 0.5}
	want := rolls(mustNew(t, 7, p), Throttle, 100)

	again := mustNew(t, 7, p)
	rolls(again, Duplicate, 33) // another kind's rolls must not shift this one's
	if got := rolls(again, Throttle, 100); got != want {
		t.Errorf("seed 7 gave\n%s, then\n%s", want, got)
	}
	if got := rolls(mustNew(t, 8, p), Throttle, 100); got == want {
		t.Error("seed 8 decides exactly like seed 7")
	}
	if got := rolls(mustNew(t, 7, p), Duplicate, 100); got == want {
		t.Error("two kinds share one sequence")
	}
}

func TestProbability(t *testing.T) {
	f := mustNew(t, 1, map[Kind]float64{Throttle: 0.25, Kill: 1})
	if n := strings.Count(rolls(f, Throttle, 10_000), "x"); n < 2300 || n > 2700 {
		t.Errorf("probability 0.25 happened %d times in 10,000", n)
	}
	if rolls(f, Kill, 50) != strings.Repeat("x", 50) {
		t.Error("probability 1 did not always happen")
	}
	if strings.Contains(rolls(f, PostError, 50), "x") {
		t.Error("probability 0 happened")
	}
}

func TestNilNeverMisbehaves(t *testing.T) {
	var f *Faults
	if f.Roll(Kill) || f.Delay(Latency) != 0 || f.String() != "none" {
		t.Error("a nil Faults did something")
	}
}

func TestDelayIsBounded(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	f := Register(fs)
	if err := fs.Parse([]string{"-latency=1", "-reorder=1", "-latency-max=10ms", "-reorder-max=1ms", "-seed=3"}); err != nil {
		t.Fatal(err)
	}
	var longest time.Duration
	for range 1000 {
		longest = max(longest, f.Delay(Latency))
		if d := f.Delay(Reorder); d < 0 || d > time.Millisecond {
			t.Fatalf("reorder delay %v", d)
		}
	}
	if longest <= time.Millisecond || longest > 10*time.Millisecond {
		t.Errorf("longest latency of 1,000 is %v, want up to 10ms", longest)
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"nothing", "", "none"},
		{"seed alone", "-seed=9", "none"},
		{"values", "-kill=0.5 -seed=9 -latency=0.1", "-latency 0.1 -kill 0.5 -seed 9"},
		{"above one", "-kill=1.5", "error"},
		{"negative", "-throttle=-0.1", "error"},
		{"not a number", "-throttle=NaN", "error"},
		{"word", "-post-error=often", "error"},
		{"bad seed", "-seed=-1", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := flag.NewFlagSet("test", flag.ContinueOnError)
			fs.SetOutput(io.Discard)
			f := Register(fs)
			got := "error"
			if err := fs.Parse(strings.Fields(c.args)); err == nil {
				got = f.String()
			}
			if got != c.want {
				t.Errorf("%q gives %q, want %q", c.args, got, c.want)
			}
		})
	}
	if _, err := New(1, map[Kind]float64{"typo": 1}); err == nil {
		t.Error("an unknown fault was accepted")
	}
	if _, err := New(1, map[Kind]float64{Kill: math.Inf(1)}); err == nil {
		t.Error("an infinite probability was accepted")
	}
}

func TestConcurrentUse(t *testing.T) {
	f := mustNew(t, 1, map[Kind]float64{Latency: 0.5})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				f.Delay(Latency)
			}
		})
	}
	wg.Wait()
}

func TestStop(t *testing.T) {
	f, err := New(1, map[Kind]float64{Duplicate: 1})
	if err != nil {
		t.Fatal(err)
	}
	before := rolls(f, Duplicate, 2)
	f.Stop()
	if after := rolls(f, Duplicate, 2); before != "xx" || after != ".." || f.Happened() != 2 {
		t.Errorf("before: %s, after: %s, %d happened", before, after, f.Happened())
	}
}

// Faults change while they happen, all that are asked for or none.
func TestSet(t *testing.T) {
	t.Parallel()
	f, err := New(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []map[Kind]float64{{"latency": 0.5, "unknown": 1}, {"latency": 0.5, "reorder": 1.1}, {"reorder": math.NaN()}} {
		if err := f.Set(wrong); err == nil || f.String() != "none" {
			t.Errorf("%v: %v, and it is %s", wrong, err, f)
		}
	}
	done := make(chan int)
	go func() {
		n := 0
		for n == 0 {
			if f.Roll(Reorder) {
				n++
			}
		}
		done <- n
	}()
	if err := f.Set(map[Kind]float64{Reorder: 1}); err != nil {
		t.Fatal(err)
	}
	<-done
	all := f.Switches()
	if len(all) != 7 || all[1] != (Switch{Kind: Reorder, Text: "a frame is held back by up to 50ms, so that later ones overtake it", Probability: 1}) {
		t.Errorf("got %+v", all)
	}
}
