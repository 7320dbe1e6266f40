package mongod

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxPathDepth bounds the nesting that one update can create, maxPadding the
// nulls that a write beyond the end of an array can.
const (
	maxPathDepth = 100
	maxPadding   = 10_000
)

// An update is a compiled update document: a replacement or operators.
type update struct {
	replacement bsoncore.Document
	operations  []operation
}

// operation makes a new value of the old one; missing in either place is a
// field that is not there.
type operation struct {
	path     string
	onInsert bool
	apply    func(old bsoncore.Value) (bsoncore.Value, error)
}

func compileUpdate(v bsoncore.Value) (*update, error) {
	if isArray(v) {
		return nil, unsupported("update option", []byte("u (an aggregation pipeline)"))
	}
	if !isDocument(v) {
		return nil, errorf(codeFailedToParse, "update must be a document")
	}
	if !isOperators(v.Data) {
		return &update{replacement: v.Data}, nil
	}
	u := &update{}
	for op, args := range fields(v.Data) {
		if !isDocument(args) {
			return nil, errorf(codeFailedToParse, "Modifiers operate on fields but we found type %s for %s", args.Type, op)
		}
		for path, arg := range fields(args.Data) {
			apply, err := compileOperator(string(op), string(path), arg)
			if err != nil {
				return nil, err
			}
			u.operations = append(u.operations, operation{string(path), string(op) == "$setOnInsert", apply})
		}
	}
	// mongod applies operations, and so adds fields, in the order of paths.
	slices.SortStableFunc(u.operations, func(a, b operation) int { return strings.Compare(a.path, b.path) })
	return u, u.checkPaths()
}

func (u *update) checkPaths() error {
	paths := make(map[string]bool, len(u.operations))
	for _, o := range u.operations {
		if paths[o.path] {
			return errorf(codeConflictingOperators, "Updating the path '%s' would create a conflict at '%[1]s'", o.path)
		}
		paths[o.path] = true
		names := strings.Split(o.path, ".")
		if len(names) > maxPathDepth {
			return errorf(codeBadValue, "update path is longer than %d fields", maxPathDepth)
		}
		for _, name := range names {
			if name == "" {
				return errorf(codeBadValue, "The update path '%s' contains an empty field name, which is not allowed.", o.path)
			}
			if name[0] == '$' {
				return errorf(codeBadValue, "positional operator %s in update path '%s' is not supported by local/mongod", name, o.path)
			}
		}
	}
	for _, o := range u.operations {
		for i, c := range o.path {
			if c == '.' && paths[o.path[:i]] {
				return errorf(codeConflictingOperators, "Updating the path '%s' would create a conflict at '%s'", o.path, o.path[:i])
			}
		}
	}
	return nil
}

// apply returns the updated document; doc itself is not changed.
func (u *update) apply(doc bsoncore.Document, inserting bool) (bsoncore.Document, error) {
	id := field(doc, "_id")
	if u.replacement != nil {
		newID := field(u.replacement, "_id")
		if isMissing(newID) || isMissing(id) {
			return withID(u.replacement, id), nil
		}
		if !equalValues(id, newID) {
			return nil, errorf(codeImmutableField, "After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", display(newID))
		}
		return withID(u.replacement, missing), nil
	}
	// Two buffers take turns as source and target.
	source, target := []byte(doc), make([]byte, 0, len(doc)+256)
	var spare []byte
	for _, o := range u.operations {
		if o.onInsert && !inserting {
			continue
		}
		next, err := appendEdited(target[:0], source, o.path, false, o.apply)
		if err != nil {
			return nil, err
		}
		if spare == nil {
			spare = make([]byte, 0, len(doc)+256)
			source, target = next, spare
			continue
		}
		source, target = next, source
	}
	if len(source) > maxDocument {
		return nil, errorf(codeObjectTooLarge, "Resulting document after update is larger than %d", maxDocument)
	}
	if newID := field(source, "_id"); !isMissing(id) && !equalValues(id, newID) {
		return nil, errorf(codeImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return source, nil
}

// withID returns doc with _id in front: its own, else id, else a new one.
func withID(doc bsoncore.Document, id bsoncore.Value) bsoncore.Document {
	own := field(doc, "_id")
	if !isMissing(own) {
		if firstKey(doc) == "_id" {
			return doc
		}
		id = own
	}
	if isMissing(id) {
		id = bsoncore.Value{Type: bsoncore.TypeObjectID, Data: bsoncore.AppendObjectID(nil, bson.NewObjectID())}
	}
	start, dst := startDocument(make([]byte, 0, len(doc)+len(id.Data)+5))
	dst = appendElement(dst, "_id", id)
	for key, v := range fields(doc) {
		if string(key) != "_id" {
			dst = appendElement(dst, key, v)
		}
	}
	return endDocument(dst, start)
}

// appendEdited appends doc (or array) with the value at path replaced by what
// apply makes of it; fields on the way are created when there is a value.
func appendEdited(dst, doc []byte, path string, array bool, apply func(bsoncore.Value) (bsoncore.Value, error)) ([]byte, error) {
	name, rest, nested := strings.Cut(path, ".")
	start, dst := startDocument(dst)
	found, n := false, 0
	var err error
	for key, v := range fields(doc) {
		n++
		if found || string(key) != name {
			dst = appendElement(dst, key, v)
			continue
		}
		found = true
		if nested && (isDocument(v) || isArray(v)) {
			dst = append(append(append(dst, byte(v.Type)), key...), 0)
			if dst, err = appendEdited(dst, v.Data, rest, isArray(v), apply); err != nil {
				return nil, err
			}
			continue
		}
		old := v
		if nested {
			old = missing // a scalar is in the way
		}
		value, err := apply(old)
		switch {
		case err != nil:
			return nil, err
		case nested && !isMissing(value):
			return nil, errorf(codePathNotViable, "Cannot create field '%s' in element {%s: %s}", rest, key, display(v))
		case nested:
			dst = appendElement(dst, key, v)
		case !isMissing(value):
			dst = appendElement(dst, key, value)
		case array: // $unset leaves a hole
			dst = appendElement(dst, key, bsoncore.Value{Type: bsoncore.TypeNull})
		}
	}
	if found {
		return endDocument(dst, start), nil
	}
	value, err := apply(missing)
	if err != nil {
		return nil, err
	}
	if isMissing(value) {
		return endDocument(dst, start), nil
	}
	if array {
		at, err := strconv.Atoi(name)
		if err != nil || !isIndex(name) || at-n > maxPadding {
			return nil, errorf(codePathNotViable, "Cannot create field '%s' in an array of %d elements", name, n)
		}
		for ; n < at; n++ {
			dst = appendIndexed(dst, n, bsoncore.Value{Type: bsoncore.TypeNull})
		}
	}
	return endDocument(appendElement(dst, name, nest(rest, value)), start), nil
}

// nest wraps a value in the documents of a path.
func nest(path string, v bsoncore.Value) bsoncore.Value {
	if path == "" {
		return v
	}
	name, rest, _ := strings.Cut(path, ".")
	start, b := startDocument(nil)
	return docValue(endDocument(appendElement(b, name, nest(rest, v)), start))
}

type applyFunc = func(old bsoncore.Value) (bsoncore.Value, error)

func compileOperator(op, path string, arg bsoncore.Value) (applyFunc, error) {
	switch op {
	case "$set", "$setOnInsert":
		return func(bsoncore.Value) (bsoncore.Value, error) { return arg, nil }, nil
	case "$unset":
		return func(bsoncore.Value) (bsoncore.Value, error) { return missing, nil }, nil
	case "$inc":
		if !arg.IsNumber() || arg.Type == bsoncore.TypeDecimal128 {
			return nil, errorf(codeTypeMismatch, "Cannot increment with non-numeric argument: {%s: %s}", path, display(arg))
		}
		return func(old bsoncore.Value) (bsoncore.Value, error) { return increment(path, old, arg) }, nil
	case "$min", "$max":
		return func(old bsoncore.Value) (bsoncore.Value, error) {
			d := compareValues(arg, old)
			if isMissing(old) || op == "$min" && d < 0 || op == "$max" && d > 0 {
				return arg, nil
			}
			return old, nil
		}, nil
	case "$currentDate":
		return currentDate(path, arg)
	case "$push":
		return push(path, arg)
	case "$addToSet":
		return addToSet(path, arg)
	case "$pull":
		return pull(path, arg)
	}
	return nil, errorf(codeFailedToParse, "Unknown modifier: %s (not supported by local/mongod)", op)
}

func increment(path string, old, by bsoncore.Value) (bsoncore.Value, error) {
	if isMissing(old) {
		return by, nil
	}
	a, aInt := old.AsInt64OK()
	b, _ := by.AsInt64OK()
	switch {
	case !old.IsNumber() || old.Type == bsoncore.TypeDecimal128:
		return missing, errorf(codeTypeMismatch, "Cannot apply $inc to a value of non-numeric type: field '%s' is of type %s", path, old.Type)
	case old.Type == bsoncore.TypeDouble || by.Type == bsoncore.TypeDouble || !aInt:
		return doubleValue(old.AsFloat64() + by.AsFloat64()), nil
	}
	sum := a + b
	switch {
	case (sum > a) != (b > 0) && b != 0:
		return missing, errorf(codeBadValue, "Failed to apply $inc operations to current value (%d) of field '%s': integer overflow", a, path)
	case old.Type == bsoncore.TypeInt32 && by.Type == bsoncore.TypeInt32 && sum == int64(int32(sum)):
		return int32Value(int32(sum)), nil
	}
	return int64Value(sum), nil
}

func currentDate(path string, arg bsoncore.Value) (applyFunc, error) {
	kind := "date"
	if isDocument(arg) {
		kind, _ = field(arg.Data, "$type").StringValueOK()
	}
	now := time.Now()
	switch kind {
	case "date":
		return func(bsoncore.Value) (bsoncore.Value, error) {
			return bsoncore.Value{Type: bsoncore.TypeDateTime, Data: bsoncore.AppendTime(nil, now)}, nil
		}, nil
	case "timestamp":
		return func(bsoncore.Value) (bsoncore.Value, error) {
			return bsoncore.Value{Type: bsoncore.TypeTimestamp, Data: bsoncore.AppendTimestamp(nil, uint32(now.Unix()), 1)}, nil
		}, nil
	}
	return nil, errorf(codeBadValue, "$currentDate of field %s needs true or {$type: 'date'|'timestamp'}", path)
}

// oldArray returns the elements that an array operator works on.
func oldArray(op, path string, old bsoncore.Value) ([]bsoncore.Value, error) {
	if !isMissing(old) && !isArray(old) {
		return nil, errorf(codeBadValue, "The field '%s' must be an array for %s but is of type %s", path, op, old.Type)
	}
	return elements(old.Data), nil
}

// each returns the values of {$each: [...]}, or the argument itself, and what
// $slice cuts the array to (only $push has it).
func each(op string, arg bsoncore.Value) (values []bsoncore.Value, slice int64, err error) {
	slice = math.MaxInt64
	if !isDocument(arg) || isMissing(field(arg.Data, "$each")) {
		return []bsoncore.Value{arg}, slice, nil
	}
	for key, v := range fields(arg.Data) {
		n, isInt := integer(v)
		switch name := string(key); {
		case name == "$each" && isArray(v):
			values = elements(v.Data)
		case name == "$slice" && isInt && op == "$push":
			slice = n
		case name == "$each" || name == "$slice":
			return nil, 0, errorf(codeBadValue, "The argument to %s in %s is %s", key, op, display(v))
		default:
			return nil, 0, unsupported(op+" modifier", key)
		}
	}
	return values, slice, nil
}

func push(path string, arg bsoncore.Value) (applyFunc, error) {
	values, slice, err := each("$push", arg)
	return func(old bsoncore.Value) (bsoncore.Value, error) {
		list, err := oldArray("$push", path, old)
		if err != nil {
			return missing, err
		}
		list = append(list, values...)
		if n := int64(len(list)); slice >= 0 {
			list = list[:min(n, slice)]
		} else {
			list = list[max(0, n+slice):]
		}
		return arrayValue(list), nil
	}, err
}

func addToSet(path string, arg bsoncore.Value) (applyFunc, error) {
	values, _, err := each("$addToSet", arg)
	return func(old bsoncore.Value) (bsoncore.Value, error) {
		list, err := oldArray("$addToSet", path, old)
		if err != nil {
			return missing, err
		}
		for _, v := range values {
			if !slices.ContainsFunc(list, func(e bsoncore.Value) bool { return equalValues(e, v) }) {
				list = append(list, v)
			}
		}
		return arrayValue(list), nil
	}, err
}

func pull(path string, arg bsoncore.Value) (applyFunc, error) {
	c := filterCompiler{}
	var matches test
	var err error
	switch {
	case isDocument(arg) && isOperators(arg.Data):
		matches, err = c.operators("", arg.Data, scope{})
	case isDocument(arg):
		if matches, err = c.document(arg.Data, scope{}); err == nil {
			inner := matches
			matches = func(v bsoncore.Value) bool { return isDocument(v) && inner(v) }
		}
	default:
		matches, err = comparison("$eq", arg)
	}
	if err != nil {
		return nil, err
	}
	return func(old bsoncore.Value) (bsoncore.Value, error) {
		if isMissing(old) {
			return missing, nil
		}
		list, err := oldArray("$pull", path, old)
		if err != nil {
			return missing, err
		}
		kept := slices.DeleteFunc(list, matches)
		return arrayValue(kept), nil
	}, nil
}

// upsertBase is the document an upsert starts from: what the filter says the
// fields are equal to.
func upsertBase(f *filter) (bsoncore.Document, error) {
	doc := bsoncore.Document{5, 0, 0, 0, 0}
	for _, p := range f.predicates {
		if p.op != "$eq" || p.group != 0 || p.value.Type == bsoncore.TypeRegex {
			continue
		}
		next, err := appendEdited(nil, doc, p.path, false, func(bsoncore.Value) (bsoncore.Value, error) { return p.value, nil })
		if err != nil {
			return nil, err
		}
		doc = next
	}
	return bytes.Clone(doc), nil
}
