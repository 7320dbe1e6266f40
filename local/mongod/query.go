package mongod

import (
	"math"
	"slices"

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

// set takes the options that reads share; filterName is what the command calls
// its filter.
func (q *query) set(filterName, name string, v bsoncore.Value) (known bool, err error) {
	switch name {
	case filterName:
		if !isDocument(v) {
			return true, errorf(codeTypeMismatch, "%s must be an object", name)
		}
		q.filter, err = compileFilter(v.Data)
	case "sort":
		if !isDocument(v) {
			return true, errorf(codeTypeMismatch, "%s must be an object", name)
		}
		q.sort, err = parseDirections("sort", v.Data)
	case "skip":
		q.skip, err = nonNegative(name, v)
	case "limit":
		q.limit, err = nonNegative(name, v)
	default:
		return false, nil
	}
	return true, err
}

func matchAll() *filter { return &filter{match: and(nil), exact: true} }

func nonNegative(name string, v bsoncore.Value) (int64, error) {
	n, ok := integer(v)
	if !ok || n < 0 {
		return 0, errorf(codeBadValue, "BSON field '%s' value must be >= 0, actual value '%s'", name, display(v))
	}
	return n, nil
}

func batchSize(v bsoncore.Value, otherwise int) (int, error) {
	if isMissing(v) {
		return otherwise, nil
	}
	n, err := nonNegative("batchSize", v)
	return int(min(n, math.MaxInt32)), err
}

// findCommand is a parsed find.
type findCommand struct {
	query
	ns         string
	projection *projection
	batch      int
	single     bool
}

func parseFind(r *request) (findCommand, error) {
	f := findCommand{query: query{filter: matchAll()}, batch: firstBatch}
	var err error
	if f.ns, err = r.namespace(); err != nil {
		return f, err
	}
	return f, r.options(func(name string, v bsoncore.Value) (bool, error) {
		var err error
		switch {
		case name == "projection" && isDocument(v):
			f.projection, err = compileProjection(v.Data)
		case name == "batchSize":
			f.batch, err = batchSize(v, firstBatch)
		case name == "singleBatch":
			f.single = truthy(v)
		default:
			known, err := f.set("filter", name, v)
			return known || !truthy(v) && slices.Contains([]string{"tailable", "awaitData", "returnKey", "showRecordId", "oplogReplay", "allowPartialResults"}, name), err
		}
		return true, err
	})
}

func find(s *Server, r *request, dst []byte) ([]byte, error) {
	f, err := parseFind(r)
	if err != nil {
		return nil, err
	}
	docs, _ := s.store.get(f.ns).read(f.query)
	return s.cursors.appendBatch(dst, &cursor{ns: f.ns, docs: docs, projection: f.projection}, 0, "firstBatch", f.batch, f.single), nil
}

func getMore(s *Server, r *request, dst []byte) ([]byte, error) {
	id, _ := integer(field(r.body, "getMore"))
	batch, name := math.MaxInt32, ""
	err := r.options(func(option string, v bsoncore.Value) (bool, error) {
		var err error
		switch option {
		case "collection":
			name, _ = v.StringValueOK()
		case "batchSize":
			if batch, err = batchSize(v, batch); batch == 0 {
				batch = math.MaxInt32
			}
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	c := s.cursors.take(id)
	if c == nil || c.ns != r.db+"."+name {
		return nil, errorf(codeCursorNotFound, "cursor id %d not found", id)
	}
	return s.cursors.appendBatch(dst, c, id, "nextBatch", batch, false), nil
}

func killCursors(s *Server, r *request, dst []byte) ([]byte, error) {
	err := r.options(func(name string, _ bsoncore.Value) (bool, error) { return name == "cursors", nil })
	if err != nil {
		return nil, err
	}
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
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	q := query{filter: matchAll()}
	err = r.options(func(name string, v bsoncore.Value) (bool, error) { return q.set("query", name, v) })
	if err != nil {
		return nil, err
	}
	c := s.store.get(ns)
	c.mu.RLock()
	defer c.mu.RUnlock()
	return bsoncore.AppendInt32Element(dst, "n", int32(len(c.search(q).records))), nil
}

func distinct(s *Server, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	q, path := query{filter: matchAll()}, ""
	err = r.options(func(name string, v bsoncore.Value) (bool, error) {
		if name == "key" {
			path, _ = v.StringValueOK()
			return true, nil
		}
		return q.set("query", name, v)
	})
	if err == nil && path == "" {
		err = errorf(codeTypeMismatch, "distinct needs a key")
	}
	if err != nil {
		return nil, err
	}
	docs, _ := s.store.get(ns).read(q)
	seen := make(map[string]bool)
	var values []bsoncore.Value
	add := func(v bsoncore.Value) {
		if key := string(appendKey(nil, v)); !isMissing(v) && !seen[key] {
			seen[key] = true
			values = append(values, v)
		}
	}
	for _, doc := range docs {
		reach(docValue(doc), path, func(v bsoncore.Value) bool {
			if !isArray(v) {
				add(v)
			}
			for _, e := range elements(v.Data) {
				add(e)
			}
			return false
		})
	}
	return appendElement(dst, "values", arrayValue(values)), nil
}

// explain runs a find and shows, in the shape of mongod's executionStats, which
// index served it and how much was examined.
func explain(s *Server, r *request, dst []byte) ([]byte, error) {
	inner := field(r.body, "explain")
	if !isDocument(inner) || firstKey(inner.Data) != "find" {
		return nil, errorf(codeUnsupported, "explain of %s is not supported by local/mongod: only find is", firstKey(inner.Data))
	}
	f, err := parseFind(&request{name: "find", body: inner.Data, db: r.db})
	if err != nil {
		return nil, err
	}
	_, res := s.store.get(f.ns).read(f.query)
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
