package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// A document resolves and validates within itself.
type document struct {
	root     map[string]any
	defs     map[string]json.RawMessage // components.schemas, closed
	mu       sync.Mutex
	resolved map[string]*jsonschema.Resolved
}

func read(text []byte) (*document, error) {
	d := &document{defs: map[string]json.RawMessage{}, resolved: map[string]*jsonschema.Resolved{}}
	if err := json.Unmarshal(text, &d.root); err != nil {
		return nil, err
	}
	schemas, ok := at(d.root, "components", "schemas").(map[string]any)
	if !ok {
		return nil, errors.New("it has no components.schemas")
	}
	for name, s := range schemas {
		closeObjects(s)
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		d.defs[name] = local(text)
	}
	return d, nil
}

// closeObjects lets no object have members that its schema does not name.
func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if s["type"] == "object" && s["properties"] != nil && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
		for _, inner := range s {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range s {
			closeObjects(inner)
		}
	}
}

func local(schema []byte) []byte {
	return bytes.ReplaceAll(schema, []byte(`"#/components/schemas/`), []byte(`"#/$defs/`))
}

// validate holds a value against a schema of the document, which is resolved once
// under its name.
func (d *document) validate(name string, schema, v any) error {
	r, err := d.schema(name, schema)
	if err != nil {
		return err
	}
	return r.Validate(v)
}

func (d *document) schema(name string, schema any) (*jsonschema.Resolved, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.resolved[name]; r != nil {
		return r, nil
	}
	if schema == nil {
		return nil, fmt.Errorf("the contract has no schema of %s", name)
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	text = local(text)
	defs := map[string]json.RawMessage{}
	d.need(text, defs)
	known, err := json.Marshal(defs)
	if err != nil {
		return nil, err
	}
	whole := fmt.Appendf(nil, `{"$defs":%s,"allOf":[%s]}`, known, text)
	var s jsonschema.Schema
	if err := json.Unmarshal(whole, &s); err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", name, err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", name, err)
	}
	d.resolved[name] = r
	return r, nil
}

var reference = regexp.MustCompile(`"#/\$defs/([^"]+)"`)

// need adds to defs what a schema refers to, and what that does.
func (d *document) need(schema []byte, defs map[string]json.RawMessage) {
	for _, m := range reference.FindAllSubmatch(schema, -1) {
		name := string(m[1])
		if _, there := defs[name]; there || d.defs[name] == nil {
			continue
		}
		defs[name] = d.defs[name]
		d.need(d.defs[name], defs)
	}
}

// resolve follows a reference within the document.
func (d *document) resolve(v any) any {
	to, ok := at(v, "$ref").(string)
	if !ok {
		return v
	}
	var target any = d.root
	for step := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
		target = at(target, step)
	}
	return target
}

// at returns what is in objects within objects, nil where it is not.
func at(v any, steps ...string) any {
	for _, step := range steps {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[step]
	}
	return v
}

func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, one := range list {
		all = append(all, one.(string))
	}
	return all
}

func parse(text []byte) (v any, err error) {
	err = json.Unmarshal(text, &v)
	return v, err
}
