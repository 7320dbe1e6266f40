// Package live checks the rules of the live half, exhaustively: presence in
// Redis, delivery, and the outbox in the log. The rules are built in
// shared/presence, functions/join, disconnect, send, sweep and conversations;
// whoever changes one there changes it here first.
//
// It leaves out leave: that is a removal of the own entry that nobody repeats,
// and the next pong tells where it and a join crossed.
package live

// One room, one listener L (participant until removed), two joins that may overlap, one message of somebody else and one of
// L's own, a removal that is repeated until it is confirmed, a disconnect at any moment, lost slots of Redis, crashes of join,
// send, removal, ping and disconnect between any two steps, a disconnect that never comes, reads of MongoDB that fail, a
// post that fails. L may be an agent, to which messages come for its registration as well, in the room or not.
// Checked is what is left when all functions have ended and L, if it is still connected, has pinged once more.

import (
	"fmt"
	"os"
	"testing"
)

type proc struct{ pc, snap int8 } // pc 0: not started, 90: done, 91: died

// What the room's hash says of L's connection.
const (
	absent      = iota
	provisional // gets messages, which are checked, and nothing else; counts for 30 s
	confirmed
)

type st struct {
	room                   int8
	gen, gens              int8    // the generation of L's entry in the room, and the last one given out
	mine                   [2]int8 // the generation that each join saw when it entered
	errs                   int8    // reads of MongoDB that may still fail
	reg, joined, tomb      bool    // Redis: L's registration, the room in L's set, the tombstone of L's connection
	mark                   int8    // of the registration: which loss L was not told of yet; 0: none
	marks                  int8    // the last one given out
	part                   bool    // MongoDB: L is a participant
	log                    int8
	due                    [2]bool // the outbox: message i+1 has deliverAt
	open                   bool    // API Gateway: L's connection
	view                   int8    // bit i: L has message i+1
	wants                  bool    // L has been told that it is in the room
	join, send             [2]proc
	seq                    [2]int8
	disc, remove, ping     proc
	removed                bool // the removal was confirmed to who asked
	again                  bool // L may still be added again, once that is confirmed
	flushed                bool
	flushes, crashes, lost int8
	never                  bool // a $disconnect may still never come
}

type variant struct {
	name string
	noTombstone, checkFirst, historyFirst, blindConfirm, sendEnters, noteInRedis, blindPong, noHeads, dropsFailed, evictOnce,
	overlap, noGenerations, undoAny, oneSend, addAgain, lateRefusal,
	agent, noMark, blindTold, backlogFirst bool // with agent: L is one, and pings
	errs int8
}

func live(p proc) bool { return p.pc < 90 }

// next calls add with each state that may follow, and with what happens on the way.
func (s st) next(v variant, add func(n st, what string, a ...any)) {
	die := func(p func(*st) *proc, what string, a ...any) {
		if s.crashes > 0 {
			n := s
			n.crashes--
			*p(&n) = proc{pc: 91}
			add(n, what+" dies", a...)
		}
	}
	for slot := range 4 { // one slot of Redis is lost: L's principal, the room, L's connection, what is pending
		if s.flushes == 0 || slot == 3 && !v.noteInRedis {
			break
		}
		n := s
		n.flushes--
		n.flushed = true
		switch slot {
		case 0:
			n.reg, n.tomb, n.mark = false, false, 0
		case 1:
			n.room = absent
		case 2:
			n.joined = false
		case 3:
			n.due = [2]bool{}
		}
		add(n, "slot %d is lost", slot)
	}
	if s.open {
		n := s
		n.open = false
		n.disc.pc = 1
		add(n, "close")
		if s.never {
			n.never = false
			n.disc.pc = 92
			add(n, "close, and no $disconnect")
		}
	}
	undo := func(n *st) { n.room, n.joined = absent, false }
	// join: 0 enter provisionally, register unless closed · 1 tombstone? · 2 participant? history · 3 confirm if still there ·
	// 7 refused: out with the entry that it saw
	for i := range s.join {
		p := s.join[i]
		if !live(p) || p.pc == 0 && (!s.open || i == 1 && !v.overlap && live(s.join[0])) {
			continue
		}
		if p.pc == 0 {
			n := s
			n.join[i] = proc{4, s.log} // the history, if it is read first
			add(n, "join%d is invoked", i)
			continue
		}
		if p.pc != 4 {
			die(func(n *st) *proc { return &n.join[i] }, "join%d", i)
		}
		n := s
		q := &n.join[i]
		switch p.pc {
		case 4:
			if v.checkFirst { // as it was: check, then enter, and that is all
				if !s.part {
					q.pc = 90
				} else {
					q.pc = 5
				}
				add(n, "join%d checks: %v", i, s.part)
				continue
			}
			if n.room != confirmed { // a confirmed entry is never demoted
				n.room = provisional
				n.gens++
				n.gen = n.gens
			}
			n.mine[i] = n.gen
			n.joined = true
			n.register(v)
			q.pc = 1
			add(n, "join%d enters", i)
		case 5:
			n.room, n.joined, n.reg = confirmed, true, true
			q.pc = 6
			add(n, "join%d enters", i)
		case 6:
			n.reply(q, n.log)
			add(n, "join%d replies", i)
		case 1:
			q.pc = 2
			if n.tomb && !v.noTombstone {
				q.pc = 7
			}
			add(n, "join%d looks for the tombstone: %v", i, s.tomb)
		case 2:
			if s.errs > 0 { // the read fails: only one's own provisional entry is taken out
				m := s
				m.errs--
				m.join[i].pc = 90
				if v.undoAny || m.room == provisional && m.gen == m.mine[i] {
					undo(&m)
				}
				add(m, "join%d: the read fails", i)
			}
			q.pc = 3
			if !n.part {
				q.pc = 7
			} else if !v.historyFirst {
				q.snap = n.log
			}
			add(n, "join%d reads: participant %v", i, s.part)
		case 7:
			if n.gen == s.mine[i] || v.lateRefusal {
				undo(&n)
			}
			q.pc = 90
			add(n, "join%d is refused", i)
		case 3:
			if (n.room == absent || n.gen != s.mine[i] && !v.noGenerations) && !v.blindConfirm {
				q.pc = 90 // evicted, disconnected or lost meanwhile: retryable error
				add(n, "join%d finds itself out", i)
				continue
			}
			n.room = confirmed
			n.reply(q, p.snap)
			add(n, "join%d confirms and replies", i)
		}
	}
	// send: 0 admit · 1 commit with deliverAt · 2 audience · 3 post · 4 clear
	for i := range s.send {
		p := s.send[i]
		if !live(p) {
			continue
		}
		if p.pc > 1 && p.pc < 5 {
			die(func(n *st) *proc { return &n.send[i] }, "send%d", i)
		}
		n := s
		q := &n.send[i]
		k := s.seq[i] - 1
		switch p.pc {
		case 0:
			q.pc = 1
			if i == 1 && (v.oneSend || !s.open || !s.part) {
				q.pc = 90
			} else if i == 1 && v.sendEnters {
				q.pc = 5
			}
			add(n, "send%d admitted: %v", i, q.pc != 90)
		case 5:
			n.reg = true
			q.pc = 1
			add(n, "send%d registers L", i)
		case 1:
			n.seq[i] = n.log + 1
			n.due[n.log] = true
			n.log++
			q.pc = 2
			add(n, "send%d commits %d", i, n.log)
		case 2:
			if i == 1 && v.sendEnters && n.room == absent {
				n.room, n.joined = confirmed, true
			}
			if n.room != absent || i == 1 || v.agent && n.reg {
				q.snap = 1 + n.gen // whose entry it saw
			}
			q.pc = 3
			add(n, "send%d reads the audience: %d", i, q.snap)
		case 3:
			q.pc = 4
			if q.snap > 0 && s.lost > 0 && s.open { // 429 to the end of patience
				m := s
				m.lost--
				m.send[i].pc = 91 // deliverAt stays
				if v.dropsFailed {
					m.send[i].pc = 4
				}
				add(m, "send%d: the post fails", i)
			}
			if q.snap > 0 {
				n.post(k, q.snap-1, v)
			}
			add(n, "send%d posts", i)
		case 4:
			n.due[k] = false
			q.pc = 90
			add(n, "send%d clears", i)
		}
	}
	for k := range s.due { // sweep
		busy := false
		for i := range s.send {
			busy = busy || live(s.send[i]) && s.seq[i] == int8(k+1)
		}
		if s.due[k] && !busy {
			n := s
			if n.room != absent || v.agent && n.reg {
				n.post(int8(k), n.gen, v)
			}
			n.due[k] = false
			add(n, "sweep delivers %d", k+1)
		}
	}
	// removal: 0 MongoDB · 1 evict · confirmed; repeated until it is
	switch n := s; s.remove.pc {
	case 0:
		n.part, n.remove.pc = false, 1
		add(n, "remove: mongo")
	case 1:
		die(func(n *st) *proc { return &n.remove }, "remove")
		n.room, n.joined, n.removed, n.remove.pc = absent, false, true, 90
		add(n, "remove: evict, confirmed")
	case 90:
		if s.again { // who was told that it is out joins again, or does not
			n.part, n.again, n.removed, n.wants = true, false, false, false
			add(n, "added again")
		}
	case 91:
		n.remove.pc = 1
		if v.evictOnce {
			n.remove.pc, n.removed = 90, true
		}
		add(n, "remove again")
	}
	// ping: 1 register again, with a mark where that was lost · 2 pong, and an agent's backlog · 3 told: take out that mark
	if p := s.ping; v.agent && live(p) && (p.pc > 0 || s.open) {
		if p.pc > 0 {
			die(func(n *st) *proc { return &n.ping }, "ping")
		}
		n := s
		q := &n.ping
		switch p.pc {
		case 0:
			q.pc = 1
			if v.backlogFirst && !s.reg { // as if it looked first whether something was lost
				n.backlog()
			}
			add(n, "ping is invoked")
		case 1:
			lost := !s.reg
			n.register(v)
			q.pc, q.snap = 2, n.mark
			if v.noMark && lost {
				q.snap = 1
			}
			add(n, "ping registers again: marked %d", n.mark)
		case 2:
			q.pc = 3
			if p.snap == 0 {
				q.pc = 90
			} else if !v.backlogFirst {
				n.backlog()
			}
			add(n, "ping answers")
			if s.lost > 0 && p.snap > 0 && s.open { // 429 to the end of patience: the mark stays
				m := s
				m.lost--
				m.ping.pc = 90
				add(m, "ping: the post fails")
			}
		case 3:
			if n.mark == p.snap || v.blindTold {
				n.mark = 0
			}
			q.pc = 90
			add(n, "ping has told")
		}
	}
	// $disconnect: 1 tombstone, registration · 2 rooms of its set
	if s.disc.pc == 1 || s.disc.pc == 2 {
		die(func(n *st) *proc { return &n.disc }, "disconnect")
	}
	switch n := s; s.disc.pc {
	case 1:
		n.tomb, n.reg, n.mark, n.disc.pc = true, false, 0, 2
		add(n, "disconnect: tombstone, registration")
	case 2:
		if n.joined {
			n.room = absent
		}
		n.joined, n.disc.pc = false, 90
		add(n, "disconnect: rooms")
	}
}

func (s *st) reply(q *proc, history int8) {
	if s.open {
		s.view |= 1<<history - 1
		s.wants = true
	}
	q.pc = 90
}

// register is by join and ping: what is not there was lost, and is marked until L has been told.
func (s *st) register(v variant) {
	if s.reg || s.tomb && !v.noTombstone {
		return
	}
	s.reg = true
	if v.agent && !v.noMark {
		s.marks++
		s.mark = s.marks
	}
}

// backlog is what an agent gets that may have missed something: all that waits for it.
func (s *st) backlog() {
	if s.open && s.part {
		s.view |= 1<<s.log - 1
	}
}

// post is one frame to L: checked against the participants, and pruned where it is no more.
func (s *st) post(k, gen int8, v variant) {
	switch {
	case !s.part:
		if s.gen == gen || v.lateRefusal {
			s.room, s.joined = absent, false // found by the check: out with the entry that was seen
		}
	case s.open:
		s.view |= 1 << k
	case s.tomb: // its $disconnect is at work; where that died, a later post makes up for it
	default:
		s.room, s.joined, s.reg, s.mark = absent, false, false, 0
	}
}

func (s st) quiet() bool {
	busy := func(p proc) bool { return p.pc > 0 && p.pc < 90 }
	for _, p := range []proc{s.join[0], s.join[1], s.send[0], s.send[1], s.disc, s.remove, s.ping} {
		if busy(p) {
			return false
		}
	}
	return s.remove.pc != 91 && !s.due[0] && !s.due[1]
}

// settle is time going by: what is provisional runs out, L pings and does what the pong tells it.
func settle(s st, v variant) st {
	if s.room == provisional {
		s.room = absent
	}
	if !s.open {
		return s
	}
	lost := !s.reg || s.mark > 0
	s.reg = true
	if v.agent && lost {
		s.backlog()
	}
	again := s.wants && lost
	if !v.blindPong {
		again = again || s.wants && s.room != confirmed
		if !v.noHeads {
			again = again || s.wants && s.view != 1<<s.log-1
		}
	}
	if again && s.part {
		s.room, s.joined, s.view = confirmed, true, 1<<s.log-1
	} else if again {
		s.room, s.joined, s.wants = absent, false, false
	}
	return s
}

func check(s st, v variant) string {
	if !s.quiet() {
		return ""
	}
	e := settle(s, v)
	full := int8(1<<e.log - 1)
	switch {
	case e.open && e.part && e.wants && e.view != full:
		return fmt.Sprintf("L is connected and in the room, and misses messages: has %b of %b", e.view, full)
	case s.open && s.part && s.wants && !s.flushed && s.room != confirmed:
		return "nothing was lost, L is told that it is in the room, and is deaf until it pings"
	case v.agent && e.open && e.part && e.view != full:
		return fmt.Sprintf("L is an agent that is connected, and is not asked: has %b of %b", e.view, full)
	case e.open && e.part && e.wants && e.room != confirmed:
		return "L believes it is in the room, and is deaf"
	case e.removed && e.room == confirmed:
		return "L was removed, and is in the room"
	case e.disc.pc == 90 && !e.flushed && (e.room == confirmed || e.reg):
		return fmt.Sprintf("L is gone, and a ghost: room %v, registered %v", e.room == confirmed, e.reg)
	}
	return ""
}

func explore(v variant, crashes, flushes int8) (int, string, []string) {
	init := st{part: true, open: true, reg: true, flushes: flushes, crashes: crashes, lost: 1, errs: v.errs, never: v.oneSend, again: v.addAgain}
	type node struct {
		s      st
		parent int32
	}
	nodes := []node{{init, -1}}
	seen := map[st]struct{}{init: {}}
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
			if seen[n] = struct{}{}; len(seen) > before {
				nodes = append(nodes, node{n, int32(i)})
			}
		})
	}
	return len(nodes), "", nil
}

func TestLive(t *testing.T) {
	if testing.Short() {
		t.Skip("exhaustive, and without concurrency")
	}
	for _, c := range []struct {
		v                variant
		crashes, flushes int8
		holds            bool
	}{
		{variant{name: "the design, joins overlap", overlap: true, errs: 1, oneSend: true}, 1, 0, true},
		{variant{name: "the design, joins overlap, a slot lost", overlap: true, oneSend: true}, 1, 1, true},
		{variant{name: "the design, two messages, a read fails", errs: 1}, 1, 1, true},
		{variant{name: "the design, two crashes, two slots lost", oneSend: true}, 2, 2, true},
		{variant{name: "the design, pong without heads"}, 1, 0, true},
		{variant{name: "the design, an agent, two slots lost", agent: true, oneSend: true}, 1, 2, true},
		{variant{name: "the design, added again", addAgain: true, oneSend: true}, 1, 0, true},
		{variant{name: "the design, added again, joins overlap", addAgain: true, overlap: true, oneSend: true}, 0, 0, true},
		{variant{name: "a late refusal takes out any entry", addAgain: true, overlap: true, oneSend: true, lateRefusal: true}, 0, 0, false},
		{variant{name: "no tombstone", noTombstone: true}, 0, 0, false},
		{variant{name: "join checks, then enters", checkFirst: true}, 0, 0, false},
		{variant{name: "confirm does not look whether it is still there", blindConfirm: true}, 0, 0, false},
		{variant{name: "confirm does not look whose entry is there", overlap: true, noGenerations: true}, 1, 0, false},
		{variant{name: "a failed read takes out any entry", overlap: true, undoAny: true, errs: 1}, 0, 0, false},
		{variant{name: "join reads history before it enters, no heads", historyFirst: true, noHeads: true}, 0, 0, false},
		{variant{name: "send registers and enters", sendEnters: true}, 0, 0, false},
		{variant{name: "outbox in Redis, no heads", noteInRedis: true, noHeads: true}, 1, 1, false},
		{variant{name: "pong says only whether the registration was lost", blindPong: true}, 1, 1, false},
		{variant{name: "a failed post clears the outbox, no heads", dropsFailed: true, noHeads: true}, 0, 0, false},
		{variant{name: "a repeated removal does not evict", evictOnce: true}, 1, 0, false},
		{variant{name: "a ping that registers again leaves no mark", agent: true, oneSend: true, noMark: true}, 1, 1, false},
		{variant{name: "told takes any mark", agent: true, oneSend: true, blindTold: true}, 1, 2, false},
		{variant{name: "the backlog before the registration", agent: true, oneSend: true, backlogFirst: true}, 0, 1, false},
	} {
		if heavy := c.crashes+c.flushes > 2 || c.holds && (c.crashes+c.flushes > 1 || c.v.overlap); heavy && os.Getenv("AIWM_MODEL") == "" {
			continue // these take most of a minute: CI sets it
		}
		t.Run(c.v.name, func(t *testing.T) {
			t.Parallel()
			n, bad, trace := explore(c.v, c.crashes, c.flushes)
			t.Logf("%8d states  %s %v", n, map[bool]string{true: "holds", false: "FAILS: " + bad}[bad == ""], trace)
			if (bad == "") != c.holds {
				t.Errorf("want holds=%v", c.holds)
			}
		})
	}
}
