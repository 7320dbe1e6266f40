package mongod

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	version = "7.0.0" // the MongoDB whose behaviour is the model
	maxWire = 21      // that version's number in the handshake
)

// A command appends the fields of its reply. An error replaces them.
type command struct {
	run          func(s *Server, r *request, dst []byte) ([]byte, error)
	onCollection bool // its own field names a collection
	// options are the arguments it knows besides the general ones; nil for
	// greetings, which every driver sends with others.
	options []string
}

var (
	none        = []string{}
	listOptions = []string{"filter", "nameOnly", "cursor", "authorizedDatabases", "authorizedCollections"}
)

var commands = map[string]command{
	"hello": {hello, false, nil}, "isMaster": {hello, false, nil}, "ismaster": {hello, false, nil},
	"buildInfo": {buildInfo, false, nil}, "buildinfo": {buildInfo, false, nil},
	"ping": {empty, false, nil}, "endSessions": {empty, false, nil},

	"listDatabases":   {listDatabases, false, listOptions},
	"listCollections": {listCollections, false, listOptions},
	"listIndexes":     {listIndexes, true, []string{"cursor"}},
	"createIndexes":   {createIndexes, true, []string{"indexes", "commitQuorum"}},
	"dropIndexes":     {dropIndexes, true, []string{"index"}},
	"drop":            {drop, true, none},
	"dropDatabase":    {dropDatabase, false, none},

	"insert":        {insert, true, []string{"documents", "ordered"}},
	"update":        {updates, true, []string{"updates", "ordered"}},
	"delete":        {deletes, true, []string{"deletes", "ordered"}},
	"findAndModify": {findAndModify, true, []string{"query", "sort", "update", "new"}},
	"find":          {find, true, []string{"filter", "sort", "skip", "limit", "projection", "batchSize", "singleBatch"}},
	"aggregate":     {aggregate, true, []string{"pipeline", "cursor"}},
	"getMore":       {getMore, false, []string{"collection", "batchSize"}},
	"killCursors":   {killCursors, true, []string{"cursors"}},
}

// general are options of every command that need nothing done: a standalone
// server meets every concern, and there is no session to look up.
var general = []string{
	"$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern", "maxTimeMS", "comment", "hint",
	"apiVersion", "apiStrict", "apiDeprecationErrors", "bypassDocumentValidation",
}

// answer runs a command and appends the whole reply to dst.
func (s *Server) answer(r *request, dst []byte) []byte {
	dst = r.startReply(dst)
	reply, err := s.run(r, dst)
	if err == nil {
		// Not for writes only: what a reply shows must be in the journal too.
		if err = s.store.journal.sync(); err != nil {
			err = journalFailed(err)
		}
	}
	if err != nil {
		reply = appendError(bsoncore.AppendDoubleElement(dst, "ok", 0), err)
	} else {
		reply = bsoncore.AppendDoubleElement(reply, "ok", 1)
	}
	return r.endReply(reply)
}

// journalFailed tells what whoever runs the server has to do. A full disk has a
// code of its own, as MongoDB's: clients may try again.
func journalFailed(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return errorf(codeDiskFull, "%v; make room and restart the server", err)
	}
	return errorf(codeJournalFailed, "%v; restart the server", err)
}

func (s *Server) run(r *request, dst []byte) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	c, ok := commands[r.name]
	if !ok {
		return nil, errorf(codeCommandNotFound, "no such command: '%.300s' (local/embedded/mongod is a small development server)", r.name)
	}
	if r.legacy && c.options != nil {
		return nil, unsupported("over OP_QUERY the command", r.name)
	}
	if r.db == "" && !r.legacy || strings.ContainsAny(r.db, ". /\\$\x00") {
		return nil, errorf(codeInvalidNamespace, "Invalid database name: '%.300s'", r.db)
	}
	if c.onCollection {
		name, _ := field(r.body, r.name).StringValueOK()
		if name == "" {
			return nil, errorf(codeInvalidNamespace, "collection name of %s is %s: it must be a non-empty string", r.name, display(field(r.body, r.name)))
		}
		r.ns = r.db + "." + name
	}
	if c.options != nil {
		if err := r.check(c.options); err != nil {
			return nil, err
		}
	}
	return c.run(s, r, dst)
}

// check refuses options that nobody knows, unless they are switched off.
func (r *request) check(known []string) error {
	first := true
	for key, v := range fields(r.body) {
		off := v.Type == bsoncore.TypeBoolean && !v.Boolean() && string(key) != "autocommit"
		if name := string(key); !first && !off && !slices.Contains(known, name) && !slices.Contains(general, name) {
			return unsupported("option "+name+" of command", r.name)
		}
		first = false
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
	dst = bsoncore.AppendInt32Element(dst, "minWireVersion", 0)
	dst = bsoncore.AppendInt32Element(dst, "maxWireVersion", maxWire)
	return bsoncore.AppendBooleanElement(dst, "readOnly", false), nil
}

func buildInfo(_ *Server, _ *request, dst []byte) ([]byte, error) {
	dst = bsoncore.AppendStringElement(dst, "version", version)
	dst = bsoncore.AppendStringElement(dst, "gitVersion", "aiwm-chat local/embedded/mongod")
	dst = bsoncore.AppendArrayElement(dst, "modules", emptyDocument)
	return bsoncore.AppendInt32Element(dst, "maxBsonObjectSize", maxDocument), nil
}
