// Package runs checks the rules of the agents that the backend runs, exhaustively: which run is
// taken up, what a lease is good for, tool calls, approvals, stops, regenerations and who is
// rejected. The rules are built in shared/chat (Run.Claims, Run.Supersedes, Run.RejectedFor),
// shared/mongostore (the compare-and-sets of runs) and functions/answer; whoever changes one
// there changes it here first.
package runs

// One conversation, one managed agent. Runs: 0 answers m1, 1 answers m2 (which may come at any
// time), 2 regenerates m1. A reply of the model is a tool call or the answer, and differs from
// one attempt to the next; the call of step 0 is under `ask`, that of step 1 under `allow`, step 2
// can only answer. Jobs come twice, invocations of `answer` overlap and die between any two steps,
// a lease is lost while its holder goes on, two devices decide, approvals expire, somebody stops,
// sweep comes at any time. Variants named "as written" are readings of an earlier design that
// fail; the others that fail each lack one rule. Under `reject` (of two questions) send looks and
// inserts in two steps, the runs ended since are what the clocks of a run tell, and a ghost says
// which were busy. Not modelled: the budget, the policy `interrupt` (a stop of the busy run),
// idempotent tools, several calls in a step. Checked are each step, each state, and that from
// every state the good end can be reached without luck (no death, no person).

import (
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const nRuns, nInv = 3, 3

const ( // status of a run
	none = iota
	queued
	active
	waiting
	complete
	cancelled
	failed
)

const ( // the first message of a step
	call = iota + 1
	answer
	failure
	cancel
)

const ( // decisions
	approved = iota + 1
	denied
	expired
	superseded
	stopped
)

const ( // results
	done = iota + 1
	unknown
	refused
)

const ( // where an invocation is
	pEnd = iota
	pInsert
	pClaim
	pTake
	pMeet
	pReject
	pSupersede
	pLoad
	pAsk
	pCommit
	pWait
	pLook
	pBegin
	pTool
	pResult
	pFinish
	pDecide
	pClose
	pSettle
)

type run struct {
	status, fence, tries int8 // the fence grows with every claim (1 is the present one, -1 a former one), tries with every lease that was lost
	claims               int8 // only counted where a mutant limits them
	lease, stop, handed  bool
	begun                int8 // calls that were begun: bit per step (or, in a mutant, the last one)
}

type msgs struct {
	reply           [3]int8 // what step k's first message is
	end             int8    // only where the answer has an id of the run's, not of the step's
	result          [2]int8
	decision, first int8 // of step 0's call; first: the ghost that no mutant overwrites
	exec            [2]int8
}

type inv struct{ pc, run, fence, step, what int8 }

// less is some order.
func (p inv) less(q inv) bool {
	key := func(p inv) uint64 {
		return uint64(uint8(p.pc))<<32 | uint64(uint8(p.run))<<24 | uint64(uint8(p.fence))<<16 | uint64(uint8(p.step))<<8 | uint64(uint8(p.what))
	}
	return key(p) < key(q)
}

type st struct {
	run                                 [nRuns]run
	log                                 [nRuns]msgs
	inv                                 [nInv]inv
	due, decided, job                   [nRuns]bool // outboxes of questions and decisions, SQS
	newer                               [nRuns]int8 // bit j: run j was asked for when this run's call was there
	asked                               [nRuns]bool
	crashes, leases, dups, stops, hands int8
	bad                                 int8
	counts                              bool
	looked, waited, rejected            [nRuns]bool // under reject: send has looked for others; it has waited once; it is not answered
	since, ghost                        [nRuns]int8 // since send looked: which runs have ended, and which were busy, before this one was claimed
}

type variant struct {
	name                                             string
	runs, invs                                       int
	calls                                            int8 // steps that may be calls
	crashes, leases, dups, stops, hands              int8
	answerPerRun                                     bool // as written: the answer has one id for the run, calls have theirs
	oneExecuting                                     bool // as written: `executing` is one field, overwritten
	noFenceBegin, noFenceWait, noFenceEnd            bool // as written: compare-and-set of what?
	noBegin, beginAgain, beginAnyway                 bool
	noLook, noSweepDecided, noOutbox                 bool
	waitTakesNone, takeFirst, insertActive           bool
	dropBusy, noLimit, noSupersede, supersedeGoesOn  bool
	modelIDs, decideTwice, endLeavesCall, handLeased bool
	stopFlagOnly, claimBlind                         bool
	statusFirst, oneCounter, expireStreams           bool
	answerInserts                                    bool // as written: the run is inserted by answer, not by who works off `call`
	takeOwn                                          bool // as written: a job takes its own run, not the oldest
	settleTakesNone                                  bool // who ends a run that is not busy takes nobody
	patient                                          bool // runs may wait for sweep also when nothing died
	lookQueues                                       bool // a stopped run goes from waiting to queued before its call is decided
	plain                                            bool // only run 0 calls tools
	lazySweep                                        bool // sweep looks for queued runs only when nobody is at work
	reject                                           bool // the policy: one question at a time
	admissionOnly, takeOverMeetsNone, waitingIsBusy  bool // mutants of it
	queuedIsBusy                                     bool
}

var bads = []string{"", "a tool call was begun twice", "a tool was called without the approval of that call", "a tool call was begun after the run's end",
	"a tool call was begun after stop", "a call was committed after the run's end", "an answer was committed in the middle of a call",
	"two ends of one run", "an ended run goes on writing", "a superseded or stopped run goes on", "a call of a run that is over was approved",
	"a run was overtaken in the middle of a step", "more than three attempts", "two busy runs", "failed although only one lease was lost",
	"a call was approved after a newer question had been answered", "of two questions at once both are answered",
	"a question is rejected, and the agent was not busy", "of two questions both are rejected"}

const (
	bTwice = iota + 1
	bUnapproved
	bBeginEnd
	bBeginStop
	bCallEnd
	bMiddle
	bTwoEnds
	bOver
	bGoesOn
	bDead
	bOvertaken
	bAttempts
	bBusy
	bTooSoon
	bLate
	bTogether
	bRejected
	bNobody
)

func (m *msgs) over() int8 {
	if m.end != 0 {
		return m.end
	}
	for _, r := range m.reply {
		if r > call {
			return r
		}
	}
	return 0
}

// at says where the run is: the step, and whether its call lacks a result.
func (m *msgs) at() (step int8, open bool) {
	for k := range int8(2) {
		if m.reply[k] != call {
			return k, false
		}
		if m.result[k] == 0 {
			return k, true
		}
	}
	return 2, false
}

func (s *st) decision(r int8, v *variant) int8 {
	if v.modelIDs { // approval:call_0 is everybody's
		for i := range s.log {
			if s.log[i].decision != 0 {
				return s.log[i].decision
			}
		}
	}
	return s.log[r].decision
}

func (s *st) idle() bool {
	for _, p := range s.inv {
		if p.pc != pEnd && p.fence >= 0 {
			return false
		}
	}
	return true
}

func (s *st) busy() int8 {
	for i := range s.run {
		if s.run[i].status == active {
			return int8(i)
		}
	}
	return -1
}

func (s *st) decide(r, d int8, v *variant) {
	m := &s.log[r]
	m.decision = d
	if m.first == 0 {
		m.first = d
	}
	s.decided[r] = !v.noOutbox
	if d <= denied && s.run[r].status > waiting {
		s.bad = bDead
	}
	for x := range s.run {
		if d == approved && s.newer[r]&(1<<x) != 0 && s.run[x].status == complete {
			s.bad = bLate
		}
	}
}

// look is what send does under reject before it inserts a run.
func (s *st) look(r int8) {
	s.looked[r] = true
	for x := range s.run {
		switch busy := s.run[x].status; {
		case int8(x) < r && (busy == queued || busy == active):
			s.run[r].status, s.due[r] = cancelled, false
			s.rejects(r)
		case busy == active && !s.waited[x]:
			s.ghost[r] |= 1 << x
		}
	}
}

func (s *st) rejects(r int8) {
	s.rejected[r] = true
	if s.rejected[0] && s.rejected[1] {
		s.bad = bNobody
	}
}

// ended is what the clocks say to those that are not claimed yet.
func (s *st) ended(r int8, v *variant) {
	for x := range s.run {
		if s.looked[x] && (!s.waited[r] || v.waitingIsBusy) && !s.rejected[r] {
			s.since[x] |= 1 << r
		}
	}
}

// activate is the compare-and-set under the unique index; the caller has seen that nobody is busy.
func (s *st) activate(r int8, p *inv) {
	for x := range r {
		m := &s.log[x]
		if _, open := m.at(); s.run[x].status == queued && s.run[x].fence > 0 && !s.run[x].stop && open && m.decision == 0 {
			s.bad = bOvertaken
		}
	}
	q := &s.run[r]
	q.status, q.lease, q.handed = active, true, false
	q.fence++
	if s.counts {
		q.claims++
	}
	*p = inv{pc: pSupersede, run: r, fence: q.fence}
	if s.newer == [nRuns]int8{} {
		p.pc = pLoad
	}
	for x := range s.run {
		if s.looked[x] && int8(x) != r && s.run[x].status <= queued && s.run[x].fence == 0 && !s.waited[r] {
			s.ghost[x] |= 1 << r
		}
	}
	if s.looked[r] {
		p.pc = pMeet
	}
}

// reduce maps states that cannot be told apart to one: numbers of attempts that are over, and what nobody will read again.
func (n *st) reduce(v *variant) {
	for i := range n.inv {
		p := &n.inv[i]
		q := &n.run[p.run]
		switch {
		case p.pc == pEnd:
			*p = inv{}
		case p.fence == 0:
		case p.fence != q.fence:
			p.fence = -1
		default:
			p.fence = 1
		}
	}
	for r := range n.run {
		q, m := &n.run[r], &n.log[r]
		q.fence = min(q.fence, 1)
		if q.status < complete {
			continue
		}
		n.job[r], n.due[r], n.decided[r] = false, false, false
		q.lease, q.stop, q.handed, q.tries = false, false, false, 0
		if m.reply[0] == call && m.decision == 0 || n.bad != 0 || v.modelIDs {
			continue
		}
		if !slices.ContainsFunc(n.inv[:], func(p inv) bool { return p.pc != pEnd && p.run == int8(r) }) {
			*q = run{status: q.status, fence: q.fence}
			n.newer[r] = 0
			n.looked[r], n.waited[r], n.since[r], n.ghost[r] = false, false, 0, 0
			if over := m.over(); over != 0 {
				*m = msgs{}
				m.reply[0] = over
			} else if m.decision >= superseded {
				*m = msgs{reply: [3]int8{call}, decision: m.decision, first: m.decision, result: [2]int8{refused}}
			}
		}
	}
}

func (s *st) settled(r int8) int8 {
	switch s.log[r].over() {
	case answer:
		return complete
	case failure:
		return failed
	}
	return cancelled
}

type edge struct {
	s    st
	l    string
	a, b int8
	luck bool // death, a person, a lease lost by who still lives: nothing may depend on it
}

func (s *st) next(v *variant, out []edge) []edge {
	add := func(n st, l string, a, b int8, luck bool) {
		n.reduce(v)
		for i := 1; i < nInv; i++ { // invocations are interchangeable: in one order
			for j := i; j > 0 && n.inv[j].less(n.inv[j-1]); j-- {
				n.inv[j], n.inv[j-1] = n.inv[j-1], n.inv[j]
			}
		}
		busy := 0
		for i := range n.run {
			if n.run[i].status == active {
				busy++
			}
		}
		if busy > 1 {
			n.bad = bBusy
		}
		out = append(out, edge{n, l, a, b, luck})
	}
	for r := range int8(v.runs) {
		q, m := &s.run[r], &s.log[r]
		if r > 0 && !s.asked[r] { // m2 is sent, or m1 regenerated
			n := *s
			n.asked[r] = true
			for x := range n.log {
				if n.log[x].reply[0] == call {
					n.newer[x] |= 1 << r
				}
			}
			if r == 1 {
				n.due[1] = true
				add(n, "m2 is committed", r, 0, true)
			} else {
				n.run[2].status, n.job[2] = queued, true
				add(n, "m1 is to be regenerated", r, 0, true)
			}
		}
		if send := v.reject && s.due[r] && q.status == none; send && !s.looked[r] {
			n := *s
			n.look(r)
			add(n, "send looks beside run %d", r, 0, false)
		} else if s.due[r] {
			n := *s
			if send && s.crashes > 0 {
				n.crashes--
				n.looked[r], n.since[r], n.ghost[r] = false, 0, 0
				add(n, "send has looked beside run %d, and dies", r, 0, true)
				n = *s
			}
			if !v.answerInserts && q.status == none {
				n.run[r].status = queued
				if s.crashes > 0 {
					n.crashes--
					add(n, "run %d is inserted, send dies", r, 0, true)
					n.crashes++
				}
			}
			n.job[r] = true
			if s.crashes > 0 && !s.job[r] {
				n.crashes--
				add(n, "job for run %d, send dies", r, 0, true)
				n.crashes++
			}
			n.due[r] = false
			add(n, "job for run %d", r, 0, false)
		}
		if s.decided[r] {
			n := *s
			n.decided[r], n.job[r] = false, true
			add(n, "job for run %d after the decision", r, 0, false)
		}
		if s.job[r] && s.inv[0].pc == pEnd && (v.invs == 3 || s.inv[1].pc == pEnd) {
			n := *s
			n.job[r] = false
			n.inv[0] = inv{pc: pClaim, run: r}
			if v.answerInserts || v.insertActive {
				n.inv[0].pc = pInsert
			}
			add(n, "answer(run %d) is invoked", r, 0, false)
			if s.dups > 0 {
				n.job[r] = true
				n.dups--
				add(n, "answer(run %d) is invoked, and will be again", r, 0, true)
			}
		}
		if q.status == active && q.lease { // the lease runs out
			n := *s
			n.run[r].lease = false
			held := false
			for _, p := range s.inv {
				held = held || p.pc > pTake && p.run == r && p.fence == q.fence
			}
			if !held {
				add(n, "the lease of run %d runs out", r, 0, false)
			} else if s.leases > 0 {
				n.leases--
				add(n, "the lease of run %d is lost, its holder goes on", r, 0, true)
			}
		}
		if !s.job[r] && !slices.Contains(s.inv[:], inv{pc: pClaim, run: r}) { // sweep
			n := *s
			n.job[r] = true
			switch dec := s.decision(r, v); {
			case q.status == queued && (s.busy() < 0 || q.stop) && (!v.lazySweep || s.idle()), q.status == waiting && q.stop && !v.stopFlagOnly:
				add(n, "sweep enqueues run %d, queued", r, 0, false)
			case q.status == active && !q.lease:
				if v.dropBusy && (q.tries < 2 || v.noLimit) {
					n.run[r].status = queued
					n.run[r].tries++
				}
				add(n, "sweep enqueues run %d, lease gone", r, 0, false)
			case q.status == waiting && dec != 0 && !v.noSweepDecided:
				add(n, "sweep enqueues run %d, decided", r, 0, false)
			}
		}
		if m.reply[0] == call && m.result[0] == 0 && (m.decision == 0 || v.decideTwice && m.decision == denied) {
			for d := int8(approved); d <= expired; d++ {
				if d == expired && (q.status != waiting || s.decision(r, v) != 0) || d == m.decision {
					continue
				}
				n := *s
				n.decide(r, d, v)
				if v.noOutbox {
					if s.crashes > 0 {
						n.crashes--
						add(n, "run %d's call: decision %d, and approve dies", r, d, true)
						n.crashes++
					}
					n.job[r] = true
				}
				add(n, "run %d's call: decision %d", r, d, d != expired)
			}
		}
		if s.stops > 0 && s.asked[r] && q.status < complete {
			n := *s
			n.stops--
			switch {
			case q.status == none:
				n.run[r].status = cancelled
			case q.status == queued && q.fence == 0:
				n.run[r].status = cancelled
			case v.statusFirst && q.status != active:
				n.run[r].status = cancelled
			default:
				n.run[r].stop = true
				n.job[r] = n.job[r] || q.status != active && !v.stopFlagOnly
			}
			add(n, "stop of run %d", r, 0, true)
		}
		if k, open := m.at(); v.expireStreams && q.status == active && !q.lease && !open && m.over() == 0 {
			n := *s
			n.log[r].commit(&n, v, r, k, failure)
			add(n, "expire ends the stream of run %d", r, 0, false)
		}
	}
	for i := range s.inv {
		if s.inv[i].pc == pEnd || i > 0 && s.inv[i] == s.inv[i-1] {
			continue
		}
		s.step(v, i, add)
	}
	return out
}

// commit inserts the message that begins step k, or the end; what is there already stays.
func (m *msgs) commit(n *st, v *variant, r, k, what int8) bool {
	slot := &m.reply[k]
	if v.answerPerRun && what != call {
		slot = &m.end
	}
	if *slot != 0 {
		return false
	}
	over := m.over()
	_, open := m.at()
	switch st := n.run[r].status; {
	case over != 0 && what == call:
		n.bad = bCallEnd
	case over != 0:
		n.bad = bTwoEnds
	case what == answer && open:
		n.bad = bMiddle
	case what <= answer && st > waiting:
		n.bad = bOver
	case what <= answer && m.decision >= superseded:
		n.bad = bGoesOn
	case what <= answer && open:
		n.bad = bMiddle
	}
	*slot = what
	return true
}

func (s *st) step(v *variant, i int, add func(st, string, int8, int8, bool)) {
	p := s.inv[i]
	r := p.run
	mine := s.run[r].status == active && s.run[r].fence == p.fence
	writes := p.pc != pMeet && p.pc != pSupersede && p.pc != pLoad && p.pc != pAsk && p.pc != pLook // dying before a read is dying before the next write
	if s.crashes > 0 && writes {
		n := *s
		n.crashes--
		n.inv[i] = inv{}
		add(n, "answer(run %d, attempt %d) dies", r, p.fence, true)
	}
	if p.pc > pTake && p.pc < pDecide && writes && !mine { // it may notice that its lease was taken
		n := *s
		n.inv[i] = inv{}
		add(n, "answer(run %d, attempt %d) finds its lease taken", r, p.fence, false)
	}
	n := *s
	a, q, m := &n.inv[i], &n.run[r], &n.log[r]
	say := func(l string) { add(n, "answer(run %d, attempt %d) "+l, r, p.fence, false) }
	switch p.pc {
	case pInsert:
		a.pc = pClaim
		if q.status == none {
			if v.insertActive {
				if n.busy() >= 0 { // the index refuses
					a.pc = pEnd
				} else {
					n.activate(r, a)
				}
			} else {
				q.status = queued
			}
		}
		say("inserts")
	case pClaim:
		a.pc = pEnd
		dec := n.decision(r, v)
		switch {
		case (q.status == queued || q.status == waiting) && q.stop && q.fence == 0:
			q.status = cancelled
		case (q.status == queued || q.status == waiting) && q.stop:
			*a = inv{pc: pDecide, run: r, fence: q.fence, what: cancel}
		case q.status == queued && v.takeOwn:
			if n.busy() < 0 {
				n.activate(r, a)
			}
		case q.status == queued:
			a.pc = pTake
		case q.status == waiting && dec >= superseded && !v.supersedeGoesOn:
			q.status = cancelled
		case q.status == waiting && dec != 0:
			q.status = queued
			a.pc = pTake
		case q.status == active && (!q.lease || v.claimBlind):
			if !q.handed {
				q.tries++
			}
			lost := q.tries
			q.fence++
			if v.oneCounter {
				lost = q.claims
				q.claims++
			}
			q.lease, q.handed = true, false
			*a = inv{pc: pSupersede, run: r, fence: q.fence}
			if n.looked[r] && !v.takeOverMeetsNone {
				a.pc = pMeet
			}
			if lost > 2 && !v.noLimit {
				if q.tries < 2 {
					n.bad = bTooSoon
				}
				q.tries = 3
				*a = inv{pc: pDecide, run: r, fence: q.fence, what: failure}
			} else if q.tries > 2 {
				n.bad = bAttempts
			}
		}
		say("claims")
	case pTake:
		a.pc = pEnd
		for x := range int8(nRuns) {
			if n.run[x].status == queued {
				if n.busy() < 0 {
					n.activate(x, a)
				}
				break
			}
		}
		if v.takeFirst && p.what == 1 {
			*a = p
			a.pc, a.what = pFinish, 2
		}
		if b := n.busy(); n.looked[r] && q.status == queued && q.fence == 0 && b >= 0 && !n.waited[b] && !v.admissionOnly { // its own job did not take it
			q.status = cancelled
			n.rejects(r)
		}
		say("takes the oldest queued")
	case pMeet:
		a.pc = pSupersede
		other := n.since[r]
		for x := range n.run {
			if v.queuedIsBusy && int8(x) != r && n.run[x].status == queued {
				other |= 1 << x
			}
		}
		if other != 0 && !n.waited[r] && !v.admissionOnly {
			a.pc = pReject
		}
		say("looks for who was busy")
	case pReject:
		a.pc = pTake
		if !mine {
			a.pc = pEnd
			break
		}
		if n.ghost[r] == 0 {
			n.bad = bRejected
		}
		q.status, q.lease = cancelled, false
		n.rejects(r)
		n.ended(r, v)
		say("rejects the run")
	case pSupersede:
		for x := range int8(nRuns) {
			o := &n.run[x]
			if !v.noSupersede && x != r && o.status == waiting && n.log[x].decision == 0 && n.newer[x]&(1<<r) != 0 {
				n.decide(x, superseded, v)
				if v.noOutbox {
					n.job[x] = true
				}
			}
		}
		a.pc = pLoad
		say("supersedes")
	case pLoad:
		k, open := m.at()
		a.step = k
		a.what = 0
		dec := n.decision(r, v)
		switch {
		case m.over() != 0, dec >= superseded && !v.supersedeGoesOn && m.reply[0] == call:
			a.pc = pFinish
			if v.takeFirst {
				a.pc, a.what = pTake, 1
			}
		case !open:
			a.pc = pAsk
		case k == 1 || dec == approved:
			a.pc = pBegin
		case dec == 0:
			a.pc = pWait
		default:
			a.pc, a.what = pResult, refused
		}
		say("reads the log")
	case pAsk:
		a.pc = pCommit
		if n.ghost[r] != 0 && !n.waited[r] && mine {
			n.bad = bTogether
		}
		if q.stop {
			a.what = cancel
			say("sees the stop")
			return
		}
		if p.step > 0 && s.hands > 0 && mine { // near its 15 minutes
			h := n
			h.hands--
			h.inv[i] = inv{}
			h.job[r] = true
			if !v.handLeased {
				h.run[r].lease, h.run[r].handed = false, true
			}
			add(h, "answer(run %d, attempt %d) hands over", r, p.fence, true)
		}
		a.what = answer
		say("asks: an answer")
		if p.step < v.calls && (r == 0 || !v.plain) {
			a.what = call
			say("asks: a tool call")
		}
	case pCommit:
		m.commit(&n, v, r, p.step, p.what)
		a.pc, a.what = pLoad, 0
		say(fmt.Sprint("commits ", p.what))
	case pWait:
		switch {
		case q.status != active || !mine && !v.noFenceWait:
			a.pc = pEnd
		case q.stop:
			a.pc, a.what = pDecide, cancel
		default:
			q.status, q.lease = waiting, false
			for x := range n.run { // who waits is not busy
				n.ghost[x] &^= 1 << r
			}
			n.waited[r] = v.reject
			a.pc = pLook
			if v.noLook {
				a.pc = pTake
			}
			if a.pc == pTake && v.waitTakesNone {
				a.pc = pEnd
			}
		}
		say("goes to wait")
	case pLook:
		a.pc = pTake
		if v.waitTakesNone {
			a.pc = pEnd
		}
		switch dec := n.decision(r, v); {
		case q.status != waiting:
		case q.stop && !v.lookQueues:
			a.pc, a.what = pDecide, cancel
		case dec != 0 && dec < superseded || q.stop:
			q.status = queued
			a.pc = pTake
		}
		say("looks for the decision")
	case pBegin:
		bit := int8(1) << p.step
		has := q.begun&bit != 0
		switch {
		case v.noBegin:
			a.pc = pTool
		case (q.status != active || !mine) && !v.noFenceBegin, q.status != active:
			a.pc = pEnd
		case q.stop && !v.beginAnyway:
			a.pc, a.what = pDecide, cancel
		case has && !v.beginAgain:
			a.pc, a.what = pResult, unknown
		default:
			q.begun |= bit
			if v.oneExecuting {
				q.begun = bit
			}
			a.pc = pTool
		}
		if a.pc == pTool {
			switch {
			case p.step == 0 && m.first != approved:
				n.bad = bUnapproved
			case m.over() != 0:
				n.bad = bBeginEnd
			case q.stop:
				n.bad = bBeginStop
			}
		}
		say("begins the call")
	case pTool:
		m.exec[p.step]++
		if m.exec[p.step] > 1 {
			n.bad = bTwice
		}
		a.pc, a.what = pResult, done
		say("calls the tool")
	case pResult:
		if m.result[p.step] == 0 {
			m.result[p.step] = p.what
		}
		a.pc, a.what = pLoad, 0
		say("commits the result")
	case pFinish:
		a.pc = pTake
		if v.takeFirst {
			a.pc = pEnd
		}
		if q.status == active && (mine || v.noFenceEnd) {
			q.status, q.lease = n.settled(r), false
			n.ended(r, v)
		} else {
			a.pc = pEnd
		}
		say("ends the run")
	case pDecide: // whoever ends a run decides the call that waits, then closes the log, then the status says what the log says
		if m.reply[0] == call && m.decision == 0 && !v.endLeavesCall {
			m.decision, m.first = stopped, stopped
		}
		k, open := m.at()
		if open {
			k++
		}
		a.step, a.pc = k, pClose
		if m.over() != 0 {
			a.pc = pSettle
		}
		say("decides what waits")
	case pClose:
		a.pc = pSettle
		if m.over() == 0 && !m.commit(&n, v, r, p.step, p.what) {
			a.pc = pDecide
		}
		say("commits the end")
	case pSettle:
		a.pc = pTake
		switch {
		case mine:
			q.status, q.lease = n.settled(r), false
			n.ended(r, v)
		case v.settleTakesNone:
			a.pc = pEnd
			fallthrough
		case (q.status == queued || q.status == waiting) && q.fence == p.fence:
			q.status = n.settled(r)
			n.ended(r, v)
		}
		say("settles the run")
	}
}

func (s *st) check(v *variant) string {
	if s.bad != 0 {
		return bads[s.bad]
	}
	quiet := s.inv == [nInv]inv{} && s.job == [nRuns]bool{} && s.due == [nRuns]bool{} && s.decided == [nRuns]bool{}
	for r := range int8(v.runs) {
		q, m := &s.run[r], &s.log[r]
		over := m.over()
		switch q.status {
		case complete:
			if over != answer {
				return "complete without an answer"
			}
		case failed:
			if over != failure {
				return "failed without a message"
			}
		case cancelled:
			if over == answer || over == failure || over == 0 && m.decision < superseded && q.fence > 0 && !s.rejected[r] {
				return "cancelled, and the log says otherwise"
			}
		}
		for _, p := range s.inv {
			if p.pc > pTake && p.pc < pDecide && p.pc != pLook && p.run == r && p.fence == q.fence && q.status != active {
				return "the holder works on a run that is not busy"
			}
		}
		if quiet && !v.patient && s.crashes == v.crashes && (q.status == queued || q.status == active || q.status == waiting && (s.decision(r, v) != 0 || q.stop)) {
			return "nothing died, and a run waits for sweep"
		}
	}
	return ""
}

// seen says which of the things that matter happen at all: a model in which they cannot proves nothing.
func (s *st) seen() (out int) {
	for r := range s.run {
		q, m := &s.run[r], &s.log[r]
		for i, is := range []bool{m.decision == approved, m.decision == denied, m.decision == expired, m.decision == superseded, m.decision == stopped,
			m.exec[0] == 1 && m.result[0] == done, m.exec[1] == 1, m.result[0] == unknown && m.exec[0] == 1, m.result[0] == refused,
			q.status == complete, q.status == cancelled && m.over() == cancel, q.status == failed, q.handed} {
			if is {
				out |= 1 << i
			}
		}
		for _, p := range s.inv {
			if p.fence < 0 && p.run == int8(r) && p.pc == pTool {
				out |= 1 << 13 // a zombie in the middle of a call
			}
			if p.fence < 0 && p.run == int8(r) && p.pc == pCommit && s.busy() >= 0 && s.busy() != p.run {
				out |= 1 << 14 // a zombie about to write while another run is busy
			}
		}
	}
	return out
}

// good is an end: everything that was asked for has its outcome, and nothing is left to do.
func (s *st) good(v *variant) bool {
	if s.inv != [nInv]inv{} {
		return false
	}
	for r := range v.runs {
		if s.asked[r] && s.run[r].status < complete {
			return false
		}
	}
	return true
}

func explore(v *variant) (states int, bad string, steps []string, happened int) {
	init := st{crashes: v.crashes, leases: v.leases, dups: v.dups, stops: v.stops, hands: v.hands}
	init.asked[0], init.due[0], init.counts = true, true, v.oneCounter
	seed := maphash.MakeSeed()
	seen := map[uint64]int32{maphash.Comparable(seed, init): 0} // by hashes: of two million states two are the same with a probability of one in ten million
	nodes, parent := []st{init}, []int32{-1}
	var from, to []int32
	var buf []edge
	trace := func(i int32) (out []string) {
		for ; i > 0; i = parent[i] {
			for _, e := range nodes[parent[i]].next(v, nil) {
				if e.s == nodes[i] {
					l := e.l
					switch n := countVerbs(l); n {
					case 1:
						l = fmt.Sprintf(l, e.a)
					case 2:
						l = fmt.Sprintf(l, e.a, e.b)
					}
					out = append(out, l)
					break
				}
			}
		}
		slices.Reverse(out)
		return out
	}
	for i := 0; i < len(nodes); i++ {
		s := nodes[i]
		happened |= s.seen()
		if len(nodes) > 5e6 {
			return len(nodes), "too many", nil, happened
		}
		if bad := s.check(v); bad != "" {
			return len(nodes), bad, trace(int32(i)), happened
		}
		buf = s.next(v, buf[:0])
		for k := range buf {
			e := &buf[k]
			h := maphash.Comparable(seed, e.s)
			j, ok := seen[h]
			if !ok {
				j = int32(len(nodes))
				seen[h] = j
				nodes = append(nodes, e.s)
				parent = append(parent, int32(i))
			}
			if !e.luck {
				from, to = append(from, int32(i)), append(to, j)
			}
		}
	}
	// Backwards from the good ends.
	first := make([]int32, len(nodes)+1)
	for _, j := range to {
		first[j+1]++
	}
	for i := range nodes {
		first[i+1] += first[i]
	}
	back := make([]int32, len(to))
	fill := slices.Clone(first)
	for k, j := range to {
		back[fill[j]] = from[k]
		fill[j]++
	}
	ok := make([]bool, len(nodes))
	var work []int32
	for i := range nodes {
		if nodes[i].good(v) {
			ok[i] = true
			work = append(work, int32(i))
		}
	}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		for _, j := range back[first[i]:first[i+1]] {
			if !ok[j] {
				ok[j] = true
				work = append(work, j)
			}
		}
	}
	if i := slices.Index(ok, false); i >= 0 {
		return len(nodes), fmt.Sprint("stuck for ever: ", nodes[i].run), trace(int32(i)), happened
	}
	return len(nodes), "", nil, happened
}

func countVerbs(l string) (n int) {
	for i := range l {
		if l[i] == '%' {
			n++
		}
	}
	return n
}

// heavy are those that have more than a quarter of a million states and hold.
var heavy = []string{
	"the design, one run, four deaths", "the design, one run, zombies, stop", "the design, one run, two zombies, job twice, stop",
	"the design, one run, a death, handed over, stop", "the design, two runs, a death", "the design, two runs, two calls, a zombie",
	"the design, two runs, two zombies", "the design, two runs, a death, a zombie, stop", "the design, three runs, a zombie",
	"the design, three runs, stop", "the design, three runs, a death", "enqueued again is not busy, the oldest first",
	"enqueued again stays busy, own run", "the design, reject, a death",
}

func TestRuns(t *testing.T) {
	full := os.Getenv("AIWM_MODEL") != ""
	var mu sync.Mutex
	all := 0
	t.Cleanup(func() {
		if full && all != 1<<15-1 {
			t.Errorf("not everything that matters happened: %015b", all)
		}
	})
	for _, c := range []struct {
		v     variant
		holds bool
	}{
		{variant{name: "the design, one run, four deaths", runs: 1, invs: 2, calls: 1, crashes: 4, leases: 1, dups: 1}, true},
		{variant{name: "the design, one run, zombies, stop", runs: 1, invs: 3, calls: 2, leases: 2, stops: 1}, true},
		{variant{name: "the design, one run, two zombies, job twice, stop", runs: 1, invs: 2, calls: 2, leases: 2, dups: 1, stops: 1}, true},
		{variant{name: "the design, one run, a death, handed over, stop", runs: 1, invs: 2, calls: 2, crashes: 1, leases: 1, stops: 1, hands: 1}, true},
		{variant{name: "the design, two runs, a death", runs: 2, invs: 2, calls: 1, crashes: 1}, true},
		{variant{name: "the design, two runs, two calls, a zombie", runs: 2, invs: 2, calls: 2, leases: 1, lazySweep: true}, true},
		{variant{name: "the design, two runs, two zombies", runs: 2, invs: 3, calls: 1, leases: 2, lazySweep: true, plain: true}, true},
		{variant{name: "the design, two runs, a death, a zombie, stop", runs: 2, invs: 2, calls: 1, crashes: 1, leases: 1, stops: 1, lazySweep: true, plain: true}, true},
		{variant{name: "the design, three runs, a zombie", runs: 3, invs: 2, calls: 1, leases: 1, lazySweep: true, plain: true}, true},
		{variant{name: "the design, three runs, stop", runs: 3, invs: 2, calls: 1, stops: 1, lazySweep: true, plain: true}, true},
		{variant{name: "the design, three runs, a death", runs: 3, invs: 2, calls: 1, crashes: 1, lazySweep: true, plain: true}, true},
		{variant{name: "the design, reject", runs: 2, invs: 2, calls: 1, reject: true}, true},
		{variant{name: "the design, reject, a death", runs: 2, invs: 2, calls: 1, crashes: 1, reject: true, lazySweep: true}, true},
		{variant{name: "the design, reject, a zombie", runs: 2, invs: 2, calls: 1, leases: 1, reject: true, lazySweep: true, plain: true}, true},
		{variant{name: "the design, reject, stop", runs: 2, invs: 2, calls: 1, stops: 1, reject: true, lazySweep: true, plain: true}, true},
		{variant{name: "as written: reject is decided when a run is inserted", runs: 2, invs: 2, calls: 1, reject: true, admissionOnly: true}, false},
		{variant{name: "who takes a run over does not look who was busy", runs: 2, invs: 2, crashes: 1, reject: true, takeOverMeetsNone: true}, false},
		{variant{name: "who waits for approval is busy", runs: 2, invs: 2, calls: 1, stops: 1, reject: true, waitingIsBusy: true}, false},
		{variant{name: "who is queued is busy when another is claimed", runs: 2, invs: 2, reject: true, queuedIsBusy: true}, false},
		{variant{name: "who ends a run that is not busy takes nobody", runs: 2, invs: 2, calls: 1, stops: 1, settleTakesNone: true}, false},
		{variant{name: "a stopped run is queued before its call is decided", runs: 2, invs: 2, calls: 1, stops: 1, lookQueues: true}, false},
		{variant{name: "streams expire", runs: 1, invs: 2, calls: 2, crashes: 1, leases: 2, expireStreams: true}, true},
		{variant{name: "as written: answer inserts the run", runs: 1, invs: 2, calls: 1, crashes: 1, answerInserts: true}, false},
		{variant{name: "as written: the answer's id is the run's", runs: 1, invs: 2, calls: 2, leases: 1, answerPerRun: true}, false},
		{variant{name: "as written: one field executing, no attempt", runs: 1, invs: 2, calls: 2, leases: 1, oneExecuting: true, noFenceBegin: true}, false},
		{variant{name: "all begun calls kept, no attempt", runs: 1, invs: 2, calls: 1, crashes: 3, leases: 1, noFenceBegin: true}, false},
		{variant{name: "one field executing, with the attempt", runs: 1, invs: 2, calls: 2, crashes: 1, leases: 1, oneExecuting: true}, true},
		{variant{name: "as written: a decision before waiting is not seen", runs: 1, invs: 2, calls: 1, noLook: true, noSweepDecided: true, patient: true}, false},
		{variant{name: "as written: the same, sweep looks", runs: 1, invs: 2, calls: 1, noLook: true}, false},
		{variant{name: "sweep does not look at decided runs", runs: 1, invs: 2, calls: 1, crashes: 1, noSweepDecided: true}, false},
		{variant{name: "no outbox of decisions", runs: 1, invs: 2, calls: 1, crashes: 1, noOutbox: true}, true},
		{variant{name: "no outbox, sweep does not look", runs: 1, invs: 2, calls: 1, crashes: 1, noOutbox: true, noSweepDecided: true}, false},
		{variant{name: "as written: who goes to wait takes nobody", runs: 2, invs: 2, calls: 1, waitTakesNone: true}, false},
		{variant{name: "as written: stop is a flag only", runs: 1, invs: 2, calls: 1, stops: 1, stopFlagOnly: true}, false},
		{variant{name: "as written: who ends a run leaves its call", runs: 1, invs: 2, calls: 1, stops: 1, endLeavesCall: true}, false},
		{variant{name: "stop of a run that waits sets the status only", runs: 1, invs: 2, calls: 1, stops: 1, statusFirst: true}, false},
		{variant{name: "as written: a superseded run goes on", runs: 2, invs: 2, calls: 1, supersedeGoesOn: true}, false},
		{variant{name: "nothing is superseded", runs: 2, invs: 2, calls: 1, noSupersede: true}, false},
		{variant{name: "as written: enqueued again is not busy, own run", runs: 2, invs: 2, calls: 1, crashes: 1, dropBusy: true, takeOwn: true}, false},
		{variant{name: "enqueued again is not busy, the oldest first", runs: 2, invs: 2, calls: 1, crashes: 1, dropBusy: true, lazySweep: true}, true},
		{variant{name: "enqueued again stays busy, own run", runs: 2, invs: 2, calls: 1, crashes: 1, takeOwn: true, lazySweep: true}, true},
		{variant{name: "no limit of attempts", runs: 1, invs: 2, calls: 1, crashes: 4, noLimit: true}, false},
		{variant{name: "as written: attempt counts every claim", runs: 1, invs: 2, calls: 2, crashes: 1, hands: 2, oneCounter: true}, false},
		{variant{name: "as written: hands over with its lease", runs: 1, invs: 2, calls: 2, hands: 1, handLeased: true}, false},
		{variant{name: "decisions under the model's id", runs: 2, invs: 2, calls: 1, modelIDs: true}, false},
		{variant{name: "decisions by device", runs: 1, invs: 2, calls: 1, decideTwice: true}, false},
		{variant{name: "no executing", runs: 1, invs: 2, calls: 1, crashes: 1, noBegin: true}, false},
		{variant{name: "executing is set, and not looked at", runs: 1, invs: 2, calls: 1, crashes: 1, beginAgain: true}, false},
		{variant{name: "executing does not look at stop", runs: 1, invs: 2, calls: 1, stops: 1, beginAnyway: true}, false},
		{variant{name: "waiting without the attempt", runs: 1, invs: 2, calls: 1, leases: 1, noFenceWait: true}, false},
		{variant{name: "the end without the attempt", runs: 1, invs: 2, calls: 1, leases: 1, noFenceEnd: true}, false},
		{variant{name: "takes the next before it ends", runs: 2, invs: 2, calls: 1, takeFirst: true}, false},
		{variant{name: "inserted as active", runs: 2, invs: 2, calls: 1, answerInserts: true, insertActive: true}, false},
		{variant{name: "a job takes a run whose lease is good", runs: 1, invs: 2, calls: 1, dups: 1, claimBlind: true}, true},
	} {
		if !full && slices.Contains(heavy, c.v.name) {
			continue // these take most of a minute: CI sets AIWM_MODEL
		}
		t.Run(c.v.name, func(t *testing.T) {
			t.Parallel()
			n, bad, trace, happened := explore(&c.v)
			t.Logf("%8d states  %s", n, map[bool]string{true: "holds", false: "FAILS: " + bad}[bad == ""])
			if trace != nil {
				t.Log(strings.Join(trace, " · "))
			}
			if strings.HasPrefix(c.v.name, "the design") {
				mu.Lock()
				all |= happened
				mu.Unlock()
			}
			if (bad == "") != c.holds {
				t.Errorf("%s: want holds=%v", c.v.name, c.holds)
			}
		})
	}
}
