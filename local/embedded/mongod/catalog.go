package mongod

import (
	"bytes"
	"cmp"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Commands on databases, collections and indexes.

func listDatabases(s *Server, r *request, dst []byte) ([]byte, error) {
	var docs []bsoncore.Value
	last := ""
	for _, ns := range r.store.namespaces("") {
		db, _, _ := strings.Cut(ns, ".")
		if db != last {
			docs = append(docs, docValue(bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "name", db),
				bsoncore.AppendInt64Element(nil, "sizeOnDisk", 0), bsoncore.AppendBooleanElement(nil, "empty", false))))
		}
		last = db
	}
	docs, err := r.filtered(docs)
	dst = appendElement(dst, "databases", arrayValue(docs))
	return bsoncore.AppendInt64Element(dst, "totalSize", 0), err
}

func listCollections(s *Server, r *request, dst []byte) ([]byte, error) {
	var docs []bsoncore.Value
	for _, ns := range r.store.namespaces(r.db) {
		docs = append(docs, docValue(bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "name", strings.TrimPrefix(ns, r.db+".")),
			bsoncore.AppendStringElement(nil, "type", "collection"), bsoncore.AppendDocumentElement(nil, "options", emptyDocument))))
	}
	docs, err := r.filtered(docs)
	return s.appendList(dst, r.db+".$cmd.listCollections", docs), err
}

// filtered keeps what the command's filter matches.
func (r *request) filtered(docs []bsoncore.Value) (kept []bsoncore.Value, err error) {
	f, err := compileFilter(r.document("filter"))
	for _, v := range docs {
		if f.match(v.Data) {
			kept = append(kept, v)
		}
	}
	return kept, cmp.Or(r.err, err)
}

// appendList appends a cursor that is complete.
func (s *Server) appendList(dst []byte, ns string, docs []bsoncore.Value) []byte {
	c := cursor{ns: ns}
	for _, v := range docs {
		c.docs = append(c.docs, v.Data)
	}
	return s.cursors.appendBatch(dst, c, "firstBatch", math.MaxInt64, false)
}

func listIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	c := r.store.get(r.ns)
	if !c.exists() {
		return nil, errorf(codeNamespaceNotFound, "ns does not exist: %s", r.ns)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var docs []bsoncore.Value
	for _, ix := range c.indexes {
		docs = append(docs, docValue(ix.spec))
	}
	return s.appendList(dst, r.ns, docs), nil
}

func drop(s *Server, r *request, dst []byte) ([]byte, error) {
	r.store.drop(r.ns)
	return bsoncore.AppendStringElement(dst, "ns", r.ns), nil
}

func dropDatabase(s *Server, r *request, dst []byte) ([]byte, error) {
	for _, ns := range r.store.namespaces(r.db) {
		r.store.drop(ns)
	}
	return bsoncore.AppendStringElement(dst, "dropped", r.db), nil
}

func createIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	specs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	c, err := r.store.toWrite(r.ns)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	dst = bsoncore.AppendInt32Element(dst, "numIndexesBefore", int32(len(c.indexes)))
	for _, spec := range specs {
		ix, err := parseIndex(bytes.Clone(spec))
		if err == nil {
			err = c.createIndex(ix)
		}
		if err != nil {
			return nil, err
		}
	}
	return bsoncore.AppendInt32Element(dst, "numIndexesAfter", int32(len(c.indexes))), nil
}

func dropIndexes(s *Server, r *request, dst []byte) ([]byte, error) {
	name, ok := field(r.body, "index").StringValueOK()
	if !ok || name == "*" {
		return nil, unsupported("dropIndexes by other than one name:", display(field(r.body, "index")))
	}
	c, err := r.store.toWrite(r.ns)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	before := int32(len(c.indexes))
	if !c.dropIndex(name) {
		return nil, errorf(codeIndexNotFound, "no index with name [%s] that can be dropped", name)
	}
	return bsoncore.AppendInt32Element(dst, "nIndexesWas", before), nil
}
