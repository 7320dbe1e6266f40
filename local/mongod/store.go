package mongod

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"
)

// maxCollections bounds what a client can create.
const maxCollections = 10_000

// A store is all collections by namespace ("database.collection"). Commands
// hold mu's read side while they use a collection, so that none is dropped
// under them.
type store struct {
	mu          sync.RWMutex
	collections map[string]*collection
	journal     *journal
	lock        *os.File
}

var emptyDocument = bsoncore.Document{5, 0, 0, 0, 0}

// openStore loads the data of a directory, or makes an empty store in memory
// when dir is "".
func openStore(dir string) (*store, error) {
	s := &store{collections: make(map[string]*collection)}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another server: %w", dir, err), lock.Close())
	}
	s.lock = lock
	if err := s.load(dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// load replays the journal and rewrites it when most of it is history.
func (s *store) load(dir string) error {
	j, size, err := openJournal(dir, s.replay)
	if err != nil {
		return err
	}
	if err := s.buildIndexes(); err != nil {
		return errors.Join(err, j.close())
	}
	if size > compactBeyond && size > 2*s.size() {
		err = errors.Join(j.close(), rewriteJournal(dir, s.snapshot))
		if err == nil {
			j, _, err = openJournal(dir, func(byte, string, bsoncore.Document) error { return nil })
		}
		if err != nil {
			return err
		}
	}
	s.journal = j
	for _, c := range s.collections {
		c.journal = j
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
	case opCreate:
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
		c.indexes = slices.DeleteFunc(c.indexes, func(ix *index) bool { return ix.name == field(doc, "name").StringValue() })
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
		put(opCreate, ns, emptyDocument)
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

// get returns a collection, or an empty one that is not in the store. The
// caller holds mu.
func (s *store) get(ns string) *collection {
	if c := s.collections[ns]; c != nil {
		return c
	}
	return newCollection(ns, nil)
}

// ensure returns a collection, made if need be, and says whether it was. The
// caller holds the read side of mu, which ensure may give up for a moment.
func (s *store) ensure(ns string) (c *collection, created bool, err error) {
	for {
		if c := s.collections[ns]; c != nil {
			return c, created, nil
		}
		s.mu.RUnlock()
		s.mu.Lock()
		if s.collections[ns] == nil {
			if err = s.create(ns); err == nil {
				created = true
			}
		}
		s.mu.Unlock()
		s.mu.RLock()
		if err != nil {
			return nil, false, err
		}
	}
}

// create adds an empty collection. The caller holds mu.
func (s *store) create(ns string) error {
	if _, name, _ := strings.Cut(ns, "."); name == "" || strings.HasPrefix(name, "system.") || strings.ContainsAny(ns, "$\x00") {
		return errorf(codeInvalidNamespace, "Invalid namespace specified '%s'", ns)
	}
	if len(ns) > 255 {
		return errorf(codeInvalidNamespace, "Fully qualified namespace is too long. Namespace: %s Max: 255", ns)
	}
	if len(s.collections) == maxCollections {
		return errorf(codeUnsupported, "more than %d collections are not supported by local/mongod", maxCollections)
	}
	s.collections[ns] = newCollection(ns, s.journal)
	s.journal.append(opCreate, ns, emptyDocument)
	return nil
}

// drop removes a collection and says whether there was one. The caller holds mu.
func (s *store) drop(ns string) bool {
	if s.collections[ns] == nil {
		return false
	}
	delete(s.collections, ns)
	s.journal.append(opDrop, ns, emptyDocument)
	return true
}

// namespaces returns the collections of a database, or all of them for "", in order.
func (s *store) namespaces(db string) []string {
	var all []string
	for ns := range s.collections {
		if db == "" || strings.HasPrefix(ns, db+".") {
			all = append(all, ns)
		}
	}
	slices.Sort(all)
	return all
}
