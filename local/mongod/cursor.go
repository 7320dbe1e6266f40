package mongod

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	maxCursors    = 1000
	cursorTimeout = 10 * time.Minute
	firstBatch    = 101 // documents of a first batch that names no size
)

// A cursor is the rest of a result. The documents are those of the moment of
// the query; like mongod's it outlives its connection, because drivers may go
// on with it on another one.
type cursor struct {
	ns         string
	docs       []bsoncore.Document
	projection *projection
	used       time.Time
}

// cursors are the open ones of a server, by id.
type cursors struct {
	mu   sync.Mutex
	open map[int64]*cursor
}

// keep stores a cursor under its id, a new one for 0, and returns that. Expired ones go, and when there are
// too many the one that was idle longest.
func (cs *cursors) keep(c *cursor, id int64) int64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open == nil {
		cs.open = make(map[int64]*cursor)
	}
	c.used = time.Now()
	var oldest int64
	for other, o := range cs.open {
		if c.used.Sub(o.used) > cursorTimeout {
			delete(cs.open, other)
		} else if oldest == 0 || o.used.Before(cs.open[oldest].used) {
			oldest = other
		}
	}
	if len(cs.open) >= maxCursors {
		delete(cs.open, oldest)
	}
	if id == 0 {
		id = rand.Int64N(1<<62) + 1
	}
	cs.open[id] = c
	return id
}

// take removes and returns a cursor, or nil. Whoever took it keeps it again.
func (cs *cursors) take(id int64) *cursor {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.open[id]
	delete(cs.open, id)
	if c == nil || time.Since(c.used) > cursorTimeout {
		return nil
	}
	return c
}

// appendBatch appends the "cursor" field of a reply with the next documents:
// at most size of them and of 16 MiB, but one at least. It stores what is left
// unless the client wants a single batch.
func (cs *cursors) appendBatch(dst []byte, c *cursor, id int64, name string, size int64, single bool) []byte {
	dst = append(append(dst, byte(bsoncore.TypeEmbeddedDocument)), "cursor\x00"...)
	start, dst := startDocument(dst)
	dst = append(append(append(dst, byte(bsoncore.TypeArray)), name...), 0)
	list, dst := startDocument(dst)
	n := 0
	for ; n < len(c.docs) && int64(n) < size; n++ {
		if doc := c.docs[n]; n > 0 && len(dst)-list+len(doc) > maxDocument {
			break
		}
		dst = append(dst, byte(bsoncore.TypeEmbeddedDocument))
		dst = append(strconv.AppendInt(dst, int64(n), 10), 0)
		if c.projection == nil {
			dst = append(dst, c.docs[n]...)
		} else {
			dst = c.projection.append(dst, c.docs[n])
		}
	}
	dst = endDocument(dst, list)
	c.docs = c.docs[n:]
	if len(c.docs) == 0 || single {
		id = 0
	} else {
		id = cs.keep(c, id)
	}
	dst = bsoncore.AppendInt64Element(dst, "id", id)
	dst = bsoncore.AppendStringElement(dst, "ns", c.ns)
	return endDocument(dst, start)
}
