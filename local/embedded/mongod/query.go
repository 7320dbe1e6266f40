package mongod

import (
	"cmp"
	"math"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A query is a read: what to match and how to order and cut the result.
type query struct {
	filter filter
	sort   []direction
	skip   int64
	limit  int64 // 0 is none
}

// search runs a query. The caller holds mu.
func (c *collection) search(q query) (found []*record) {
	p := c.choose(q.filter, q.sort)
	enough := int64(math.MaxInt64)
	if p.sorted && q.limit > 0 && q.skip < math.MaxInt64-q.limit {
		enough = q.skip + q.limit
	}
	p.scan(q.filter, func(r *record) bool {
		found = append(found, r)
		return int64(len(found)) < enough
	})
	if !p.sorted {
		sortRecords(found, q.sort)
	}
	found = found[min(q.skip, int64(len(found))):]
	if q.limit > 0 {
		found = found[:min(q.limit, int64(len(found)))]
	}
	return found
}

// read runs a query and returns the documents as they are at this moment.
func (c *collection) read(q query) []bsoncore.Document {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := c.search(q)
	docs := make([]bsoncore.Document, len(found))
	for i, r := range found {
		docs[i] = r.doc
	}
	return docs
}

// query reads the options that reads share; the filter's name differs. Like
// document and number it leaves an error in r.err.
func (r *request) query(filterName string) (q query) {
	var err error
	if q.filter, err = compileFilter(r.document(filterName)); err != nil {
		r.err = err
	}
	if q.sort, err = parseDirections("sort", r.document("sort")); err != nil {
		r.err = err
	}
	q.skip, q.limit = r.number("skip", 0), r.number("limit", 0)
	return q
}

// document returns an option that is a document, an empty one by default.
func (r *request) document(name string) bsoncore.Document {
	v := field(r.body, name)
	if !isDocument(v) {
		if !isMissing(v) {
			r.err = errorf(codeTypeMismatch, "BSON field '%s.%s' is %s: it must be an object", r.name, name, display(v))
		}
		return emptyDocument
	}
	return v.Data
}

// number returns an option that is a number, not below 0.
func (r *request) number(name string, otherwise int64) int64 {
	n, err := nonNegative(name, field(r.body, name), otherwise)
	if err != nil {
		r.err = err
	}
	return n
}

func nonNegative(name string, v bsoncore.Value, otherwise int64) (int64, error) {
	if isMissing(v) {
		return otherwise, nil
	}
	n, ok := integer(v)
	if !ok || n < 0 {
		return 0, errorf(codeBadValue, "BSON field '%s' value must be >= 0, actual value '%s'", name, display(v))
	}
	return n, nil
}

func find(s *Server, r *request, dst []byte) ([]byte, error) {
	q, batch := r.query("filter"), r.number("batchSize", firstBatch)
	p, err := compileProjection(r.document("projection"))
	if err = cmp.Or(r.err, err); err != nil {
		return nil, err
	}
	c := cursor{ns: r.ns, docs: r.store.get(r.ns).read(q), projection: p}
	return s.cursors.appendBatch(dst, c, "firstBatch", batch, truthy(field(r.body, "singleBatch"))), nil
}

// stages are what a pipeline may be, each at most once and in this order.
var stages = []string{"$match", "$skip", "$limit", "$group"}

func aggregate(s *Server, r *request, dst []byte) ([]byte, error) {
	pipeline, err := r.documents("pipeline")
	if err != nil {
		return nil, err
	}
	var q query
	var g *grouping
	for next := stages; len(pipeline) > 0; pipeline = pipeline[1:] {
		name := firstKey(pipeline[0])
		for len(next) > 0 && next[0] != name {
			next = next[1:]
		}
		if len(next) == 0 {
			return nil, unsupported("aggregation stage", name+" in this place")
		}
		next = next[1:]
		switch arg := field(pipeline[0], name); name {
		case "$match":
			q.filter, err = compileFilter(arg.Data)
		case "$skip":
			q.skip, err = nonNegative(name, arg, 0)
		case "$limit":
			q.limit, err = nonNegative(name, arg, 0)
		case "$group":
			g, err = compileGroup(arg)
		}
		if err != nil {
			return nil, err
		}
	}
	docs := r.store.get(r.ns).read(q)
	if g != nil {
		if docs, err = g.of(docs); err != nil {
			return nil, err
		}
	}
	return s.cursors.appendBatch(dst, cursor{ns: r.ns, docs: docs}, "firstBatch", firstBatch, false), nil
}
