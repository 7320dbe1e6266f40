package mongod

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// emptyArray stands for [] in an index and in a sort, where an array is its
// elements. It is not stored: MongoDB uses the obsolete undefined for it, too.
var emptyArray = bsoncore.Value{Type: bsoncore.TypeUndefined}

// ranks is the place of each stored type in MongoDB's comparison order and the
// first byte of an encoded value. A missing field (0) sorts and matches as
// null. Ranks are even, so that rank+1 ends the range of a type, and neither
// they nor their complements are 0x00 or 0xFF.
var ranks = [256]byte{
	0:                  0x06,
	bsoncore.TypeNull:  0x06,
	bsoncore.TypeInt32: 0x08, bsoncore.TypeInt64: 0x08, bsoncore.TypeDouble: 0x08, bsoncore.TypeDecimal128: 0x08,
	bsoncore.TypeString:           0x0A,
	bsoncore.TypeEmbeddedDocument: 0x0C,
	bsoncore.TypeArray:            0x0E,
	bsoncore.TypeBinary:           0x10,
	bsoncore.TypeObjectID:         0x12,
	bsoncore.TypeBoolean:          0x14,
	bsoncore.TypeDateTime:         0x16,
}

const emptyArrayRank = 0x04

// appendKey appends an encoding of v whose byte order is MongoDB's order of
// values. No encoding is a prefix of another one, so encodings can be joined.
func appendKey(dst []byte, v bsoncore.Value) []byte {
	if v.Type == emptyArray.Type {
		return append(dst, emptyArrayRank)
	}
	dst = append(dst, ranks[v.Type])
	switch v.Type {
	case bsoncore.TypeInt32:
		return appendNumber(dst, float64(v.Int32()), 0)
	case bsoncore.TypeInt64:
		return appendInt64(dst, v.Int64())
	case bsoncore.TypeDouble:
		return appendNumber(dst, v.Double(), 0)
	case bsoncore.TypeDecimal128:
		high, low := v.Decimal128()
		f, _ := strconv.ParseFloat(bson.NewDecimal128(high, low).String(), 64) // an overflow gives ±Inf, which is what we want
		return appendNumber(dst, f, 0)
	case bsoncore.TypeString:
		return appendText(dst, v.Data[4:len(v.Data)-1])
	case bsoncore.TypeEmbeddedDocument:
		for name, e := range fields(v.Data) { // by type, then name, then value
			dst = append(dst, ranks[e.Type])
			dst = append(append(dst, name...), 0)
			dst = appendKey(dst, e)
		}
		return append(dst, 0)
	case bsoncore.TypeArray:
		for _, e := range fields(v.Data) {
			dst = appendKey(dst, e)
		}
		return append(dst, 0)
	case bsoncore.TypeBinary: // by length, then subtype, then bytes
		dst = binary.BigEndian.AppendUint32(dst, binary.LittleEndian.Uint32(v.Data))
		return append(dst, v.Data[4:]...)
	case bsoncore.TypeDateTime:
		return binary.BigEndian.AppendUint64(dst, binary.LittleEndian.Uint64(v.Data)^1<<63)
	default: // null, bool, ObjectID: their own bytes are in order
		return append(dst, v.Data...)
	}
}

// appendNumber encodes f plus a remainder that a double cannot hold.
func appendNumber(dst []byte, f float64, remainder int64) []byte {
	bits := uint64(0) // NaN sorts below every number
	if !math.IsNaN(f) {
		bits = 1 << 63 // 0 and -0
		if f < 0 {
			bits = ^math.Float64bits(f)
		} else if f > 0 {
			bits |= math.Float64bits(f)
		}
	}
	dst = binary.BigEndian.AppendUint64(dst, bits)
	return binary.BigEndian.AppendUint16(dst, uint16(remainder))
}

// appendInt64 encodes i as the greatest double that is not above it and the
// remainder, which keeps integers beyond 2^53 apart.
func appendInt64(dst []byte, i int64) []byte {
	f := float64(i)
	if f >= 1<<63 || int64(f) > i {
		f = math.Nextafter(f, math.Inf(-1))
	}
	return appendNumber(dst, f, i-int64(f))
}

// appendText escapes zero bytes so that the terminator is below any text.
func appendText(dst, text []byte) []byte {
	for {
		zero := bytes.IndexByte(text, 0)
		if zero < 0 {
			return append(append(dst, text...), 0, 0)
		}
		dst = append(append(dst, text[:zero]...), 0, 0xFF)
		text = text[zero+1:]
	}
}

// appendDirected appends the encoding of v so that it sorts in the direction.
func appendDirected(dst []byte, v bsoncore.Value, descending bool) []byte {
	start := len(dst)
	dst = appendKey(dst, v)
	if descending {
		for i := range dst[start:] {
			dst[start+i] ^= 0xFF
		}
	}
	return dst
}

// compareValues orders two values of any types as MongoDB does.
func compareValues(a, b bsoncore.Value) int {
	var x, y [64]byte
	return bytes.Compare(appendKey(x[:0], a), appendKey(y[:0], b))
}

// equalValues is compareValues == 0 with short cuts for the common types.
func equalValues(a, b bsoncore.Value) bool {
	if a.Type == b.Type {
		switch a.Type {
		case bsoncore.TypeString, bsoncore.TypeObjectID, bsoncore.TypeInt32, bsoncore.TypeInt64, bsoncore.TypeDateTime, bsoncore.TypeBoolean:
			return bytes.Equal(a.Data, b.Data)
		}
	}
	return ranks[a.Type] == ranks[b.Type] && compareValues(a, b) == 0
}
