package mongod

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// An oplog is what the primary did and the majority does not have yet. The
// replica set's mu guards it.
type oplog struct {
	current   []change // of the command that runs
	pending   []group
	last      int64         // the place of the last group; no place is used again
	committed int64         // the majority has what is up to here
	kept      map[int]int64 // what it had at the end of a term
	held      bool          // it gets nothing more
	changed   chan struct{} // closed when something of the above is new
	timer     *time.Timer   // for the group that comes next
}

// A change is a record of a journal.
type change struct {
	kind byte
	ns   string
	doc  bsoncore.Document
}

// A group is what one command did: the majority has all of it or nothing.
type group struct {
	place   int64
	changes []change
	retry   *retry    // what it leaves of the session; nil: nothing
	due     time.Time // when the majority has it
}

func (l *oplog) append(kind byte, ns string, doc bsoncore.Document) {
	l.current = append(l.current, change{kind, ns, doc})
}

// wake tells all who wait that something is new.
func (l *oplog) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// commit ends the group of a command. The caller holds mu, here and below.
func (m *replicaSet) commit(r *retry) {
	l := &m.log
	if len(l.current) > 0 {
		l.last++
		g := group{place: l.last, changes: l.current, due: time.Now()}
		if r.done() {
			g.retry = r
		}
		if m.options.Lag > 0 {
			g.due = g.due.Add(time.Duration(m.random.Int64N(int64(m.options.Lag))))
		}
		l.current, l.pending = nil, append(l.pending, g)
	} else if r.done() { // it changed nothing, and that is remembered all the same
		l.last++
		l.pending = append(l.pending, group{place: l.last, retry: r, due: time.Now()})
	}
	m.replicate()
}

// replicate gives the majority what is due.
func (m *replicaSet) replicate() {
	l := &m.log
	before := l.committed
	for len(l.pending) > 0 && !l.held && !time.Now().Before(l.pending[0].due) {
		m.majority.apply(l.pending[0])
		l.committed = l.pending[0].place
		l.pending = l.pending[1:]
	}
	if l.committed > before {
		l.wake()
	}
	if len(l.pending) == 0 || l.held || m.closed {
		return
	}
	wait := time.Until(l.pending[0].due)
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.replicate()
		})
		return
	}
	l.timer.Reset(wait)
}

// HoldMajority stops the majority where it is until release, as when all
// secondaries are away: what is written then is not acknowledged, majority
// reads do not show it, and a failover takes it back.
func (s *Server) HoldMajority() (release func()) {
	hold := func(on bool) {
		s.set.mu.Lock()
		defer s.set.mu.Unlock()
		s.set.log.held = on
		s.set.replicate()
	}
	hold(true)
	return func() { hold(false) }
}

// acknowledged waits until the majority has what was done up to a place in a
// term, and returns why not if it cannot.
func (m *replicaSet) acknowledged(r *request, at int64, term int) *commandError {
	concern := field(r.body, "writeConcern").Data
	if w, ok := integer(field(concern, "w")); ok && w <= 1 {
		return nil
	}
	timeout := func(v bsoncore.Value) <-chan time.Time {
		if ms, ok := integer(v); ok && ms > 0 {
			return time.After(time.Duration(ms) * time.Millisecond)
		}
		return nil
	}
	tooLong, expired := timeout(field(concern, "wtimeout")), timeout(field(r.body, "maxTimeMS"))
	for {
		m.mu.Lock()
		had, over := m.log.committed, m.closed
		if m.term != term {
			had, over = m.log.kept[term], true
		}
		changed := m.log.changed
		m.mu.Unlock()
		if had >= at {
			return nil
		}
		if over {
			return errorf(codeStateChange, "operation was interrupted")
		}
		select {
		case <-changed:
		case <-tooLong:
			return errorf(codeConcernFailed, "waiting for replication timed out")
		case <-expired:
			return errorf(codeTimeExpired, "operation exceeded time limit")
		}
	}
}

// apply does what the primary did.
func (n *node) apply(g group) {
	for _, c := range g.changes {
		if err := n.store.apply(c); err != nil {
			panic(err) // the primary has done the same
		}
	}
	if g.retry != nil {
		n.retries[g.retry.session] = g.retry
	}
}

// apply does one change to a store.
func (s *store) apply(c change) error {
	if c.kind == opDrop {
		s.drop(c.ns)
		return nil
	}
	to, err := s.toWrite(c.ns)
	if err != nil {
		return err
	}
	defer to.mu.Unlock()
	switch c.kind {
	case opPut, opDelete:
		id := to.indexes[0]
		e, found := id.tree.Get(entry{key: string(id.encode([]bsoncore.Value{field(c.doc, "_id")}))})
		if c.kind == opDelete {
			to.remove(e.record)
			return nil
		}
		if !found {
			e.record = &record{}
		}
		return to.put(e.record, c.doc, found)
	case opCreateIndex:
		ix, err := parseIndex(c.doc)
		if err != nil {
			return err
		}
		return to.createIndex(ix)
	default:
		name, _ := field(c.doc, "name").StringValueOK()
		to.dropIndex(name)
		return nil
	}
}

// copy returns a node that has the same, and records what it does from now on.
func (n *node) copy(changes recorder) *node {
	c := newNode(nil)
	n.store.snapshot(func(kind byte, ns string, doc bsoncore.Document) {
		if err := c.store.apply(change{kind, ns, doc}); err != nil {
			panic(err) // it is in the other
		}
	})
	c.store.record(changes)
	for session, r := range n.retries {
		c.retries[session] = r
	}
	return c
}

// record has the changes recorded from now on.
func (s *store) record(changes recorder) {
	s.changes = changes
	for _, c := range s.collections {
		c.changes = changes
	}
}
