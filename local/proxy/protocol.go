package proxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// A Protocol is what a Gate understands.
type Protocol int

// The protocols.
const (
	MongoDB Protocol = iota
	Redis
)

const (
	headerSize = 16
	maxMessage = 48 << 20
	maxDepth   = 16 // of a Redis answer
)

var errProtocol = errors.New("not what this protocol says")

// A message is one request or one answer, as it came.
type message struct {
	raw     []byte
	command Command // of a request
	alone   bool    // nothing answers it, or it answers nothing
	id      int32   // of MongoDB
}

func (p Protocol) request(r *bufio.Reader) (message, error) {
	if p == MongoDB {
		return mongoRequest(r)
	}
	return redisRequest(r)
}

func (p Protocol) answer(r *bufio.Reader) (m message, err error) {
	if p == MongoDB {
		m.raw, err = mongoMessage(r)
		return m, err
	}
	first, err := r.Peek(1)
	if err != nil {
		return m, err
	}
	m.alone = first[0] == '>' // a push
	m.raw, err = redisValue(r, nil, 0)
	return m, err
}

// mongoMessage reads one message, whatever it is.
func mongoMessage(r *bufio.Reader) ([]byte, error) {
	header, err := r.Peek(headerSize)
	if err != nil {
		return nil, err
	}
	size := int(int32(binary.LittleEndian.Uint32(header)))
	if size < headerSize || size > maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes", errProtocol, size)
	}
	var b strings.Builder // grows with what comes, not with what is promised
	if _, err := io.CopyN(&b, r, int64(size)); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

func mongoRequest(r *bufio.Reader) (m message, err error) {
	if m.raw, err = mongoMessage(r); err != nil {
		return m, err
	}
	_, id, _, op, b, _ := wiremessage.ReadHeader(m.raw)
	m.id = id
	if op != wiremessage.OpMsg {
		return m, nil // the first hello
	}
	flags, b, ok := wiremessage.ReadMsgFlags(b)
	m.alone = flags&wiremessage.MoreToCome != 0
	for ok && len(b) > 0 {
		var kind wiremessage.SectionType
		if kind, b, ok = wiremessage.ReadMsgSectionType(b); !ok {
			break
		}
		if kind != wiremessage.SingleDocument {
			_, _, b, ok = wiremessage.ReadMsgSectionRawDocumentSequence(b)
			continue
		}
		body, _, found := wiremessage.ReadMsgSectionSingleDocument(b)
		if !found {
			break
		}
		m.command, err = mongoCommand(body)
		return m, err
	}
	return m, fmt.Errorf("%w: a message without a command", errProtocol)
}

func mongoCommand(body bsoncore.Document) (Command, error) {
	first, err := body.IndexErr(0)
	if err != nil {
		return Command{}, fmt.Errorf("%w: %w", errProtocol, err)
	}
	switch name := first.Key(); name {
	case "hello", "isMaster", "ismaster", "ping", "endSessions", "buildInfo", "killCursors", "saslStart", "saslContinue":
		return Command{}, nil
	case "insert", "update", "delete", "findAndModify":
		return Command{Name: name + " " + text(first), Write: true}, nil
	default:
		return Command{Name: strings.TrimSpace(name + " " + text(first))}, nil
	}
}

func text(e bsoncore.Element) string {
	s, _ := e.Value().StringValueOK()
	return s
}

// refusal is the answer of a server that does not do what it is asked for.
func refusal(request message, v Verdict) []byte {
	body, err := bson.Marshal(bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: v.Reason}, {Key: "code", Value: v.Code}})
	if err != nil {
		panic(err) // there is nothing in it that cannot be encoded
	}
	return mongoAnswer(request.id, body)
}

func mongoAnswer(to int32, body []byte) []byte {
	start, b := wiremessage.AppendHeaderStart(nil, 0, to, wiremessage.OpMsg)
	b = wiremessage.AppendMsgFlags(b, 0)
	b = append(wiremessage.AppendMsgSectionType(b, wiremessage.SingleDocument), body...)
	return bsoncore.UpdateLength(b, start, int32(len(b))-start)
}

// doubtful adds to the answer of a write that it is not known to stay. What is no
// answer of success stays as it is.
func doubtful(answer message, v Verdict) []byte {
	_, _, to, op, b, ok := wiremessage.ReadHeader(answer.raw)
	if !ok || op != wiremessage.OpMsg || len(b) < 5 {
		return answer.raw
	}
	body := bson.Raw(b[5:])
	if n, ok := body.Lookup("ok").AsInt64OK(); !ok || n != 1 {
		return answer.raw
	}
	elements, err := body.Elements()
	if err != nil {
		return answer.raw
	}
	doc := bson.D{}
	for _, e := range elements {
		doc = append(doc, bson.E{Key: e.Key(), Value: e.Value()})
	}
	doc = append(doc, bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: v.Code}, {Key: "errmsg", Value: v.Reason}}})
	changed, err := bson.Marshal(doc)
	if err != nil {
		return answer.raw
	}
	return mongoAnswer(to, changed)
}

// redisRequest reads one command: an array of bulk strings.
func redisRequest(r *bufio.Reader) (m message, err error) {
	if m.raw, err = redisValue(r, nil, 0); err != nil {
		return m, err
	}
	var words []string
	for line, rest, more := strings.Cut(string(m.raw), "\r\n"); more && len(words) < 4; line, rest, more = strings.Cut(rest, "\r\n") {
		if !strings.HasPrefix(line, "$") {
			continue
		}
		size, err := strconv.Atoi(line[1:])
		if err != nil || size < 0 || size+2 > len(rest) {
			return m, errProtocol
		}
		words = append(words, rest[:size])
		rest = rest[size+2:]
	}
	if len(words) == 0 {
		return m, errProtocol
	}
	verb, key := strings.ToLower(words[0]), 1
	switch verb {
	case "hello", "client", "info", "cluster", "auth", "select", "command", "readonly", "asking":
		return m, nil // of the connection
	case "eval", "evalsha":
		key = 3
	}
	m.command.Name = verb
	if key < len(words) {
		m.command.Name += " " + words[key]
	}
	return m, nil
}

// redisValue reads a value of RESP 2 or 3 and appends it to b as it came.
func redisValue(r *bufio.Reader, b []byte, depth int) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || depth > maxDepth {
		return nil, errProtocol
	}
	kind, number := line[0], strings.TrimSuffix(string(line[1:]), "\r\n")
	b = append(b, line...)
	times := 1
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return b, nil
	case '$', '=', '!':
		size, err := strconv.Atoi(number)
		if err != nil || size > maxMessage {
			return nil, errProtocol
		}
		if size < 0 { // there is none
			return b, nil
		}
		var s strings.Builder
		if _, err := io.CopyN(&s, r, int64(size)+2); err != nil {
			return nil, err
		}
		return append(b, s.String()...), nil
	case '%', '|':
		times = 2
	case '*', '~', '>':
	default:
		return nil, errProtocol
	}
	n, err := strconv.Atoi(number)
	if err != nil || n > maxMessage {
		return nil, errProtocol
	}
	if kind == '|' { // attributes come before a value
		n, times = 2*n+1, 1
	}
	for range n * times {
		if b, err = redisValue(r, b, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}
