package prometheus_test

import (
	"runtime"
	"strings"
	"testing"

	"aiwm-chat/local/prometheus"
)

// What is kept is seen once it is collected, and what is garbage is not.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	heap := func() float64 {
		runtime.GC()
		var b strings.Builder
		if err := prometheus.WriteMemory(&b); err != nil {
			t.Fatal(err)
		}
		if stacks, ok := prometheus.Value([]byte(b.String()), prometheus.Stacks); !ok || stacks <= 0 {
			t.Errorf("stacks are %v in %s", stacks, b.String())
		}
		live, ok := prometheus.Value([]byte(b.String()), prometheus.HeapLive)
		if !ok {
			t.Fatalf("there is no heap in %s", b.String())
		}
		return live
	}
	before, during := heap(), 0.0
	func() {
		kept := make([]byte, size)
		during = heap()
		runtime.KeepAlive(kept)
	}()
	after := heap()
	if during-before < size/2 || during-after < size/2 {
		t.Errorf("%.0f, with %d more %.0f, without %.0f", before, size, during, after)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	text := []byte("# HELP a_b of a\n# TYPE a_b gauge\na_b{x=\"1\"} 3\na_b 1.5e+06\na 2\nword nothing\n")
	for name, want := range map[string]float64{"a_b": 1.5e6, "a": 2, "word": 0, "b": 0, "": 0} {
		if got, ok := prometheus.Value(text, name); got != want || ok != (want != 0) {
			t.Errorf("%s is %v, %t", name, got, ok)
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add([]byte("a 1\n"), "a")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		if v, ok := prometheus.Value(text, name); !ok && v != 0 {
			t.Errorf("none is %v", v)
		}
	})
}
