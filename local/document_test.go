package main

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A document is template.yaml as it is written: {Ref: X} and {Fn::GetAtt: X.Arn}
// are texts with a tag.
type document struct {
	Metadata   yaml.Node              `yaml:"Metadata"`
	Parameters map[string]parameter   `yaml:"Parameters"`
	Resources  map[string]declaration `yaml:"Resources"`
	Outputs    map[string]yaml.Node   `yaml:"Outputs"`
	Globals    yaml.Node              `yaml:"Globals"`
	Rules      map[string]rule        `yaml:"Rules"`
}

type rule struct {
	Condition  yaml.Node `yaml:"RuleCondition"`
	Assertions []struct {
		Assert      yaml.Node `yaml:"Assert"`
		Description string    `yaml:"AssertDescription"`
	} `yaml:"Assertions"`
}

type declaration struct {
	Type                string    `yaml:"Type"`
	Condition           string    `yaml:"Condition"`
	DeletionPolicy      string    `yaml:"DeletionPolicy"`
	UpdateReplacePolicy string    `yaml:"UpdateReplacePolicy"`
	DependsOn           yaml.Node `yaml:"DependsOn"`
	Properties          yaml.Node `yaml:"Properties"`
}

type parameter struct {
	Type                  string   `yaml:"Type"`
	Default               string   `yaml:"Default"`
	Description           string   `yaml:"Description"`
	AllowedPattern        string   `yaml:"AllowedPattern"`
	ConstraintDescription string   `yaml:"ConstraintDescription"`
	AllowedValues         []string `yaml:"AllowedValues"`
	NoEcho                bool     `yaml:"NoEcho"`
}

func readDocument(t *testing.T) document {
	t.Helper()
	data, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// child is the value at a path of keys, nil if there is none.
func child(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var found *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = n.Content[i+1]
			}
		}
		n = found
	}
	return n
}

// scalars are the texts of a tree, with the tags of what they are arguments of.
func scalars(n *yaml.Node) (all []string) {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		all = append(all, scalars(c)...)
	}
	return all
}

func childContent(n *yaml.Node, path ...string) []*yaml.Node {
	if c := child(n, path...); c != nil {
		return c.Content
	}
	return nil
}
