package mongod

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A code is one of MongoDB's error codes.
type code struct {
	number int32
	name   string
}

var (
	codeBadValue              = code{2, "BadValue"}
	codeJournalFailed         = code{8, "UnknownError"}
	codeFailedToParse         = code{9, "FailedToParse"}
	codeUnauthorized          = code{13, "Unauthorized"}
	codeAuthenticationFailed  = code{18, "AuthenticationFailed"}
	codeTypeMismatch          = code{14, "TypeMismatch"}
	codeIllegalOperation      = code{20, "IllegalOperation"}
	codeNamespaceNotFound     = code{26, "NamespaceNotFound"}
	codeIndexNotFound         = code{27, "IndexNotFound"}
	codePathNotViable         = code{28, "PathNotViable"}
	codeConflict              = code{40, "ConflictingUpdateOperators"}
	codeCursorNotFound        = code{43, "CursorNotFound"}
	codeInvalidID             = code{53, "InvalidIdField"}
	codeCommandNotFound       = code{59, "CommandNotFound"}
	codeImmutableField        = code{66, "ImmutableField"}
	codeCannotCreateIndex     = code{67, "CannotCreateIndex"}
	codeInvalidNamespace      = code{73, "InvalidNamespace"}
	codeIndexConflict         = code{86, "IndexKeySpecsConflict"}
	codeUnsupported           = code{115, "CommandNotSupported"}
	codeParallelArrays        = code{171, "CannotIndexParallelArrays"}
	codeTooLarge              = code{10334, "BSONObjectTooLarge"}
	codeMetadata              = code{186, "ClientMetadataCannotBeMutated"}
	codeTimeExpired           = code{50, "MaxTimeMSExpired"}
	codeConcernFailed         = code{64, "WriteConcernFailed"}
	codeInvalidOptions        = code{72, "InvalidOptions"}
	codeShutdown              = code{91, "ShutdownInProgress"}
	codeTransactionTooOld     = code{225, "TransactionTooOld"}
	codeTooManySessions       = code{261, "TooManyLogicalSessions"}
	codeNotWritablePrimary    = code{10107, "NotWritablePrimary"}
	codeStateChange           = code{11602, "InterruptedDueToReplStateChange"}
	codeNotPrimaryNoSecondary = code{13435, "NotPrimaryNoSecondaryOk"}
	codeNotRetryable          = code{50768, "NotARetryableWriteCommand"}
	codeDuplicateKey          = code{11000, "DuplicateKey"}
	codeDiskFull              = code{14031, "OutOfDiskSpace"}
)

// A commandError is what a client sees of a refused command or write.
type commandError struct {
	code    code
	message string
}

func (e *commandError) Error() string { return e.message }

func errorf(c code, format string, args ...any) *commandError {
	return &commandError{c, fmt.Sprintf(format, args...)}
}

// unsupported refuses a feature of MongoDB that this server does not have.
func unsupported[S string | []byte](kind string, name S) *commandError {
	return errorf(codeUnsupported, "%s %s is not supported by this development server (local/embedded/mongod)", kind, name)
}

// appendError appends the fields by which an error is reported, in a reply or
// in a writeErrors entry.
func appendError(dst []byte, err error) []byte {
	e, ok := errors.AsType[*commandError](err)
	if !ok {
		e = errorf(codeBadValue, "%v", err)
	}
	dst = bsoncore.AppendStringElement(dst, "errmsg", e.message)
	dst = bsoncore.AppendInt32Element(dst, "code", e.code.number)
	return bsoncore.AppendStringElement(dst, "codeName", e.code.name)
}

// duplicateKey has the form of mongod's error: programs parse it.
func duplicateKey(ns string, ix *index, values []bsoncore.Value) *commandError {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = ix.fields[i].path + ": " + display(v)
	}
	return errorf(codeDuplicateKey, "E11000 duplicate key error collection: %s index: %s dup key: { %s }", ns, ix.name, strings.Join(parts, ", "))
}

// display shows a value in a message: the common types as mongod does, others
// as extended JSON, cut because a document may be long.
func display(v bsoncore.Value) string {
	switch v.Type {
	case bsoncore.TypeString:
		return strconv.Quote(v.StringValue())
	case bsoncore.TypeInt32, bsoncore.TypeInt64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case bsoncore.TypeNull, 0:
		return "null"
	}
	s, _ := v.StringN(256)
	return s
}
