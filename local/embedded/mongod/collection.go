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

// A recorder takes every change, in the order of the changes in memory. What it
// is given is not changed later.
type recorder interface {
	append(kind byte, ns string, doc bsoncore.Document)
}

// A collection is a set of records under its indexes; the first one is _id_,
// which also keeps the records. Writing methods need mu, reading ones its read
// side.
type collection struct {
	ns      string
	mu      sync.RWMutex
	dropped bool // it is no longer the store's
	indexes []*index
	changes recorder  // nil: nobody records them
	buffers [2][]byte // of updates
}

func newCollection(ns string, changes recorder) *collection {
	id, err := parseIndex(bsoncore.BuildDocument(nil,
		bsoncore.AppendDocumentElement(nil, "key", bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "_id", 1))),
		bsoncore.AppendStringElement(nil, "name", "_id_")))
	if err != nil {
		panic(err) // the literal above is valid
	}
	id.unique = true // which MongoDB does not say of this index
	return &collection{ns: ns, indexes: []*index{id}, changes: changes}
}

func (c *collection) record(kind byte, doc bsoncore.Document) {
	if c.changes != nil {
		c.changes.append(kind, c.ns, doc)
	}
}

// exists says whether clients are shown the collection.
func (c *collection) exists() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.count() > 0 || len(c.indexes) > 1
}

func (c *collection) count() int { return c.indexes[0].tree.Len() }

// insert stores a copy of doc, with an _id in front, and returns that.
func (c *collection) insert(doc bsoncore.Document) (bsoncore.Document, error) {
	doc = withID(doc)
	if isArray(field(doc, "_id")) {
		return nil, errorf(codeInvalidID, "The '_id' value cannot be of type array")
	}
	r := &record{}
	return doc, c.put(r, doc, false)
}

// put makes doc, which nobody may change any more, the document of a record in
// memory and in the journal, or leaves all as it was.
func (c *collection) put(r *record, doc bsoncore.Document, indexed bool) error {
	if len(doc) > maxDocument {
		return errorf(codeTooLarge, "object to store too large. size in bytes: %d, max size: %d", len(doc), maxDocument)
	}
	if err := c.reindex(r, doc, indexed); err != nil {
		return err
	}
	r.doc = doc
	c.record(opPut, doc)
	return nil
}

func (c *collection) remove(r *record) {
	for _, ix := range c.indexes {
		keys, _ := ix.keys(r.doc) // it has keys: it is indexed
		for _, key := range keys {
			ix.tree.Delete(entry{key: key})
		}
	}
	start, id := startDocument(nil)
	c.record(opDelete, endDocument(appendElement(id, "_id", field(r.doc, "_id")), start))
}

// reindex moves a record in all indexes to where doc belongs, or in none.
func (c *collection) reindex(r *record, doc bsoncore.Document, indexed bool) error {
	type change struct{ before, after []string }
	var buffer [8]change
	changes := buffer[:0]
	var changed [][]byte
	if indexed {
		changed = differing(r.doc, doc)
	}
	for _, ix := range c.indexes {
		if indexed && !ix.depends(changed) {
			changes = append(changes, change{})
			continue
		}
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
					return ix.duplicate(c.ns, doc, key)
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

// createIndex adds an index; it does nothing if the collection has that very
// one.
func (c *collection) createIndex(ix *index) error {
	for i, old := range c.indexes {
		sameKey := bytes.Equal(old.key, ix.key)
		switch {
		case bytes.Equal(old.spec, ix.spec), sameKey && i == 0:
			return nil
		case sameKey, old.name == ix.name:
			return errorf(codeIndexConflict, "An existing index has the same name or key as the requested index but another definition: %s", old.name)
		}
	}
	if len(c.indexes) == maxIndexes {
		return errorf(codeCannotCreateIndex, "add index fails, too many indexes for %s", c.ns)
	}
	if err := ix.build(c); err != nil {
		return err
	}
	c.indexes = append(c.indexes, ix)
	c.record(opCreateIndex, ix.spec)
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
			return ix.duplicate(c.ns, e.record.doc, e.key)
		}
		ix.tree.Load(e)
	}
	return nil
}

// dropIndex drops an index, but not _id_, and says whether there was one.
func (c *collection) dropIndex(name string) bool {
	i := slices.IndexFunc(c.indexes, func(ix *index) bool { return ix.name == name })
	if i < 1 {
		return false
	}
	c.indexes = slices.Delete(c.indexes, i, i+1)
	c.record(opDropIndex, bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "name", name)))
	return true
}
