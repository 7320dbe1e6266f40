package mongod

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// SetName is the name of a replica set.
const SetName = "rs0"

// Replica makes a server the members of a replica set, each on a port of its
// own: one is the primary, until a failover makes another one that. It is for
// tests, and keeps everything in memory. Reads are served by the primary only.
//
// A write is known to the primary at once and to a majority after Lag. Those
// that want the majority's acknowledgement wait for that, and majority reads
// show what the majority has. A failover takes back what it has not.
type Replica struct {
	Members  int           // 1 if zero
	Lag      time.Duration // the most that the majority is behind
	Election time.Duration // how long there is no primary after a failover
	Faults   Faults
	Seed     uint64 // of everything that is drawn
}

// A node is what one member has of the data, and of writes that were done.
type node struct {
	store   *store
	retries map[string]*retry // by session
}

// A replicaSet is all members. Its data are two nodes: the primary's, and what
// a majority has.
type replicaSet struct {
	options  Replica
	server   *Server
	troubled bool // by the faults; under mu

	mu       sync.Mutex
	random   *rand.Rand
	hosts    []string
	term     int       // of the primary; each failover begins one
	electing time.Time // until then there is no primary
	primary  *node
	majority *node
	log      oplog
	planned  []plannedFault
	sum      int64 // faults that happened
	closed   bool
}

func newReplicaSet(s *Server, o Replica) *replicaSet {
	m := &replicaSet{options: o, server: s, troubled: true, random: rand.New(rand.NewPCG(o.Seed, 0))}
	m.primary, m.majority = newNode(&m.log), newNode(nil)
	m.log.changed, m.log.kept = make(chan struct{}), map[int]int64{}
	return m
}

func newNode(changes recorder) *node {
	return &node{&store{collections: make(map[string]*collection), changes: changes}, make(map[string]*retry)}
}

// listen opens the ports of the other members.
func (m *replicaSet) listen(first net.Listener) error {
	m.hosts = []string{first.Addr().String()}
	for i := 1; i < m.options.Members; i++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		m.server.members = append(m.server.members, l)
		m.hosts = append(m.hosts, l.Addr().String())
	}
	return nil
}

func (m *replicaSet) uri() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return "mongodb://" + strings.Join(m.hosts, ",") + "/?replicaSet=" + SetName
}

// Advertise has the replica set tell clients to reach a member at another
// address, such as that of a proxy.
func (s *Server) Advertise(member int, addr string) {
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	s.set.hosts[member] = addr
}

// leader is the member that is the primary; false: none is. The caller holds
// mu.
func (m *replicaSet) leader() (int, bool) {
	return m.term % len(m.hosts), !time.Now().Before(m.electing)
}

// appendHello appends what a member says of itself and the set.
func (m *replicaSet) appendHello(dst []byte, primary string, member int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	leader, elected := m.leader()
	leads := elected && leader == member
	dst = bsoncore.AppendStringElement(dst, "setName", SetName)
	dst = bsoncore.AppendInt32Element(dst, "setVersion", 1)
	dst = bsoncore.AppendBooleanElement(dst, primary, leads)
	dst = bsoncore.AppendBooleanElement(dst, "secondary", !leads)
	var hosts []bsoncore.Value
	for _, h := range m.hosts {
		hosts = append(hosts, bsoncore.Value{Type: bsoncore.TypeString, Data: bsoncore.AppendString(nil, h)})
	}
	dst = appendElement(dst, "hosts", arrayValue(hosts))
	dst = bsoncore.AppendStringElement(dst, "me", m.hosts[member])
	if elected {
		dst = bsoncore.AppendStringElement(dst, "primary", m.hosts[leader])
	}
	if leads { // by it clients tell a primary from one that does not know that it is none
		var election bson.ObjectID
		binary.BigEndian.PutUint64(election[4:], uint64(m.term))
		dst = bsoncore.AppendObjectIDElement(dst, "electionId", election)
	}
	lastWrite := bsoncore.BuildDocument(nil, bsoncore.AppendDateTimeElement(nil, "lastWriteDate", time.Now().UnixMilli()))
	dst = bsoncore.AppendDocumentElement(dst, "lastWrite", lastWrite)
	return bsoncore.AppendInt32Element(dst, "logicalSessionTimeoutMinutes", 30)
}

// answer runs a command as the member does to which the client is connected.
func (m *replicaSet) answer(s *Server, r *request, dst []byte) (reply []byte, answered bool) {
	c, ok := commands[r.name]
	if !ok || c.options == nil {
		reply, err := s.run(r, dst)
		return r.finish(dst, reply, err, nil), true
	}
	fault := m.draw(r.name)
	if fault == Failover {
		m.failover()
	}
	var err error
	var concern *commandError
	if c.writes {
		reply, concern, err = m.write(r, dst, fault)
	} else {
		reply, err = m.read(r, dst, fault)
	}
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	return r.finish(dst, reply, err, concern), fault != LoseReply && !closed
}

// here returns an error unless the client is connected to the primary. The
// caller holds mu.
func (m *replicaSet) here(r *request, fault Fault) error {
	leader, elected := m.leader()
	switch {
	case fault != NotPrimary && elected && leader == r.peer.member:
		return nil
	case commands[r.name].writes:
		return errorf(codeNotWritablePrimary, "not primary")
	}
	return errorf(codeNotPrimaryNoSecondary, "not primary and secondaryOk=false")
}

// read runs a command on what the read concern asks for.
func (m *replicaSet) read(r *request, dst []byte, fault Fault) ([]byte, error) {
	m.mu.Lock()
	err := m.here(r, fault)
	level, _ := field(field(r.body, "readConcern").Data, "level").StringValueOK()
	switch level {
	case "majority":
		r.store = m.majority.store
	case "", "local", "available":
		r.store = m.primary.store
	default:
		err = unsupported("readConcern", level)
	}
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return m.server.run(r, dst)
}

// write runs a command on the primary and waits for what the write concern asks
// for; what that lacks is the other error: the command was run nevertheless.
func (m *replicaSet) write(r *request, dst []byte, fault Fault) (reply []byte, concern *commandError, err error) {
	m.mu.Lock()
	if err := m.here(r, fault); err != nil {
		m.mu.Unlock()
		return nil, nil, err
	}
	if r.retryable, err = m.primary.begin(r); err != nil {
		m.mu.Unlock()
		return nil, nil, err
	}
	r.store = m.primary.store
	reply, err = m.server.run(r, dst)
	if r.retryable.done() {
		m.primary.retries[r.retryable.session] = r.retryable
	}
	m.commit(r.retryable)
	// Not what this command wrote, but all that it may have seen: also a
	// duplicate key is told when the majority has it.
	at, term := m.log.last, m.term
	if fault == NoMajority {
		concern = m.noMajority()
	}
	m.mu.Unlock()
	if concern == nil {
		concern = m.acknowledged(r, at, term)
	}
	return reply, concern, err
}

// failover begins a new term on what the majority has. Half of the time the old primary
// has died: all connections end.
func (m *replicaSet) failover() {
	m.mu.Lock()
	m.log.kept[m.term] = m.log.committed
	m.term++
	m.electing = time.Now().Add(m.options.Election)
	m.primary = m.majority.copy(&m.log)
	m.log.pending = nil
	m.log.wake()
	died := m.random.IntN(2) == 0
	m.mu.Unlock()
	m.server.cursors.clear()
	if died {
		m.server.disconnect()
	}
}

// close ends all waiting.
func (m *replicaSet) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.log.timer != nil {
		m.log.timer.Stop()
	}
	m.log.wake()
}
