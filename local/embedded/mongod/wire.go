package mongod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	headerSize = 16
	maxMessage = 48_000_000
	maxBatch   = 100_000 // documents or operations of one command

	//lint:ignore SA1019 drivers still say hello with it
	opQuery = wiremessage.OpQuery
	// The low sixteen flag bits must be understood; drivers send no checksum.
	flagsUnknown = 0xFFFF &^ wiremessage.MoreToCome
)

// A request is one command. Its documents are slices of the connection's
// buffer: what is kept must be copied.
type request struct {
	id     int32
	legacy bool // came as OP_QUERY, which only handshakes may
	silent bool // the client wants no reply
	body   bsoncore.Document
	// A document sequence is an array argument that is not in the body.
	sequenceName string
	sequence     []byte
	name         string // the command: the body's first field
	db           string
	ns           string // "database.collection" of a command on a collection
	peer         *peer
	store        *store // what it works on
	retryable    *retry // what is known of a write that may be repeated; nil: nothing
	err          error  // why the command, though well formed, cannot be run
}

// A peer is what the server knows of the client of one connection.
type peer struct {
	introduced bool                      // it has said what it is
	known      bool                      // and who
	talk       *scram.ServerConversation // in which it says that; nil: it has not begun
	member     int                       // of the replica set, to which it is connected
}

// readMessage reads one message into buf, which may be used again for the next.
func readMessage(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) < headerSize {
		buf = make([]byte, headerSize, 4096)
	}
	buf = buf[:headerSize]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	size := int(int32(binary.LittleEndian.Uint32(buf)))
	if size < headerSize || size > maxMessage {
		return nil, fmt.Errorf("message of %d bytes", size)
	}
	for len(buf) < size { // memory follows the bytes, not the promise of them
		n := min(size-len(buf), keptBuffer)
		buf = slices.Grow(buf, n)
		part := buf[len(buf) : len(buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// parseMessage takes a whole message apart and checks the command's BSON. An
// error means that it is malformed; a client that uses what is not supported
// gets an answer.
func parseMessage(msg []byte) (*request, error) {
	_, id, _, op, b, ok := wiremessage.ReadHeader(msg)
	r := &request{id: id}
	switch {
	case op == wiremessage.OpMsg:
		ok = r.parseMsg(b)
	case op == opQuery:
		ok = r.parseQuery(b)
	case ok:
		return nil, fmt.Errorf("opcode %s is not supported", op)
	}
	if !ok {
		return nil, errMalformed
	}
	if err := validate(r.body, 0); err != nil {
		if _, ok := errors.AsType[*commandError](err); !ok {
			return nil, err
		}
		r.err = err
	}
	r.name = firstKey(r.body)
	r.db, _ = field(r.body, "$db").StringValueOK()
	return r, nil
}

func (r *request) parseMsg(b []byte) bool {
	flags, b, ok := wiremessage.ReadMsgFlags(b)
	ok = ok && flags&flagsUnknown == 0
	r.silent = flags&wiremessage.MoreToCome != 0
	for ok && len(b) > 0 {
		var kind wiremessage.SectionType
		kind, b, _ = wiremessage.ReadMsgSectionType(b) // there is a byte
		switch {
		case kind == wiremessage.SingleDocument && r.body == nil:
			r.body, b, ok = wiremessage.ReadMsgSectionSingleDocument(b)
		case kind == wiremessage.DocumentSequence && r.sequenceName == "":
			r.sequenceName, r.sequence, b, ok = wiremessage.ReadMsgSectionRawDocumentSequence(b)
		default:
			ok = false
		}
	}
	return ok && r.body != nil
}

// parseQuery reads the legacy OP_QUERY, with which drivers say hello: flags,
// namespace, two numbers and a document, which may be wrapped to carry a read
// preference.
func (r *request) parseQuery(b []byte) (ok bool) {
	r.legacy = true
	if len(b) < 4 {
		return false
	}
	end := bytes.IndexByte(b[4:], 0)
	if end < 0 || len(b) < 4+end+1+8 {
		return false
	}
	if r.body, _, ok = bsoncore.ReadDocument(b[4+end+1+8:]); !ok {
		return false
	}
	if inner := field(r.body, "$query"); isDocument(inner) {
		r.body = inner.Data
	}
	return true
}

// documents returns an argument that is a list of documents: an array of the
// body or the document sequence.
func (r *request) documents(name string) (docs []bsoncore.Document, err error) {
	if r.sequenceName == name {
		for rest := r.sequence; len(rest) > 0 && len(docs) <= maxBatch; {
			doc, after, ok := bsoncore.ReadDocument(rest)
			if !ok {
				return nil, errMalformed
			}
			if err := validate(doc, 0); err != nil {
				return nil, err
			}
			docs, rest = append(docs, doc), after
		}
	} else {
		list := field(r.body, name)
		for _, e := range fields(list.Data) {
			if !isArray(list) || !isDocument(e) {
				return nil, errorf(codeTypeMismatch, "BSON field '%s.%s' must be an array of objects", r.name, name)
			}
			docs = append(docs, e.Data)
		}
	}
	if len(docs) > maxBatch {
		return nil, errorf(codeBadValue, "Write batch sizes must be between 1 and %d", maxBatch)
	}
	return docs, nil
}

// startReply appends the frame of a reply up to its document's first field.
func (r *request) startReply(dst []byte) []byte {
	op := wiremessage.OpMsg
	if r.legacy {
		op = wiremessage.OpReply
	}
	_, dst = wiremessage.AppendHeaderStart(dst, 0, r.id, op)
	if r.legacy { // flags, cursor id, starting from; one document
		dst = bsoncore.AppendInt32(append(dst, make([]byte, 16)...), 1)
	} else { // flags, section of kind 0
		dst = append(dst, 0, 0, 0, 0, 0)
	}
	_, dst = startDocument(dst)
	return dst
}

// endReply closes the document and the frame.
func (r *request) endReply(dst []byte) []byte {
	start := headerSize + 5
	if r.legacy {
		start = headerSize + 20
	}
	dst = endDocument(dst, start)
	binary.LittleEndian.PutUint32(dst, uint32(len(dst)))
	return dst
}
