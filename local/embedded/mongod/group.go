package mongod

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A grouping is a compiled $group: documents by a key, and sums of each group.
type grouping struct {
	key  expression
	sums []sum
}

// A sum is a field {$sum: …} of a $group.
type sum struct {
	name string
	of   expression
}

// An expression is a constant, or with a path what is there, or a document of some that
// have names.
type expression struct {
	constant bsoncore.Value
	path     string
	of       []named
}

type named struct {
	name string
	expression
}

// compileKey reads an expression, or a document of such that are paths.
func compileKey(v bsoncore.Value) (e expression, ok bool) {
	if !isDocument(v) {
		return compileExpression(v)
	}
	for name, v := range fields(v.Data) {
		of, ok := compileExpression(v)
		if !ok || of.path == "" || strings.HasPrefix(string(name), "$") || strings.Contains(string(name), ".") {
			return e, false
		}
		e.of = append(e.of, named{string(name), of})
	}
	return e, len(e.of) > 0
}

// compileExpression reads a number, null, or "$path".
func compileExpression(v bsoncore.Value) (e expression, ok bool) {
	if s, isText := v.StringValueOK(); isText {
		path, found := strings.CutPrefix(s, "$")
		return expression{path: path}, found && checkPath("group", path) == nil && !strings.HasPrefix(path, "$")
	}
	return expression{constant: v}, isNumber(v) || v.Type == bsoncore.TypeNull
}

func (e expression) value(doc bsoncore.Document) bsoncore.Value {
	if len(e.of) > 0 {
		return docValue(e.document(nil, doc))
	}
	if e.path == "" {
		return e.constant
	}
	if !strings.Contains(e.path, ".") {
		return field(doc, e.path)
	}
	v := docValue(doc)
	for name := range strings.SplitSeq(e.path, ".") {
		if !isDocument(v) {
			return missing
		}
		v = field(v.Data, name)
	}
	return v
}

// document appends the document that an expression of several is.
func (e expression) document(dst []byte, doc bsoncore.Document) []byte {
	start, b := startDocument(dst)
	for _, n := range e.of {
		if v := n.value(doc); !isMissing(v) {
			b = appendElement(b, n.name, v)
		}
	}
	return endDocument(b, start)
}

// compileGroup reads {_id: key, name: {$sum: what}, …}.
func compileGroup(v bsoncore.Value) (*grouping, error) {
	var g grouping
	keyed := false
	for name, v := range fields(v.Data) {
		ok := false
		if string(name) == "_id" {
			g.key, ok = compileKey(v)
			keyed = true
		} else if isDocument(v) && firstKey(v.Data) == "$sum" && len(elements(v.Data)) == 1 {
			s := sum{name: string(name)}
			s.of, ok = compileExpression(field(v.Data, "$sum"))
			g.sums = append(g.sums, s)
		}
		if !ok {
			return nil, unsupported("$group other than {_id: \"$path\" or {name: \"$path\"}, n: {$sum: \"$path\"}} or with numbers: the field "+string(name)+":", display(v))
		}
	}
	if !keyed || len(g.sums) == 0 {
		return nil, unsupported("$group without", "_id and {$sum: 1}")
	}
	return &g, nil
}

// of returns a document for each group, the first that was met first. What is not there is
// null as a key, and what is no number adds nothing.
func (g *grouping) of(docs []bsoncore.Document) (out []bsoncore.Document, err error) {
	type group struct {
		key  bsoncore.Value
		sums []bsoncore.Value
	}
	var order []*group
	groups := map[string]*group{}
	zero := bsoncore.Value{Type: bsoncore.TypeInt32, Data: bsoncore.AppendInt32(nil, 0)}
	var buffer, name []byte // of the document before
	add := operation{op: "$sum"}
	for _, doc := range docs {
		var key bsoncore.Value
		if len(g.key.of) > 0 {
			buffer = g.key.document(buffer[:0], doc)
			key = docValue(buffer)
		} else if key = g.key.value(doc); isMissing(key) {
			key = bsoncore.Value{Type: bsoncore.TypeNull}
		}
		name = appendKey(name[:0], key)
		in := groups[string(name)]
		if in == nil {
			in = &group{key: bsoncore.Value{Type: key.Type, Data: slices.Clone(key.Data)}}
			for range g.sums {
				in.sums = append(in.sums, zero)
			}
			groups[string(name)], order = in, append(order, in)
		}
		for i, s := range g.sums {
			v := s.of.value(doc)
			if !isNumber(v) {
				continue
			}
			add.path, add.arg = s.name, v
			if in.sums[i], err = add.increment(in.sums[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, in := range order {
		start, b := startDocument(nil)
		b = appendElement(b, "_id", in.key)
		for i, s := range g.sums {
			b = appendElement(b, s.name, in.sums[i])
		}
		out = append(out, endDocument(b, start))
	}
	return out, nil
}
