package mongod

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A record is a stored document. Updates replace doc and never write into it,
// so whoever read doc under the collection's lock may keep it.
type record struct {
	doc bsoncore.Document
}

// An entry is one key of an index. Keys of an index that is not unique end
// with the document's _id.
type entry struct {
	key    string
	record *record
}

// An index keeps the records of a collection in the order of some fields.
type index struct {
	name     string
	key      bsoncore.Document // as the client wrote it
	spec     bsoncore.Document // as listIndexes shows it
	fields   []direction
	unique   bool
	expires  bool // documents go when their time is over: see expire.go
	after    time.Duration
	partial  []string // only documents with these fields are indexed
	multikey []bool   // by field: an array was on its path once
	roots    []string // the top-level fields on which the keys depend
	tree     *btree.BTreeG[entry]

	// Scratch space of keys, which one goroutine at a time calls.
	values []bsoncore.Value
	rests  []string
	buffer []byte
}

const (
	maxIndexFields = 32 // of a compound index, as in MongoDB
	maxIndexSpec   = 64 << 10
)

// parseIndex reads an index specification of createIndexes and keeps it.
func parseIndex(spec bsoncore.Document) (*index, error) {
	ix := &index{tree: btree.NewBTreeGOptions(func(a, b entry) bool { return a.key < b.key }, btree.Options{NoLocks: true})}
	start, full := startDocument(nil)
	full = bsoncore.AppendInt32Element(full, "v", 2)
	for k, v := range fields(spec) {
		switch option := string(k); {
		case option == "name" && v.Type == bsoncore.TypeString:
			ix.name = v.StringValue()
		case option == "key" && isDocument(v):
			ix.key = v.Data
		case option == "unique" && truthy(v):
			ix.unique = true
		case option == "partialFilterExpression" && isDocument(v):
			f, err := compileFilter(v.Data)
			if err != nil {
				return nil, err
			}
			for _, c := range f {
				if c.op != "$exists" || c.not {
					return nil, unsupported("partialFilterExpression other than $exists: true in index", ix.name)
				}
				ix.partial = append(ix.partial, c.path)
			}
		case option == "expireAfterSeconds":
			n, ok := integer(v)
			if !ok || n < 0 || n > math.MaxInt32 {
				return nil, errorf(codeCannotCreateIndex, "TTL index 'expireAfterSeconds' option must be within an acceptable range, not %s", display(v))
			}
			ix.expires, ix.after = true, time.Duration(n)*time.Second
		case option == "v":
			continue
		case option == "expireAfterSeconds" && isNumber(v): // shown, and nothing expires: MongoDB promises no time either
		case v.Type != bsoncore.TypeBoolean || v.Boolean(): // what is off need not be supported
			return nil, unsupported("index option", option)
		}
		full = appendElement(full, k, v)
	}
	ix.spec = endDocument(full, start)
	if ix.name == "" || len(ix.spec) > maxIndexSpec {
		return nil, errorf(codeFailedToParse, "an index needs a name, and at most %d bytes", maxIndexSpec)
	}
	var err error
	if ix.fields, err = parseDirections("index key", ix.key); err != nil {
		return nil, err
	}
	if ix.expires && (len(ix.fields) != 1 || ix.fields[0].path == "_id") {
		return nil, errorf(codeCannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL")
	}
	if len(ix.fields) == 0 || len(ix.fields) > maxIndexFields {
		return nil, errorf(codeCannotCreateIndex, "index %s must have 1 to %d fields", ix.name, maxIndexFields)
	}
	for _, f := range ix.fields {
		if err := checkPath("index", f.path); err != nil {
			return nil, err
		}
		for name := range strings.SplitSeq(f.path, ".") {
			if strings.Trim(name, "0123456789") == "" { // could be an array's element
				return nil, unsupported("index path", f.path)
			}
		}
	}
	ix.multikey = make([]bool, len(ix.fields))
	ix.values, ix.rests = make([]bsoncore.Value, len(ix.fields)), make([]string, len(ix.fields))
	for _, f := range ix.fields {
		ix.roots = append(ix.roots, rootOf(f.path))
	}
	for _, path := range ix.partial {
		ix.roots = append(ix.roots, rootOf(path))
	}
	return ix, nil
}

func rootOf(path string) string {
	root, _, _ := strings.Cut(path, ".")
	return root
}

// depends reports whether the keys of a document may be others when some of its
// top-level fields are.
func (ix *index) depends(changed [][]byte) bool {
	for _, name := range changed {
		if slices.Contains(ix.roots, string(name)) {
			return true
		}
	}
	return false
}

// keys returns the keys under which a document is indexed, each once.
func (ix *index) keys(doc bsoncore.Document) (keys []string, err error) {
	err = ix.expand(doc, func(values []bsoncore.Value) {
		b := ix.encode(values)
		if !ix.unique {
			b = appendKey(b, field(doc, "_id"))
			ix.buffer = b
		}
		for _, k := range keys {
			if k == string(b) {
				return
			}
		}
		keys = append(keys, string(b))
	})
	return keys, err
}

// duplicate is the error of a document whose key another one has in this
// unique index.
func (ix *index) duplicate(ns string, doc bsoncore.Document, key string) error {
	var err error
	_ = ix.expand(doc, func(values []bsoncore.Value) { // keys has met its error
		if key == string(ix.encode(values)) {
			err = duplicateKey(ns, ix, values)
		}
	})
	return err
}

// encode makes the key of field values, good until the next call.
func (ix *index) encode(values []bsoncore.Value) []byte {
	ix.buffer = ix.buffer[:0]
	for i, v := range values {
		ix.buffer = appendDirected(ix.buffer, v, ix.fields[i].descending)
	}
	return ix.buffer
}

// expand calls yield with the values of the indexed fields: once, or once for
// each element of the array that is on their paths, and not at all for a
// document outside a partial index.
func (ix *index) expand(doc bsoncore.Document, yield func([]bsoncore.Value)) error {
	for _, path := range ix.partial {
		if !reach(docValue(doc), path, func(v bsoncore.Value) bool { return !isMissing(v) }) {
			return nil
		}
	}
	array, arrayPath := missing, ""
	for i, f := range ix.fields {
		v, rest := descend(docValue(doc), f.path)
		if ix.values[i] = v; !isArray(v) {
			continue
		}
		// The parent's path decides: fields of one array go together.
		at := f.path[:len(f.path)-len(rest)]
		if !isMissing(array) && strings.TrimSuffix(at, ".") != arrayPath {
			return errorf(codeParallelArrays, "cannot index parallel arrays [%s] [%s]", at, arrayPath)
		}
		array, arrayPath = v, strings.TrimSuffix(at, ".")
		ix.multikey[i], ix.rests[i] = true, rest
	}
	if isMissing(array) {
		yield(ix.values)
		return nil
	}
	values := slices.Clone(ix.values)
	for _, e := range spread(array) {
		for i, v := range values {
			if !isArray(v) {
				continue
			}
			ix.values[i] = e
			if ix.rests[i] == "" {
				continue
			}
			if ix.values[i], _ = descend(e, ix.rests[i]); isArray(ix.values[i]) && isDocument(e) {
				return unsupported("array within an array at the index path", ix.fields[i].path)
			}
			if isArray(e) {
				ix.values[i] = missing
			}
		}
		yield(ix.values)
	}
	return nil
}

// descend follows a path through documents. It stops at an array, with the
// rest of the path, or where there is nothing.
func descend(v bsoncore.Value, path string) (_ bsoncore.Value, rest string) {
	for path != "" && isDocument(v) {
		var name string
		name, path, _ = strings.Cut(path, ".")
		v = field(v.Data, name)
	}
	if path != "" && !isArray(v) { // nothing there, or a scalar in the way
		return missing, ""
	}
	return v, path
}
