package mongostore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/shared/chat"
)

// Tool calls and results are JSON objects of the agent's making. They are kept
// as documents, so that they can be queried by other tools, and come back as
// the same JSON: members in order, {"$oid": …} an object like any other.
// Integers are kept to 64 bits, integers beyond them and numbers beyond a
// double to 34 digits, other numbers as doubles.

// toolDocs turns the JSON objects of a field into documents. What BSON cannot
// hold is refused with ValidationFailed.
func toolDocs(field string, items []json.RawMessage) ([]bson.D, error) {
	var docs []bson.D
	for _, item := range items {
		dec := jsontext.NewDecoder(bytes.NewReader(item))
		v, err := readValue(dec)
		if err != nil {
			if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
				return nil, chat.Invalid(field, "each must be a JSON object without duplicate members")
			}
			return nil, chat.Invalid(field, "%v", err)
		}
		doc, ok := v.(bson.D)
		if !ok {
			return nil, chat.Invalid(field, "each must be an object")
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func readValue(dec *jsontext.Decoder) (any, error) {
	t, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '{':
		return readObject(dec)
	case '[':
		return readArray(dec)
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String())
	case 't', 'f':
		return t.Bool(), nil
	default:
		return nil, nil
	}
}

func readObject(dec *jsontext.Decoder) (bson.D, error) {
	doc := bson.D{}
	for dec.PeekKind() != '}' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String() // before the next read: the token is gone then
		if strings.ContainsRune(name, 0) {
			return nil, errors.New("must not have a zero character in the name of a member")
		}
		v, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		doc = append(doc, bson.E{Key: name, Value: v})
	}
	_, err := dec.ReadToken()
	return doc, err
}

func readArray(dec *jsontext.Decoder) (bson.A, error) {
	items := bson.A{}
	for dec.PeekKind() != ']' {
		v, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := dec.ReadToken()
	return items, err
}

func number(s string) (any, error) {
	whole := !strings.ContainsAny(s, ".eE")
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n >= math.MinInt32 && n <= math.MaxInt32 {
				return int32(n), nil
			}
			return n, nil
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && !whole {
		return f, nil
	}
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		return nil, errors.New("must not have a number of more than 34 digits or beyond 1e6144")
	}
	return d, nil
}

// toolJSON is the inverse of toolDocs.
func toolJSON(docs []bson.D) []json.RawMessage {
	var items []json.RawMessage
	for _, doc := range docs {
		items = append(items, appendJSON(nil, doc))
	}
	return items
}

// appendJSON encodes a value. What others may have written and JSON does not
// have (ids, dates, binary) becomes a string: a read never fails on it.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case bson.D:
		dst = append(dst, '{')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, e.Key), ':')
			dst = appendJSON(dst, e.Value)
		}
		return append(dst, '}')
	case bson.A:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return append(dst, jsontext.Float(v).String()...)
	case string:
		return appendString(dst, v)
	case bson.ObjectID:
		return appendString(dst, v.Hex())
	case bson.DateTime:
		return appendString(dst, v.Time().UTC().Format(time.RFC3339Nano))
	case bson.Decimal128:
		if n := v.String(); jsontext.Value(n).IsValid() {
			return append(dst, n...)
		}
	}
	return appendString(dst, fmt.Sprint(v))
}

// appendString quotes s; invalid UTF-8 in it is replaced.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	return dst
}
