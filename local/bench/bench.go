// Package bench loads a server over real sockets and reports how fast it is
// and what it costs: connections that only wait, one message to a full room,
// messages in a closed loop.
//
// The load generator writes prepared frames and scans received ones for a few
// bytes, so that as little as possible of what is measured is its own. Where
// it shares the process with the server, its share is in the numbers all the
// same, and the report says so: on two cores of 2025, about 0.04 ms of CPU for
// a message of the closed loop (one frame out, four in), 0.01 ms for a
// delivery in the room, and 0.3 KB for a connection that waits.
package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"aiwm-chat/shared/chat"
)

// Options say what to load and how. A measurement whose number is 0 is left
// out. The server must not limit rates (LIMIT_… = 0).
type Options struct {
	WebSocketURL string // ws://host:port/ws
	HTTPURL      string // http://host:port
	Token        func(p chat.Principal, ttl time.Duration) (string, error)

	Conversations int           // of the closed loop, each with a user and an agent; at most 5,000
	Duration      time.Duration // of the closed loop without its warm-up; at most 10 min
	Room          int           // connections in one conversation; at most 10,000
	Connections   int           // that only wait; at most 50,000
	Streams       int           // answers that are written at the same time, for Duration; at most 5,000

	// MemoryWatch has the waiting connections ping for so long, and fails where the
	// memory of the server grows meanwhile, which a server elsewhere tells at
	// /metrics; 0: it is not watched.
	MemoryWatch time.Duration
	// Elsewhere is a server in a process that is not ours: CPU and memory are the
	// load generator's, but those of the memory watch.
	Elsewhere bool
	// Progress gets a line that is written again each second; nil: none.
	Progress io.Writer

	// ServerPID is the process whose CPU and memory are reported, on Linux. 0
	// is this process: the server is in it, and so is the load generator.
	ServerPID int
}

const (
	maxConversations = 5000
	maxDuration      = 10 * time.Minute
	maxRoom          = 10_000
	maxConnections   = 50_000
	maxWatch         = time.Hour
)

func (o Options) check() error {
	switch {
	case o.Conversations < 0 || o.Conversations > maxConversations:
		return fmt.Errorf("conversations must be 0 to %d", maxConversations)
	case o.Conversations > 0 && (o.Duration <= 0 || o.Duration > maxDuration):
		return fmt.Errorf("the duration must be more than 0 and at most %v", maxDuration)
	case o.Streams < 0 || o.Streams > maxConversations:
		return fmt.Errorf("streams must be 0 to %d", maxConversations)
	case o.Streams > 0 && (o.Duration < time.Second || o.Duration > maxDuration):
		return fmt.Errorf("the duration must be a second at least, and at most %v", maxDuration)
	case o.Room < 0 || o.Room > maxRoom:
		return fmt.Errorf("the room must be 0 to %d connections", maxRoom)
	case o.Connections < 0 || o.Connections > maxConnections:
		return fmt.Errorf("connections must be 0 to %d", maxConnections)
	case o.MemoryWatch < 0 || o.MemoryWatch > maxWatch:
		return fmt.Errorf("the memory watch must be at most %v", maxWatch)
	case o.MemoryWatch > 0 && o.Connections == 0:
		return errors.New("the memory watch is of connections that wait: give connections")
	case o.Conversations+o.Room+o.Connections+o.Streams == 0:
		return errors.New("nothing to measure: give conversations, a room, streams or connections")
	}
	return nil
}

// Run does the measurements, one after the other, and writes a report of each
// to out. Every name it uses is new, so it may run again and again against the
// same databases.
func Run(ctx context.Context, o Options, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.MemoryWatch > 0 && o.Elsewhere { // rather than after all connections are made
		if _, err := remoteMemory(ctx, o.HTTPURL); err != nil {
			return err
		}
	}
	run, err := newRun()
	if err != nil {
		return err
	}
	where := "server and load generator in one process"
	switch {
	case o.Elsewhere:
		where = "CPU and memory of the load generator alone"
	case o.ServerPID != 0:
		where = fmt.Sprintf("CPU and memory of process %d, the server, alone", o.ServerPID)
	}
	if _, err := fmt.Fprintf(out, "%s, %s/%s, %d CPUs; %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), where); err != nil {
		return err
	}
	b := &bench{Options: o, run: run, process: process{pid: o.ServerPID}, progress: progress{out: o.Progress}}
	for _, m := range []struct {
		name   string
		size   int
		before int // of its warm-up
		start  func(context.Context) (fmt.Stringer, error)
	}{
		{"idle connections", o.Connections, idleWarmUp, b.idle}, // first: its memory is compared with a server at rest
		{"room", o.Room, 0, b.room},
		{"closed loop", o.Conversations, 0, b.loop},
		{"streams", o.Streams, 0, b.streams},
	} {
		if m.size == 0 {
			continue
		}
		b.process.settle(ctx)
		b.progress.step(m.name, m.size+m.before)
		end := b.progress.show()
		report, err := m.start(ctx)
		end()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, limited(err))
		}
		if _, err := fmt.Fprintf(out, "\n%s", report); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	Options
	run     string // a part of every name of this run
	process process

	progress progress
}

func newRun() (string, error) {
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return hex.EncodeToString(b), nil
}
