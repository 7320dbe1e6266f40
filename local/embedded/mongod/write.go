package mongod

import (
	"bytes"
	"cmp"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// writes collects what the statements of a write command came to.
type writes struct {
	n, modified int32
	upserted    []bsoncore.Value
	errors      []bsoncore.Value
}

// write runs the statements of a write command in turn on its collection;
// after a failed one it goes on only if the client did not want them ordered.
// Readers see all of them or none.
func (s *Server) write(r *request, list string, run func(c *collection, w *writes, i int, statement bsoncore.Document) error) (w writes, err error) {
	statements, err := r.documents(list)
	if err != nil {
		return w, err
	}
	c, err := r.store.toWrite(r.ns)
	if err != nil {
		return w, err
	}
	defer c.mu.Unlock()
	ordered := field(r.body, "ordered")
	for i, statement := range statements {
		if done, ok := r.retryable.outcome(i); ok {
			w.add(done)
			continue
		}
		before := w
		err := run(c, &w, i, statement)
		if err == nil {
			r.retryable.remember(i, w.since(before))
			continue
		}
		start, b := startDocument(nil)
		b = appendError(bsoncore.AppendInt32Element(b, "index", int32(i)), err)
		w.errors = append(w.errors, docValue(endDocument(b, start)))
		if isMissing(ordered) || truthy(ordered) {
			break
		}
	}
	return w, nil
}

// add counts a statement that was run before.
func (w *writes) add(o outcome) {
	w.n, w.modified = w.n+o.n, w.modified+o.modified
	if !isMissing(o.upserted) {
		w.upserted = append(w.upserted, o.upserted)
	}
}

// since is what came after before.
func (w *writes) since(before writes) outcome {
	o := outcome{n: w.n - before.n, modified: w.modified - before.modified}
	if n := len(before.upserted); len(w.upserted) > n {
		o.upserted = w.upserted[n]
	}
	return o
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

func insert(s *Server, r *request, dst []byte) ([]byte, error) {
	w, err := s.write(r, "documents", func(c *collection, w *writes, _ int, doc bsoncore.Document) error {
		_, err := c.insert(doc)
		if err == nil {
			w.n++
		}
		return err
	})
	return w.append(dst), err
}

func updates(s *Server, r *request, dst []byte) ([]byte, error) {
	w, err := s.write(r, "updates", (*collection).updateStatement)
	return bsoncore.AppendInt32Element(w.append(dst), "nModified", w.modified), err
}

// updateStatement runs one {q, u, multi, upsert}.
func (c *collection) updateStatement(w *writes, i int, statement bsoncore.Document) error {
	limit, upsert := int64(1), false
	for key, v := range fields(statement) {
		switch string(key) {
		case "q", "u", "hint":
		case "multi":
			if truthy(v) {
				limit = 0
			}
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
	if u.replacement != nil && limit == 0 {
		return errorf(codeFailedToParse, "multi update is not supported for replacement-style update")
	}
	matched := c.search(query{filter: f, limit: limit})
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
func (c *collection) update(r *record, u update) (bool, error) {
	doc, err := u.apply(r.doc, &c.buffers)
	if err != nil || bytes.Equal(r.doc, doc) {
		return false, err
	}
	return true, c.put(r, bytes.Clone(doc), true)
}

// upsert inserts what the filter and the update say.
func (c *collection) upsert(f filter, u update) (bsoncore.Document, error) {
	base, err := upsertBase(f)
	if err != nil {
		return nil, err
	}
	doc, err := u.apply(base, &c.buffers)
	if err != nil {
		return nil, err
	}
	return c.insert(doc)
}

func deletes(s *Server, r *request, dst []byte) ([]byte, error) {
	w, err := s.write(r, "deletes", func(c *collection, w *writes, _ int, statement bsoncore.Document) error {
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
		for _, rec := range c.search(query{filter: f, limit: limit}) {
			c.remove(rec)
			w.n++
		}
		return nil
	})
	return w.append(dst), err
}

// findAndModify updates one record and returns it, as it was or as it is.
func findAndModify(_ *Server, r *request, dst []byte) ([]byte, error) {
	if done, ok := r.retryable.outcome(0); ok {
		return append(dst, done.reply...), nil
	}
	begin := len(dst)
	q := r.query("query")
	u, err := compileUpdate(field(r.body, "update"))
	if err = cmp.Or(r.err, err); err != nil {
		return nil, err
	}
	c, err := r.store.toWrite(r.ns)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	q.limit = 1
	found := c.search(q)
	last := bsoncore.AppendInt32Element(nil, "n", int32(len(found)))
	last = bsoncore.AppendBooleanElement(last, "updatedExisting", len(found) > 0)
	dst = bsoncore.AppendDocumentElement(dst, "lastErrorObject", bsoncore.BuildDocument(nil, last))
	if len(found) == 0 {
		dst = bsoncore.AppendNullElement(dst, "value")
		r.retryable.remember(0, outcome{reply: bytes.Clone(dst[begin:])})
		return dst, nil
	}
	value := found[0].doc
	if _, err := c.update(found[0], u); err != nil {
		return nil, err
	}
	if truthy(field(r.body, "new")) {
		value = found[0].doc
	}
	dst = bsoncore.AppendDocumentElement(dst, "value", value)
	r.retryable.remember(0, outcome{reply: bytes.Clone(dst[begin:])})
	return dst, nil
}
