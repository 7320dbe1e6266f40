package checker

import (
	"fmt"
	"strings"
)

// A Kind is a way in which a promise is broken.
type Kind string

// The kinds, in the order of a report.
const (
	Lost      Kind = "lost"      // acknowledged or shown, and not in the log
	Doubled   Kind = "doubled"   // one client message id, several messages
	Reordered Kind = "reordered" // not seq 1 to n, or not one order for all
	Leaked    Kind = "leaked"    // came to who has no right to it
	Ghosts    Kind = "ghosts"    // online, and not connected
	Deaf      Kind = "deaf"      // connected, and not reached in time
	Stuck     Kind = "stuck"     // still to do, or connected and offline
	Garbled   Kind = "garbled"   // a stream is shown or stored as something else than was written
	Open      Kind = "open"      // a stream that did not end, or not in time
	Stale     Kind = "stale"     // somebody, or a summary, has what a message was before it changed
	Wrong     Kind = "wrong"     // everything else that is not as it must be
)

// Kinds are all of them.
var Kinds = []Kind{Lost, Doubled, Reordered, Leaked, Ghosts, Deaf, Stuck, Garbled, Open, Stale, Wrong}

// examples is how many of a kind a report describes.
const examples = 5

// A Report counts what is wrong, and describes the first few of each kind.
type Report struct {
	Counts   map[Kind]int
	Examples map[Kind][]string
}

func (r *Report) add(k Kind, format string, args ...any) {
	if r.Counts == nil {
		r.Counts, r.Examples = map[Kind]int{}, map[Kind][]string{}
	}
	if r.Counts[k]++; r.Counts[k] <= examples {
		r.Examples[k] = append(r.Examples[k], fmt.Sprintf(format, args...))
	}
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Counts) == 0 }

// String is one line: "0 lost, 0 doubled, …".
func (r Report) String() string {
	parts := make([]string, len(Kinds))
	for i, k := range Kinds {
		parts[i] = fmt.Sprintf("%d %s", r.Counts[k], k)
	}
	return strings.Join(parts, ", ")
}

// Details is a line for each example, empty if there is none.
func (r Report) Details() string {
	var b strings.Builder
	for _, k := range Kinds {
		for _, e := range r.Examples[k] {
			fmt.Fprintf(&b, "%s: %s\n", k, e)
		}
		if more := r.Counts[k] - len(r.Examples[k]); more > 0 {
			fmt.Fprintf(&b, "%s: and %d more\n", k, more)
		}
	}
	return b.String()
}
