package protocol

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"aiwm-chat/shared/chat"
)

// Limits of what is decoded. Over WebSocket API Gateway is stricter by itself: it
// closes a connection on a frame over 32 KB or a message over 128 KB.
const (
	MaxBody  = 256 << 10 // bytes
	MaxDepth = 32        // nested arrays and objects
)

// Decode parses data, which must be one JSON object, as a T. It refuses what
// encoding/json lets pass: duplicate and unknown members, names in another
// case, invalid UTF-8, lone surrogates and deep nesting. The error is a
// *chat.Error that names the field where there is one, and tells nothing else.
func Decode[T any](data []byte) (T, error) { return decodeWithin[T](data, MaxBody) }

func decodeWithin[T any](data []byte, most int) (T, error) {
	var v T
	if len(data) > most {
		return v, chat.Errorf(chat.PayloadTooLarge, "the body must be at most %d bytes", most)
	}
	if tooDeep(data) {
		return v, chat.Errorf(chat.BadRequest, "the body is nested more than %d deep", MaxDepth)
	}
	if jsontext.Value(data).Kind() != '{' {
		return v, chat.Errorf(chat.BadRequest, "the body must be a JSON object")
	}
	if err := json.Unmarshal(data, &v, json.RejectUnknownMembers(true)); err != nil {
		var zero T
		return zero, decodeError(err)
	}
	return v, nil
}

// tooDeep scans without parsing, so that depth is bounded before anything
// recurses. On malformed JSON it may answer either way: the parser is next.
func tooDeep(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// decodeError turns the parser's error into one for clients.
func decodeError(err error) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		field := fieldName(semantic.JSONPointer)
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return chat.Invalid(field, "is not known here")
		}
		return chat.Invalid(field, "%s", wanted(semantic.GoType, semantic.JSONKind))
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
			return chat.Errorf(chat.BadRequest, "the member %s is given twice", fieldName(syntactic.JSONPointer))
		}
		if field := fieldName(syntactic.JSONPointer); field != "" {
			return chat.Errorf(chat.BadRequest, "the body is not valid JSON at %s", field)
		}
	}
	return chat.Errorf(chat.BadRequest, "the body is not valid JSON")
}

// wanted says what a field must be that is something else.
func wanted(t reflect.Type, got jsontext.Kind) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
	case t == reflect.TypeFor[time.Time]():
		return `must be a time such as "2026-01-31T12:00:00Z"`
	case t.Kind() == reflect.String:
		return "must be a string"
	case t.Kind() == reflect.Bool:
		return "must be true or false"
	case t.Kind() == reflect.Slice:
		return "must be an array"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "must be an object"
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && got != jsontext.KindNumber:
		return "must be a whole number"
	case t.Kind() == reflect.Float64 && got != jsontext.KindNumber:
		return "must be a number"
	}
	return "has the wrong type or is out of range"
}

// place is a number in a pointer: that of a member of a list, as no field of ours is called so.
var place = regexp.MustCompile(`/([0-9]+)(/|$)`)

// fieldName turns "/mentions/1/id" into "mentions[1].id". The client
// chose the name, so its length is bounded.
func fieldName(p jsontext.Pointer) string {
	const longest = 64
	name := place.ReplaceAllString(string(p), "[$1]$2")
	return chat.TruncateUTF8(strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", "."), longest)
}

// FrameID returns the id of a frame that could not be decoded, so that even
// its error reaches the right caller. It is "" where there is no usable one.
func FrameID(data []byte) string {
	var v struct {
		ID jsontext.Value `json:"id"`
	}
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if len(data) > MaxBody || tooDeep(data) || json.Unmarshal(data, &v, lenient) != nil {
		return ""
	}
	var id string
	if json.Unmarshal(v.ID, &id) != nil || utf8.RuneCountInString(id) > MaxFrameID {
		return ""
	}
	return id
}
