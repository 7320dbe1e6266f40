package mongod

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	version = "7.0.0" // the MongoDB whose behaviour is the model
	maxWire = 21      // that version's number in the handshake
)

// access is what a command needs of the store.
type access int

const (
	nothing   access = iota
	shared           // collections stay while it runs
	exclusive        // it may add and remove collections
)

// A handler appends the fields of its reply. An error replaces them.
type handler func(s *Server, r *request, dst []byte) ([]byte, error)

var commands = map[string]struct {
	access access
	run    handler
}{
	"hello": {nothing, hello}, "isMaster": {nothing, hello}, "ismaster": {nothing, hello},
	"ping": {nothing, empty}, "endSessions": {nothing, empty},
	"buildInfo": {nothing, buildInfo}, "buildinfo": {nothing, buildInfo}, "whatsmyuri": {nothing, empty},
	"getParameter": {nothing, getParameter}, "connectionStatus": {nothing, connectionStatus}, "getLog": {nothing, getLog},
	"hostInfo": {nothing, empty}, "getCmdLineOpts": {nothing, getCmdLineOpts}, "serverStatus": {nothing, serverStatus},

	"listDatabases": {shared, listDatabases}, "listCollections": {shared, listCollections}, "listIndexes": {shared, listIndexes},
	"create": {exclusive, create}, "drop": {exclusive, drop}, "dropDatabase": {exclusive, dropDatabase},
	"createIndexes": {shared, createIndexes}, "dropIndexes": {shared, dropIndexes},

	"insert": {shared, insert}, "update": {shared, updateCommand}, "delete": {shared, deleteCommand},
	"findAndModify": {shared, findAndModify}, "findandmodify": {shared, findAndModify},
	"find": {shared, find}, "getMore": {nothing, getMore}, "killCursors": {nothing, killCursors},
	"count": {shared, count}, "distinct": {shared, distinct}, "aggregate": {shared, aggregate}, "explain": {shared, explain},
}

// answer runs a command and appends the whole reply to dst.
func (s *Server) answer(r *request, dst []byte) []byte {
	dst = r.startReply(dst)
	reply, err := s.run(r, dst)
	if err == nil {
		// Not for writes only: what a reply shows must be in the journal too.
		if err = s.store.journal.sync(); err != nil {
			err = errorf(codeJournalFailed, "%v; restart the server", err)
		}
	}
	if err != nil {
		reply = appendError(bsoncore.AppendDoubleElement(dst, "ok", 0), err)
	} else {
		reply = bsoncore.AppendDoubleElement(reply, "ok", 1)
	}
	return r.endReply(reply)
}

func (s *Server) run(r *request, dst []byte) ([]byte, error) {
	c, ok := commands[r.name]
	switch {
	case !ok:
		return nil, errorf(codeCommandNotFound, "no such command: '%s' (local/mongod is a small development server)", r.name)
	case r.db == "" || strings.ContainsAny(r.db, ". /\\$\x00"):
		return nil, errorf(codeInvalidNamespace, "Invalid database name: '%s'", r.db)
	case r.legacy && c.access != nothing:
		return nil, errorf(codeUnsupported, "command %s over OP_QUERY is not supported", r.name)
	}
	switch c.access {
	case shared:
		s.store.mu.RLock()
		defer s.store.mu.RUnlock()
	case exclusive:
		s.store.mu.Lock()
		defer s.store.mu.Unlock()
	}
	return c.run(s, r, dst)
}

// general are options of every command that need nothing done: a standalone
// server meets every concern, and there is no session to look up.
var general = []string{
	"$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern", "maxTimeMS", "comment",
	"hint", "apiVersion", "apiStrict", "apiDeprecationErrors", "allowDiskUse", "noCursorTimeout", "bypassDocumentValidation",
}

// options hands the arguments of a command to set, which says whether it knows
// them, and refuses those that nobody knows.
func (r *request) options(set func(name string, v bsoncore.Value) (known bool, err error)) error {
	first := true
	for key, v := range fields(r.body) {
		if first { // the command itself
			first = false
			continue
		}
		known, err := set(string(key), v)
		switch {
		case err != nil:
			return err
		case known || slices.Contains(general, string(key)):
		case string(key) == "startTransaction" || string(key) == "autocommit":
			return errorf(codeIllegalOperation, "Transaction numbers are only allowed on a replica set member or mongos")
		default:
			return errorf(codeUnknownField, "BSON field '%s.%s' is not supported by local/mongod", r.name, key)
		}
	}
	return nil
}

// namespace is the collection that the command's own field names.
func (r *request) namespace() (string, error) {
	name, ok := field(r.body, r.name).StringValueOK()
	if !ok || name == "" {
		return "", errorf(codeInvalidNamespace, "collection name of %s has invalid type or is empty", r.name)
	}
	return r.db + "." + name, nil
}

// empty answers what only asks whether it is there.
func empty(_ *Server, _ *request, dst []byte) ([]byte, error) { return dst, nil }

// hello shows a standalone server: no setName, and no
// logicalSessionTimeoutMinutes, so that drivers open no sessions.
func hello(_ *Server, r *request, dst []byte) ([]byte, error) {
	primary := "ismaster"
	if r.name == "hello" {
		primary = "isWritablePrimary"
	}
	dst = bsoncore.AppendBooleanElement(dst, "helloOk", true)
	dst = bsoncore.AppendBooleanElement(dst, primary, true)
	dst = bsoncore.AppendInt32Element(dst, "maxBsonObjectSize", maxDocument)
	dst = bsoncore.AppendInt32Element(dst, "maxMessageSizeBytes", maxMessage)
	dst = bsoncore.AppendInt32Element(dst, "maxWriteBatchSize", maxBatch)
	dst = bsoncore.AppendTimeElement(dst, "localTime", time.Now())
	dst = bsoncore.AppendInt32Element(dst, "connectionId", r.connection)
	dst = bsoncore.AppendInt32Element(dst, "minWireVersion", 0)
	dst = bsoncore.AppendInt32Element(dst, "maxWireVersion", maxWire)
	return bsoncore.AppendBooleanElement(dst, "readOnly", false), nil
}

func buildInfo(_ *Server, _ *request, dst []byte) ([]byte, error) {
	dst = bsoncore.AppendStringElement(dst, "version", version)
	dst = bsoncore.AppendArrayElement(dst, "versionArray", bsoncore.BuildArray(nil, int32Value(7), int32Value(0), int32Value(0), int32Value(0)))
	dst = bsoncore.AppendStringElement(dst, "gitVersion", "aiwm-chat local/mongod")
	dst = bsoncore.AppendArrayElement(dst, "modules", emptyDocument)
	dst = bsoncore.AppendInt32Element(dst, "bits", 64)
	return bsoncore.AppendInt32Element(dst, "maxBsonObjectSize", maxDocument), nil
}

func getParameter(_ *Server, r *request, dst []byte) ([]byte, error) {
	if isMissing(field(r.body, "featureCompatibilityVersion")) {
		return nil, errorf(codeInvalidOptions, "no option found to get: only featureCompatibilityVersion is supported by local/mongod")
	}
	return bsoncore.AppendDocumentElement(dst, "featureCompatibilityVersion",
		bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "version", "7.0"))), nil
}

func connectionStatus(_ *Server, _ *request, dst []byte) ([]byte, error) {
	return bsoncore.AppendDocumentElement(dst, "authInfo", bsoncore.BuildDocument(nil,
		bsoncore.AppendArrayElement(nil, "authenticatedUsers", emptyDocument),
		bsoncore.AppendArrayElement(nil, "authenticatedUserRoles", emptyDocument))), nil
}

func getLog(_ *Server, _ *request, dst []byte) ([]byte, error) {
	dst = bsoncore.AppendInt32Element(dst, "totalLinesWritten", 1)
	return bsoncore.AppendArrayElement(dst, "log", bsoncore.BuildArray(nil,
		stringValue("aiwm-chat local/mongod: a development server, not MongoDB"))), nil
}

func getCmdLineOpts(_ *Server, _ *request, dst []byte) ([]byte, error) {
	dst = bsoncore.AppendArrayElement(dst, "argv", emptyDocument)
	return bsoncore.AppendDocumentElement(dst, "parsed", emptyDocument), nil
}

func serverStatus(s *Server, _ *request, dst []byte) ([]byte, error) {
	s.mu.Lock()
	open := len(s.conns)
	s.mu.Unlock()
	dst = bsoncore.AppendStringElement(dst, "version", version)
	dst = bsoncore.AppendStringElement(dst, "process", "local/mongod")
	dst = bsoncore.AppendDoubleElement(dst, "uptime", time.Since(s.started).Seconds())
	return bsoncore.AppendDocumentElement(dst, "connections",
		bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, "current", int32(open)))), nil
}
