package bench

import (
	"fmt"
	"strings"
	"time"
)

// note says what CPU and memory include.
func note(own bool) string {
	if own {
		return ", load generator included"
	}
	return ""
}

// cost shows CPU time for each of n things, "unknown" where it was not told.
func cost(cpu time.Duration, n int) string {
	if cpu <= 0 || n == 0 {
		return "unknown"
	}
	return ms(cpu / time.Duration(n))
}

type loopReport struct {
	conversations    int
	duration, warm   time.Duration
	acked, delivered []time.Duration
	cpu              time.Duration
	own              bool
}

func (r *loopReport) String() string {
	var s strings.Builder
	n := len(r.acked)
	fmt.Fprintf(&s, "Closed loop: %d conversations for %v, after %v of warm-up\n", r.conversations, r.duration, r.warm)
	fmt.Fprintf(&s, "  messages           %d, %.0f a second\n", n, float64(n)/r.duration.Seconds())
	fmt.Fprintf(&s, "  send -> ack        %s\n", latencies(r.acked))
	fmt.Fprintf(&s, "  send -> delivery   %s\n", latencies(r.delivered))
	fmt.Fprintf(&s, "  CPU                %s a message, %.1f of the CPUs busy%s\n", cost(r.cpu, n), r.cpu.Seconds()/r.duration.Seconds(), note(r.own))
	return s.String()
}

type roomReport struct {
	connections, users int
	took               []time.Duration
	cpu                time.Duration
	own                bool
}

func (r *roomReport) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Room: %d connections of %d users in one conversation, %d messages one by one\n", r.connections, r.users, len(r.took))
	fmt.Fprintf(&s, "  until all have it  %s\n", latencies(r.took))
	fmt.Fprintf(&s, "  CPU                %s a message, %s a delivery%s\n", cost(r.cpu, len(r.took)), cost(r.cpu, len(r.took)*r.connections), note(r.own))
	return s.String()
}

type idleReport struct {
	connections   int
	took          time.Duration
	cpu           time.Duration
	idle          float64 // CPUs busy while nothing happens
	before, after footprint
	own           bool
	watched       *watchReport // nil: it was not
}

func (r *idleReport) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Idle: %d connections of as many users, after %d of warm-up\n", r.connections, idleWarmUp)
	fmt.Fprintf(&s, "  connects           %.0f a second, handshake to greeting, %d at a time\n", float64(r.connections)/r.took.Seconds(), setupWidth)
	fmt.Fprintf(&s, "  CPU                %s a connect%s\n", cost(r.cpu, r.connections), note(r.own))
	fmt.Fprintf(&s, "  memory             %s a connection resident", r.each(r.after.rss-r.before.rss))
	if r.own {
		fmt.Fprintf(&s, ", %s heap + %s stack", r.each(r.after.heap-r.before.heap), r.each(r.after.stacks-r.before.stacks))
	}
	fmt.Fprintf(&s, "%s\n  in all             %.1f MB resident with %d connections, %.3f of the CPUs busy while nothing happens\n", note(r.own),
		float64(r.after.rss)/(1<<20), r.connections+idleWarmUp, r.idle)
	if r.watched != nil {
		s.WriteString(r.watched.String())
	}
	return s.String()
}

func (r *idleReport) each(bytes int64) string {
	return fmt.Sprintf("%.1f KB", float64(bytes)/1024/float64(r.connections))
}
