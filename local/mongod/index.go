package mongod

import (
	"slices"
	"strings"

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

func lessEntry(a, b entry) bool { return a.key < b.key }

// An index keeps the records of a collection in the order of some fields.
type index struct {
	name     string
	key      bsoncore.Document // as the client wrote it
	spec     bsoncore.Document // as listIndexes shows it
	fields   []direction
	unique   bool
	partial  *filter // nil: every document is indexed
	multikey []bool  // by field: an array was on its path once
	tree     *btree.BTreeG[entry]

	// Scratch space of keys and values, which one goroutine at a time calls.
	fieldValues []bsoncore.Value
	paths       []string
	buffer      []byte
}

const (
	maxIndexFields = 32 // of a compound index, as in MongoDB
	maxIndexSpec   = 64 << 10
)

func newIndex(name string, key, spec bsoncore.Document, unique bool, partial *filter) (*index, error) {
	fields, err := parseDirections("index key", key)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 || len(fields) > maxIndexFields {
		return nil, errorf(codeCannotCreateIndex, "index %s must have 1 to %d fields", name, maxIndexFields)
	}
	for _, f := range fields {
		for _, part := range strings.Split(f.path, ".") {
			if part == "" || part[0] == '$' || isIndex(part) {
				return nil, errorf(codeCannotCreateIndex, "index path %q is not supported by local/mongod", f.path)
			}
		}
	}
	return &index{
		name: name, key: key, spec: spec, fields: fields, unique: unique, partial: partial,
		multikey: make([]bool, len(fields)),
		tree:     btree.NewBTreeGOptions(lessEntry, btree.Options{NoLocks: true}),
	}, nil
}

// parseIndex reads an index specification of createIndexes.
func parseIndex(spec bsoncore.Document) (*index, error) {
	var name string
	var key bsoncore.Document
	var partial *filter
	var unique bool
	for k, v := range fields(spec) {
		switch option := string(k); {
		case option == "name" && v.Type == bsoncore.TypeString:
			name = v.StringValue()
		case option == "key" && isDocument(v):
			key = v.Data
		case option == "unique":
			unique = truthy(v)
		case option == "partialFilterExpression" && isDocument(v):
			f, err := compileFilter(v.Data)
			if err != nil {
				return nil, err
			}
			if !f.exact {
				return nil, errorf(codeCannotCreateIndex, "partialFilterExpression of %s: only equality, $in, $exists: true, $gt, $gte, $lt, $lte and $and are supported by local/mongod", name)
			}
			partial = f
		case option == "v" || option == "background" || option == "ns":
		case v.Type == bsoncore.TypeBoolean && !v.Boolean(): // what is off need not be supported
		default:
			return nil, errorf(codeCannotCreateIndex, "index option %s is not supported by local/mongod", option)
		}
	}
	if name == "" || key == nil {
		return nil, errorf(codeFailedToParse, "an index needs a name and a key")
	}
	start, full := startDocument(nil)
	full = bsoncore.AppendInt32Element(full, "v", 2)
	full = bsoncore.AppendDocumentElement(full, "key", key)
	full = bsoncore.AppendStringElement(full, "name", name)
	if unique {
		full = bsoncore.AppendBooleanElement(full, "unique", true)
	}
	if partial != nil {
		full = appendElement(full, "partialFilterExpression", field(spec, "partialFilterExpression"))
	}
	full = endDocument(full, start)
	if len(full) > maxIndexSpec {
		return nil, errorf(codeCannotCreateIndex, "the index specification is larger than %d bytes", maxIndexSpec)
	}
	return newIndex(name, field(full, "key").Data, full, unique, partial)
}

// keys returns the keys under which a document is indexed, each once.
func (ix *index) keys(doc bsoncore.Document) ([]string, error) {
	if ix.partial != nil && !ix.partial.match(docValue(doc)) {
		return nil, nil
	}
	var keys []string
	err := ix.expand(doc, func(values []bsoncore.Value) {
		b := ix.encode(values)
		if !ix.unique {
			b = appendKey(b, field(doc, "_id"))
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

// values returns the field values of a document that make a key of a unique index.
func (ix *index) values(doc bsoncore.Document, key string) (found []bsoncore.Value) {
	_ = ix.expand(doc, func(values []bsoncore.Value) { // keys has met the error
		if key == string(ix.encode(values)) {
			found = slices.Clone(values)
		}
	})
	return found
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
// each element of the array that is on their paths.
func (ix *index) expand(doc bsoncore.Document, yield func([]bsoncore.Value)) error {
	ix.fieldValues, ix.paths = ix.fieldValues[:0], ix.paths[:0]
	for _, f := range ix.fields {
		ix.fieldValues = append(ix.fieldValues, docValue(doc))
		ix.paths = append(ix.paths, f.path)
	}
	return ix.expandArrays(ix.fieldValues, ix.paths, yield)
}

// resolved marks a field whose value is final.
const resolved = "."

// expandArrays follows every path from its value until it ends or meets an
// array, then goes on with each element of that array in the array's place.
func (ix *index) expandArrays(values []bsoncore.Value, paths []string, yield func([]bsoncore.Value)) error {
	array, arrayPath := missing, ""
	for i := range values {
		for paths[i] != "" && isDocument(values[i]) && paths[i] != resolved {
			name, rest, _ := strings.Cut(paths[i], ".")
			values[i], paths[i] = field(values[i].Data, name), rest
		}
		switch {
		case paths[i] == resolved:
		case isArray(values[i]):
			at := strings.TrimSuffix(ix.fields[i].path, paths[i])
			if !isMissing(array) && at != arrayPath {
				return errorf(codeParallelArrays, "cannot index parallel arrays [%s] [%s]", at, arrayPath)
			}
			array, arrayPath = values[i], at
		case paths[i] == "":
			paths[i] = resolved
		default: // a scalar is in the way
			values[i], paths[i] = missing, resolved
		}
	}
	if isMissing(array) {
		yield(values)
		return nil
	}
	elems := elements(array.Data)
	if len(elems) == 0 {
		elems = []bsoncore.Value{{Type: bsoncore.TypeUndefined}} // how MongoDB indexes []
	}
	for _, e := range elems {
		vs, ps := slices.Clone(values), slices.Clone(paths)
		for i := range vs {
			switch {
			case ps[i] == resolved:
				continue
			case ps[i] == "":
				vs[i], ps[i] = e, resolved
			case isDocument(e):
				vs[i] = e
			default:
				vs[i], ps[i] = missing, resolved
			}
			ix.multikey[i] = true
		}
		if err := ix.expandArrays(vs, ps, yield); err != nil {
			return err
		}
	}
	return nil
}
