package mongod

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A stage turns the documents of one pipeline stage into those of the next.
type stage func(docs []bsoncore.Document) []bsoncore.Document

func aggregate(s *Server, r *request, dst []byte) ([]byte, error) {
	batch, err := r.cursorBatch(firstBatch)
	if err != nil {
		return nil, err
	}
	pipeline, err := r.documents("pipeline")
	if err != nil {
		return nil, err
	}
	q, pipeline, err := leading(pipeline)
	if err != nil {
		return nil, err
	}
	var stages []stage
	for _, doc := range pipeline {
		run, err := compileStage(doc)
		if err != nil {
			return nil, err
		}
		stages = append(stages, run)
	}
	docs, _ := s.store.get(r.ns).read(q)
	for _, run := range stages {
		docs = run(docs)
	}
	return s.cursors.appendBatch(dst, &cursor{ns: r.ns, docs: docs}, 0, "firstBatch", batch, false), nil
}

// leading takes $match, $sort, $skip and $limit from the front of a pipeline,
// in that order: what a query, and so an index, can do.
func leading(pipeline []bsoncore.Document) (query, []bsoncore.Document, error) {
	q := query{filter: matchAll()}
	for _, name := range []string{"$match", "$sort", "$skip", "$limit"} {
		if len(pipeline) == 0 || firstKey(pipeline[0]) != name {
			continue
		}
		if err := q.set(name, field(pipeline[0], name)); err != nil {
			return q, nil, err
		}
		pipeline = pipeline[1:]
	}
	return q, pipeline, nil
}

// set takes the argument of one of those stages.
func (q *query) set(stage string, arg bsoncore.Value) (err error) {
	switch {
	case stage == "$skip" || stage == "$limit":
		n, err := nonNegative(stage, arg, 0)
		if err == nil && n == 0 && stage == "$limit" {
			err = errorf(codeBadValue, "the limit must be positive")
		}
		if stage == "$skip" {
			q.skip = n
		} else {
			q.limit = n
		}
		return err
	case !isDocument(arg):
		return errorf(codeTypeMismatch, "the argument of %s must be an object", stage)
	case stage == "$match":
		q.filter, err = compileFilter(arg.Data)
	default:
		q.sort, err = parseDirections("sort", arg.Data)
	}
	return err
}

func compileStage(doc bsoncore.Document) (stage, error) {
	name := firstKey(doc)
	arg := field(doc, name)
	switch name {
	case "$match", "$sort", "$skip", "$limit":
		q, _, err := leading([]bsoncore.Document{doc})
		return func(docs []bsoncore.Document) []bsoncore.Document {
			var kept []bsoncore.Document
			for _, doc := range docs {
				if q.filter.match(docValue(doc)) {
					kept = append(kept, doc)
				}
			}
			sortBy(kept, q.sort, func(doc bsoncore.Document) bsoncore.Document { return doc })
			return cut(kept, q.skip, q.limit)
		}, err
	case "$project":
		p, err := compileProjection(arg.Data)
		if p == nil || err != nil {
			return func(docs []bsoncore.Document) []bsoncore.Document { return docs }, err
		}
		return func(docs []bsoncore.Document) []bsoncore.Document {
			projected := make([]bsoncore.Document, len(docs))
			for i, doc := range docs {
				projected[i] = p.append(nil, doc)
			}
			return projected
		}, nil
	case "$count":
		field, _ := arg.StringValueOK()
		if field == "" || strings.ContainsAny(field, "$.\x00") {
			return nil, errorf(codeBadValue, "the count field must be a non-empty string without '$' and '.'")
		}
		return func(docs []bsoncore.Document) []bsoncore.Document {
			if len(docs) == 0 {
				return nil
			}
			return []bsoncore.Document{bsoncore.BuildDocument(nil, bsoncore.AppendInt32Element(nil, field, int32(len(docs))))}
		}, nil
	case "$group":
		if !isDocument(arg) {
			return nil, errorf(codeBadValue, "a group's fields must be specified in an object")
		}
		return compileGroup(arg.Data)
	}
	return nil, errorf(codeUnknownPipelineStage, "Unrecognized pipeline stage name: '%s' (not supported by local/mongod)", name)
}

// expression compiles the two kinds of expression there are: "$path" and a
// constant.
func expression(v bsoncore.Value) (func(bsoncore.Document) bsoncore.Value, error) {
	s, isString := v.StringValueOK()
	switch {
	case isString && strings.HasPrefix(s, "$$"):
		return nil, errorf(codeUnsupported, "aggregation variable %s is not supported by local/mongod", s)
	case isString && strings.HasPrefix(s, "$"):
		path := strings.Split(s[1:], ".")
		return func(doc bsoncore.Document) bsoncore.Value {
			v := docValue(doc)
			for _, name := range path {
				if !isDocument(v) {
					return missing
				}
				v = field(v.Data, name)
			}
			return v
		}, nil
	case isArray(v), isDocument(v) && len(v.Data) > 5:
		return nil, errorf(codeUnsupported, "aggregation expression %s is not supported by local/mongod: only \"$path\" and constants are", display(v))
	}
	return func(bsoncore.Document) bsoncore.Value { return v }, nil
}

// accumulator is one summed field of a $group.
type accumulator struct {
	name  string
	value func(bsoncore.Document) bsoncore.Value
}

func compileGroup(spec []byte) (stage, error) {
	var id func(bsoncore.Document) bsoncore.Value
	var sums []accumulator
	for key, v := range fields(spec) {
		if string(key) == "_id" {
			var err error
			if id, err = expression(v); err != nil {
				return nil, err
			}
			continue
		}
		operator := firstKey(v.Data)
		arg := field(v.Data, operator)
		switch {
		case !isDocument(v):
			return nil, errorf(codeBadValue, "The field '%s' must be an accumulator object", key)
		case operator == "$count" && isDocument(arg) && len(arg.Data) == 5:
			arg = int32Value(1)
		case operator != "$sum":
			return nil, errorf(codeBadValue, "unknown group operator '%s' (not supported by local/mongod)", operator)
		}
		value, err := expression(arg)
		if err != nil {
			return nil, err
		}
		sums = append(sums, accumulator{string(key), value})
	}
	if id == nil {
		return nil, errorf(codeBadValue, "a group specification must include an _id")
	}
	return func(docs []bsoncore.Document) []bsoncore.Document { return group(docs, id, sums) }, nil
}

func group(docs []bsoncore.Document, id func(bsoncore.Document) bsoncore.Value, sums []accumulator) []bsoncore.Document {
	type bucket struct {
		id     bsoncore.Value
		totals []bsoncore.Value
	}
	byKey := make(map[string]*bucket)
	var order []*bucket
	var key []byte
	for _, doc := range docs {
		v := id(doc)
		key = appendKey(key[:0], v)
		b := byKey[string(key)]
		if b == nil {
			if isMissing(v) {
				v.Type = bsoncore.TypeNull
			}
			b = &bucket{v, make([]bsoncore.Value, len(sums))}
			for i := range b.totals {
				b.totals[i] = int32Value(0)
			}
			byKey[string(key)] = b
			order = append(order, b)
		}
		for i, sum := range sums {
			v := sum.value(doc)
			if !v.IsNumber() || v.Type == bsoncore.TypeDecimal128 {
				continue // what is not a number counts nothing
			}
			if total, err := increment(sum.name, b.totals[i], v); err == nil {
				b.totals[i] = total
			}
		}
	}
	out := make([]bsoncore.Document, len(order))
	for i, b := range order {
		start, doc := startDocument(nil)
		doc = appendElement(doc, "_id", b.id)
		for j, sum := range sums {
			doc = appendElement(doc, sum.name, b.totals[j])
		}
		out[i] = endDocument(doc, start)
	}
	return out
}
