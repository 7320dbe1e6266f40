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
	writes       bool // it may change something
	// options are the arguments it knows besides the general ones; nil for
	// greetings, which every driver sends with others.
	options []string
}

var (
	none        = []string{}
	listOptions = []string{"filter", "nameOnly", "cursor", "authorizedDatabases", "authorizedCollections"}
)

var commands = map[string]command{
	"hello": {hello, false, false, nil}, "isMaster": {hello, false, false, nil}, "ismaster": {hello, false, false, nil},
	"buildInfo": {buildInfo, false, false, nil}, "buildinfo": {buildInfo, false, false, nil},
	"ping": {empty, false, false, nil}, "endSessions": {empty, false, false, nil},
	"saslStart":    {saslStart, false, false, []string{"mechanism", "payload", "autoAuthorize", "options"}},
	"saslContinue": {saslContinue, false, false, []string{"conversationId", "payload"}},

	"listDatabases":   {listDatabases, false, false, listOptions},
	"listCollections": {listCollections, false, false, listOptions},
	"listIndexes":     {listIndexes, true, false, []string{"cursor"}},
	"createIndexes":   {createIndexes, true, true, []string{"indexes", "commitQuorum"}},
	"dropIndexes":     {dropIndexes, true, true, []string{"index"}},
	"drop":            {drop, true, true, none},
	"dropDatabase":    {dropDatabase, false, true, none},

	"insert":        {insert, true, true, []string{"documents", "ordered"}},
	"update":        {updates, true, true, []string{"updates", "ordered"}},
	"delete":        {deletes, true, true, []string{"deletes", "ordered"}},
	"findAndModify": {findAndModify, true, true, []string{"query", "sort", "update", "new"}},
	"find":          {find, true, false, []string{"filter", "sort", "skip", "limit", "projection", "batchSize", "singleBatch"}},
	"aggregate":     {aggregate, true, false, []string{"pipeline", "cursor"}},
	"getMore":       {getMore, false, false, []string{"collection", "batchSize"}},
	"killCursors":   {killCursors, true, false, []string{"cursors"}},
}

// general are options of every command that need nothing done by it: a
// standalone server meets every concern, and a replica set sees to them.
var general = []string{
	"$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern", "maxTimeMS", "comment", "hint",
	"apiVersion", "apiStrict", "apiDeprecationErrors", "bypassDocumentValidation",
}

// answer runs a command and appends the whole reply to dst. It reports whether
// the client gets that: if not, the connection is to be closed.
func (s *Server) answer(r *request, dst []byte) (reply []byte, answered bool) {
	dst = r.startReply(dst)
	if s.set != nil {
		return s.set.answer(s, r, dst)
	}
	r.store = s.store
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
	return r.endReply(reply), true
}

// journalFailed tells what whoever runs the server has to do. A full disk has a
// code of its own, as MongoDB's: clients may try again. So it is where the quota is
// used up, or the file may not be longer.
func journalFailed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
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
	if err := s.authenticated(r, c); err != nil {
		return nil, err
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
	if s.set == nil && !isMissing(field(r.body, "txnNumber")) {
		return nil, errorf(codeIllegalOperation, "Transaction numbers are only allowed on a replica set member or mongos")
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

// hello shows a standalone server, with no setName, and no
// logicalSessionTimeoutMinutes, so that drivers open no sessions; or a member of
// a replica set.
func hello(s *Server, r *request, dst []byte) ([]byte, error) {
	if introduces := !isMissing(field(r.body, "client")); introduces && r.peer.introduced {
		return nil, errorf(codeMetadata, "The client metadata document may only be sent in the first hello")
	} else if introduces {
		r.peer.introduced = true
	}
	if login := s.login.Load(); login != nil && !isMissing(field(r.body, "saslSupportedMechs")) {
		dst = bsoncore.AppendArrayElement(dst, "saslSupportedMechs", bsoncore.NewArrayBuilder().AppendString(mechanism).Build())
	}
	primary := "ismaster"
	if r.name == "hello" {
		primary = "isWritablePrimary"
	}
	dst = bsoncore.AppendBooleanElement(dst, "helloOk", true)
	if s.set == nil {
		dst = bsoncore.AppendBooleanElement(dst, primary, true)
	} else {
		dst = s.set.appendHello(dst, primary, r.peer.member)
	}
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
