package mongod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	// maxDepth bounds the nesting of documents, as MongoDB does: everything
	// that recurses over a document relies on it.
	maxDepth = 200
	// maxDocument is the largest document that is stored or returned, in bytes.
	maxDocument = 16 << 20
)

var errMalformed = errors.New("malformed BSON")

var emptyDocument = bsoncore.Document{5, 0, 0, 0, 0}

// missing is the value of a field that is not there.
var missing bsoncore.Value

func isMissing(v bsoncore.Value) bool { return v.Type == 0 }

func isArray(v bsoncore.Value) bool { return v.Type == bsoncore.TypeArray }

func isDocument(v bsoncore.Value) bool { return v.Type == bsoncore.TypeEmbeddedDocument }

// isNumber says whether there is arithmetic for a value.
func isNumber(v bsoncore.Value) bool { return v.IsNumber() && v.Type != bsoncore.TypeDecimal128 }

func docValue(doc bsoncore.Document) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeEmbeddedDocument, Data: doc}
}

// fields iterates over the elements of a document or an array. It stops early
// at a malformed element; validate has refused those before.
func fields(doc []byte) iter.Seq2[[]byte, bsoncore.Value] {
	return func(yield func([]byte, bsoncore.Value) bool) {
		if len(doc) < 5 {
			return
		}
		for rest := doc[4 : len(doc)-1]; len(rest) > 0; {
			key, v, after, ok := nextField(rest)
			if !ok || !yield(key, v) {
				return
			}
			rest = after
		}
	}
}

// nextField reads the first of the fields of a document, and what follows it.
func nextField(rest []byte) (key []byte, v bsoncore.Value, after []byte, ok bool) {
	end := bytes.IndexByte(rest, 0)
	if end < 1 {
		return nil, v, nil, false
	}
	v, after, ok = bsoncore.ReadValue(rest[end+1:], bsoncore.Type(rest[0]))
	return rest[1:end], v, after, ok
}

// differing returns the names of the top-level fields in which two versions of a
// document differ, and perhaps more: from where their order differs, all.
func differing(before, after bsoncore.Document) (names [][]byte) {
	older, newer := before[4:len(before)-1], after[4:len(after)-1]
	same := true
	for len(older) > 0 || len(newer) > 0 {
		var oldName, newName []byte
		var oldValue, newValue bsoncore.Value
		var isOld, isNew bool
		oldName, oldValue, older, isOld = nextField(older)
		newName, newValue, newer, isNew = nextField(newer)
		same = same && isOld && isNew && bytes.Equal(oldName, newName)
		if same && oldValue.Type == newValue.Type && bytes.Equal(oldValue.Data, newValue.Data) {
			continue
		}
		if isOld {
			names = append(names, oldName)
		}
		if isNew && !same {
			names = append(names, newName)
		}
	}
	return names
}

// validate checks everything that the rest of the package takes for granted.
// A type that is not stored is a *commandError, for the client to see.
func validate(doc []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("BSON nested too deeply")
	}
	if len(doc) < 5 || int(binary.LittleEndian.Uint32(doc)) != len(doc) || doc[len(doc)-1] != 0 {
		return errMalformed
	}
	n := 5
	for key, v := range fields(doc) {
		n += 1 + len(key) + 1 + len(v.Data)
		switch v.Type {
		case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
			if err := validate(v.Data, depth+1); err != nil {
				return err
			}
		case bsoncore.TypeString:
			if len(v.Data) < 5 || v.Data[len(v.Data)-1] != 0 {
				return errMalformed
			}
		default:
			if ranks[v.Type] == 0 {
				return unsupported("BSON type", v.Type.String())
			}
		}
	}
	if n != len(doc) { // fields stopped early
		return errMalformed
	}
	return nil
}

// field returns the value of a top-level field, or missing.
func field(doc []byte, name string) bsoncore.Value {
	for key, v := range fields(doc) {
		if string(key) == name {
			return v
		}
	}
	return missing
}

// firstKey returns the name of the first field, "" of an empty document.
func firstKey(doc []byte) string {
	for key := range fields(doc) {
		return string(key)
	}
	return ""
}

// elements returns the values of an array.
func elements(array []byte) []bsoncore.Value {
	var vs []bsoncore.Value
	for _, v := range fields(array) {
		vs = append(vs, v)
	}
	return vs
}

// appendElement appends one field; key is bytes or string so that keys read
// from another document need no copy.
func appendElement[K []byte | string](dst []byte, key K, v bsoncore.Value) []byte {
	dst = append(dst, byte(v.Type))
	dst = append(dst, key...)
	dst = append(dst, 0)
	return append(dst, v.Data...)
}

// appendIndex appends the type and the name of element i of an array.
func appendIndex(dst []byte, t bsoncore.Type, i int) []byte {
	return append(strconv.AppendInt(append(dst, byte(t)), int64(i), 10), 0)
}

func startDocument(dst []byte) (int, []byte) { return len(dst), append(dst, 0, 0, 0, 0) }

func endDocument(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func arrayValue(vs []bsoncore.Value) bsoncore.Value {
	start, b := startDocument(nil)
	for i, v := range vs {
		b = append(appendIndex(b, v.Type, i), v.Data...)
	}
	return bsoncore.Value{Type: bsoncore.TypeArray, Data: endDocument(b, start)}
}

// integer reads a whole number of any numeric type.
func integer(v bsoncore.Value) (int64, bool) {
	switch v.Type {
	case bsoncore.TypeInt32:
		return int64(v.Int32()), true
	case bsoncore.TypeInt64:
		return v.Int64(), true
	case bsoncore.TypeDouble:
		f := v.Double()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<62
	}
	return 0, false
}

// truthy says whether an option is switched on.
func truthy(v bsoncore.Value) bool {
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	n, ok := integer(v)
	return n != 0 || !ok && v.Type == bsoncore.TypeDouble
}
