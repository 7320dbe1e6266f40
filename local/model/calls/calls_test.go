package calls

// Exhaustive explicit-state check of calls: the hashes in Redis, the one message of each in the log, the jobs and sweep.
// One conversation; A rings with call 0 and B with call 1, whose id is the larger one; each may answer or decline the other's,
// hang up, and give no sign of life from any moment on; C takes part in the conversation and in no call. Frames are late, or come
// twice; functions, jobs and sweep die between any two steps. Time is: a ring or a lease may be over at any moment.
// Redis loses nothing here: when it does the message may be missing, which is said where calls are described.

import (
	"fmt"
	"slices"
	"testing"
)

type status uint8

const (
	none status = iota
	ringing
	active
	ended
)

type outcome uint8

const (
	_ outcome = iota
	missed
	declined
	over
	superseded
)

// devices, as bits.
const (
	deviceA = 1 << iota
	deviceB
	deviceC
)

// A call is what Redis, the queue and the log have of one.
type call struct {
	status  status
	outcome outcome
	parties uint8 // devices
	silent  uint8 // whose lease is over
	late    bool  // it has rung long enough
	watched bool  // sweep looks after it
	job     bool  // one is on its way
	said    uint8 // messages in the log
	begun   bool  // it ever rang
}

// kinds of what is under way.
type kind uint8

const (
	idle kind = iota
	invite
	answer
	reject
	hangup
	alive
	look // a job
)

// An op is a function that is under way: what it is to do next.
type op struct {
	kind   kind
	call   uint8
	device uint8
	pc     uint8
}

// A state is everything.
type state struct {
	calls [2]call
	ops   [2]op
	left  uint16 // client frames that may still come, as bits of frames
}

// frame is what a client sends, at any moment, once.
type frame struct {
	kind   kind
	call   uint8
	device uint8
}

// worlds are what clients send: two calls at once, and one call whose frames come twice, late or
// from somebody who has no part in it.
var worlds = [][]frame{
	{{invite, 0, deviceA}, {invite, 1, deviceB}, {answer, 0, deviceB}, {hangup, 0, deviceA}, {hangup, 1, deviceB}},
	{{invite, 0, deviceA}, {invite, 0, deviceA}, {answer, 0, deviceB}, {hangup, 0, deviceA}, {hangup, 0, deviceC}},
	{{invite, 0, deviceA}, {reject, 0, deviceB}, {answer, 0, deviceB}, {alive, 0, deviceA}, {hangup, 0, deviceB}},
}

// A rule may be missing: what fails then shows that it is needed.
type rules struct {
	watchAfter    bool // a call is watched when it rings already
	unwatchEarly  bool // it is forgotten before its message is there
	firstWins     bool // of two at once the first one rings on
	forgetEnded   bool // what has ended is not known any more
	anyHangsUp    bool // also who is not in the call
	saySuperseded bool // a call that gave way has a message too
	twoIDs        bool // who ends a call says so under an id of their own
	noSweep       bool
	hastySweep    bool // it forgets what it does not know yet
}

// machine is a model under rules.
type machine struct {
	rules
	frames []frame
}

func (m machine) inviter(c uint8) uint8 { return [2]uint8{deviceA, deviceB}[c] }

// end decides how a call ended: the first who does is right.
func (m machine) end(c *call, o outcome) { c.status, c.outcome = ended, o }

func live(c call) bool { return c.status == ringing || c.status == active }

// script is what a frame, or a job, does to Redis in one step. It reports whether its caller
// has to see to the message.
func (m machine) script(s *state, o op) (see bool, err error) {
	c, other := &s.calls[o.call], &s.calls[1-o.call]
	if m.forgetEnded && c.status == ended {
		c.status, c.outcome = none, 0
	}
	switch o.kind {
	case invite:
		if c.status != none {
			return false, nil
		}
		if live(*other) {
			smaller := o.call == 0
			if other.status == active || m.firstWins || !smaller {
				if m.firstWins && smaller && other.status == ringing {
					return false, fmt.Errorf("the clients drop call 1 for call 0, and the server has call 1 alone")
				}
				return false, nil
			}
			m.end(other, superseded)
		}
		if c.begun {
			return false, fmt.Errorf("a call that has ended rings again")
		}
		*c = call{status: ringing, parties: o.device, watched: c.watched, job: c.job, said: c.said, begun: true}
	case answer:
		if !live(*c) || o.device == m.inviter(o.call) {
			return false, nil
		}
		c.status, c.parties, c.silent = active, c.parties|o.device, c.silent&^o.device
	case reject:
		if c.status == ringing {
			m.end(c, declined)
			return true, nil
		}
	case hangup:
		if !live(*c) || c.parties&o.device == 0 && !m.anyHangsUp {
			return false, nil
		}
		if c.parties&o.device == 0 {
			return false, fmt.Errorf("who is not in the call hangs it up")
		}
		if c.parties &^= o.device; c.status == ringing {
			m.end(c, missed)
			return true, nil
		}
		if alone(c.parties &^ c.silent) {
			m.end(c, over)
			return true, nil
		}
	case alive:
		if live(*c) && c.parties&o.device != 0 {
			c.silent &^= o.device
		}
	case look:
		switch {
		case c.status == ringing && c.late:
			m.end(c, missed)
		case c.status == active && alone(c.parties&^c.silent):
			m.end(c, over)
		}
		return c.status == ended, nil
	}
	return false, nil
}

// alone reports whether fewer than two are left.
func alone(parties uint8) bool { return parties&(parties-1) == 0 }

// step does the next step of op i. It returns an error where that breaks a promise.
func (m machine) step(s state, i int) (state, error) {
	o := &s.ops[i]
	c := &s.calls[o.call]
	steps := []string{"script", "say", "unwatch"}
	if o.kind == invite {
		if steps = []string{"watch", "script", "job"}; m.watchAfter {
			steps = []string{"script", "watch", "job"}
		}
	} else if m.unwatchEarly {
		steps = []string{"script", "unwatch", "say"}
	}
	doing := *o
	if o.pc++; int(o.pc) == len(steps) {
		*o = op{}
	}
	switch steps[doing.pc] {
	case "watch":
		c.watched = true
	case "job":
		c.job = true
	case "script":
		see, err := m.script(&s, doing)
		if err != nil {
			return s, err
		}
		if !see && doing.kind != invite {
			*o = op{}
			if doing.kind == look && c.status == none {
				c.job = false
			}
		}
	case "say":
		if c.outcome != superseded || m.saySuperseded {
			if c.said == 0 || m.twoIDs {
				c.said++
			}
		}
	case "unwatch":
		c.watched = false
		if doing.kind == look {
			c.job = false
		}
	}
	if c.said > 1 {
		return s, fmt.Errorf("a call has two messages")
	}
	return s, nil
}

// sweep finds those calls that are watched and that nobody looks after.
func (m machine) sweep(s *state) {
	for i := range s.calls {
		c := &s.calls[i]
		if !c.watched || m.noSweep {
			continue
		}
		if c.status == none {
			// It looks at what has been watched for longer than a function lives.
			if m.hastySweep || !slices.ContainsFunc(s.ops[:], func(o op) bool { return o.kind == invite && int(o.call) == i }) {
				c.watched = false
			}
		} else if c.status == ended || c.late || c.silent != 0 {
			c.job = true
		}
	}
}

// next are all states that may follow.
func (m machine) next(s state, visit func(state, string) error) error {
	for i, o := range s.ops {
		if o.kind == idle {
			continue
		}
		after, err := m.step(s, i)
		if err == nil {
			err = visit(after, fmt.Sprintf("%+v steps", o))
		}
		if err != nil {
			return err
		}
		dead := s
		dead.ops[i] = op{}
		if err := visit(dead, fmt.Sprintf("%+v dies", o)); err != nil {
			return err
		}
	}
	free := -1
	for i, o := range s.ops {
		if o.kind == idle {
			free = i
		}
	}
	for i, f := range m.frames {
		if free >= 0 && s.left&(1<<i) != 0 {
			after := s
			after.left &^= 1 << i
			after.ops[free] = op{kind: f.kind, call: f.call, device: f.device}
			if err := visit(after, fmt.Sprintf("frame %+v", f)); err != nil {
				return err
			}
		}
	}
	for i := range s.calls {
		c := s.calls[i]
		if free >= 0 && c.job {
			after := s
			after.ops[free] = op{kind: look, call: uint8(i)}
			if err := visit(after, "a job"); err != nil {
				return err
			}
		}
		if c.status == ringing && !c.late {
			after := s
			after.calls[i].late = true
			if err := visit(after, "it has rung long enough"); err != nil {
				return err
			}
		}
		for _, device := range []uint8{deviceA, deviceB} {
			if c.status == active && c.parties&device != 0 && c.silent&device == 0 {
				after := s
				after.calls[i].silent |= device
				if err := visit(after, "no sign of life"); err != nil {
					return err
				}
			}
		}
	}
	after := s
	m.sweep(&after)
	return visit(after, "sweep")
}

// check is what holds at each moment, and what must come of it when nothing but time and
// sweep is left.
func (m machine) check(s state) error {
	if live(s.calls[0]) && live(s.calls[1]) {
		return fmt.Errorf("two calls at once")
	}
	if s.calls[0].outcome == superseded {
		return fmt.Errorf("the smaller id gave way")
	}
	s.ops = [2]op{}
	for range 4 {
		for i := range s.calls {
			s.calls[i].late, s.calls[i].silent = true, s.calls[i].parties
		}
		m.sweep(&s)
		for i := range s.calls {
			if !s.calls[i].job {
				continue
			}
			s.ops[0] = op{kind: look, call: uint8(i)}
			for s.ops[0].kind != idle {
				var err error
				if s, err = m.step(s, 0); err != nil {
					return err
				}
			}
		}
	}
	for i, c := range s.calls {
		want := uint8(1)
		if !c.begun || c.outcome == superseded {
			want = 0
		}
		if c.said != want || c.watched && !m.noSweep || live(c) {
			return fmt.Errorf("in the end call %d is %+v", i, c)
		}
	}
	return nil
}

// explore visits every state that can be reached, and returns the first that breaks a promise
// with the way there.
func (m machine) explore() (states int, err error) {
	type visit struct {
		before state
		how    string
	}
	begin := state{left: 1<<len(m.frames) - 1}
	from := map[state]visit{begin: {}}
	queue := []state{begin}
	trace := func(s state, err error) error {
		way := ""
		for s != begin {
			v := from[s]
			way, s = "\n"+v.how+way, v.before
		}
		return fmt.Errorf("%w after%s", err, way)
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if err := m.check(s); err != nil {
			return len(from), trace(s, err)
		}
		err := m.next(s, func(after state, how string) error {
			if _, seen := from[after]; !seen {
				from[after] = visit{s, how}
				queue = append(queue, after)
			}
			return nil
		})
		if err != nil {
			return len(from), trace(s, err)
		}
	}
	return len(from), nil
}

func TestCalls(t *testing.T) {
	for i, frames := range worlds {
		states, err := machine{frames: frames}.explore()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("world %d has %d states", i, states)
	}
}

// Each rule is needed.
func TestMutants(t *testing.T) {
	for name, r := range map[string]rules{
		"watched after it rings":          {watchAfter: true},
		"forgotten before it is said":     {unwatchEarly: true},
		"the first of two rings on":       {firstWins: true},
		"what has ended is forgotten":     {forgetEnded: true},
		"anybody hangs up":                {anyHangsUp: true},
		"what gave way is said":           {saySuperseded: true},
		"each says it under their own id": {twoIDs: true},
		"sweep forgets too soon":          {hastySweep: true},
		"no sweep":                        {noSweep: true},
	} {
		var failed error
		for _, frames := range worlds {
			if _, failed = (machine{r, frames}).explore(); failed != nil {
				break
			}
		}
		if failed == nil {
			t.Errorf("%s: nothing fails", name)
		} else {
			t.Logf("%s: %v", name, failed)
		}
	}
}
