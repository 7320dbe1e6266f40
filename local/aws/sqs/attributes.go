package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// An attribute is a message attribute: a text, a number as a text, or bytes, as
// the data type says.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

func (a attribute) value() string {
	if a.StringValue != nil {
		return *a.StringValue
	}
	return string(a.BinaryValue)
}

// valid tells whether the attribute has the value that its type asks for.
func (a attribute) valid() bool {
	kind, _, _ := strings.Cut(a.DataType, ".")
	switch kind {
	case "String", "Number":
		return a.StringValue != nil && *a.StringValue != ""
	case "Binary":
		return len(a.BinaryValue) > 0
	}
	return false
}

// attributesMD5 returns the digest that SQS documents for message attributes,
// empty if there are none.
func attributesMD5(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	field := func(s string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		field(name)
		field(a.DataType)
		transport := byte(1) // text
		if a.StringValue == nil {
			transport = 2 // bytes
		}
		b = append(b, transport)
		field(a.value())
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// messageSize is what SQS counts against its limits.
func messageSize(body string, attributes map[string]attribute) int {
	size := len(body)
	for name, a := range attributes {
		size += len(name) + len(a.DataType) + len(a.value())
	}
	return size
}

// validText tells whether a text has only characters that SQS accepts, those of
// XML 1.0.
func validText(s string) bool {
	for _, r := range s {
		switch {
		case r == '\t', r == '\n', r == '\r':
		case r < 0x20, r == 0xFFFE, r == 0xFFFF:
			return false
		}
	}
	return utf8.ValidString(s)
}
