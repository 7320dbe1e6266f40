package mongod

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A filter is a compiled query document: a document matches if it meets every
// condition.
type filter []condition

// A condition is one requirement on the values that a path leads to.
type condition struct {
	path  string
	op    string          // $eq $gt $gte $lt $lte $in $exists $elemMatch $or
	value bsoncore.Value  // the operand
	elem  filter          // the operand of $elemMatch; without paths where it is about elements that are no documents
	any   []filter        // the operands of $or, which has no path
	not   bool            // it holds where op does not: $ne, $not, {$exists: false}
	in    map[string]bool // the operand of $in, as the keys of an index have it
}

// compileFilter reads a query document; $and only lengthens the list.
func compileFilter(doc []byte) (filter, error) { return appendConditions(nil, doc) }

func appendConditions(f filter, doc []byte) (filter, error) {
	var err error
	for key, v := range fields(doc) {
		switch name := string(key); {
		case name == "$and", name == "$or":
			if !isArray(v) || len(v.Data) == len(emptyDocument) {
				return nil, errorf(codeBadValue, "%s must be a nonempty array", name)
			}
			c := condition{op: "$or"}
			for _, e := range fields(v.Data) {
				if !isDocument(e) {
					return nil, errorf(codeBadValue, "%s argument's entries must be objects", name)
				}
				if name == "$or" {
					one, err := compileFilter(e.Data)
					if err != nil {
						return nil, err
					}
					c.any = append(c.any, one)
				} else if f, err = appendConditions(f, e.Data); err != nil {
					return nil, err
				}
			}
			if name == "$or" {
				f = append(f, c)
			}
		case strings.HasPrefix(name, "$"):
			return nil, unsupported("query operator", name)
		case isDocument(v) && isOperators(v.Data):
			for op, operand := range fields(v.Data) {
				c, err := compileCondition(name, string(op), operand)
				if err != nil {
					return nil, err
				}
				f = append(f, c)
			}
		default:
			f = append(f, condition{path: name, op: "$eq", value: v})
		}
	}
	return f, nil
}

// isOperators tells {$gt: 1} from a document to compare with.
func isOperators(doc []byte) bool { return strings.HasPrefix(firstKey(doc), "$") }

func compileCondition(path, op string, v bsoncore.Value) (c condition, err error) {
	c = condition{path: path, op: op, value: v}
	switch op {
	case "$eq", "$gt", "$gte", "$lt", "$lte":
	case "$ne":
		c.op, c.not = "$eq", true
	case "$exists":
		c.not = !truthy(v)
	case "$in":
		if !isArray(v) {
			return c, errorf(codeBadValue, "$in needs an array")
		}
		c.in = make(map[string]bool)
		for _, e := range fields(v.Data) {
			c.in[string(appendKey(nil, e))] = true
		}
	case "$elemMatch":
		if !isDocument(v) {
			return c, errorf(codeBadValue, "$elemMatch needs an object")
		}
		if !isOperators(v.Data) {
			c.elem, err = compileFilter(v.Data)
			break
		}
		for op, operand := range fields(v.Data) {
			one, err := compileCondition("", string(op), operand)
			if err != nil {
				return c, err
			}
			c.elem = append(c.elem, one)
		}
	case "$not":
		inner := firstKey(v.Data)
		if !isDocument(v) || !strings.HasPrefix(inner, "$") {
			return c, errorf(codeBadValue, "$not needs a document of operators")
		}
		if len(elements(v.Data)) > 1 {
			return c, unsupported("more than one operator in", "$not")
		}
		c, err = compileCondition(path, inner, field(v.Data, inner))
		c.not = !c.not
	default:
		err = unsupported("query operator", op)
	}
	return c, err
}

func (f filter) match(doc bsoncore.Document) bool {
	for i := range f {
		c := &f[i]
		if c.op == "$or" {
			if !slices.ContainsFunc(c.any, func(one filter) bool { return one.match(doc) }) {
				return false
			}
		} else if reach(docValue(doc), c.path, c.holds) == c.not {
			return false
		}
	}
	return true
}

// holds says whether a value at the path's end passes. An array passes a
// comparison if one of its elements or the array itself does.
func (c *condition) holds(v bsoncore.Value) bool {
	if c.op == "$exists" {
		return !isMissing(v)
	}
	if isArray(v) {
		for _, e := range fields(v.Data) {
			if c.op == "$elemMatch" && c.elem.matchElement(e) || c.op != "$elemMatch" && c.compare(e) {
				return true
			}
		}
	}
	return c.op != "$elemMatch" && c.compare(v)
}

// matchElement tests an element of an array against the operand of $elemMatch.
func (f filter) matchElement(e bsoncore.Value) bool {
	if len(f) == 0 || f[0].path != "" || f[0].op == "$or" {
		return isDocument(e) && f.match(e.Data)
	}
	for i := range f {
		if f[i].holds(e) == f[i].not {
			return false
		}
	}
	return true
}

// compare tests one value. Values of another type than the operand's never
// pass an ordering.
func (c *condition) compare(v bsoncore.Value) bool {
	switch c.op {
	case "$eq":
		return equalValues(v, c.value)
	case "$in":
		var room [64]byte
		return c.in[string(appendKey(room[:0], v))]
	}
	if ranks[v.Type] != ranks[c.value.Type] {
		return false
	}
	switch d := compareValues(v, c.value); c.op {
	case "$gt":
		return d > 0
	case "$gte":
		return d >= 0
	case "$lt":
		return d < 0
	default:
		return d <= 0
	}
}
