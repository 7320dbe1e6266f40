package mongod

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxIndexes bounds the indexes of a collection, as in MongoDB.
const maxIndexes = 64

// A collection is a set of records under its indexes; the first one is _id_,
// which also keeps the records. Writing methods need mu, reading ones its read
// side.
type collection struct {
	ns      string
	mu      sync.RWMutex
	indexes []*index
	journal *journal
}

var idKey = bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "_id", 1))

func newCollection(ns string, j *journal) *collection {
	spec := bsoncore.BuildDocument(nil,
		bsoncore.AppendInt32Element(nil, "v", 2),
		bsoncore.AppendDocumentElement(nil, "key", idKey),
		bsoncore.AppendStringElement(nil, "name", "_id_"))
	id, err := newIndex("_id_", idKey, spec, true, nil)
	if err != nil {
		panic(err) // the literal above is valid
	}
	return &collection{ns: ns, indexes: []*index{id}, journal: j}
}

func (c *collection) count() int { return c.indexes[0].tree.Len() }

// insert stores a copy of doc, with an _id added if it has none.
func (c *collection) insert(doc bsoncore.Document) (bsoncore.Document, error) {
	if doc = withID(doc, missing); len(doc) > maxDocument {
		return nil, errorf(codeObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(doc), maxDocument)
	}
	switch id := field(doc, "_id"); id.Type {
	case bsoncore.TypeArray, bsoncore.TypeRegex, bsoncore.TypeUndefined:
		return nil, errorf(codeInvalidIDField, "The '_id' value cannot be of type %s", id.Type)
	}
	r := &record{doc: bytes.Clone(doc)}
	if err := c.reindex(r, r.doc, false); err != nil {
		return nil, err
	}
	c.journal.append(opPut, c.ns, r.doc)
	return r.doc, nil
}

// replace gives a record a new document and says whether that differs.
func (c *collection) replace(r *record, doc bsoncore.Document) (bool, error) {
	if bytes.Equal(r.doc, doc) {
		return false, nil
	}
	if len(doc) > maxDocument {
		return false, errorf(codeObjectTooLarge, "Resulting document after update is larger than %d", maxDocument)
	}
	doc = bytes.Clone(doc)
	if err := c.reindex(r, doc, true); err != nil {
		return false, err
	}
	r.doc = doc
	c.journal.append(opPut, c.ns, doc)
	return true, nil
}

func (c *collection) remove(r *record) {
	for _, ix := range c.indexes {
		keys, _ := ix.keys(r.doc) // it has keys: it is indexed
		for _, key := range keys {
			ix.tree.Delete(entry{key: key})
		}
	}
	start, id := startDocument(nil)
	c.journal.append(opDelete, c.ns, endDocument(appendElement(id, "_id", field(r.doc, "_id")), start))
}

// reindex moves a record in all indexes to where doc belongs, or in none.
func (c *collection) reindex(r *record, doc bsoncore.Document, indexed bool) error {
	type change struct{ before, after []string }
	var buffer [8]change
	changes := buffer[:0]
	for _, ix := range c.indexes {
		after, err := ix.keys(doc)
		if err != nil {
			return err
		}
		var before []string
		if indexed {
			before, _ = ix.keys(r.doc)
			if slices.Equal(before, after) {
				before, after = nil, nil
			}
		}
		if ix.unique {
			for _, key := range after {
				if other, ok := ix.tree.Get(entry{key: key}); ok && other.record != r {
					return duplicateKey(c.ns, ix, ix.values(doc, key))
				}
			}
		}
		changes = append(changes, change{before, after})
	}
	for i, ix := range c.indexes {
		for _, key := range changes[i].before {
			ix.tree.Delete(entry{key: key})
		}
		for _, key := range changes[i].after {
			ix.tree.Set(entry{key, r})
		}
	}
	return nil
}

// createIndex adds an index; it does nothing if the collection has that very one.
func (c *collection) createIndex(ix *index) error {
	for _, old := range c.indexes {
		sameName, sameKey := old.name == ix.name, bytes.Equal(old.key, ix.key)
		switch {
		case sameName && bytes.Equal(old.spec, ix.spec), sameKey && old == c.indexes[0]:
			return nil
		case sameName:
			return errorf(codeIndexSpecsConflict, "An existing index has the same name as the requested index but another definition: %s", ix.name)
		case sameKey && bytes.Equal(field(old.spec, "partialFilterExpression").Data, field(ix.spec, "partialFilterExpression").Data):
			return errorf(codeIndexOptionsConflict, "Index already exists with a different name: %s", old.name)
		}
	}
	if len(c.indexes) == maxIndexes {
		return errorf(codeCannotCreateIndex, "add index fails, too many indexes for %s", c.ns)
	}
	if err := ix.build(c); err != nil {
		return err
	}
	c.indexes = append(c.indexes, ix)
	c.journal.append(opCreateIndex, c.ns, ix.spec)
	return nil
}

// build fills a new index: sorted first, which is much faster than key by key.
func (ix *index) build(c *collection) error {
	all := make([]entry, 0, c.count())
	var err error
	c.indexes[0].tree.Scan(func(e entry) bool {
		var keys []string
		keys, err = ix.keys(e.record.doc)
		for _, key := range keys {
			all = append(all, entry{key, e.record})
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for i, e := range all {
		if ix.unique && i > 0 && all[i-1].key == e.key {
			return duplicateKey(c.ns, ix, ix.values(e.record.doc, e.key))
		}
		ix.tree.Load(e)
	}
	return nil
}

// dropIndexes drops the index of that name or key, or all but _id_ for "*".
func (c *collection) dropIndexes(which bsoncore.Value) error {
	name, _ := which.StringValueOK()
	var kept []*index
	for _, ix := range c.indexes {
		if ix.name != name && name != "*" && !(isDocument(which) && bytes.Equal(ix.key, which.Data)) {
			kept = append(kept, ix)
			continue
		}
		if ix == c.indexes[0] {
			if name != "*" {
				return errorf(codeInvalidOptions, "cannot drop _id index")
			}
			kept = append(kept, ix)
			continue
		}
		c.journal.append(opDropIndex, c.ns, bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "name", ix.name)))
	}
	if len(kept) == len(c.indexes) && name != "*" {
		return errorf(codeIndexNotFound, "index not found with name [%s]", display(which))
	}
	c.indexes = kept
	return nil
}
