package mongod

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// An update is a compiled update document: operators, or what replaces all but
// the _id.
type update struct {
	operations  []operation
	replacement bsoncore.Document // nil: there are operators
}

// An operation is one operator on one path.
type operation struct {
	path string
	op   string
	arg  bsoncore.Value
	pull filter           // of $pull with a document
	each []bsoncore.Value // of $addToSet
}

func compileUpdate(v bsoncore.Value) (update, error) {
	switch {
	case isArray(v):
		return update{}, unsupported("update option", "u (an aggregation pipeline)")
	case !isDocument(v):
		return update{}, errorf(codeFailedToParse, "update must be a document")
	case !isOperators(v.Data):
		return update{replacement: v.Data}, validateReplacement(v.Data)
	}
	var u []operation
	for op, args := range fields(v.Data) {
		if !isDocument(args) {
			return update{}, errorf(codeFailedToParse, "Modifiers operate on fields but we found type %s for %s", args.Type, op)
		}
		for path, arg := range fields(args.Data) {
			o := operation{path: string(path), op: string(op), arg: arg}
			if err := o.compile(); err != nil {
				return update{}, err
			}
			u = append(u, o)
		}
	}
	// mongod applies operations, and so adds fields, in the order of paths. A
	// dot comes before everything, so that what is below a path follows it.
	byField := func(path string) string { return strings.ReplaceAll(path, ".", "\x00") }
	slices.SortStableFunc(u, func(a, b operation) int { return strings.Compare(byField(a.path), byField(b.path)) })
	for i := 1; i < len(u); i++ {
		if a, b := u[i-1].path, u[i].path; a == b || strings.HasPrefix(b, a+".") {
			return update{}, errorf(codeConflict, "Updating the path '%s' would create a conflict at '%s'", b, a)
		}
	}
	return update{operations: u}, nil
}

func validateReplacement(doc bsoncore.Document) error {
	for key := range fields(doc) {
		if strings.HasPrefix(string(key), "$") {
			return errorf(codeFailedToParse, "a replacement document must not contain update operators, but has %s", key)
		}
	}
	return validate(doc, 1)
}

func (o *operation) compile() (err error) {
	if err := checkPath("update", o.path); err != nil {
		return err
	}
	if isDocument(o.arg) || isArray(o.arg) { // its depth where it will be
		if err := validate(o.arg.Data, strings.Count(o.path, ".")+2); err != nil {
			return err
		}
	}
	switch o.op {
	case "$set", "$unset", "$max":
	case "$inc":
		if !isNumber(o.arg) {
			return errorf(codeTypeMismatch, "Cannot increment with non-numeric argument: {%s: %s}", o.path, display(o.arg))
		}
	case "$push":
		if isDocument(o.arg) && isOperators(o.arg.Data) {
			return unsupported("$push modifier", firstKey(o.arg.Data))
		}
	case "$addToSet":
		o.each = []bsoncore.Value{o.arg}
		if isDocument(o.arg) && isOperators(o.arg.Data) {
			each := field(o.arg.Data, "$each")
			if o.each = elements(each.Data); !isArray(each) {
				return unsupported("$addToSet modifier", firstKey(o.arg.Data))
			}
		}
	case "$currentDate":
		if o.arg.Type != bsoncore.TypeBoolean || !o.arg.Boolean() {
			return unsupported("argument of $currentDate", display(o.arg))
		}
		o.op, o.arg = "$set", bsoncore.Value{Type: bsoncore.TypeDateTime, Data: bsoncore.AppendDateTime(nil, time.Now().UnixMilli())}
	case "$pull":
		if isDocument(o.arg) {
			if o.pull, err = compileFilter(o.arg.Data); err != nil {
				return err
			}
		}
	default:
		return errorf(codeFailedToParse, "Unknown modifier: %s (not supported by local/embedded/mongod)", o.op)
	}
	return nil
}

// apply returns the updated document. It is in one of the buffers, which take
// turns as source and target, unless there is nothing to do; doc itself is not
// changed.
func (u update) apply(doc bsoncore.Document, buffers *[2][]byte) (bsoncore.Document, error) {
	id, source := field(doc, "_id"), []byte(doc)
	if u.replacement != nil {
		source = replaced(u.replacement, id)
	}
	for i := range u.operations {
		o := &u.operations[i]
		next, err := o.appendEdited(buffers[i%2][:0], source, o.path)
		if err != nil {
			return nil, err
		}
		if source = next; cap(next) <= keptBuffer {
			buffers[i%2] = next
		}
	}
	if newID := field(source, "_id"); !isMissing(id) && !equalValues(id, newID) {
		return nil, errorf(codeImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return source, nil
}

// replaced is a copy of a replacement with an _id in front: its own, or of what it
// replaces.
func replaced(doc bsoncore.Document, id bsoncore.Value) bsoncore.Document {
	if !isMissing(field(doc, "_id")) || isMissing(id) {
		return withID(doc)
	}
	start, dst := startDocument(nil)
	dst = append(appendElement(dst, "_id", id), doc[4:len(doc)-1]...)
	return endDocument(dst, start)
}

// appendEdited appends doc with the value at path replaced by what the
// operation makes of it; documents on the way are created when there is a
// value to hold.
func (o *operation) appendEdited(dst, doc []byte, path string) ([]byte, error) {
	name, rest, nested := strings.Cut(path, ".")
	start, dst := startDocument(dst)
	found := false
	var err error
	for key, v := range fields(doc) {
		if found || string(key) != name {
			dst = appendElement(dst, key, v)
			continue
		}
		found = true
		switch {
		case !nested:
			if v, err = o.value(v); err == nil && !isMissing(v) {
				dst = appendElement(dst, key, v)
			}
		case isDocument(v):
			dst = append(append(append(dst, byte(v.Type)), key...), 0)
			dst, err = o.appendEdited(dst, v.Data, rest)
		case o.op == "$unset" && !isArray(v): // a scalar is in the way
			dst = appendElement(dst, key, v)
		default:
			err = errorf(codePathNotViable, "Cannot reach field '%s' in element {%s: %s} (arrays on the path of an update are not supported by local/embedded/mongod)", rest, key, display(v))
		}
		if err != nil {
			return nil, err
		}
	}
	if !found {
		v, err := o.value(missing)
		if err != nil {
			return nil, err
		}
		if !isMissing(v) {
			dst = appendElement(dst, name, nest(rest, v))
		}
	}
	return endDocument(dst, start), nil
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

// value makes the new value of a field of the old one; missing is a field that
// is not there.
func (o *operation) value(old bsoncore.Value) (bsoncore.Value, error) {
	switch o.op {
	case "$set":
		return o.arg, nil
	case "$unset":
		return missing, nil
	case "$inc":
		return o.increment(old)
	case "$max":
		if isMissing(old) || compareValues(o.arg, old) > 0 {
			return o.arg, nil
		}
		return old, nil
	}
	if isMissing(old) && o.op == "$pull" {
		return missing, nil
	}
	if !isMissing(old) && !isArray(old) {
		return missing, errorf(codeBadValue, "The field '%s' must be an array for %s but is of type %s", o.path, o.op, old.Type)
	}
	list := elements(old.Data)
	switch o.op {
	case "$push":
		return arrayValue(append(list, o.arg)), nil
	case "$addToSet":
		for _, v := range o.each {
			if !slices.ContainsFunc(list, func(e bsoncore.Value) bool { return equalValues(e, v) }) {
				list = append(list, v)
			}
		}
		return arrayValue(list), nil
	}
	return arrayValue(slices.DeleteFunc(list, o.pulls)), nil
}

// pulls says whether $pull takes an element out.
func (o *operation) pulls(e bsoncore.Value) bool {
	if isDocument(o.arg) {
		return isDocument(e) && o.pull.match(e.Data)
	}
	return equalValues(e, o.arg)
}

func (o *operation) increment(old bsoncore.Value) (bsoncore.Value, error) {
	if isMissing(old) {
		return o.arg, nil
	}
	if !isNumber(old) {
		return missing, errorf(codeTypeMismatch, "Cannot apply $inc to a value of non-numeric type: field '%s' is of type %s", o.path, old.Type)
	}
	if old.Type == bsoncore.TypeDouble || o.arg.Type == bsoncore.TypeDouble {
		return bsoncore.Value{Type: bsoncore.TypeDouble, Data: bsoncore.AppendDouble(nil, old.AsFloat64()+o.arg.AsFloat64())}, nil
	}
	a, b := old.AsInt64(), o.arg.AsInt64()
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return missing, errorf(codeBadValue, "Failed to apply $inc operations to current value (%d) of field '%s': integer overflow", a, o.path)
	}
	if old.Type == bsoncore.TypeInt32 && o.arg.Type == bsoncore.TypeInt32 && sum == int64(int32(sum)) {
		return bsoncore.Value{Type: bsoncore.TypeInt32, Data: bsoncore.AppendInt32(nil, int32(sum))}, nil
	}
	return bsoncore.Value{Type: bsoncore.TypeInt64, Data: bsoncore.AppendInt64(nil, sum)}, nil
}

// upsertBase is the document an upsert starts from: what the filter says the
// fields are equal to.
func upsertBase(f filter) (bsoncore.Document, error) {
	doc := emptyDocument
	for _, c := range f {
		if c.op != "$eq" || c.not {
			continue
		}
		set := operation{path: c.path, op: "$set", arg: c.value}
		err := set.compile()
		if err == nil {
			doc, err = set.appendEdited(nil, doc, c.path)
		}
		if err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// withID returns a copy of doc that begins with its _id, a new one if it has
// none.
func withID(doc bsoncore.Document) bsoncore.Document {
	if firstKey(doc) == "_id" {
		return bytes.Clone(doc)
	}
	id := field(doc, "_id")
	if isMissing(id) {
		id = bsoncore.Value{Type: bsoncore.TypeObjectID, Data: bsoncore.AppendObjectID(nil, bson.NewObjectID())}
	}
	start, dst := startDocument(make([]byte, 0, len(doc)+len(id.Data)+len("\x07_id\x00")))
	dst = appendElement(dst, "_id", id)
	for key, v := range fields(doc) {
		if string(key) != "_id" {
			dst = appendElement(dst, key, v)
		}
	}
	return endDocument(dst, start)
}
