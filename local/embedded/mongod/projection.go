package mongod

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A projection is a tree of the fields to keep; what is kept whole has an
// empty subtree.
type projection map[string]projection

// compileProjection returns nil when all is kept. _id is kept unless it is
// switched off.
func compileProjection(doc []byte) (projection, error) {
	if len(doc) == len(emptyDocument) {
		return nil, nil
	}
	p := projection{"_id": nil}
	for key, v := range fields(doc) {
		name := string(key)
		n, isInt := integer(v)
		switch {
		case !isInt && v.Type != bsoncore.TypeBoolean:
			return nil, unsupported("projection of field "+name+" by", display(v))
		case name == "_id":
			if !truthy(v) {
				delete(p, name)
			}
		case n == 0 && !truthy(v):
			return nil, unsupported("exclusion in a projection of field", name)
		default:
			if err := p.add(name); err != nil {
				return nil, err
			}
		}
	}
	if len(p) == 0 {
		return nil, unsupported("exclusion in a projection of field", "_id")
	}
	return p, nil
}

func (p projection) add(path string) error {
	if err := checkPath("projection", path); err != nil {
		return err
	}
	for rest := path; ; {
		name, below, nested := strings.Cut(rest, ".")
		child, exists := p[name]
		if exists && (len(child) == 0 || !nested) {
			return errorf(codeBadValue, "path collision at %s in the projection", path)
		}
		if !exists {
			child = projection{}
			p[name] = child
		}
		if !nested {
			return nil
		}
		p, rest = child, below
	}
}

// append appends the projected document, or an array of its documents.
func (p projection) append(dst, doc []byte, array bool) []byte {
	start, dst := startDocument(dst)
	n := 0
	for key, v := range fields(doc) {
		child, kept := p, true
		if !array { // else the tree speaks of the fields of the elements
			child, kept = p[string(key)]
		}
		whole := len(child) == 0
		if !kept || !whole && !isDocument(v) && !isArray(v) {
			continue
		}
		if array {
			dst = appendIndex(dst, v.Type, n)
		} else {
			dst = append(append(append(dst, byte(v.Type)), key...), 0)
		}
		if whole {
			dst = append(dst, v.Data...)
		} else {
			dst = child.append(dst, v.Data, isArray(v))
		}
		n++
	}
	return endDocument(dst, start)
}
