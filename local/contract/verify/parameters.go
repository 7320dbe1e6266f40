package verify

import "slices"

// A Parameter is one of a route, as it is documented.
type Parameter struct {
	Name, In         string
	Required         bool
	Example          any
	Minimum, Maximum *float64
	Enum             []any
}

// Parameters are those of a route, by its key, such as "GET /messages".
func (c *Contract) Parameters(route string) (all []Parameter) {
	i := slices.IndexFunc(c.paths, func(p path) bool { return p.method+" "+p.template == route })
	if i < 0 {
		return nil
	}
	list, _ := at(c.paths[i].body, "parameters").([]any)
	for _, one := range list {
		p := Parameter{Name: at(one, "name").(string), In: at(one, "in").(string), Required: at(one, "required") == true, Example: at(one, "example")}
		schema := c.rest.resolve(at(one, "schema"))
		p.Enum, _ = at(schema, "enum").([]any)
		p.Minimum, p.Maximum = number(at(schema, "minimum")), number(at(schema, "maximum"))
		all = append(all, p)
	}
	return all
}

func number(v any) *float64 {
	if n, ok := v.(float64); ok {
		return &n
	}
	return nil
}
