package mongod

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A direction is one field of a sort or of an index.
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
			return nil, errorf(codeBadValue, "%s of field %s is %s: only 1 and -1 are supported by local/embedded/mongod", kind, key, display(v))
		}
		ds = append(ds, direction{string(key), n < 0})
	}
	return ds, nil
}

// sortRecords sorts in memory, keeping equal records in their order.
func sortRecords(records []*record, by []direction) {
	type keyed struct {
		key    []byte
		record *record
	}
	all := make([]keyed, len(records))
	for i, r := range records {
		all[i] = keyed{sortKey(r.doc, by), r}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	for i, k := range all {
		records[i] = k.record
	}
}

// sortKey encodes what a document is sorted by: of an array the least element,
// or the greatest one in a descending sort.
func sortKey(doc bsoncore.Document, by []direction) []byte {
	var key []byte
	for _, d := range by {
		var best []byte
		consider := func(v bsoncore.Value) {
			if k := appendDirected(nil, v, d.descending); best == nil || bytes.Compare(k, best) < 0 {
				best = k
			}
		}
		reach(docValue(doc), d.path, func(v bsoncore.Value) bool {
			for _, e := range spread(v) {
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

// spread returns what an array is indexed and sorted by: its elements; any
// other value is itself.
func spread(v bsoncore.Value) []bsoncore.Value {
	if !isArray(v) {
		return []bsoncore.Value{v}
	}
	if len(v.Data) == len(emptyDocument) {
		return []bsoncore.Value{emptyArray}
	}
	return elements(v.Data)
}
