package mongod

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A projection keeps (or leaves out) the fields of a tree of paths.
type projection struct {
	tree    projectionNode
	include bool
	id      bool // whether _id is kept
}

// projectionNode maps a field to its subtree; a leaf has nil.
type projectionNode map[string]projectionNode

// compileProjection returns nil when there is nothing to project.
func compileProjection(doc []byte) (*projection, error) {
	p := &projection{tree: projectionNode{}, id: true}
	decided := false
	for key, v := range fields(doc) {
		n, isInt := integer(v)
		if v.Type != bsoncore.TypeBoolean && !isInt {
			what := display(v)
			if isDocument(v) {
				what = firstKey(v.Data)
			}
			return nil, errorf(codeBadValue, "projection of field %s is %s: only inclusion and exclusion are supported by local/mongod", key, what)
		}
		keep := n != 0 || v.Type == bsoncore.TypeBoolean && v.Boolean()
		if string(key) == "_id" {
			p.id = keep
			continue
		}
		if decided && keep != p.include {
			return nil, errorf(codeBadValue, "cannot mix inclusion and exclusion in a projection (field %s)", key)
		}
		decided, p.include = true, keep
		if err := p.tree.add(string(key)); err != nil {
			return nil, err
		}
	}
	if !decided {
		if p.id && isMissing(field(doc, "_id")) {
			return nil, nil
		}
		p.include = p.id // {_id: 1} is an inclusion, {_id: 0} an exclusion
	}
	if p.id == p.include {
		p.tree["_id"] = nil
	}
	return p, nil
}

func (n projectionNode) add(path string) error {
	for _, name := range strings.Split(path, ".") {
		if name == "" || name[0] == '$' {
			return errorf(codeBadValue, "projection path %q is not supported by local/mongod", path)
		}
	}
	for {
		name, rest, nested := strings.Cut(path, ".")
		child, exists := n[name]
		if exists && (child == nil || !nested) {
			return errorf(codeBadValue, "path collision at %s in the projection", path)
		}
		if !nested {
			n[name] = nil
			return nil
		}
		if child == nil {
			child = projectionNode{}
			n[name] = child
		}
		n, path = child, rest
	}
}

// append appends the projected document.
func (p *projection) append(dst []byte, doc []byte) []byte {
	return appendProjected(dst, doc, p.tree, p.include, false)
}

func appendProjected(dst, doc []byte, tree projectionNode, include, array bool) []byte {
	start, dst := startDocument(dst)
	i := 0
	for key, v := range fields(doc) {
		child, named := tree[string(key)]
		if array { // the tree speaks of the fields of the elements
			child, named = tree, true
		}
		leaf := named && child == nil
		descend := named && !leaf && (isDocument(v) || isArray(v))
		if !descend && leaf != include {
			continue
		}
		dst = append(dst, byte(v.Type))
		if array {
			dst = strconv.AppendInt(dst, int64(i), 10)
		} else {
			dst = append(dst, key...)
		}
		dst = append(dst, 0)
		if descend {
			dst = appendProjected(dst, v.Data, child, include, isArray(v))
		} else {
			dst = append(dst, v.Data...)
		}
		i++
	}
	return endDocument(dst, start)
}
