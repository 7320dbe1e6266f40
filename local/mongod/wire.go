package mongod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	headerSize = 16
	maxMessage = 48_000_000
	maxBatch   = 100_000 // documents or operations of one command

	opReply = 1
	opQuery = 2004
	opMsg   = 2013

	flagMoreToCome = 1 << 1
	// The low sixteen flag bits must be understood; drivers send no checksum.
	flagsUnknown = 0xFFFF &^ flagMoreToCome

	keptMessage = 1 << 20 // a larger read or reply buffer is given back
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
	sequence     []bsoncore.Document
	name         string // the command: the body's first field
	db           string
	ns           string // "database.collection" of a command on a collection
	err          error  // why the command, though well formed, cannot be run
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
		n := min(size-len(buf), keptMessage)
		buf = slices.Grow(buf, n)
		part := buf[len(buf) : len(buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// parseMessage takes a whole message apart and checks all of its BSON. An
// error means that it is malformed; a client that uses what is not supported
// gets an answer.
func parseMessage(msg []byte) (*request, error) {
	if len(msg) < headerSize {
		return nil, io.ErrUnexpectedEOF
	}
	r := &request{id: int32(binary.LittleEndian.Uint32(msg[4:]))}
	var err error
	switch op := int32(binary.LittleEndian.Uint32(msg[12:])); op {
	case opMsg:
		err = r.parseMsg(msg[headerSize:])
	case opQuery:
		err = r.parseQuery(msg[headerSize:])
	default:
		err = fmt.Errorf("opcode %d is not supported", op)
	}
	if refused, ok := errors.AsType[*commandError](err); ok {
		r.err = refused
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if r.name = firstKey(r.body); r.name == "" {
		return nil, errors.New("message without a command")
	}
	if v, ok := field(r.body, "$db").StringValueOK(); ok {
		r.db = v
	}
	return r, nil
}

func (r *request) parseMsg(b []byte) error {
	if len(b) < 4 {
		return io.ErrUnexpectedEOF
	}
	flags := binary.LittleEndian.Uint32(b)
	if flags&flagsUnknown != 0 {
		return fmt.Errorf("unknown message flags %#x", flags)
	}
	r.silent = flags&flagMoreToCome != 0
	b = b[4:]
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch {
		case kind == 0 && r.body == nil:
			var err error
			if r.body, b, err = takeDocument(b); err != nil {
				return err
			}
		case kind == 1 && r.sequenceName == "":
			if len(b) < 4 {
				return io.ErrUnexpectedEOF
			}
			size := int(int32(binary.LittleEndian.Uint32(b)))
			if size < 4 || size > len(b) {
				return io.ErrUnexpectedEOF
			}
			if err := r.parseSequence(b[4:size]); err != nil {
				return err
			}
			b = b[size:]
		default:
			return fmt.Errorf("unexpected section of kind %d", kind)
		}
	}
	return nil
}

func (r *request) parseSequence(b []byte) error {
	end := bytes.IndexByte(b, 0)
	if end < 1 {
		return errors.New("document sequence without a name")
	}
	r.sequenceName = string(b[:end])
	for b = b[end+1:]; len(b) > 0; {
		var doc bsoncore.Document
		var err error
		if doc, b, err = takeDocument(b); err != nil {
			return err
		}
		if len(r.sequence) == maxBatch {
			return fmt.Errorf("more than %d documents in a sequence", maxBatch)
		}
		r.sequence = append(r.sequence, doc)
	}
	return nil
}

// parseQuery reads the legacy OP_QUERY, with which drivers say hello.
func (r *request) parseQuery(b []byte) error {
	r.legacy = true
	if len(b) < 4 {
		return io.ErrUnexpectedEOF
	}
	end := bytes.IndexByte(b[4:], 0)
	if end < 0 || len(b) < 4+end+1+8 {
		return io.ErrUnexpectedEOF
	}
	r.db, _, _ = strings.Cut(string(b[4:4+end]), ".")
	body, _, err := takeDocument(b[4+end+1+8:])
	if err != nil {
		return err
	}
	if inner := field(body, "$query"); isDocument(inner) { // wrapped to carry a read preference
		body = inner.Data
	}
	r.body = body
	return nil
}

func takeDocument(b []byte) (doc bsoncore.Document, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 5 || n > len(b) {
		return nil, nil, errMalformed
	}
	return b[:n:n], b[n:], validate(b[:n], 0)
}

// documents returns an argument that is a list of documents: an array of the
// body or the document sequence.
func (r *request) documents(name string) ([]bsoncore.Document, error) {
	if r.sequenceName == name {
		return r.sequence, nil
	}
	v := field(r.body, name)
	if !isArray(v) {
		return nil, errorf(codeTypeMismatch, "BSON field '%s.%s' must be an array", r.name, name)
	}
	var docs []bsoncore.Document
	for _, e := range fields(v.Data) {
		if !isDocument(e) {
			return nil, errorf(codeTypeMismatch, "BSON field '%s.%s' must be an array of objects", r.name, name)
		}
		docs = append(docs, e.Data)
	}
	if len(docs) > maxBatch {
		return nil, errorf(codeBadValue, "Write batch sizes must be between 1 and %d. Got %d operations.", maxBatch, len(docs))
	}
	return docs, nil
}

// startReply appends the frame of a reply up to its document's first field.
func (r *request) startReply(dst []byte) []byte {
	op := int32(opMsg)
	if r.legacy {
		op = opReply
	}
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0) // length, request id
	dst = bsoncore.AppendInt32(dst, r.id)
	dst = bsoncore.AppendInt32(dst, op)
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
