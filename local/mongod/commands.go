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

// A command appends the fields of its reply. An error replaces them.
type command struct {
	access access
	run    func(s *Server, r *request, dst []byte) ([]byte, error)
	// options are the arguments it knows besides the general ones; nil for
	// greetings and questions, which every driver asks with others.
	options []string
}

var (
	none          = []string{}
	queryOptions  = []string{"query", "sort", "skip", "limit"}
	listOptions   = []string{"filter", "nameOnly", "cursor", "authorizedDatabases", "authorizedCollections"}
	modifyOptions = []string{"query", "sort", "remove", "update", "new", "upsert", "fields"}
	findOptions   = []string{"filter", "sort", "skip", "limit", "projection", "batchSize", "singleBatch"}
)

// onServer are the commands on no collection; what their own field holds does
// not matter.
var onServer = map[string]command{
	"hello": {nothing, hello, nil}, "isMaster": {nothing, hello, nil}, "ismaster": {nothing, hello, nil},
	"ping": {nothing, empty, nil}, "endSessions": {nothing, empty, nil}, "whatsmyuri": {nothing, empty, nil}, "hostInfo": {nothing, empty, nil},
	"buildInfo": {nothing, buildInfo, nil}, "buildinfo": {nothing, buildInfo, nil}, "serverStatus": {nothing, serverStatus, nil},
	"getParameter": {nothing, getParameter, []string{"featureCompatibilityVersion"}}, "getLog": {nothing, getLog, nil},
	"connectionStatus": {nothing, connectionStatus, []string{"showPrivileges"}}, "getCmdLineOpts": {nothing, getCmdLineOpts, nil},

	"listDatabases":   {shared, listDatabases, listOptions},
	"listCollections": {shared, listCollections, listOptions},
	"dropDatabase":    {exclusive, dropDatabase, none},
	"getMore":         {nothing, getMore, []string{"collection", "batchSize"}},
	"explain":         {shared, explain, []string{"verbosity"}},
}

// onCollection are the commands whose own field names a collection.
var onCollection = map[string]command{
	"create":        {exclusive, create, none},
	"drop":          {exclusive, drop, none},
	"listIndexes":   {shared, listIndexes, []string{"cursor"}},
	"createIndexes": {shared, createIndexes, []string{"indexes", "commitQuorum"}},
	"dropIndexes":   {shared, dropIndexes, []string{"index"}},
	"insert":        {shared, insert, []string{"documents", "ordered"}},
	"update":        {shared, updateMany, []string{"updates", "ordered"}},
	"delete":        {shared, deleteMany, []string{"deletes", "ordered"}},
	"findAndModify": {shared, findAndModify, modifyOptions}, "findandmodify": {shared, findAndModify, modifyOptions},
	"find":        {shared, find, findOptions},
	"killCursors": {nothing, killCursors, []string{"cursors"}},
	"count":       {shared, count, queryOptions},
	"distinct":    {shared, distinct, append([]string{"key"}, queryOptions...)},
	"aggregate":   {shared, aggregate, []string{"pipeline", "cursor"}},
}

// general are options of every command that need nothing done: a standalone
// server meets every concern, and there is no session to look up.
var general = []string{
	"$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern", "maxTimeMS", "comment", "hint",
	"apiVersion", "apiStrict", "apiDeprecationErrors", "allowDiskUse", "noCursorTimeout", "bypassDocumentValidation",
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
	c, ok := onServer[r.name]
	if !ok {
		if c, ok = onCollection[r.name]; !ok {
			return nil, errorf(codeCommandNotFound, "no such command: '%s' (local/mongod is a small development server)", r.name)
		}
		if err := r.target(); err != nil {
			return nil, err
		}
	}
	if r.db == "" || strings.ContainsAny(r.db, ". /\\$\x00") {
		return nil, errorf(codeInvalidNamespace, "Invalid database name: '%s'", r.db)
	}
	if r.legacy && c.access != nothing {
		return nil, errorf(codeUnsupported, "command %s over OP_QUERY is not supported", r.name)
	}
	if c.options != nil {
		if err := r.check(c.options); err != nil {
			return nil, err
		}
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

// target sets ns to the collection that the command's own field names.
func (r *request) target() error {
	name, ok := field(r.body, r.name).StringValueOK()
	if !ok || name == "" {
		return errorf(codeInvalidNamespace, "collection name of %s is %s: it must be a non-empty string", r.name, display(field(r.body, r.name)))
	}
	r.ns = r.db + "." + name
	return nil
}

// check refuses options that nobody knows, unless they are switched off.
func (r *request) check(known []string) error {
	first := true
	for key, v := range fields(r.body) {
		off := v.Type == bsoncore.TypeBoolean && !v.Boolean()
		switch name := string(key); {
		case first:
			first = false
		case name == "startTransaction" || name == "autocommit":
			return errorf(codeIllegalOperation, "Transaction numbers are only allowed on a replica set member or mongos")
		case !off && !slices.Contains(known, name) && !slices.Contains(general, name):
			return errorf(codeUnknownField, "BSON field '%s.%s' is not supported by local/mongod", r.name, key)
		}
	}
	return nil
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
