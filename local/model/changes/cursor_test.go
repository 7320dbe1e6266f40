package changes

// A log of three messages that change, and a client that was there, goes, and asks with its cursor what changed meanwhile.
// A change takes the time of the database, and becomes visible up to `lag` ticks later, in any order: a majority has it late, or
// the clocks of two primaries differ. Pages have one message; between two the client may wait as long as it likes, and the first
// page of a join, or a first join's history, is read up to a tick before its cursor.
// Checked is what the client has when all is visible and it has asked once more, to the last page.

import (
	"fmt"
	"testing"
)

const (
	logLength = 3
	lag       = 2
	margin    = lag + 2 // of the cursor: ChangesSettle; a tick more than lag is for what is read one after the other
	ticks     = 7
)

// A change of a message: the time it took, and whether it can be read.
type change struct {
	message, at int8
	there, seen bool
}

type cursor struct{ since, at, id int8 } // id 0: of a first page

type cst struct {
	now     int8
	changes [4]change
	has     [logLength]uint8 // the changes that the client has
	asks    cursor
	joined  int8 // 0 no, 1 the history is read, 2 yes
	read    int8 // when
}

type cvariant struct {
	name      string
	changes   int  // how many there are
	was       bool // the client joined before the first of them
	ahead     int8 // the clock of a function, in ticks; with byClock
	byClock   bool // the cursor is the time of the function, less the margin
	noMargin  bool
	lastAlone bool // where pages end, the cursor follows the last change alone, however long they took
	timeAlone bool // a page goes on after the time of the last change, without its id
}

// visible are the changes of a message that can be read, and the time of the latest of them.
func (s *cst) visible(message int8) (which uint8, at int8) {
	at = -1
	for i, c := range s.changes {
		if c.seen && c.message == message {
			which |= 1 << i
			at = c.at // the update that came last wrote it
		}
	}
	return which, at
}

func (s *cst) latest() int8 {
	at := int8(-1)
	for m := range int8(logLength) {
		_, t := s.visible(m)
		at = max(at, t)
	}
	return at
}

// page reads one message that changed after the cursor, and the next one.
func (s *cst) page(v cvariant) (more bool) {
	found, first, second := 0, int8(-1), int8(-1)
	time := func(m int8) int8 { _, t := s.visible(m); return t }
	for m := range int8(logLength) {
		t := time(m)
		if t < 0 || s.asks.id == 0 && t <= s.asks.since || s.asks.id > 0 && (t < s.asks.at || t == s.asks.at && (v.timeAlone || m+1 <= s.asks.id)) {
			continue
		}
		found++
		if first < 0 || t < time(first) {
			first, second = m, first
		} else if second < 0 || t < time(second) {
			second = m
		}
	}
	if found == 0 {
		s.asks = cursor{since: s.asks.since}
		return false
	}
	which, at := s.visible(first)
	s.has[first] |= which
	settled := func(at int8) int8 {
		switch {
		case v.byClock:
			at = s.now + v.ahead
			fallthrough
		default:
			return at - margin
		case v.noMargin:
			return at
		}
	}
	since := s.asks.since
	switch more = found > 1; {
	case more && s.asks.id == 0 && !v.lastAlone: // where the last page leaves it is known now
		s.asks = cursor{max(since, settled(s.latest())), at, first + 1}
	case more:
		s.asks = cursor{since, at, first + 1}
	case s.asks.id > 0 && !v.lastAlone:
		s.asks = cursor{since: since}
	default:
		s.asks = cursor{since: max(since, settled(at))}
	}
	return more
}

func (s cst) next(v cvariant, add func(n cst, what string, a ...any)) {
	if s.now < ticks {
		late := false
		for _, c := range s.changes {
			late = late || c.there && !c.seen && s.now >= c.at+lag
		}
		if !late {
			n := s
			n.now++
			add(n, "time goes by")
		}
	}
	for i, c := range s.changes {
		switch {
		case !c.there:
			if i == v.changes || i > 0 && !s.changes[i-1].there {
				continue
			}
			for m := range int8(logLength) {
				n := s
				n.changes[i] = change{message: m, at: s.now, there: true}
				add(n, "change %d, of message %d, at %d", i, m, s.now)
			}
		case !c.seen:
			before := false // those of one message are seen in order
			for j := range i {
				before = before || s.changes[j].message == c.message && !s.changes[j].seen
			}
			if !before {
				n := s
				n.changes[i].seen = true
				add(n, "change %d can be read", i)
			}
		}
	}
	switch n := s; {
	case s.joined == 0:
		for m := range int8(logLength) {
			n.has[m], _ = s.visible(m)
		}
		n.joined, n.read = 1, s.now
		add(n, "the client reads the history")
	case s.joined == 1 && s.now <= s.read+1:
		n.joined = 2
		n.asks = cursor{since: max(-1, s.latest()-margin)}
		if v.noMargin {
			n.asks.since = s.latest()
		} else if v.byClock {
			n.asks.since = s.now + v.ahead - margin
		}
		add(n, "and its cursor, %d", n.asks.since)
	case s.joined == 2:
		if n.page(v); n == s {
			break
		}
		add(n, "the client reads a page, and goes on with %v", n.asks)
	}
}

func (s cst) check(v cvariant) string {
	for _, c := range s.changes {
		if c.there && !c.seen {
			return ""
		}
	}
	if s.joined < 2 {
		return ""
	}
	for s.page(v) {
	}
	for s.page(v) { // where a page was left half-way the cursor is behind it now
	}
	for m := range int8(logLength) {
		if which, _ := s.visible(m); s.has[m] != which {
			return fmt.Sprintf("of message %d the client has the changes %03b of %03b", m, s.has[m], which)
		}
	}
	return ""
}

func TestCursor(t *testing.T) {
	if testing.Short() {
		t.Skip("exhaustive, and without concurrency")
	}
	for _, c := range []struct {
		v     cvariant
		holds bool
	}{
		{cvariant{name: "the design, a first join", changes: 2}, true},
		{cvariant{name: "the design", changes: 4, was: true}, true},
		{cvariant{name: "the cursor follows the last change of slow pages", changes: 4, was: true, lastAlone: true}, false},
		{cvariant{name: "the cursor is the time of a function", changes: 2, byClock: true, ahead: margin}, false},
		{cvariant{name: "no margin", changes: 2, noMargin: true}, false},
		{cvariant{name: "a page goes on after a time alone", changes: 3, timeAlone: true}, false},
	} {
		t.Run(c.v.name, func(t *testing.T) {
			t.Parallel()
			type node struct {
				s      cst
				parent int32
			}
			var first cst
			if c.v.was {
				first.joined, first.asks.since = 2, -1
			}
			nodes := []node{{first, -1}}
			seen := map[cst]struct{}{first: {}}
			for i := 0; i < len(nodes); i++ {
				if bad := nodes[i].s.check(c.v); bad != "" {
					var trace []string
					for j := int32(i); j > 0; j = nodes[j].parent {
						var step string
						nodes[nodes[j].parent].s.next(c.v, func(n cst, what string, a ...any) {
							if n == nodes[j].s {
								step = fmt.Sprintf(what, a...)
							}
						})
						trace = append([]string{step}, trace...)
					}
					t.Logf("%8d states  FAILS: %s %q", len(nodes), bad, trace)
					if c.holds {
						t.Error("want it to hold")
					}
					return
				}
				nodes[i].s.next(c.v, func(n cst, _ string, _ ...any) {
					before := len(seen)
					if seen[n] = struct{}{}; len(seen) > before {
						nodes = append(nodes, node{n, int32(i)})
					}
				})
			}
			t.Logf("%8d states  holds", len(nodes))
			if !c.holds {
				t.Error("want it to fail")
			}
		})
	}
}
