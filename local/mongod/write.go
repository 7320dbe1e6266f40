package mongod

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// writes collects what the statements of a write command came to.
type writes struct {
	n, modified int32
	upserted    []bsoncore.Value
	errors      []bsoncore.Value
}

// each runs the statements of a command in order; after a failed one it goes
// on only if the client did not want them ordered.
func (w *writes) each(statements []bsoncore.Document, ordered bool, run func(i int, statement bsoncore.Document) error) {
	for i, statement := range statements {
		err := run(i, statement)
		if err == nil {
			continue
		}
		start, b := startDocument(nil)
		b = appendError(bsoncore.AppendInt32Element(b, "index", int32(i)), err)
		w.errors = append(w.errors, docValue(endDocument(b, start)))
		if ordered {
			return
		}
	}
}

func (w *writes) append(dst []byte) []byte {
	dst = bsoncore.AppendInt32Element(dst, "n", w.n)
	if w.upserted != nil {
		dst = appendElement(dst, "upserted", arrayValue(w.upserted))
	}
	if w.errors != nil {
		dst = appendElement(dst, "writeErrors", arrayValue(w.errors))
	}
	return dst
}

// statements reads what the three write commands share.
func (r *request) statements(list string) (all []bsoncore.Document, ordered bool, err error) {
	all, err = r.documents(list)
	v := field(r.body, "ordered")
	return all, isMissing(v) || truthy(v), err
}

func insert(s *Server, r *request, dst []byte) ([]byte, error) {
	docs, ordered, err := r.statements("documents")
	if err != nil {
		return nil, err
	}
	c, _, err := s.store.ensure(r.ns)
	if err != nil {
		return nil, err
	}
	var w writes
	c.mu.Lock()
	defer c.mu.Unlock()
	w.each(docs, ordered, func(_ int, doc bsoncore.Document) error {
		_, err := c.insert(doc)
		if err == nil {
			w.n++
		}
		return err
	})
	return w.append(dst), nil
}

func updateMany(s *Server, r *request, dst []byte) ([]byte, error) {
	statements, ordered, err := r.statements("updates")
	if err != nil {
		return nil, err
	}
	var w writes
	w.each(statements, ordered, func(i int, statement bsoncore.Document) error {
		return s.updateStatement(r.ns, statement, i, &w)
	})
	return bsoncore.AppendInt32Element(w.append(dst), "nModified", w.modified), nil
}

// updateStatement runs one {q, u, multi, upsert}.
func (s *Server) updateStatement(ns string, statement bsoncore.Document, i int, w *writes) error {
	var multi, upsert bool
	for key, v := range fields(statement) {
		switch string(key) {
		case "q", "u", "hint":
		case "multi":
			multi = truthy(v)
		case "upsert":
			upsert = truthy(v)
		default:
			return unsupported("update option", key)
		}
	}
	f, err := compileFilter(field(statement, "q").Data)
	if err != nil {
		return err
	}
	u, err := compileUpdate(field(statement, "u"))
	if err != nil {
		return err
	}
	limit := int64(1)
	if multi {
		if limit = 0; u.replacement != nil {
			return errorf(codeFailedToParse, "multi update is not supported for replacement-style update")
		}
	}
	c := s.store.get(ns)
	if upsert {
		if c, _, err = s.store.ensure(ns); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	matched := c.search(query{filter: f, limit: limit}).records
	for _, rec := range matched {
		changed, err := c.update(rec, u)
		if err != nil {
			return err
		}
		w.n++
		if changed {
			w.modified++
		}
	}
	if len(matched) > 0 || !upsert {
		return nil
	}
	doc, err := c.upsert(f, u)
	if err != nil {
		return err
	}
	w.n++
	w.upserted = append(w.upserted, docValue(bsoncore.BuildDocument(nil,
		bsoncore.AppendInt32Element(nil, "index", int32(i)), appendElement(nil, "_id", field(doc, "_id")))))
	return nil
}

// update applies u to a record and says whether that changed it.
func (c *collection) update(r *record, u *update) (bool, error) {
	doc, err := u.apply(r.doc, false)
	if err != nil {
		return false, err
	}
	return c.replace(r, doc)
}

// upsert inserts what the filter and the update say.
func (c *collection) upsert(f *filter, u *update) (bsoncore.Document, error) {
	base, err := upsertBase(f)
	if err != nil {
		return nil, err
	}
	doc, err := u.apply(base, true)
	if err != nil {
		return nil, err
	}
	return c.insert(doc)
}

func deleteMany(s *Server, r *request, dst []byte) ([]byte, error) {
	statements, ordered, err := r.statements("deletes")
	if err != nil {
		return nil, err
	}
	var w writes
	c := s.store.get(r.ns)
	c.mu.Lock()
	defer c.mu.Unlock()
	w.each(statements, ordered, func(_ int, statement bsoncore.Document) error {
		for key := range fields(statement) {
			if name := string(key); name != "q" && name != "limit" && name != "hint" {
				return unsupported("delete option", key)
			}
		}
		limit, err := nonNegative("limit", field(statement, "limit"), 0)
		if err != nil {
			return err
		}
		f, err := compileFilter(field(statement, "q").Data)
		if err != nil {
			return err
		}
		for _, rec := range c.search(query{filter: f, limit: limit}).records {
			c.remove(rec)
			w.n++
		}
		return nil
	})
	return w.append(dst), nil
}

// findAndModify changes or removes one record and returns it, old or new.
func findAndModify(s *Server, r *request, dst []byte) ([]byte, error) {
	q, err := r.query("query")
	if err != nil {
		return nil, err
	}
	q.limit = 1
	p, err := r.projection("fields")
	if err != nil {
		return nil, err
	}
	remove, returnNew, upsert := truthy(field(r.body, "remove")), truthy(field(r.body, "new")), truthy(field(r.body, "upsert"))
	change := field(r.body, "update")
	if remove == !isMissing(change) || remove && (upsert || returnNew) {
		return nil, errorf(codeFailedToParse, "Either an update or remove=true must be specified")
	}
	var u *update
	if !remove {
		if u, err = compileUpdate(change); err != nil {
			return nil, err
		}
	}
	c := s.store.get(r.ns)
	if upsert {
		if c, _, err = s.store.ensure(r.ns); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var before, after, inserted bsoncore.Document
	if found := c.search(q).records; len(found) > 0 {
		before = found[0].doc
		if remove {
			c.remove(found[0])
		} else if _, err := c.update(found[0], u); err != nil {
			return nil, err
		}
		after = found[0].doc
	} else if upsert {
		if inserted, err = c.upsert(q.filter, u); err != nil {
			return nil, err
		}
		after = inserted
	}
	return appendModified(dst, before, after, inserted, remove, returnNew, p), nil
}

func appendModified(dst []byte, before, after, inserted bsoncore.Document, remove, returnNew bool, p *projection) []byte {
	n := int32(0)
	if after != nil {
		n = 1
	}
	last := bsoncore.AppendInt32Element(nil, "n", n)
	if !remove {
		last = bsoncore.AppendBooleanElement(last, "updatedExisting", before != nil)
	}
	if inserted != nil {
		last = appendElement(last, "upserted", field(inserted, "_id"))
	}
	dst = bsoncore.AppendDocumentElement(dst, "lastErrorObject", bsoncore.BuildDocument(nil, last))
	value := before
	if returnNew {
		value = after
	}
	if value == nil {
		return bsoncore.AppendNullElement(dst, "value")
	}
	if p != nil {
		value = p.append(nil, value)
	}
	return bsoncore.AppendDocumentElement(dst, "value", value)
}
