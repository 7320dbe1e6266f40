package mongod

import (
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// test says whether a value passes. A whole document is a value too.
type test = func(bsoncore.Value) bool

// A predicate is one condition that every matching document meets: what the
// planner can use of a filter. value is the operand.
type predicate struct {
	path  string
	op    string // $eq $gt $gte $lt $lte $in, or $exists (true)
	value bsoncore.Value
	// group tells predicates that the same array element must meet ($elemMatch)
	// from those that different elements may meet; 0 is no group.
	group int
}

// A filter is a compiled query document.
type filter struct {
	match      test
	predicates []predicate
	exact      bool // the predicates say all that match does
}

func compileFilter(doc []byte) (*filter, error) {
	c := filterCompiler{}
	match, err := c.document(doc, scope{collect: true})
	if err != nil {
		return nil, err
	}
	return &filter{match: match, predicates: c.predicates, exact: !c.partly}, nil
}

type filterCompiler struct {
	predicates []predicate
	partly     bool // there was a condition that is no predicate
	groups     int
}

// scope is where in a filter the compiler is.
type scope struct {
	collect bool   // conditions here hold for the whole filter
	prefix  string // the path of the enclosing $elemMatch, with a dot
	group   int
}

// document compiles a conjunction of conditions.
func (c *filterCompiler) document(doc []byte, in scope) (test, error) {
	var all []test
	for key, v := range fields(doc) {
		t, err := c.condition(string(key), v, in)
		if err != nil {
			return nil, err
		}
		if t != nil {
			all = append(all, t)
		}
	}
	return and(all), nil
}

func and(tests []test) test {
	if len(tests) == 1 {
		return tests[0]
	}
	return func(v bsoncore.Value) bool {
		for _, t := range tests {
			if !t(v) {
				return false
			}
		}
		return true
	}
}

func or(tests []test) test {
	return func(v bsoncore.Value) bool {
		for _, t := range tests {
			if t(v) {
				return true
			}
		}
		return false
	}
}

func not(t test) test { return func(v bsoncore.Value) bool { return !t(v) } }

// at applies a test to what a path leads to.
func at(path string, t test) test {
	return func(v bsoncore.Value) bool { return reach(v, path, t) }
}

func (c *filterCompiler) condition(key string, v bsoncore.Value, in scope) (test, error) {
	switch key {
	case "$and", "$or", "$nor":
		if key != "$and" {
			in.collect, c.partly = false, true
		}
		if !isArray(v) || len(v.Data) == 5 {
			return nil, errorf(codeBadValue, "%s must be a nonempty array", key)
		}
		var tests []test
		for _, e := range fields(v.Data) {
			if !isDocument(e) {
				return nil, errorf(codeBadValue, "%s argument's entries must be objects", key)
			}
			t, err := c.document(e.Data, in)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		}
		switch key {
		case "$and":
			return and(tests), nil
		case "$or":
			return or(tests), nil
		}
		return not(or(tests)), nil
	case "$comment":
		return nil, nil
	}
	if strings.HasPrefix(key, "$") {
		return nil, errorf(codeBadValue, "unknown top level operator: %s (not supported by local/mongod)", key)
	}
	if isDocument(v) && isOperators(v.Data) {
		return c.operators(key, v.Data, in)
	}
	return c.operator(key, "$eq", v, in)
}

// isOperators tells {$gt: 1} from a document to compare with.
func isOperators(doc []byte) bool { return strings.HasPrefix(firstKey(doc), "$") }

func (c *filterCompiler) operators(path string, doc []byte, in scope) (test, error) {
	var all []test
	for key, v := range fields(doc) {
		var t test
		var err error
		switch op := string(key); op {
		case "$regex":
			c.partly = true
			t, err = regexTest(v, field(doc, "$options"))
			if t != nil {
				t = at(path, spread(t))
			}
		case "$options":
			if isMissing(field(doc, "$regex")) {
				return nil, errorf(codeBadValue, "$options needs a $regex")
			}
			continue
		default:
			t, err = c.operator(path, op, v, in)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return and(all), nil
}

// operator compiles one operator on the values at a path.
func (c *filterCompiler) operator(path, op string, v bsoncore.Value, in scope) (test, error) {
	switch op {
	case "$eq", "$gt", "$gte", "$lt", "$lte", "$in":
		if in.collect {
			c.predicates = append(c.predicates, predicate{strings.TrimSuffix(in.prefix+path, "."), op, v, in.group})
		}
		t, err := comparison(op, v)
		return at(path, spread(t)), err
	case "$exists":
		t := at(path, func(v bsoncore.Value) bool { return !isMissing(v) })
		if truthy(v) {
			if in.collect {
				c.predicates = append(c.predicates, predicate{in.prefix + path, op, v, in.group})
			}
			return t, nil
		}
		c.partly = true
		return not(t), nil
	}
	c.partly = true
	switch op {
	case "$ne":
		t, err := comparison("$eq", v)
		return not(at(path, spread(t))), err
	case "$nin":
		t, err := comparison("$in", v)
		return not(at(path, spread(t))), err
	case "$not":
		if v.Type == bsoncore.TypeRegex {
			t, err := regexTest(v, missing)
			return not(at(path, spread(t))), err
		}
		if !isDocument(v) || !isOperators(v.Data) {
			return nil, errorf(codeBadValue, "$not needs a regex or a document of operators")
		}
		t, err := c.operators(path, v.Data, scope{})
		return not(t), err
	case "$type":
		t, err := typeTest(v)
		return at(path, spread(t)), err
	case "$size":
		n, ok := integer(v)
		if !ok || n < 0 {
			return nil, errorf(codeBadValue, "$size must be a whole number")
		}
		return at(path, func(v bsoncore.Value) bool {
			return isArray(v) && int64(len(elements(v.Data))) == n
		}), nil
	case "$all":
		if !isArray(v) {
			return nil, errorf(codeBadValue, "$all needs an array")
		}
		var all []test
		for _, e := range fields(v.Data) {
			if isDocument(e) && isOperators(e.Data) {
				return nil, errorf(codeBadValue, "$all with operators is not supported by local/mongod")
			}
			t, err := c.operator(path, "$eq", e, in)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		if all == nil {
			return func(bsoncore.Value) bool { return false }, nil
		}
		return and(all), nil
	case "$elemMatch":
		return c.elemMatch(path, v, in)
	}
	return nil, errorf(codeBadValue, "unknown operator: %s (not supported by local/mongod)", op)
}

func (c *filterCompiler) elemMatch(path string, v bsoncore.Value, in scope) (test, error) {
	if !isDocument(v) {
		return nil, errorf(codeBadValue, "$elemMatch needs an Object")
	}
	c.groups++
	in.prefix, in.group = in.prefix+path+".", c.groups
	// {$gt: 1} is about the elements themselves, {a: 1} and {$or: [{a: 1}]}
	// are about documents.
	first := firstKey(v.Data)
	onValues := isOperators(v.Data) && first != "$and" && first != "$or" && first != "$nor"
	compile := func() (test, error) { return c.document(v.Data, in) }
	if onValues {
		compile = func() (test, error) { return c.operators("", v.Data, in) }
	}
	t, err := compile()
	return at(path, func(v bsoncore.Value) bool {
		if !isArray(v) {
			return false
		}
		for _, e := range fields(v.Data) {
			if (onValues || isDocument(e)) && t(e) {
				return true
			}
		}
		return false
	}), err
}

func firstKey(doc []byte) string {
	for key := range fields(doc) {
		return string(key)
	}
	return ""
}

// comparison tests one value. Values of another type class never pass an
// ordering, except against MinKey and MaxKey.
func comparison(op string, operand bsoncore.Value) (test, error) {
	if op == "$in" {
		if !isArray(operand) {
			return nil, errorf(codeBadValue, "$in needs an array")
		}
		var tests []test
		for _, e := range fields(operand.Data) {
			t, err := comparison("$eq", e)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		}
		return or(tests), nil
	}
	if operand.Type == bsoncore.TypeRegex {
		if op != "$eq" {
			return nil, errorf(codeBadValue, "Can't have RegEx as arg to predicate over field %s", op)
		}
		return regexTest(operand, missing)
	}
	if op == "$eq" {
		return func(v bsoncore.Value) bool { return equalValues(v, operand) }, nil
	}
	anyType := operand.Type == bsoncore.TypeMinKey || operand.Type == bsoncore.TypeMaxKey
	return func(v bsoncore.Value) bool {
		if rank(v.Type) != rank(operand.Type) && !anyType {
			return false
		}
		d := compareValues(v, operand)
		switch op {
		case "$gt":
			return d > 0
		case "$gte":
			return d >= 0
		case "$lt":
			return d < 0
		default:
			return d <= 0
		}
	}, nil
}

func regexTest(v, options bsoncore.Value) (test, error) {
	var pattern, flags string
	switch v.Type {
	case bsoncore.TypeRegex:
		pattern, flags = v.Regex()
	case bsoncore.TypeString:
		pattern = v.StringValue()
	default:
		return nil, errorf(codeBadValue, "$regex has to be a string")
	}
	if s, ok := options.StringValueOK(); ok {
		flags = s
	}
	if strings.Trim(flags, "ims") != "" {
		return nil, errorf(codeBadValue, "regex options %q: only i, m and s are supported by local/mongod", flags)
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, errorf(codeBadValue, "$regex is not supported by local/mongod: %v", err)
	}
	return func(v bsoncore.Value) bool {
		return v.Type == bsoncore.TypeString && re.Match(v.Data[4:len(v.Data)-1])
	}, nil
}

var typeAliases = map[string][]bsoncore.Type{
	"double": {1}, "string": {2}, "object": {3}, "array": {4}, "binData": {5}, "undefined": {6}, "objectId": {7},
	"bool": {8}, "date": {9}, "null": {10}, "regex": {11}, "javascript": {13}, "int": {16}, "timestamp": {17},
	"long": {18}, "decimal": {19}, "minKey": {0xFF}, "maxKey": {0x7F}, "number": {1, 16, 18, 19},
}

func typeTest(v bsoncore.Value) (test, error) {
	if isArray(v) {
		var tests []test
		for _, e := range fields(v.Data) {
			t, err := typeTest(e)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		}
		return or(tests), nil
	}
	var types []bsoncore.Type
	if s, ok := v.StringValueOK(); ok {
		types = typeAliases[s]
	} else if n, ok := integer(v); ok && (n == -1 || n > 0 && n < 0x80) {
		types = []bsoncore.Type{bsoncore.Type(n)}
	}
	if types == nil {
		return nil, errorf(codeBadValue, "unknown $type: %s", display(v))
	}
	return func(v bsoncore.Value) bool {
		for _, t := range types {
			if v.Type == t {
				return true
			}
		}
		return false
	}, nil
}
