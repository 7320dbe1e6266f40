package mongod

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/local/filelock"
)

// maxCollections bounds what a client can create.
const maxCollections = 10_000

// A store is all collections by namespace ("database.collection"). A write
// makes the collection that it needs; while one has neither documents nor
// indexes, nobody is told of it, the journal included.
type store struct {
	mu          sync.Mutex
	collections map[string]*collection
	changes     recorder // nil: nobody records them
	journal     *journal
	lock        *os.File
}

// openStore loads the data of a directory, or makes an empty store in memory
// when dir is "".
func openStore(dir string, log *slog.Logger) (*store, error) {
	s := &store{collections: make(map[string]*collection)}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := filelock.Take(dir)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.load(dir, log); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// load replays the journal and rewrites it when most of it is history.
func (s *store) load(dir string, log *slog.Logger) error {
	j, size, cut, err := openJournal(dir, s.replay)
	if err != nil {
		return err
	}
	if cut > 0 {
		log.Warn("mongod: what was no record at the end of the journal was cut off", "dir", dir, "bytes", cut)
	}
	if err := s.buildIndexes(); err != nil {
		return errors.Join(err, j.close())
	}
	if size > compactBeyond && size > 2*s.size() {
		if err := j.close(); err != nil {
			return err
		}
		if j, err = rewriteJournal(dir, s.snapshot); err != nil {
			return err
		}
	}
	s.journal, s.changes = j, j
	for _, c := range s.collections {
		c.changes = j
	}
	return nil
}

// replay applies one record of the journal. Only _id_ is kept up to date: the
// other indexes are built when all is read, in one go.
func (s *store) replay(kind byte, ns string, doc bsoncore.Document) error {
	c := s.collections[ns]
	if c == nil {
		c = newCollection(ns, nil)
		s.collections[ns] = c
	}
	switch id := c.indexes[0]; kind {
	case opDrop:
		delete(s.collections, ns)
	case opPut:
		r := &record{doc: bytes.Clone(doc)}
		id.tree.Set(entry{string(id.encode([]bsoncore.Value{field(doc, "_id")})), r})
	case opDelete:
		id.tree.Delete(entry{key: string(id.encode([]bsoncore.Value{field(doc, "_id")}))})
	case opCreateIndex:
		ix, err := parseIndex(bytes.Clone(doc))
		if err != nil {
			return err
		}
		c.indexes = append(c.indexes, ix)
	case opDropIndex:
		name, _ := field(doc, "name").StringValueOK()
		c.dropIndex(name)
	default:
		return fmt.Errorf("unknown kind %q", kind)
	}
	return nil
}

// buildIndexes fills all indexes but _id_, on all processors.
func (s *store) buildIndexes() error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range s.collections {
		for _, ix := range c.indexes[1:] {
			g.Go(func() error { return ix.build(c) })
		}
	}
	return g.Wait()
}

// snapshot writes the records that make the present state.
func (s *store) snapshot(put func(kind byte, ns string, doc bsoncore.Document)) {
	for ns, c := range s.collections {
		for _, ix := range c.indexes[1:] {
			put(opCreateIndex, ns, ix.spec)
		}
		c.indexes[0].tree.Scan(func(e entry) bool {
			put(opPut, ns, e.record.doc)
			return true
		})
	}
}

// size is about how many bytes a snapshot takes.
func (s *store) size() (n int64) {
	s.snapshot(func(_ byte, ns string, doc bsoncore.Document) { n += int64(recordHeader + 2 + len(ns) + len(doc)) })
	return n
}

func (s *store) close() error {
	if s.lock == nil {
		return nil
	}
	return errors.Join(s.journal.close(), s.lock.Close())
}

// get returns a collection, or an empty one that is not in the store.
func (s *store) get(ns string) *collection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.collections[ns]; c != nil {
		return c
	}
	return newCollection(ns, nil)
}

// toWrite returns a collection, made if need be, that the caller has locked
// and must unlock.
func (s *store) toWrite(ns string) (*collection, error) {
	for {
		c, err := s.ensure(ns)
		if err != nil {
			return nil, err
		}
		if c.mu.Lock(); !c.dropped {
			return c, nil
		}
		c.mu.Unlock() // dropped before we had the lock: start again
	}
}

func (s *store) ensure(ns string) (*collection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[ns]
	if c != nil {
		return c, nil
	}
	if _, name, _ := strings.Cut(ns, "."); strings.HasPrefix(name, "system.") || strings.ContainsAny(ns, "$\x00") || len(ns) > 255 {
		return nil, errorf(codeInvalidNamespace, "Invalid namespace specified '%.300s'", ns)
	}
	if len(s.collections) == maxCollections {
		return nil, errorf(codeUnsupported, "more than %d collections are not supported by local/embedded/mongod", maxCollections)
	}
	c = newCollection(ns, s.changes)
	s.collections[ns] = c
	return c, nil
}

// drop removes a collection. It keeps mu until that is in the journal, before
// any write to a new collection of the name.
func (s *store) drop(ns string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.collections[ns]; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dropped = true
		delete(s.collections, ns)
		if s.changes != nil {
			s.changes.append(opDrop, ns, emptyDocument)
		}
	}
}

// namespaces returns the collections of a database, or all of them for "", in
// order.
func (s *store) namespaces(db string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for ns, c := range s.collections {
		if (db == "" || strings.HasPrefix(ns, db+".")) && c.exists() {
			all = append(all, ns)
		}
	}
	slices.Sort(all)
	return all
}
