package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// A process is the one that is measured: another one, or with 0 this one.
type process struct{ pid int }

// cpu returns the CPU time that the process has used, user and system, and
// false where the system does not tell.
func (p process) cpu() (time.Duration, bool) {
	if p.pid == 0 {
		return ownCPU()
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, false
	}
	return parseStat(stat)
}

// settle waits until the process has nothing to do any more, as far as can be
// seen: what connections left behind that have just ended, say.
func (p process) settle(ctx context.Context) {
	const step, quiet, longest = 50 * time.Millisecond, 5 * time.Millisecond, 10 * time.Second
	last, _ := p.cpu()
	for deadline := time.Now().Add(longest); time.Now().Before(deadline) && ctx.Err() == nil; {
		wait(ctx, time.Now().Add(step))
		now, _ := p.cpu()
		if now-last < quiet {
			return
		}
		last = now
	}
}

// parseStat reads fields 14 and 15 of /proc/PID/stat (proc(5)), in ticks of 10
// ms. Field 2, the name, is in parentheses and may contain anything.
func parseStat(stat []byte) (time.Duration, bool) {
	const utime, stime, afterName, tick = 14, 15, 3, 10 * time.Millisecond
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime-afterName {
		return 0, false
	}
	var ticks int64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(string(fields[i-afterName]), 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, true
}

// A footprint is memory in use, in bytes; what is not known is 0.
type footprint struct{ rss, heap, stacks int64 }

// memory returns what the process uses, for this one after a collection.
func (p process) memory() footprint {
	var f footprint
	file := "/proc/self/statm"
	if p.pid == 0 {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		f.heap, f.stacks = int64(m.HeapAlloc), int64(m.StackInuse)
	} else {
		file = fmt.Sprintf("/proc/%d/statm", p.pid)
	}
	statm, err := os.ReadFile(file)
	if err != nil {
		return f
	}
	if fields := bytes.Fields(statm); len(fields) > 1 {
		pages, err := strconv.ParseInt(string(fields[1]), 10, 64) // resident (proc(5))
		if err == nil {
			f.rss = pages * int64(os.Getpagesize())
		}
	}
	return f
}
