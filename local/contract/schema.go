package contract

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	health "aiwm-chat/functions/health/handler"
	"aiwm-chat/shared/chat"
)

const inComponents = "#/components/schemas/"

// A builder makes the schemas of Go types, each once, under the name of the type.
type builder struct {
	facts   facts
	schemas map[string]*jsonschema.Schema
}

func newBuilder() (*builder, error) {
	f, err := readFacts()
	return &builder{facts: f, schemas: map[string]*jsonschema.Schema{}}, err
}

// A direction says who writes a body. What clients write is closed, because the
// product refuses what it does not know; what they get is open, because it grows.
type direction bool

const (
	input  direction = true
	output direction = false
)

// ref returns a reference to the schema of a type, which it makes if need be.
func (b *builder) ref(t reflect.Type, d direction) *jsonschema.Schema {
	name := componentName(t, d)
	if _, made := b.schemas[name]; !made {
		b.schemas[name] = nil // in the making
		b.schemas[name] = b.schema(t, d)
	}
	return &jsonschema.Schema{Ref: inComponents + name}
}

// componentName is that of the type. What both sides write has two schemas.
func componentName(t reflect.Type, d direction) string {
	switch t {
	case reflect.TypeFor[health.Report]():
		return "Health"
	case reflect.TypeFor[health.Component]():
		return "HealthComponent"
	}
	if d == input && isBoth[t] {
		return t.Name() + "Input"
	}
	return t.Name()
}

func (b *builder) schema(t reflect.Type, d direction) *jsonschema.Schema {
	if t.Kind() == reflect.Struct {
		return b.object(t, d)
	}
	s := &jsonschema.Schema{Type: "string", Description: b.typeDoc(t)}
	if limit := textLimits[t]; limit != nil {
		limit(s)
		return s
	}
	for _, v := range b.facts.Values[t.String()] {
		if v.Value != string(chat.System) || t != reflect.TypeFor[chat.PrincipalType]() { // which no participant is
			s.Enum = append(s.Enum, v.Value)
		}
	}
	return s
}

// object lets the library say which members there are and which are required, and
// says itself what each of them is.
func (b *builder) object(t reflect.Type, d direction) *jsonschema.Schema {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[jsontext.Value](): {},
	}})
	if err != nil {
		panic("contract: " + err.Error()) // a type that no JSON stands for: a mistake in the program
	}
	s.Description = b.typeDoc(t)
	if d == output {
		s.AdditionalProperties = nil
	}
	if d == input && isLenient[t] {
		s.Required = nil
	}
	s.Not = neverTogether[t]
	if d == input && s.Properties["voice"] != nil {
		s.DependentSchemas = spokenHas
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || s.Properties[name] == nil {
			continue
		}
		s.Properties[name] = b.property(owner(t, f), f, d)
	}
	return s
}

// owner is the type that declares a field: t itself, or one that is embedded.
func owner(t reflect.Type, f reflect.StructField) reflect.Type {
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
	}
	return t
}

func (b *builder) property(t reflect.Type, f reflect.StructField, d direction) *jsonschema.Schema {
	key := t.Name() + "." + f.Name
	s := b.value(f.Type, d)
	if special := b.special(key); special != nil {
		s = special
	}
	s.Description = sentence(b.facts.Docs[t.String()+"."+f.Name])
	if f.Type.Kind() == reflect.String && f.Type.Name() == "string" && isTime[f.Name] {
		s.Format = "date-time"
	}
	limit := limits[key]
	if limit == nil {
		limit = uploadLimits[key]
	}
	if limit != nil && (d == input || limitsOutput[key]) {
		limit(s)
	}
	return s
}

// value is the schema of what a field holds: a reference where its type has a name.
func (b *builder) value(t reflect.Type, d direction) *jsonschema.Schema {
	if t == reflect.TypeFor[jsontext.Value]() {
		return anyObject()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.value(t.Elem(), d)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
		}
		return &jsonschema.Schema{Type: "array", Items: b.value(t.Elem(), d)}
	case reflect.Struct:
		return b.ref(t, d)
	case reflect.String:
		if t.Name() != "string" {
			return b.ref(t, d)
		}
		return &jsonschema.Schema{Type: "string"}
	case reflect.Int, reflect.Int64:
		return &jsonschema.Schema{Type: "integer", Format: "int64", Minimum: new(float64)}
	case reflect.Float64:
		return &jsonschema.Schema{Type: "number", Minimum: new(float64)}
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}}
		}
		return anyObject()
	}
	panic(fmt.Sprintf("contract: no schema for %v", t)) // a mistake in the program
}

// anyObject is one of whatever members, as generators have to be told.
func anyObject() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{}}
}

// typeDoc is the comment of a type, with the members of its JSON in place of the
// fields of Go.
func (b *builder) typeDoc(t reflect.Type) string {
	doc := b.facts.Docs[t.String()]
	if t.Kind() != reflect.Struct {
		return doc
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && !strings.EqualFold(f.Name, t.Name()) {
			doc = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(doc, "`"+name+"`")
		}
	}
	return doc
}

// constant makes a schema that only one value has.
func constant(v any) *jsonschema.Schema { return &jsonschema.Schema{Const: &v} }
