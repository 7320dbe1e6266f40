package mongod

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A query is a read: what to match and how to order and cut the result.
type query struct {
	filter *filter
	sort   []direction
	skip   int64
	limit  int64 // 0 is none
}

// result is the records of a query and how they were found.
type result struct {
	records  []*record
	plan     plan
	examined int
}

// search runs a query. The caller holds mu.
func (c *collection) search(q query) result {
	res := result{plan: c.choose(q.filter, q.sort)}
	enough := int64(math.MaxInt64)
	if res.plan.sorted && q.limit > 0 && q.skip < math.MaxInt64-q.limit {
		enough = q.skip + q.limit
	}
	res.examined = res.plan.scan(q.filter, func(r *record) bool {
		res.records = append(res.records, r)
		return int64(len(res.records)) < enough
	})
	if !res.plan.sorted {
		sortBy(res.records, q.sort, func(r *record) bsoncore.Document { return r.doc })
	}
	res.records = cut(res.records, q.skip, q.limit)
	return res
}

func cut[T any](items []T, skip, limit int64) []T {
	items = items[min(skip, int64(len(items))):]
	if limit > 0 {
		items = items[:min(limit, int64(len(items)))]
	}
	return items
}

// read runs a query and returns the documents as they are at this moment.
func (c *collection) read(q query) ([]bsoncore.Document, result) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	res := c.search(q)
	docs := make([]bsoncore.Document, len(res.records))
	for i, r := range res.records {
		docs[i] = r.doc
	}
	return docs, res
}

func matchAll() *filter { return &filter{match: and(nil), exact: true} }

// query reads the options that reads share; the filter's name differs.
func (r *request) query(filterName string) (q query, err error) {
	var doc bsoncore.Document
	if doc, err = r.document(filterName); err == nil {
		q.filter, err = compileFilter(doc)
	}
	if err == nil {
		doc, err = r.document("sort")
	}
	if err == nil {
		q.sort, err = parseDirections("sort", doc)
	}
	if err == nil {
		q.skip, err = r.number("skip", 0)
	}
	if err == nil {
		q.limit, err = r.number("limit", 0)
	}
	return q, err
}

// document returns an option that is a document, an empty one by default.
func (r *request) document(name string) (bsoncore.Document, error) {
	switch v := field(r.body, name); {
	case isDocument(v):
		return v.Data, nil
	case isMissing(v) || v.Type == bsoncore.TypeNull:
		return emptyDocument, nil
	default:
		return nil, errorf(codeTypeMismatch, "BSON field '%s.%s' is %s: it must be an object", r.name, name, display(v))
	}
}

// number returns an option that is a number, not below 0.
func (r *request) number(name string, otherwise int64) (int64, error) {
	return nonNegative(name, field(r.body, name), otherwise)
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

// cursorBatch reads the batch size of commands that have it in "cursor".
func (r *request) cursorBatch(otherwise int64) (int64, error) {
	return nonNegative("batchSize", field(field(r.body, "cursor").Data, "batchSize"), otherwise)
}

func find(s *Server, r *request, dst []byte) ([]byte, error) {
	q, err := r.query("filter")
	if err != nil {
		return nil, err
	}
	batch, err := r.number("batchSize", firstBatch)
	if err != nil {
		return nil, err
	}
	p, err := r.projection("projection")
	if err != nil {
		return nil, err
	}
	docs, _ := s.store.get(r.ns).read(q)
	return s.cursors.appendBatch(dst, &cursor{ns: r.ns, docs: docs, projection: p}, 0, "firstBatch", batch, truthy(field(r.body, "singleBatch"))), nil
}

func (r *request) projection(name string) (*projection, error) {
	doc, err := r.document(name)
	if err != nil {
		return nil, err
	}
	return compileProjection(doc)
}

func getMore(s *Server, r *request, dst []byte) ([]byte, error) {
	id, _ := integer(field(r.body, "getMore"))
	name, _ := field(r.body, "collection").StringValueOK()
	batch, err := r.number("batchSize", math.MaxInt64)
	if err != nil {
		return nil, err
	}
	if batch == 0 {
		batch = math.MaxInt64
	}
	c := s.cursors.take(id)
	if c == nil || c.ns != r.db+"."+name {
		return nil, errorf(codeCursorNotFound, "cursor id %d not found", id)
	}
	return s.cursors.appendBatch(dst, c, id, "nextBatch", batch, false), nil
}

func killCursors(s *Server, r *request, dst []byte) ([]byte, error) {
	var killed, unknown []bsoncore.Value
	for _, v := range elements(field(r.body, "cursors").Data) {
		if id, _ := integer(v); s.cursors.take(id) != nil {
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

func count(s *Server, r *request, dst []byte) ([]byte, error) {
	q, err := r.query("query")
	if err != nil {
		return nil, err
	}
	docs, _ := s.store.get(r.ns).read(q)
	return bsoncore.AppendInt32Element(dst, "n", int32(len(docs))), nil
}

func distinct(s *Server, r *request, dst []byte) ([]byte, error) {
	path, _ := field(r.body, "key").StringValueOK()
	if path == "" {
		return nil, errorf(codeTypeMismatch, "distinct needs a key")
	}
	q, err := r.query("query")
	if err != nil {
		return nil, err
	}
	docs, _ := s.store.get(r.ns).read(q)
	seen := make(map[string]bool)
	var values []bsoncore.Value
	add := func(v bsoncore.Value) bool {
		if key := string(appendKey(nil, v)); !isMissing(v) && !isArray(v) && !seen[key] {
			seen[key] = true
			values = append(values, v)
		}
		return false
	}
	for _, doc := range docs {
		reach(docValue(doc), path, spread(add))
	}
	return appendElement(dst, "values", arrayValue(values)), nil
}

// explain runs a find and shows, in the shape of mongod's executionStats, which
// index served it and how much was examined.
func explain(s *Server, r *request, dst []byte) ([]byte, error) {
	inner := field(r.body, "explain").Data
	f := &request{name: firstKey(inner), body: inner, db: r.db}
	if f.name != "find" {
		return nil, errorf(codeUnsupported, "explain of %s is not supported by local/mongod: only find is", f.name)
	}
	if err := f.target(); err != nil {
		return nil, err
	}
	if err := f.check(findOptions); err != nil {
		return nil, err
	}
	q, err := f.query("filter")
	if err != nil {
		return nil, err
	}
	_, res := s.store.get(f.ns).read(q)
	stage := bsoncore.AppendStringElement(nil, "stage", "COLLSCAN")
	if !res.plan.all {
		stage = bsoncore.AppendStringElement(nil, "stage", "FETCH")
		stage = bsoncore.AppendDocumentElement(stage, "inputStage", bsoncore.BuildDocument(nil,
			bsoncore.AppendStringElement(nil, "stage", "IXSCAN"),
			bsoncore.AppendStringElement(nil, "indexName", res.plan.index.name)))
	}
	if !res.plan.sorted {
		stage = bsoncore.AppendDocumentElement(bsoncore.AppendStringElement(nil, "stage", "SORT"), "inputStage", bsoncore.BuildDocument(nil, stage))
	}
	dst = bsoncore.AppendDocumentElement(dst, "queryPlanner", bsoncore.BuildDocument(nil,
		bsoncore.AppendStringElement(nil, "namespace", f.ns),
		bsoncore.AppendDocumentElement(nil, "winningPlan", bsoncore.BuildDocument(nil, stage))))
	return bsoncore.AppendDocumentElement(dst, "executionStats", bsoncore.BuildDocument(nil,
		bsoncore.AppendInt32Element(nil, "nReturned", int32(len(res.records))),
		bsoncore.AppendInt32Element(nil, "totalDocsExamined", int32(res.examined)))), nil
}
