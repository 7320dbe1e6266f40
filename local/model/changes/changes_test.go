// Package changes checks, exhaustively, the rules by which a message changes: reactions, edits,
// its deletion, and what follows from them. They are built in shared/mongostore (changes, forget,
// outbox, changed), functions/send (effects, tell), functions/annotate, messages, sweep, summarize;
// whoever changes one there changes it here first. The cursor of what changed has a model of its
// own, in cursor_test.go.
package changes

// One message that was just committed, with its outbox. Its send S, up to three changers and a sweep do what is due, each effect
// whenever it likes; each may die between any two steps, an effect may fail, a settle whose answer was lost is repeated at any
// later moment. L is in the room throughout; K too, over the lean connection that makes the first change; J joins at any
// moment. Two runs of the summary, and one message more.
// Checked is what is left when all have ended and a last sweep has done what was due.

import (
	"fmt"
	"hash/maphash"
	"os"
	"testing"
)

// The effects.
const (
	deliver = 1 << iota
	project
	forget
	tell
	tellReactions
)

var effects = []uint8{deliver, project, forget, tell, tellReactions}

// A worker does what is due: pc 0 not begun, 1 at work, 90 done, 91 died.
type worker struct {
	pc, ver, rver, at int8
	gone              bool  // what it knows of the message: it is deleted
	forgot            int8  // steps of forget
	had               uint8 // what was due when it began
	todo, left        uint8 // left is what failed, and what it leaves to the send
}

// What a client has: the version of each facet, -1 nothing.
type client struct {
	in        bool
	ver, rver int8
	late      uint32 // frames on their way
}

// A writer is a run of the summary: 0 reads the conversation, 1 the messages, 2 saves.
type writer struct {
	pc, erasures, knows int8
}

// A repeat is a settle that comes again.
type repeat struct {
	there         bool
	ver, rver, at int8
	had, left     uint8
}

type st struct {
	ver, rver       int8 // the message
	gone            bool
	due             uint8
	at, ats         int8 // whose turn is noted, and the last one given out
	total           int8 // the conversation: messages projected, the version that lastMessage shows of ours
	last            int8
	summary         bool
	covers, knows   int8 // how far the summary goes, and which version of ours it was made of
	erasures        int8
	workers         [5]worker // S, three changers, sweep
	runs            [2]writer
	again           repeat
	repeats         int8
	clients         [3]client // L, K, J
	join            int8
	crashes, faults int8
	news            int8 // how often message:new was posted to those in the room, as far as 2
	second          bool // the message that follows may still be said
	back            bool // lastMessage went back
}

const (
	send   = 0
	sweep  = 4
	listen = 0
	caller = 1
	joiner = 2
)

type variant struct {
	name             string
	changes          string // of the changers: r, e, d
	sweeps, summary  bool
	late             bool // frames come whenever, and in any order
	repeats, faults  int8
	crashes          int8
	joins, second    bool
	blindSettle      bool // mutants: settle looks at no version
	atSettle         bool // a change leaves due.at, and what is left replaces what is due by that alone
	overwrites       bool // a change leaves only its own effects due
	bySeq            bool // lastMessage is replaced by seq alone
	noErasures       bool // a summary is saved whatever was erased
	noDrop           bool // an erasure counts, and the old summary stays
	lastFrame        bool // a client keeps what came last
	silentCaller     bool // who reacts hears nothing but the answer
	readsFirst       bool // join reads, then enters
	settlesSelfAlone bool // a changer settles all, and does its own effects
	soon             bool // changers come while the send may be under way, and leave its effects to it
	once             bool // where nobody dies, fails or sweeps, message:new is posted once
	replaces         bool // mutants: what is left replaces what is due, also what somebody else has done since
	takesAll         bool // whoever settles takes out all that it did, also what a later change left again
	anyOrder         bool // of the effects of one worker; else deliver, project, forget, tell
}

func busy(w worker) bool { return w.pc == 1 }

// frame numbers what is posted: all of a message, its deletion, or its reactions.
func frame(ver, rver int8, kind int) int { return kind*9 + int(ver)*3 + int(rver) }

const (
	whole = iota
	deletion
	reactions
)

func (c *client) get(n int, v variant) {
	kind, ver, rver := n/9, int8(n%9/3), int8(n%3)
	if kind != reactions && (ver > c.ver || v.lastFrame) {
		c.ver = ver
	}
	if kind != deletion && (rver > c.rver || v.lastFrame) {
		c.rver = rver
	}
}

// post is one frame to everybody in the room but one of them.
func (s *st) post(v variant, n, but int) {
	for i := range s.clients {
		c := &s.clients[i]
		if !c.in || i == but {
			continue
		}
		if v.late {
			c.late |= 1 << n
		} else {
			c.get(n, v)
		}
	}
}

// showLast makes lastMessage show a version.
func (s *st) showLast(ver int8) {
	s.back = s.back || ver < s.last
	s.last = ver
}

// do makes the next step of an effect, and reports whether that is all.
func (s *st) do(v variant, i int, e uint8) (done bool) {
	w := &s.workers[i]
	about := whole
	if w.gone {
		about = deletion
	}
	hears := -1 // who does not hear it: the first changer's connection, which has its answer
	if i == 1 && (v.silentCaller || v.changes[0] == 'e' && e != deliver || v.changes[0] == 'r' && e == tellReactions) {
		hears = caller
	}
	projected := func() {
		if s.total == 0 {
			s.total = 1
			s.showLast(w.ver)
		}
	}
	switch e {
	case deliver:
		s.post(v, frame(w.ver, w.rver, about), hears)
		s.news = min(s.news+1, 2)
	case project:
		projected()
	case tell:
		s.post(v, frame(w.ver, w.rver, about), hears)
	case tellReactions:
		if !w.gone {
			s.post(v, frame(0, w.rver, reactions), hears)
		}
	case forget:
		switch w.forgot++; w.forgot {
		case 1:
			projected()
		case 2:
			if s.total == 1 && (s.last < w.ver || v.bySeq) {
				s.showLast(w.ver)
			}
		case 3:
			if s.summary && !v.noDrop {
				s.summary, s.covers, s.knows = false, 0, 0
			}
			s.erasures++
			return true
		}
		return false
	}
	return true
}

func (s *st) settle(v variant, r repeat) {
	did := r.had &^ r.left
	switch changed := s.ver > r.ver || s.rver > r.rver; {
	case changed && !v.blindSettle && (!v.atSettle || r.left == 0):
		if !v.takesAll {
			if s.ver > r.ver { // a change may have left these again
				did &^= forget | tell
			}
			if s.rver > r.rver {
				did &^= tellReactions
			}
		}
		s.due &^= did
	case r.left == 0:
		s.due = 0
	case s.at != r.at: // somebody has it since
	case v.atSettle, v.replaces:
		s.due = r.left
	default:
		s.due &^= did
	}
	if s.due == 0 {
		s.at = 0
	}
}

// take has a worker begin with what is due.
func (s *st) take(i int) {
	w := &s.workers[i]
	*w = worker{pc: 1, ver: s.ver, rver: s.rver, gone: s.gone, had: s.due, todo: s.due, at: s.at}
}

func (s st) next(v variant, add func(n st, what string, a ...any)) {
	for i := range s.workers {
		w := s.workers[i]
		switch {
		case w.pc == 0 && i > send && i < sweep && i <= len(v.changes) && !s.gone:
			n := s
			n.ats++
			own := uint8(forget | tell)
			switch v.changes[i-1] {
			case 'r':
				n.rver++
				own = tellReactions
			case 'e':
				n.ver++
			case 'd':
				n.ver++
				n.gone = true
			}
			if n.due |= own; v.overwrites {
				n.due = own
			}
			if !v.atSettle || n.at == 0 {
				n.at = n.ats
			}
			n.take(i)
			if v.settlesSelfAlone {
				n.workers[i].todo = own
			}
			if v.soon {
				n.workers[i].todo &^= deliver | project
				n.workers[i].left = n.due & (deliver | project)
			}
			if i == 1 { // the answer
				kind := whole
				switch v.changes[0] {
				case 'r':
					kind = reactions
				case 'd':
					kind = -1 // over REST
				}
				if kind >= 0 {
					n.clients[caller].get(frame(n.ver, n.rver, kind), variant{})
				}
			}
			add(n, "changer %d commits (%c)", i, v.changes[i-1])
		case w.pc == 0 && i == sweep && v.sweeps && s.due != 0, w.pc == 91 && i == sweep && s.due != 0:
			n := s
			n.ats++
			n.at = n.ats
			n.take(i)
			add(n, "sweep claims %05b", s.due)
		case busy(w):
			if s.crashes > 0 {
				n := s
				n.crashes--
				n.workers[i] = worker{pc: 91}
				add(n, "worker %d dies", i)
			}
			if w.todo == 0 {
				n := s
				r := repeat{true, w.ver, w.rver, w.at, w.had, w.left}
				n.settle(v, r)
				n.workers[i] = worker{pc: 90}
				add(n, "worker %d settles, left %05b", i, w.left)
				if s.repeats > 0 && !s.again.there {
					n.repeats--
					n.again = r
					add(n, "worker %d settles, and will again", i)
				}
			}
			for _, e := range effects {
				if w.todo&e == 0 {
					continue
				}
				n := s
				if n.do(v, i, e) {
					n.workers[i].todo &^= e
				}
				add(n, "worker %d does a step of %05b", i, e)
				if s.faults > 0 {
					n := s
					n.faults--
					n.workers[i].todo &^= e
					n.workers[i].left |= e
					add(n, "worker %d fails with %05b", i, e)
				}
				if !v.anyOrder {
					break
				}
			}
		}
	}
	if s.again.there {
		n := s
		n.settle(v, s.again)
		n.again = repeat{}
		add(n, "a settle comes again")
	}
	for i := range s.runs {
		if !v.summary {
			break
		}
		n := s
		r := &n.runs[i]
		switch r.pc {
		case 0:
			r.pc, r.erasures, r.knows = 1, s.erasures, -1
			if s.summary {
				r.knows = s.knows
			}
			add(n, "summary %d reads the conversation", i)
		case 1:
			if r.pc = 2; r.knows < 0 {
				r.knows = s.ver
			}
			add(n, "summary %d reads the messages", i)
		case 2:
			if (s.erasures <= r.erasures || v.noErasures) && (!s.summary || s.covers < int8(i+1)) {
				n.summary, n.covers, n.knows = true, int8(i+1), r.knows
			}
			*r = writer{pc: 90}
			add(n, "summary %d is saved", i)
		}
	}
	for i := range s.clients {
		for f := range 27 {
			if s.clients[i].late&(1<<f) != 0 {
				n := s
				n.clients[i].get(f, v)
				add(n, "client %d gets frame %d, which comes again", i, f)
				n.clients[i].late &^= 1 << f
				add(n, "client %d gets frame %d", i, f)
			}
		}
	}
	if v.joins && s.join < 2 {
		n := s
		n.join++
		if (s.join == 0) != v.readsFirst {
			n.clients[joiner].in = true
		} else {
			n.clients[joiner].get(frame(s.ver, s.rver, whole), variant{})
		}
		add(n, "J joins, step %d", s.join)
	}
	if s.second {
		n := s
		n.second, n.total = false, 2
		add(n, "the message that follows is projected")
	}
}

// rest is what a last sweep makes of a state in which nobody is at work.
func (s st) rest(v variant) st {
	if s.due != 0 {
		s.take(sweep)
		w := &s.workers[sweep]
		for _, e := range effects {
			for w.todo&e != 0 {
				if s.do(v, sweep, e) {
					w.todo &^= e
				}
			}
		}
		s.due = 0
		for i := range s.clients {
			for f := range 27 {
				if s.clients[i].late&(1<<f) != 0 {
					s.clients[i].get(f, v)
				}
			}
		}
	}
	return s
}

func check(s st, v variant) string {
	if s.back {
		return "lastMessage shows again what was edited out or deleted"
	}
	for _, w := range s.workers {
		if busy(w) {
			return ""
		}
	}
	for _, c := range s.clients {
		if c.late != 0 {
			return ""
		}
	}
	if s.again.there || s.runs[0].pc%90 != 0 || s.runs[1].pc%90 != 0 || s.join == 1 {
		return ""
	}
	e := s.rest(v)
	for i, c := range e.clients {
		if c.in && (c.ver != e.ver || !e.gone && c.rver != e.rver) {
			return fmt.Sprintf("client %d has version %d and reactions %d, stored are %d and %d", i, c.ver, c.rver, e.ver, e.rver)
		}
	}
	switch {
	case v.once && e.news > 1:
		return "the message was delivered twice"
	case e.news == 0:
		return "the message was never delivered"
	case e.total == 0:
		return "the message was never projected"
	case e.total == 1 && e.last != e.ver:
		return fmt.Sprintf("lastMessage shows version %d of %d", e.last, e.ver)
	case e.summary && e.knows != e.ver:
		return fmt.Sprintf("the summary knows version %d of %d", e.knows, e.ver)
	}
	return ""
}

func explore(v variant) (int, string, []string) {
	first := st{due: deliver | project, at: 1, ats: 1, last: -1, crashes: v.crashes, faults: v.faults, repeats: v.repeats, second: v.second}
	for i := range first.clients {
		first.clients[i] = client{in: i != joiner, ver: -1, rver: -1}
	}
	first.take(send)
	type node struct {
		s      st
		parent int32
	}
	nodes := []node{{first, -1}}
	seed := maphash.MakeSeed() // of 64 bits: that two states have one is not to be expected
	seen := map[uint64]struct{}{maphash.Comparable(seed, first): {}}
	for i := 0; i < len(nodes); i++ {
		if bad := check(nodes[i].s, v); bad != "" {
			var trace []string
			for j := int32(i); j > 0; j = nodes[j].parent {
				var step string
				nodes[nodes[j].parent].s.next(v, func(n st, what string, a ...any) {
					if n == nodes[j].s {
						step = fmt.Sprintf(what, a...)
					}
				})
				trace = append([]string{step}, trace...)
			}
			return len(nodes), bad, trace
		}
		nodes[i].s.next(v, func(n st, _ string, _ ...any) {
			before := len(seen)
			if seen[maphash.Comparable(seed, n)] = struct{}{}; len(seen) > before {
				nodes = append(nodes, node{n, int32(i)})
			}
		})
	}
	return len(nodes), "", nil
}

func TestChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("exhaustive, and without concurrency")
	}
	for _, c := range []struct {
		v     variant
		holds bool
		heavy bool
	}{
		{v: variant{name: "react and edit", changes: "re", sweeps: true, crashes: 1, repeats: 1}, holds: true},
		{v: variant{name: "edit twice", changes: "ee", sweeps: true, crashes: 1, repeats: 1}, holds: true},
		{v: variant{name: "edit and delete", changes: "ed", crashes: 1, repeats: 1, second: true, anyOrder: true}, holds: true},
		{v: variant{name: "react and delete, an effect fails", changes: "rd", crashes: 1, faults: 1, anyOrder: true}, holds: true},
		{v: variant{name: "react twice, and somebody joins", changes: "rr", sweeps: true, crashes: 1, joins: true}, holds: true},
		{v: variant{name: "frames come late, doubled, in any order", changes: "re", late: true}, holds: true},
		{v: variant{name: "an edit beside two summaries", changes: "e", summary: true, sweeps: true, crashes: 1, repeats: 1}, holds: true},
		{v: variant{name: "edit and delete beside two summaries", changes: "ed", summary: true, crashes: 1}, holds: true, heavy: true},
		{v: variant{name: "react, edit, delete", changes: "red", sweeps: true, crashes: 1, repeats: 1}, holds: true, heavy: true},
		{v: variant{name: "edit, edit, react, an effect fails, two die", changes: "eer", crashes: 2, faults: 1}, holds: true, heavy: true},
		{v: variant{name: "two die, an effect fails, a settle again", changes: "er", sweeps: true, crashes: 2, faults: 1, repeats: 1}, holds: true, heavy: true},

		{v: variant{name: "react twice while it is sent", changes: "rr", soon: true, once: true, anyOrder: true}, holds: true},
		{v: variant{name: "edit and delete while it is sent", changes: "ed", soon: true, once: true}, holds: true},
		{v: variant{name: "react and edit while it is sent, and one dies", changes: "re", soon: true, sweeps: true, crashes: 1, repeats: 1}, holds: true},
		{v: variant{name: "edit and react while it is sent, and an effect fails", changes: "er", soon: true, crashes: 1, faults: 1}, holds: true},
		{v: variant{name: "react, edit, delete while it is sent", changes: "red", soon: true, sweeps: true, crashes: 1, repeats: 1}, holds: true, heavy: true},

		{v: variant{name: "what is left replaces what is due", changes: "r", soon: true, once: true, replaces: true}},
		{v: variant{name: "settle takes out what a change left again", changes: "rr", crashes: 1, takesAll: true}},
		{v: variant{name: "settle looks at no version", changes: "re", crashes: 1, blindSettle: true}},
		{v: variant{name: "an older changer replaces what is due", changes: "r", faults: 1, crashes: 1, atSettle: true}},
		{v: variant{name: "a change overwrites what is due", changes: "r", crashes: 1, overwrites: true}},
		{v: variant{name: "a changer does its own effects and settles all", changes: "r", crashes: 1, settlesSelfAlone: true}},
		{v: variant{name: "lastMessage by seq alone", changes: "ee", bySeq: true}},
		{v: variant{name: "a summary is saved whatever was erased", changes: "e", summary: true, noErasures: true}},
		{v: variant{name: "an erasure leaves the old summary", changes: "e", summary: true, noDrop: true}},
		{v: variant{name: "a client keeps the last frame", changes: "e", late: true, lastFrame: true}},
		{v: variant{name: "who reacts hears the answer alone", changes: "re", crashes: 1, silentCaller: true}},
		{v: variant{name: "join reads, then enters", changes: "r", joins: true, readsFirst: true}},
	} {
		if c.heavy && os.Getenv("AIWM_MODEL") == "" {
			continue // CI sets it
		}
		t.Run(c.v.name, func(t *testing.T) {
			t.Parallel()
			n, bad, trace := explore(c.v)
			t.Logf("%8d states  %s %v", n, map[bool]string{true: "holds", false: "FAILS: " + bad}[bad == ""], trace)
			if (bad == "") != c.holds {
				t.Errorf("want holds=%v", c.holds)
			}
		})
	}
}
