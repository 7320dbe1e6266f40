package prometheus

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime/metrics"
	"strconv"
	"strings"
)

// The memory of a process of Go, by the names that Prometheus's own client gives it:
// what the last collection left, and stacks. What is garbage is in neither, so they
// grow where something is kept.
const (
	HeapLive = "go_gc_heap_live_bytes"
	Stacks   = "go_memory_classes_heap_stacks_bytes"
)

// WriteMemory writes those of this process.
func WriteMemory(w io.Writer) error {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	for i, m := range []struct{ name, help string }{
		{HeapLive, "Heap memory that the last collection left"}, {Stacks, "Memory of stacks"},
	} {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			continue // another Go may not know it
		}
		_, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", m.name, m.help, m.name, m.name, samples[i].Value.Uint64())
		if err != nil {
			return err
		}
	}
	return nil
}

// Value finds a metric without labels in Prometheus's text format.
func Value(text []byte, name string) (float64, bool) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		value, found := strings.CutPrefix(lines.Text(), name+" ")
		if !found {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return v, err == nil
	}
	return 0, false
}
