package mongod

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// reach calls test with every value that a dotted path leads to from v and
// returns true as soon as test does. On the way it enters the documents of an
// array and, where the path has a number, its element of that index. A path
// that breaks off in a document or a scalar leads to missing; one that breaks
// off in an array leads nowhere, which is MongoDB's rule.
func reach(v bsoncore.Value, path string, test func(bsoncore.Value) bool) bool {
	if path == "" {
		return test(v)
	}
	name, rest, _ := strings.Cut(path, ".")
	switch v.Type {
	case bsoncore.TypeEmbeddedDocument:
		return reach(field(v.Data, name), rest, test)
	case bsoncore.TypeArray:
		for key, e := range fields(v.Data) {
			if isDocument(e) && reach(e, path, test) {
				return true
			}
			if string(key) == name && reach(e, rest, test) {
				return true
			}
		}
		return false
	default:
		return test(missing)
	}
}

// maxPathDepth bounds the nesting that one update can create.
const maxPathDepth = 100

// checkPath refuses the paths that nothing but a filter can have.
func checkPath(kind, path string) error {
	names := strings.Split(path, ".")
	for _, name := range names {
		if name == "" || name[0] == '$' || len(names) > maxPathDepth {
			return errorf(codeBadValue, "%s path '%.300s' is not supported by local/embedded/mongod", kind, path)
		}
	}
	return nil
}
