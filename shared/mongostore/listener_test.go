package mongostore_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// A listener notes which shards the commands of a client would ask, and how
// many connections it has.
type listener struct {
	asked atomic.Pointer[sync.Map] // collection -> shards

	mu         sync.Mutex
	open, most map[string]int // by address
}

func (l *listener) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open, l.most = map[string]int{}, map[string]int{}
	}
	l.open[address]++
	l.most[address] = max(l.most[address], l.open[address])
	return &heard{Conn: c, by: l, address: address}, nil
}

type heard struct {
	net.Conn
	by      *listener
	address string
	closed  sync.Once
}

func (h *heard) Close() error {
	h.closed.Do(func() {
		h.by.mu.Lock()
		defer h.by.mu.Unlock()
		h.by.open[h.address]--
	})
	return h.Conn.Close()
}

// Write hears a whole message: the driver writes one at a time.
func (h *heard) Write(b []byte) (int, error) {
	if asked := h.by.asked.Load(); asked != nil {
		if command := commandOf(b); len(command) > 0 {
			note(asked, command)
		}
	}
	return h.Conn.Write(b)
}

// commandOf decodes a command with its sequence of documents as a field.
func commandOf(b []byte) (command bson.D) {
	_, _, _, op, b, ok := wiremessage.ReadHeader(b)
	if !ok || op != wiremessage.OpMsg {
		return nil
	}
	_, b, ok = wiremessage.ReadMsgFlags(b)
	for ok && len(b) > 0 {
		var kind wiremessage.SectionType
		if kind, b, ok = wiremessage.ReadMsgSectionType(b); !ok {
			break
		}
		if kind == wiremessage.SingleDocument {
			doc, rest, read := wiremessage.ReadMsgSectionSingleDocument(b)
			var d bson.D
			if b, ok = rest, read && bson.Unmarshal(doc, &d) == nil; ok {
				command = append(d, command...)
			}
			continue
		}
		name, docs, rest, read := wiremessage.ReadMsgSectionDocumentSequence(b)
		var list bson.A
		for _, doc := range docs {
			var d bson.D
			if bson.Unmarshal(doc, &d) == nil {
				list = append(list, d)
			}
		}
		command, b, ok = append(command, bson.E{Key: name, Value: list}), rest, read
	}
	return command
}

// note adds which shards a command asks: the most of what its operation asks.
func note(asked *sync.Map, command bson.D) {
	collection, _ := command[0].Value.(string)
	key, sharded := shardKeys[collection]
	if !sharded {
		return
	}
	var filters []any
	for _, e := range command {
		switch list, _ := e.Value.(bson.A); e.Key {
		case "filter", "query":
			filters = append(filters, e.Value)
		case "documents":
			filters = append(filters, list...)
		case "updates", "deletes", "pipeline":
			for _, statement := range list {
				for _, f := range statement.(bson.D) {
					if f.Key == "q" || f.Key == "$match" {
						filters = append(filters, f.Value)
					}
				}
			}
		}
	}
	for _, f := range filters {
		rank := []string{"one", "some", "all"}
		shards := rank[shardsOf(f, key)]
		if before, ok := asked.Load(collection); !ok || slices.Index(rank, before.(string)) < slices.Index(rank, shards) {
			asked.Store(collection, shards)
		}
	}
}

// shardsOf is 0 for a filter that names the key's value, 1 for several values,
// 2 for none.
func shardsOf(filter any, key string) int {
	least := 2
	doc, _ := filter.(bson.D)
	for _, e := range doc {
		condition, operators := e.Value.(bson.D)
		switch {
		case e.Key == "$and":
			for _, f := range e.Value.(bson.A) {
				least = min(least, shardsOf(f, key))
			}
		case e.Key == "$or":
			most := min(len(e.Value.(bson.A))-1, 1) // of several each may have another
			for _, f := range e.Value.(bson.A) {
				most = max(most, shardsOf(f, key))
			}
			least = min(least, most)
		case e.Key != key:
		case !operators:
			least = 0
		case len(condition) == 1 && condition[0].Key == "$in":
			least = min(least, 1)
		}
	}
	return least
}
