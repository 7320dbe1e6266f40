package mongod

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A Fault is what can happen to one command on a replica set.
type Fault int

// The faults.
const (
	noFault    Fault = iota
	LoseReply        // it is run, and the connection closed instead of the answer
	NotPrimary       // it is refused: the member says that it is not the primary
	NoMajority       // a write is done, and its answer says that the majority's acknowledgement failed
	Failover         // another member becomes the primary, and what the majority has not is taken back; then it is run
)

// Faults are probabilities, each for one command that reads or writes.
type Faults struct {
	LoseReply, NotPrimary, NoMajority, Failover float64
}

type plannedFault struct {
	command string
	fault   Fault
}

// FailNext has a fault happen to the next command of a name, such as "insert";
// several of one name happen one after the other.
func (s *Server) FailNext(command string, fault Fault) {
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	s.set.planned = append(s.set.planned, plannedFault{command, fault})
}

// Failover makes another member the primary and takes back what the majority
// has not.
func (s *Server) Failover() { s.set.failover() }

// Trouble has the faults of the options happen, as they do at the start, or
// not.
func (s *Server) Trouble(on bool) {
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	s.set.troubled = on
}

// Happened counts the faults.
func (s *Server) Happened() int64 {
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	return s.set.sum
}

// draw decides what happens to a command. One number is drawn each time, so
// that nothing that happens moves what happens later.
func (m *replicaSet) draw(command string) (fault Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	share, f := m.random.Float64(), m.options.Faults
	if i := slices.IndexFunc(m.planned, func(p plannedFault) bool { return p.command == command }); i >= 0 {
		fault = m.planned[i].fault
		m.planned = slices.Delete(m.planned, i, i+1)
	} else if m.troubled {
		for i, p := range []float64{f.LoseReply, f.NotPrimary, f.NoMajority, f.Failover} {
			if share >= 0 && share < p {
				fault = []Fault{LoseReply, NotPrimary, NoMajority, Failover}[i]
			}
			share -= p
		}
	}
	if fault != noFault {
		m.sum++
	}
	return fault
}

// noMajority draws why a majority did not acknowledge a write: the first is
// told to try again by a label. The caller holds mu.
func (m *replicaSet) noMajority() *commandError {
	if m.random.IntN(2) == 0 {
		return errorf(codeShutdown, "Replication is being shut down")
	}
	return errorf(codeConcernFailed, "waiting for replication timed out")
}

// finish ends the reply to a command that was run on a replica set.
func (r *request) finish(dst, reply []byte, err error, concern *commandError) []byte {
	if err != nil {
		reply = appendError(bsoncore.AppendDoubleElement(dst, "ok", 0), err)
	}
	if concern != nil {
		info := bsoncore.BuildDocument(nil, bsoncore.AppendBooleanElement(nil, "wtimeout", concern.code == codeConcernFailed))
		reply = bsoncore.AppendDocumentElement(reply, "writeConcernError", bsoncore.BuildDocument(nil,
			appendError(nil, concern), bsoncore.AppendDocumentElement(nil, "errInfo", info)))
	}
	if !isMissing(field(r.body, "txnNumber")) && (mayBeRetried(err) || err == nil && concern != nil && mayBeRetried(concern)) {
		label := bsoncore.BuildArray(nil, bsoncore.Value{Type: bsoncore.TypeString, Data: bsoncore.AppendString(nil, "RetryableWriteError")})
		reply = bsoncore.AppendArrayElement(reply, "errorLabels", label)
	}
	if err == nil {
		reply = bsoncore.AppendDoubleElement(reply, "ok", 1)
	}
	return r.endReply(reply)
}

// mayBeRetried reports whether MongoDB labels an error so.
func mayBeRetried(err error) bool {
	e, ok := err.(*commandError)
	return ok && slices.Contains([]code{codeShutdown, codeStateChange, codeNotWritablePrimary, codeNotPrimaryNoSecondary}, e.code)
}
