package mongod

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// message makes an OP_MSG of flags and sections, with a right length.
func message(flags uint32, sections ...[]byte) []byte {
	return frame(wiremessage.OpMsg, binary.LittleEndian.AppendUint32(nil, flags), sections...)
}

func frame(op wiremessage.OpCode, head []byte, parts ...[]byte) []byte {
	b := make([]byte, 8, 64)
	b = bsoncore.AppendInt32(bsoncore.AppendInt32(b, 0), int32(op))
	b = append(b, head...)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

func body(elements ...[]byte) []byte {
	return append([]byte{0}, bsoncore.BuildDocument(nil, elements...)...)
}

func sequence(name string, docs ...bsoncore.Document) []byte {
	b := append(append([]byte{1, 0, 0, 0, 0}, name...), 0)
	for _, d := range docs {
		b = append(b, d...)
	}
	binary.LittleEndian.PutUint32(b[1:], uint32(len(b)-1))
	return b
}

var (
	ping    = body(bsoncore.AppendInt32Element(nil, "ping", 1), bsoncore.AppendStringElement(nil, "$db", "admin"))
	insert2 = body(bsoncore.AppendStringElement(nil, "insert", "c"), bsoncore.AppendStringElement(nil, "$db", "d"))
	legacy  = append(append([]byte{0, 0, 0, 0}, "admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff"...), bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "isMaster", 1))...)
)

// deep is a body that nests n documents.
func deep(n int) []byte {
	doc := bsoncore.Document(emptyDocument)
	for range n {
		doc = bsoncore.BuildDocument(nil, bsoncore.AppendDocumentElement(nil, "a", doc))
	}
	return append([]byte{0}, doc...)
}

func malformed() map[string][]byte {
	return map[string][]byte{
		"length below a header":   {8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0},
		"length beyond the limit": binary.LittleEndian.AppendUint32(nil, maxMessage+1),
		"negative length":         binary.LittleEndian.AppendUint32(nil, 1<<31),
		"unknown opcode":          frame(2012, nil, ping),
		"no sections":             message(0),
		"unknown section":         message(0, []byte{2, 5, 0, 0, 0, 0}),
		"two bodies":              message(0, ping, ping),
		"unknown flag":            message(1<<5, ping),
		"checksum":                message(1, ping, []byte{1, 2, 3, 4}),
		"cut body":                message(0, ping[:len(ping)-3]),
		"cut sequence":            message(0, insert2, sequence("documents", emptyDocument)[:8]),
		"string past the end":     message(0, append([]byte{0}, 0x0F, 0, 0, 0, 2, 'a', 0, 99, 0, 0, 0, 'x', 0, 0, 0)),
		"string unterminated":     message(0, append([]byte{0}, 0x0E, 0, 0, 0, 2, 'a', 0, 2, 0, 0, 0, 'x', 'y', 0)),
		"unknown type":            message(0, body([]byte{0x20, 'a', 0})),
		"nested too deeply":       message(0, deep(maxDepth+1)),
		"legacy cut":              frame(opQuery, legacy[:12]),
	}
}

func TestMalformedMessages(t *testing.T) {
	s, err := Listen("127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		return c
	}
	ask := func(c net.Conn, msg []byte) (string, error) {
		if _, err := c.Write(msg); err != nil {
			return "", err
		}
		reply, err := readMessage(c, nil)
		return string(reply), err
	}
	healthy := dial()
	for name, msg := range malformed() {
		c := dial()
		if len(msg) < headerSize {
			msg = append(msg, make([]byte, headerSize-len(msg))...)
		}
		if reply, err := ask(c, msg); err != io.EOF {
			t.Errorf("%s: reply %q, %v, want the connection closed", name, reply, err)
		}
		if _, err := ask(healthy, message(0, ping)); err != nil {
			t.Fatalf("%s: another connection: %v", name, err)
		}
	}
	for name, row := range map[string]struct {
		msg  []byte
		want string
	}{
		"type not stored":   {message(0, body(bsoncore.AppendStringElement(nil, "find", "c"), bsoncore.AppendRegexElement(nil, "a", "x", ""))), "BSON type regex"},
		"no command":        {message(0, body()), "no such command"},
		"rubbish sequence":  {message(0, insert2, sequence("documents", bsoncore.Document{9, 0, 0, 0, 0})), "malformed BSON"},
		"legacy insert":     {frame(opQuery, legacy[:4+len("admin.$cmd")+1+8], insert2[1:]), "OP_QUERY"},
		"document sequence": {message(0, insert2, sequence("documents", emptyDocument, emptyDocument)), "n\x00\x02\x00\x00\x00"},
		"sequence first":    {message(0, sequence("documents", emptyDocument), insert2), "n\x00\x01\x00\x00\x00"},
		"legacy hello":      {frame(opQuery, legacy), "maxWireVersion"},
		"deep, but allowed": {message(0, deep(maxDepth)), "no such command"},
		// Nothing is answered to the first, so the reply is the second's.
		"more to come": {append(message(uint32(wiremessage.MoreToCome), insert2, sequence("documents", emptyDocument)), message(0, ping)...), "ok"},
	} {
		if reply, err := ask(healthy, row.msg); err != nil || !strings.Contains(reply, row.want) {
			t.Errorf("%s: %q, %v", name, reply, err)
		}
	}
	if n := s.store.get("d.c").count(); n != 4 {
		t.Errorf("%d documents inserted, want 4", n)
	}
}

// FuzzMessage feeds the decoder, and whatever it accepts to the commands: no
// input may panic.
func FuzzMessage(f *testing.F) {
	for _, msg := range malformed() {
		f.Add(msg)
	}
	f.Add(message(0, ping))
	f.Add(message(0, insert2, sequence("documents", emptyDocument)))
	f.Add(frame(opQuery, legacy))
	for _, arg := range []string{"find", "aggregate", "update", "findAndModify", "createIndexes", "delete"} {
		f.Add(message(0, body(bsoncore.AppendStringElement(nil, arg, "c"), bsoncore.AppendStringElement(nil, "$db", "d"),
			bsoncore.AppendDocumentElement(nil, "filter", bsoncore.BuildDocument(nil, bsoncore.AppendDocumentElement(nil, "l", bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "$gt", 0))))),
			bsoncore.AppendDocumentElement(nil, "update", bsoncore.BuildDocument(nil, bsoncore.AppendDocumentElement(nil, "$push", bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "l", 1))))),
			bsoncore.AppendArrayElement(nil, "pipeline", bsoncore.BuildArray(nil, docValue(bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "$skip", 1))))))))
	}
	for _, txn := range []int64{1, 0, -1} {
		lsid := bsoncore.BuildDocument(nil, bsoncore.AppendBinaryElement(nil, "id", 4, make([]byte, 16)))
		f.Add(message(0, body(bsoncore.AppendStringElement(nil, "insert", "c"), bsoncore.AppendStringElement(nil, "$db", "d"),
			bsoncore.AppendDocumentElement(nil, "lsid", lsid), bsoncore.AppendInt64Element(nil, "txnNumber", txn)), sequence("documents", emptyDocument)))
	}
	member := &Server{store: &store{collections: make(map[string]*collection)}}
	member.set = newReplicaSet(member, Replica{})
	member.set.hosts = []string{"here:1"}
	s := &Server{store: &store{collections: make(map[string]*collection)}}
	c, err := s.store.ensure("d.c")
	if err != nil {
		f.Fatal(err)
	}
	doc := bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "a", 1), bsoncore.AppendArrayElement(nil, "l", emptyDocument))
	if _, err := c.insert(doc); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := readMessage(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		if _, err := parseMessage(msg); err != nil {
			return
		}
		for _, s := range []*Server{s, member} {
			r, _ := parseMessage(msg)
			r.peer = &peer{}
			reply, _ := s.answer(r, nil)
			if err := validate(reply[headerSize+5:], -maxDepth); !r.legacy && err != nil {
				t.Errorf("reply is malformed: %v", err)
			}
		}
	})
}
