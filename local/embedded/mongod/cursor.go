package mongod

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	maxCursors = 1000
	firstBatch = 101 // documents of a first batch that names no size
)

// A cursor is the rest of a result. The documents are those of the moment of
// the query; like mongod's it outlives its connection, because drivers may go
// on with it on another one.
type cursor struct {
	id         int64
	ns         string
	docs       []bsoncore.Document
	projection projection
}

// cursors are the open ones of a server, the one idle longest first.
type cursors struct {
	mu   sync.Mutex
	open []cursor
}

// keep stores a cursor; when there are too many the one idle longest goes.
func (cs *cursors) keep(c cursor) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.open) == maxCursors {
		cs.open = slices.Delete(cs.open, 0, 1)
	}
	cs.open = append(cs.open, c)
}

// clear closes all.
func (cs *cursors) clear() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open = nil
}

// take removes and returns a cursor. Whoever took it keeps it again.
func (cs *cursors) take(id int64) (cursor, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	i := slices.IndexFunc(cs.open, func(c cursor) bool { return c.id == id })
	if i < 0 {
		return cursor{}, false
	}
	c := cs.open[i]
	cs.open = slices.Delete(cs.open, i, i+1)
	return c, true
}

// appendBatch appends the "cursor" field of a reply with the next documents:
// at most size of them and of 16 MiB, but one at least. It stores what is left
// unless the client wants a single batch.
func (cs *cursors) appendBatch(dst []byte, c cursor, name string, size int64, single bool) []byte {
	dst = append(append(dst, byte(bsoncore.TypeEmbeddedDocument)), "cursor\x00"...)
	start, dst := startDocument(dst)
	dst = append(append(append(dst, byte(bsoncore.TypeArray)), name...), 0)
	list, dst := startDocument(dst)
	n := 0
	for ; n < len(c.docs) && int64(n) < size; n++ {
		doc := c.docs[n]
		if n > 0 && len(dst)-list+len(doc) > maxDocument {
			break
		}
		dst = appendIndex(dst, bsoncore.TypeEmbeddedDocument, n)
		if c.projection == nil {
			dst = append(dst, doc...)
		} else {
			dst = c.projection.append(dst, doc, false)
		}
	}
	dst = endDocument(dst, list)
	id := int64(0)
	if c.docs = c.docs[n:]; len(c.docs) > 0 && !single {
		if c.id == 0 {
			c.id = rand.Int64N(math.MaxInt64) + 1
		}
		id = c.id
		cs.keep(c)
	}
	dst = bsoncore.AppendInt64Element(dst, "id", id)
	dst = bsoncore.AppendStringElement(dst, "ns", c.ns)
	return endDocument(dst, start)
}

func getMore(s *Server, r *request, dst []byte) ([]byte, error) {
	id, _ := integer(field(r.body, "getMore"))
	name, _ := field(r.body, "collection").StringValueOK()
	batch := r.number("batchSize", 0)
	if r.err != nil {
		return nil, r.err
	}
	if batch == 0 {
		batch = math.MaxInt64
	}
	c, ok := s.cursors.take(id)
	if !ok || c.ns != r.db+"."+name {
		return nil, errorf(codeCursorNotFound, "cursor id %d not found", id)
	}
	return s.cursors.appendBatch(dst, c, "nextBatch", batch, false), nil
}

func killCursors(s *Server, r *request, dst []byte) ([]byte, error) {
	var killed, unknown []bsoncore.Value
	for _, v := range elements(field(r.body, "cursors").Data) {
		id, _ := integer(v)
		if _, ok := s.cursors.take(id); ok {
			killed = append(killed, v)
		} else {
			unknown = append(unknown, v)
		}
	}
	dst = appendElement(dst, "cursorsKilled", arrayValue(killed))
	dst = appendElement(dst, "cursorsNotFound", arrayValue(unknown))
	dst = appendElement(dst, "cursorsAlive", arrayValue(nil))
	return appendElement(dst, "cursorsUnknown", arrayValue(nil)), nil
}
