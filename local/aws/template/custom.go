package template

import "strings"

// customResources reads the custom resources behind which a function of the
// template is. Of others nothing is known here.
func (p *parser) customResources() {
	for _, r := range p.resources {
		if !isCustom(r.kind) {
			continue
		}
		p.in = r.id
		function := p.functionOf(r)
		if function == "" {
			p.warn(r.at, "%s is not emulated: its ServiceToken is none of this template's functions", r.kind)
			continue
		}
		c := CustomResource{LogicalID: r.id, Type: r.kind, Function: function, Properties: map[string]string{}}
		for e := range entries(r.own) {
			if n := p.property(r.own, e.key); n != nil && e.key != "ServiceTimeout" {
				if v, err := p.eval.text(n, structural); err == nil { // a list or a mapping is nothing that a function here needs
					c.Properties[e.key] = v
				}
			}
		}
		p.t.CustomResources = append(p.t.CustomResources, c)
	}
}

func isCustom(kind string) bool {
	return strings.HasPrefix(kind, "Custom::") || kind == "AWS::CloudFormation::CustomResource"
}

func (p *parser) functionOf(r resource) string {
	n := p.property(r.own, "ServiceToken")
	if n == nil {
		return ""
	}
	v, err := p.eval.text(n, structural)
	if err != nil {
		return ""
	}
	for _, f := range p.t.Functions {
		if v == f.LogicalID+".Arn" || v == f.LogicalID+".Alias" {
			return f.LogicalID
		}
	}
	return ""
}
