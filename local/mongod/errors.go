package mongod

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Error codes of MongoDB that this server uses.
const (
	codeBadValue             = 2
	codeFailedToParse        = 9
	codeTypeMismatch         = 14
	codeIllegalOperation     = 20
	codeNamespaceNotFound    = 26
	codeIndexNotFound        = 27
	codePathNotViable        = 28
	codeConflictingOperators = 40
	codeCursorNotFound       = 43
	codeNamespaceExists      = 48
	codeInvalidIDField       = 53
	codeCommandNotFound      = 59
	codeImmutableField       = 66
	codeCannotCreateIndex    = 67
	codeInvalidOptions       = 72
	codeInvalidNamespace     = 73
	codeIndexOptionsConflict = 85
	codeIndexSpecsConflict   = 86
	codeUnsupported          = 115
	codeParallelArrays       = 171
	codeObjectTooLarge       = 10334
	codeDuplicateKey         = 11000
	codeUnknownPipelineStage = 40324
	codeUnknownField         = 40415
	codeJournalFailed        = 8
)

var codeNames = map[int32]string{
	codeBadValue: "BadValue", codeFailedToParse: "FailedToParse", codeTypeMismatch: "TypeMismatch",
	codeIllegalOperation: "IllegalOperation", codeNamespaceNotFound: "NamespaceNotFound", codeIndexNotFound: "IndexNotFound",
	codePathNotViable: "PathNotViable", codeConflictingOperators: "ConflictingUpdateOperators",
	codeCursorNotFound: "CursorNotFound", codeNamespaceExists: "NamespaceExists", codeInvalidIDField: "InvalidIdField",
	codeCommandNotFound: "CommandNotFound", codeImmutableField: "ImmutableField", codeCannotCreateIndex: "CannotCreateIndex",
	codeInvalidOptions: "InvalidOptions", codeInvalidNamespace: "InvalidNamespace",
	codeIndexOptionsConflict: "IndexOptionsConflict", codeIndexSpecsConflict: "IndexKeySpecsConflict",
	codeUnsupported: "CommandNotSupported", codeParallelArrays: "CannotIndexParallelArrays",
	codeObjectTooLarge: "BSONObjectTooLarge",
	codeDuplicateKey:   "DuplicateKey", codeUnknownPipelineStage: "Location40324", codeUnknownField: "Location40415",
	codeJournalFailed: "UnknownError",
}

// commandError is what a client sees of a refused command or write.
type commandError struct {
	code                 int32
	message              string
	keyPattern, keyValue bsoncore.Document // of a duplicate key
}

func (e *commandError) Error() string { return e.message }

func errorf(code int32, format string, args ...any) *commandError {
	return &commandError{code: code, message: fmt.Sprintf(format, args...)}
}

// unsupported refuses a feature of MongoDB that this server does not have.
func unsupported(kind string, name []byte) *commandError {
	return errorf(codeUnsupported, "%s %s is not supported by this development server (local/mongod)", kind, name)
}

// appendError appends the fields by which an error is reported, in a reply or
// in a writeErrors entry.
func appendError(dst []byte, err error) []byte {
	e, ok := err.(*commandError)
	if !ok {
		e = errorf(codeBadValue, "%v", err)
	}
	dst = bsoncore.AppendStringElement(dst, "errmsg", e.message)
	dst = bsoncore.AppendInt32Element(dst, "code", e.code)
	dst = bsoncore.AppendStringElement(dst, "codeName", codeNames[e.code])
	if e.keyPattern != nil {
		dst = bsoncore.AppendDocumentElement(dst, "keyPattern", e.keyPattern)
		dst = bsoncore.AppendDocumentElement(dst, "keyValue", e.keyValue)
	}
	return dst
}

// duplicateKey has the exact form of mongod's error: programs parse it.
func duplicateKey(ns string, ix *index, values []bsoncore.Value) *commandError {
	start, keyValue := startDocument(nil)
	parts := make([]string, len(values))
	for i, v := range values {
		if isMissing(v) {
			v.Type = bsoncore.TypeNull
		}
		keyValue = appendElement(keyValue, ix.fields[i].path, v)
		parts[i] = ix.fields[i].path + ": " + display(v)
	}
	return &commandError{
		code: codeDuplicateKey,
		message: fmt.Sprintf("E11000 duplicate key error collection: %s index: %s dup key: { %s }",
			ns, ix.name, strings.Join(parts, ", ")),
		keyPattern: ix.key,
		keyValue:   endDocument(keyValue, start),
	}
}

// display shows a value as mongod's messages do.
func display(v bsoncore.Value) string {
	switch v.Type {
	case bsoncore.TypeString:
		return strconv.Quote(v.StringValue())
	case bsoncore.TypeInt32, bsoncore.TypeInt64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case bsoncore.TypeDouble:
		s := strconv.FormatFloat(v.Double(), 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case bsoncore.TypeBoolean:
		return strconv.FormatBool(v.Boolean())
	case bsoncore.TypeNull:
		return "null"
	case bsoncore.TypeUndefined:
		return "undefined"
	case bsoncore.TypeObjectID:
		return "ObjectId('" + bson.ObjectID(v.ObjectID()).Hex() + "')"
	case bsoncore.TypeDateTime:
		return "new Date(" + strconv.FormatInt(v.DateTime(), 10) + ")"
	case bsoncore.TypeEmbeddedDocument:
		var parts []string
		for name, e := range fields(v.Data) {
			parts = append(parts, string(name)+": "+display(e))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case bsoncore.TypeArray:
		var parts []string
		for _, e := range fields(v.Data) {
			parts = append(parts, display(e))
		}
		return "[ " + strings.Join(parts, ", ") + " ]"
	default:
		s, _ := v.StringN(256) // cut: a binary may be long
		return s
	}
}
