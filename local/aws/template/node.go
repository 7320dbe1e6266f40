package template

import (
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An entry is one member of a mapping.
type entry struct {
	key   string
	at    *yaml.Node // the key, for its line
	value *yaml.Node
}

// entries walks the members of a mapping; of anything else there are none.
func entries(n *yaml.Node) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(entry{n.Content[i].Value, n.Content[i], n.Content[i+1]}) {
				return
			}
		}
	}
}

// member is the value of one key, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	for e := range entries(n) {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// checkTree refuses what would make the same template mean two things: a key
// twice in a mapping, and aliases, which CloudFormation resolves differently
// from place to place.
func checkTree(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return fmt.Errorf("line %d: yaml aliases are not supported", n.Line)
	}
	seen := map[string]bool{}
	for e := range entries(n) {
		if seen[e.key] {
			return fmt.Errorf("line %d: %s is given twice", e.at.Line, e.key)
		}
		seen[e.key] = true
	}
	for _, child := range n.Content {
		if err := checkTree(child); err != nil {
			return err
		}
	}
	return nil
}

// merge lays a resource's properties over the global ones by SAM's rules:
// mappings member by member, lists one after the other, and of everything else
// (intrinsic functions included) the resource's own.
func merge(global, local *yaml.Node) *yaml.Node {
	if global == nil || local == nil {
		if local == nil {
			return global
		}
		return local
	}
	if global.Kind != local.Kind || isIntrinsic(global) || isIntrinsic(local) {
		return local
	}
	merged := *local
	switch local.Kind {
	case yaml.SequenceNode:
		merged.Content = append(append([]*yaml.Node(nil), global.Content...), local.Content...)
	case yaml.MappingNode:
		merged.Content = nil
		for e := range entries(global) {
			merged.Content = append(merged.Content, e.at, merge(e.value, member(local, e.key)))
		}
		for e := range entries(local) {
			if member(global, e.key) == nil {
				merged.Content = append(merged.Content, e.at, e.value)
			}
		}
	}
	return &merged
}

// intrinsic takes a call of an intrinsic function apart. The name is the long
// one ("Ref", "Fn::Sub"); it is "" where the node is no call.
func intrinsic(n *yaml.Node) (name string, arg *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		plain := *n
		plain.Tag = ""
		name = n.Tag[1:]
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return name, &plain
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if key == "Ref" || key == "Condition" || strings.HasPrefix(key, "Fn::") {
			return key, n.Content[1]
		}
	}
	return "", n
}

func isIntrinsic(n *yaml.Node) bool {
	name, _ := intrinsic(n)
	return name != ""
}
