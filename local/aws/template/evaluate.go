package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An evaluator resolves the expressions of one template.
type evaluator struct {
	parameters map[string]any // string, or []any of strings for a list
	resources  map[string]bool
	conditions map[string]*yaml.Node
	truths     map[string]bool // the conditions already decided
	deciding   map[string]bool // the conditions being decided, to find one that depends on itself
}

// A lookup gives what a name stands for outside the template: "AWS::Region",
// "Queue" (Ref), "Queue.Arn" (GetAtt).
type lookup func(name string) (string, error)

// A noValue is what AWS::NoValue stands for: the property is absent.
type noValue struct{}

// maxText bounds what Sub makes: nested in itself it could double its length at
// each level.
const maxText = 64 << 10

func fault(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...)
}

// value resolves an expression to a string, a []any of values, or noValue.
func (e *evaluator) value(n *yaml.Node, find lookup) (any, error) {
	name, arg := intrinsic(n)
	switch name {
	case "":
		return e.literal(n, find)
	case "Ref":
		return e.ref(arg, find)
	case "Fn::GetAtt":
		return e.getAtt(arg, find)
	case "Fn::Sub":
		return e.sub(arg, find)
	case "Fn::If":
		branch, err := e.branch(arg)
		if err != nil {
			return nil, err
		}
		return e.value(branch, find)
	case "Fn::Join":
		return e.join(arg, find)
	case "Fn::Split":
		return e.split(arg, find)
	case "Fn::Select":
		return e.selectItem(arg, find)
	}
	return nil, fault(n, "the intrinsic function %s is not supported", name)
}

// text resolves an expression to a string; an absent value is "".
func (e *evaluator) text(n *yaml.Node, find lookup) (string, error) {
	v, err := e.value(n, find)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case noValue:
		return "", nil
	}
	return "", fault(n, "a list stands where a string is expected")
}

// list resolves an expression to strings.
func (e *evaluator) list(n *yaml.Node, find lookup) ([]string, error) {
	v, err := e.value(n, find)
	if err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fault(n, "a list is expected")
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = item.(string); !ok {
			return nil, fault(n, "a list of strings is expected")
		}
	}
	return texts, nil
}

func (e *evaluator) literal(n *yaml.Node, find lookup) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", nil
		}
		return n.Value, nil
	case yaml.SequenceNode:
		items := []any{}
		for _, item := range n.Content {
			v, err := e.value(item, find)
			if err != nil {
				return nil, err
			}
			if _, absent := v.(noValue); !absent {
				items = append(items, v)
			}
		}
		return items, nil
	}
	return nil, fault(n, "a mapping stands where a value is expected")
}

func (e *evaluator) ref(arg *yaml.Node, find lookup) (any, error) {
	name := arg.Value
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := e.parameters[name]; ok {
		return v, nil
	}
	resource, made, _ := strings.Cut(name, ".")
	if !strings.HasPrefix(name, "AWS::") && (!e.resources[resource] || made != "" && !slices.Contains(madeBySAM, made)) {
		return nil, fault(arg, "%q is no parameter and no resource of this template", name)
	}
	return found(arg, name, find)
}

// madeBySAM are what a Ref finds behind a dot: resources that SAM makes of another
// one.
var madeBySAM = []string{"Alias", "Version", "Stage", "DomainName", "DestinationTopic", "DestinationQueue"}

func (e *evaluator) getAtt(arg *yaml.Node, find lookup) (any, error) {
	name := arg.Value
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		name = arg.Content[0].Value + "." + arg.Content[1].Value
	}
	resource, attribute, _ := strings.Cut(name, ".")
	if attribute == "" {
		return nil, fault(arg, "GetAtt takes a resource and an attribute")
	}
	if !e.resources[resource] {
		return nil, fault(arg, "%q is no resource of this template", resource)
	}
	return found(arg, name, find)
}

func found(at *yaml.Node, name string, find lookup) (any, error) {
	v, err := find(name)
	if err != nil {
		return nil, fault(at, "%w", err)
	}
	return v, nil
}

// sub replaces ${Name}, ${Resource.Attribute} and the names of its second
// argument; ${!x} stands for ${x}.
func (e *evaluator) sub(arg *yaml.Node, find lookup) (any, error) {
	format, own := arg, map[string]string{}
	if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
		format = arg.Content[0]
		for v := range entries(arg.Content[1]) {
			var err error
			if own[v.key], err = e.text(v.value, find); err != nil {
				return nil, err
			}
		}
	}
	if format.Kind != yaml.ScalarNode {
		return nil, fault(arg, "Sub takes a string, or a string and a mapping")
	}
	var b strings.Builder
	for rest := format.Value; b.Len() <= maxText; {
		before, after, more := strings.Cut(rest, "${")
		b.WriteString(before)
		if !more {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fault(arg, "Sub has a ${ that is not closed")
		}
		rest = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			b.WriteString("${" + literal + "}")
			continue
		}
		name = strings.TrimSpace(name)
		v, ok := own[name]
		if !ok {
			var err error
			if v, err = e.subName(name, arg, find); err != nil {
				return nil, err
			}
		}
		b.WriteString(v)
	}
	return nil, fault(arg, "Sub makes more than %d bytes", maxText)
}

// subName is what ${name} stands for: the same as a Ref, or with a dot in it
// the same as a GetAtt.
func (e *evaluator) subName(name string, arg *yaml.Node, find lookup) (string, error) {
	tag := "!Ref"
	if strings.Contains(name, ".") {
		tag = "!GetAtt"
	}
	return e.text(&yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: name, Line: arg.Line}, find)
}

// pair checks the arguments of a function that takes two.
func pair(arg *yaml.Node, name string) (first, second *yaml.Node, err error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, nil, fault(arg, "%s takes two arguments", name)
	}
	return arg.Content[0], arg.Content[1], nil
}

func (e *evaluator) join(arg *yaml.Node, find lookup) (any, error) {
	first, second, err := pair(arg, "Join")
	if err != nil {
		return nil, err
	}
	delimiter, err := e.text(first, find)
	if err != nil {
		return nil, err
	}
	parts, err := e.list(second, find)
	if err != nil {
		return nil, err
	}
	return strings.Join(parts, delimiter), nil
}

func (e *evaluator) split(arg *yaml.Node, find lookup) (any, error) {
	first, second, err := pair(arg, "Split")
	if err != nil {
		return nil, err
	}
	delimiter, err := e.text(first, find)
	if err != nil {
		return nil, err
	}
	s, err := e.text(second, find)
	if err != nil {
		return nil, err
	}
	return splitText(s, delimiter), nil
}

func splitText(s, delimiter string) []any {
	items := []any{}
	for part := range strings.SplitSeq(s, delimiter) {
		items = append(items, part)
	}
	return items
}

func (e *evaluator) selectItem(arg *yaml.Node, find lookup) (any, error) {
	first, second, err := pair(arg, "Select")
	if err != nil {
		return nil, err
	}
	index, err := e.text(first, find)
	if err != nil {
		return nil, err
	}
	items, err := e.list(second, find)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(items) {
		return nil, fault(arg, "Select finds no item %q", index)
	}
	return items[i], nil
}

// branch is the node an If stands for.
func (e *evaluator) branch(arg *yaml.Node) (*yaml.Node, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		return nil, fault(arg, "If takes a condition and two values")
	}
	ok, err := e.condition(arg.Content[0].Value, arg)
	if err != nil {
		return nil, err
	}
	if ok {
		return arg.Content[1], nil
	}
	return arg.Content[2], nil
}

// condition decides a named condition, once.
func (e *evaluator) condition(name string, at *yaml.Node) (bool, error) {
	if ok, done := e.truths[name]; done {
		return ok, nil
	}
	n := e.conditions[name]
	if n == nil {
		return false, fault(at, "%q is no condition of this template", name)
	}
	if e.deciding[name] {
		return false, fault(at, "the condition %q depends on itself", name)
	}
	e.deciding[name] = true
	ok, err := e.truth(n)
	if err != nil {
		return false, err
	}
	e.truths[name] = ok
	return ok, nil
}

func (e *evaluator) truth(n *yaml.Node) (bool, error) {
	name, arg := intrinsic(n)
	switch name {
	case "Condition":
		return e.condition(arg.Value, arg)
	case "Fn::Equals":
		first, second, err := pair(arg, "Equals")
		if err != nil {
			return false, err
		}
		a, err := e.text(first, pseudo)
		if err != nil {
			return false, err
		}
		b, err := e.text(second, pseudo)
		return a == b, err
	case "Fn::Not", "Fn::And", "Fn::Or":
		truths := make([]bool, len(arg.Content))
		for i, c := range arg.Content {
			var err error
			if truths[i], err = e.truth(c); err != nil {
				return false, err
			}
		}
		if name == "Fn::Or" {
			return slices.Contains(truths, true), nil
		}
		return slices.Contains(truths, false) == (name == "Fn::Not"), nil
	}
	return false, fault(n, "a condition is expected")
}
