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

// maxDepth bounds the nesting of documents, as MongoDB does: everything that
// recurses over a document relies on it.
const maxDepth = 200

// maxDocument is the largest document that is stored or returned, in bytes.
const maxDocument = 16 << 20

var errMalformed = errors.New("malformed BSON")

// missing is the value of a field that is not there.
var missing bsoncore.Value

func isMissing(v bsoncore.Value) bool { return v.Type == 0 }

func isArray(v bsoncore.Value) bool { return v.Type == bsoncore.TypeArray }

func isDocument(v bsoncore.Value) bool { return v.Type == bsoncore.TypeEmbeddedDocument }

func docValue(doc bsoncore.Document) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeEmbeddedDocument, Data: doc}
}

// valueSize returns the length of the value of type t at the start of b, or -1
// when b cannot hold one.
func valueSize(t bsoncore.Type, b []byte) int {
	size, prefix := 0, 0
	switch t {
	case bsoncore.TypeDouble, bsoncore.TypeDateTime, bsoncore.TypeTimestamp, bsoncore.TypeInt64:
		size = 8
	case bsoncore.TypeInt32:
		size = 4
	case bsoncore.TypeBoolean:
		size = 1
	case bsoncore.TypeObjectID:
		size = 12
	case bsoncore.TypeDecimal128:
		size = 16
	case bsoncore.TypeNull, bsoncore.TypeUndefined, bsoncore.TypeMinKey, bsoncore.TypeMaxKey:
	case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray, bsoncore.TypeCodeWithScope:
		prefix = 4 // the length counts itself
	case bsoncore.TypeString, bsoncore.TypeJavaScript, bsoncore.TypeSymbol:
		size, prefix = 4, 4
	case bsoncore.TypeBinary:
		size, prefix = 5, 4
	case bsoncore.TypeDBPointer:
		size, prefix = 16, 4
	case bsoncore.TypeRegex:
		pattern := bytes.IndexByte(b, 0)
		if pattern < 0 {
			return -1
		}
		options := bytes.IndexByte(b[pattern+1:], 0)
		if options < 0 {
			return -1
		}
		return pattern + options + 2
	default:
		return -1
	}
	if prefix > 0 {
		if len(b) < prefix {
			return -1
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		if n < 0 {
			return -1
		}
		size += n
	}
	if size > len(b) {
		return -1
	}
	return size
}

// fields iterates over the elements of a document or an array. It stops early
// at a malformed element; validate has refused those before.
func fields(doc []byte) iter.Seq2[[]byte, bsoncore.Value] {
	return func(yield func([]byte, bsoncore.Value) bool) {
		if len(doc) < 5 {
			return
		}
		for rest := doc[4 : len(doc)-1]; len(rest) > 0; {
			end := bytes.IndexByte(rest, 0)
			if end < 1 {
				return
			}
			t, key := bsoncore.Type(rest[0]), rest[1:end]
			rest = rest[end+1:]
			n := valueSize(t, rest)
			if n < 0 {
				return
			}
			if !yield(key, bsoncore.Value{Type: t, Data: rest[:n:n]}) {
				return
			}
			rest = rest[n:]
		}
	}
}

// validate checks everything that the rest of the package takes for granted.
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
		case bsoncore.TypeString, bsoncore.TypeJavaScript, bsoncore.TypeSymbol:
			if len(v.Data) < 5 || v.Data[len(v.Data)-1] != 0 {
				return errMalformed
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

// appendIndexed appends element i of an array.
func appendIndexed(dst []byte, i int, v bsoncore.Value) []byte {
	dst = append(dst, byte(v.Type))
	dst = strconv.AppendInt(dst, int64(i), 10)
	dst = append(dst, 0)
	return append(dst, v.Data...)
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
		b = appendIndexed(b, i, v)
	}
	return bsoncore.Value{Type: bsoncore.TypeArray, Data: endDocument(b, start)}
}

func stringValue(s string) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeString, Data: bsoncore.AppendString(nil, s)}
}

func int32Value(i int32) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeInt32, Data: bsoncore.AppendInt32(nil, i)}
}

func int64Value(i int64) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeInt64, Data: bsoncore.AppendInt64(nil, i)}
}

func doubleValue(f float64) bsoncore.Value {
	return bsoncore.Value{Type: bsoncore.TypeDouble, Data: bsoncore.AppendDouble(nil, f)}
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
