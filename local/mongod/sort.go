package mongod

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// direction is one field of a sort or of an index.
type direction struct {
	path       string
	descending bool
}

// parseDirections reads {a: 1, b: -1}.
func parseDirections(kind string, doc []byte) ([]direction, error) {
	var ds []direction
	for key, v := range fields(doc) {
		n, ok := integer(v)
		if !ok || n != 1 && n != -1 {
			return nil, errorf(codeBadValue, "%s of field %s is %s: only 1 and -1 are supported by local/mongod", kind, key, display(v))
		}
		ds = append(ds, direction{string(key), n < 0})
	}
	return ds, nil
}

// sortBy sorts in memory by fields of the items' documents, keeping equal
// items in their order.
func sortBy[T any](items []T, by []direction, document func(T) bsoncore.Document) {
	if len(by) == 0 {
		return
	}
	type keyed struct {
		key  []byte
		item T
	}
	all := make([]keyed, len(items))
	for i, item := range items {
		all[i] = keyed{sortKey(document(item), by), item}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	for i := range all {
		items[i] = all[i].item
	}
}

// sortKey encodes what a document is sorted by: of an array the least element,
// or the greatest one in a descending sort.
func sortKey(doc bsoncore.Document, by []direction) []byte {
	var key []byte
	for _, d := range by {
		var best []byte
		consider := func(v bsoncore.Value) {
			k := appendDirected(nil, v, d.descending)
			if best == nil || bytes.Compare(k, best) < 0 {
				best = k
			}
		}
		reach(docValue(doc), d.path, func(v bsoncore.Value) bool {
			if !isArray(v) {
				consider(v)
				return false
			}
			if len(v.Data) == 5 {
				consider(bsoncore.Value{Type: bsoncore.TypeUndefined})
			}
			for _, e := range fields(v.Data) {
				consider(e)
			}
			return false
		})
		if best == nil {
			consider(missing)
		}
		key = append(key, best...)
	}
	return key
}

// appendDirected appends the encoding of v so that it sorts in the direction.
func appendDirected(dst []byte, v bsoncore.Value, descending bool) []byte {
	start := len(dst)
	dst = appendKey(dst, v)
	if descending {
		invert(dst[start:])
	}
	return dst
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}
