package template

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest template in bytes, CloudFormation's own limit.
const MaxSize = 1 << 20

// Parse reads a template. The parameters override the defaults the template
// declares; one without either is "". The error lists every fault found, each
// with its line and resource.
func Parse(data []byte, parameters map[string]string) (*Template, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the template has more than %d bytes", MaxSize)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, errors.New("the template is empty")
	}
	root := document.Content[0]
	if err := checkTree(root); err != nil {
		return nil, err
	}
	if member(root, "Resources") == nil {
		return nil, errors.New("the template has no Resources")
	}
	p := &parser{
		root:      root,
		t:         &Template{variables: map[string][]entry{}},
		responses: map[string]bool{},
		eval: &evaluator{
			parameters: map[string]any{},
			resources:  map[string]bool{},
			conditions: map[string]*yaml.Node{},
			truths:     map[string]bool{},
			deciding:   map[string]bool{},
		},
	}
	p.t.eval = p.eval
	p.parameters(parameters)
	for c := range entries(member(root, "Conditions")) {
		p.eval.conditions[c.key] = c.value
	}
	p.checkTemplate()
	p.parseResources()
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return p.t, nil
}

// A parser collects a template and its faults.
type parser struct {
	root      *yaml.Node
	t         *Template
	eval      *evaluator
	resources []resource
	responses map[string]bool // the generated logical ids of WebSocket routes that have a RouteResponse
	in        string          // the resource being read, for faults
	faults    []error
}

// A resource is one member of Resources that exists under the template's
// conditions.
type resource struct {
	id, kind   string
	at         *yaml.Node
	properties *yaml.Node // with those of Globals
	own        *yaml.Node // without
}

// add keeps a fault of the resource being read.
func (p *parser) add(err error) {
	if p.in != "" {
		err = fmt.Errorf("%s: %w", p.in, err)
	}
	// What is checked and then read has the same fault twice.
	if !slices.ContainsFunc(p.faults, func(known error) bool { return known.Error() == err.Error() }) {
		p.faults = append(p.faults, err)
	}
}

// warn keeps a warning about the resource being read.
func (p *parser) warn(at *yaml.Node, format string, args ...any) {
	p.t.Warnings = append(p.t.Warnings, p.in+": "+fault(at, format, args...).Error())
}

func (p *parser) fail(at *yaml.Node, format string, args ...any) {
	p.add(fault(at, format, args...))
}

func (p *parser) parameters(given map[string]string) {
	declared := member(p.root, "Parameters")
	for d := range entries(declared) {
		value := ""
		if n := member(d.value, "Default"); n != nil {
			value = n.Value
		}
		if v, ok := given[d.key]; ok {
			value = v
			if err := allowed(d, v); err != nil {
				p.add(err)
			}
		}
		kind := ""
		if n := member(d.value, "Type"); n != nil {
			kind = n.Value
		}
		if kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<") {
			items := []any{}
			for _, item := range listOf(value) {
				items = append(items, item)
			}
			p.eval.parameters[d.key] = items
		} else {
			p.eval.parameters[d.key] = value
		}
	}
	for name := range given {
		if member(declared, name) == nil {
			p.add(fmt.Errorf("the template has no parameter %q", name))
		}
	}
}

// parseResources reads the resources in the order their references need: what
// others name first.
func (p *parser) parseResources() {
	globals := member(p.root, "Globals")
	for e := range entries(member(p.root, "Resources")) {
		p.eval.resources[e.key] = true
	}
	if p.hasImplicitAPI() {
		p.eval.resources[implicitAPI] = true
	}
	for e := range entries(member(p.root, "Resources")) {
		if isMacro(e.key) {
			continue
		}
		p.in = e.key
		p.check(e.value, "a resource", attributes)
		if c := member(e.value, "Condition"); c != nil {
			exists, err := p.eval.condition(c.Value, c)
			if err != nil {
				p.add(err)
			}
			if !exists {
				continue
			}
		}
		r := resource{id: e.key, at: e.at, own: member(e.value, "Properties")}
		r.properties = r.own
		if n := member(e.value, "Type"); n != nil {
			r.kind = n.Value
		}
		if sam, ok := strings.CutPrefix(r.kind, "AWS::Serverless::"); ok {
			r.properties = merge(member(globals, sam), r.properties)
		}
		p.checkResource(r)
		p.resources = append(p.resources, r)
	}
	p.each("AWS::SQS::Queue", p.queue)
	p.each("AWS::S3::Bucket", p.bucket)
	p.each("AWS::Serverless::HttpApi", p.httpAPI)
	p.each("AWS::Serverless::Function", p.function)
	p.customResources()
	p.each("AWS::ApiGatewayV2::RouteResponse", p.routeResponse)
	p.each("AWS::Serverless::WebSocketApi", p.webSocketAPI)
}

func (p *parser) each(kind string, read func(resource)) {
	for _, r := range p.resources {
		if r.kind == kind {
			p.in = r.id
			read(r)
		}
	}
}

// structural is the lookup for everything but environments: a resource stands
// for itself and so does its attribute, so that references can be recognised
// however they are written.
func structural(name string) (string, error) {
	if strings.HasPrefix(name, "AWS::") {
		return pseudo(name)
	}
	return name, nil
}

// reference finds the resource of a kind that a property refers to by Ref
// (attribute "") or by an attribute.
func (p *parser) reference(n *yaml.Node, kind, attribute string) (string, bool) {
	v, err := p.eval.text(n, structural)
	if err != nil {
		p.add(err)
		return "", false
	}
	id := v
	if attribute != "" {
		id = strings.TrimSuffix(v, "."+attribute)
	}
	if attribute == "Arn" && id == v { // that of the version which clients reach
		id = strings.TrimSuffix(v, ".Alias")
	}
	if id != v || attribute == "" {
		for _, r := range p.resources {
			if r.id == id && r.kind == kind {
				return id, true
			}
		}
	}
	p.fail(n, "%q refers to no %s of this template", v, kind)
	return "", false
}

// property is a member of a mapping with If and AWS::NoValue resolved; nil if
// it is absent.
func (p *parser) property(m *yaml.Node, key string) *yaml.Node {
	n := member(m, key)
	for n != nil {
		name, arg := intrinsic(n)
		if name == "Ref" && arg.Value == "AWS::NoValue" {
			return nil
		}
		if name != "Fn::If" {
			return n
		}
		var err error
		if n, err = p.eval.branch(arg); err != nil {
			p.add(err)
			return nil
		}
	}
	return nil
}

// mapping is a property that is a mapping.
func (p *parser) mapping(m *yaml.Node, key string) *yaml.Node {
	n := p.property(m, key)
	if n != nil && (n.Kind != yaml.MappingNode || isIntrinsic(n)) {
		p.fail(n, "%s is not a mapping", key)
		return nil
	}
	return n
}

func (p *parser) text(m *yaml.Node, key, absent string) string {
	n := p.property(m, key)
	if n == nil {
		return absent
	}
	v, err := p.eval.text(n, structural)
	if err != nil {
		p.add(err)
	}
	return v
}

func (p *parser) texts(m *yaml.Node, key string) []string {
	n := p.property(m, key)
	if n == nil {
		return nil
	}
	v, err := p.eval.list(n, structural)
	if err != nil {
		p.add(err)
	}
	return v
}

func (p *parser) textMap(m *yaml.Node, key string) map[string]string {
	var texts map[string]string
	for e := range entries(p.mapping(m, key)) {
		v, err := p.eval.text(e.value, structural)
		if err != nil {
			p.add(err)
			continue
		}
		if texts == nil {
			texts = map[string]string{}
		}
		texts[e.key] = v
	}
	return texts
}

func (p *parser) flag(m *yaml.Node, key string, absent bool) bool {
	switch v := p.text(m, key, strconv.FormatBool(absent)); strings.ToLower(v) {
	case "true":
		return true
	case "false":
	default:
		p.fail(member(m, key), "%s is %q and must be true or false", key, v)
	}
	return false
}

// number is an integer property within limits.
func (p *parser) number(m *yaml.Node, key string, absent, least, most int) int {
	n := p.property(m, key)
	if n == nil {
		return absent
	}
	text := p.text(m, key, "")
	v, err := strconv.Atoi(text)
	if err != nil || v < least || v > most {
		p.fail(n, "%s is %q and must be %d to %d", key, text, least, most)
	}
	return v
}

func (p *parser) seconds(m *yaml.Node, key string, absent, least, most int) time.Duration {
	return time.Duration(p.number(m, key, absent, least, most)) * time.Second
}
