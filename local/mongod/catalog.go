package mongod

import (
	"bytes"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Commands on databases, collections and indexes.

func listDatabases(s *Server, r *request, dst []byte) ([]byte, error) {
	q, err := r.query("filter")
	if err != nil {
		return nil, err
	}
	nameOnly := truthy(field(r.body, "nameOnly"))
	var databases []bsoncore.Value
	last := ""
	for _, ns := range s.store.namespaces("") {
		db, _, _ := strings.Cut(ns, ".")
		if db == last {
			continue
		}
		last = db
		doc := bsoncore.AppendStringElement(nil, "name", db)
		if !nameOnly {
			doc = bsoncore.AppendInt64Element(doc, "sizeOnDisk", 0)
			doc = bsoncore.AppendBooleanElement(doc, "empty", false)
		}
		if v := docValue(bsoncore.BuildDocument(nil, doc)); q.filter.match(v) {
			databases = append(databases, v)
		}
	}
	dst = appendElement(dst, "databases", arrayValue(databases))
	return bsoncore.AppendInt64Element(dst, "totalSize", 0), nil
}

func listCollections(s *Server, r *request, dst []byte) ([]byte, error) {
	q, err := r.query("filter")
	if err != nil {
		return nil, err
	}
	batch, err := r.cursorBatch(math.MaxInt64)
	if err != nil {
		return nil, err
	}
	nameOnly := truthy(field(r.body, "nameOnly"))
	var docs []bsoncore.Document
	for _, ns := range s.store.namespaces(r.db) {
		doc := bsoncore.AppendStringElement(nil, "name", strings.TrimPrefix(ns, r.db+"."))
		doc = bsoncore.AppendStringElement(doc, "type", "collection")
		if !nameOnly {
			doc = bsoncore.AppendDocumentElement(doc, "options", emptyDocument)
			doc = bsoncore.AppendDocumentElement(doc, "info", bsoncore.BuildDocument(nil, bsoncore.AppendBooleanElement(nil, "readOnly", false)))
			doc = bsoncore.AppendDocumentElement(doc, "idIndex", s.store.collections[ns].indexes[0].spec)
		}
		if v := docValue(bsoncore.BuildDocument(nil, doc)); q.filter.match(v) {
			docs = append(docs, v.Data)
		}
	}
	return s.cursors.appendBatch(dst, &cursor{ns: r.db + ".$cmd.listCollections", docs: docs}, 0, "firstBatch", batch, false), nil
}

func listIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	batch, err := r.cursorBatch(math.MaxInt64)
	if err != nil {
		return nil, err
	}
	c := s.store.collections[r.ns]
	if c == nil {
		return nil, errorf(codeNamespaceNotFound, "ns does not exist: %s", r.ns)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var docs []bsoncore.Document
	for _, ix := range c.indexes {
		docs = append(docs, ix.spec)
	}
	return s.cursors.appendBatch(dst, &cursor{ns: r.ns, docs: docs}, 0, "firstBatch", batch, false), nil
}

func create(s *Server, r *request, dst []byte) ([]byte, error) {
	if s.store.collections[r.ns] != nil {
		return nil, errorf(codeNamespaceExists, "Collection %s already exists.", r.ns)
	}
	return dst, s.store.create(r.ns)
}

func drop(s *Server, r *request, dst []byte) ([]byte, error) {
	if !s.store.drop(r.ns) {
		return nil, errorf(codeNamespaceNotFound, "ns not found")
	}
	return bsoncore.AppendStringElement(dst, "ns", r.ns), nil
}

func dropDatabase(s *Server, r *request, dst []byte) ([]byte, error) {
	for _, ns := range s.store.namespaces(r.db) {
		s.store.drop(ns)
	}
	return bsoncore.AppendStringElement(dst, "dropped", r.db), nil
}

func createIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	specs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	var indexes []*index
	for _, spec := range specs {
		ix, err := parseIndex(bytes.Clone(spec))
		if err != nil {
			return nil, err
		}
		indexes = append(indexes, ix)
	}
	c, created, err := s.store.ensure(r.ns)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.indexes)
	for _, ix := range indexes {
		if err := c.createIndex(ix); err != nil {
			return nil, err
		}
	}
	dst = bsoncore.AppendInt32Element(dst, "numIndexesBefore", int32(before))
	dst = bsoncore.AppendInt32Element(dst, "numIndexesAfter", int32(len(c.indexes)))
	dst = bsoncore.AppendBooleanElement(dst, "createdCollectionAutomatically", created)
	if before == len(c.indexes) {
		dst = bsoncore.AppendStringElement(dst, "note", "all indexes already exist")
	}
	return dst, nil
}

func dropIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	c := s.store.collections[r.ns]
	if c == nil {
		return nil, errorf(codeNamespaceNotFound, "ns not found %s", r.ns)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.indexes)
	which := []bsoncore.Value{field(r.body, "index")}
	if isArray(which[0]) {
		which = elements(which[0].Data)
	}
	for _, v := range which {
		if err := c.dropIndexes(v); err != nil {
			return nil, err
		}
	}
	return bsoncore.AppendInt32Element(dst, "nIndexesWas", int32(before)), nil
}
