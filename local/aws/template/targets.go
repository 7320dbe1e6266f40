package template

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// observers are services that are told of functions and invoke none: rights,
// alarms, logs, names, deployments.
var observers = []string{
	"AWS::IAM::", "AWS::CloudWatch::", "AWS::Logs::", "AWS::SSM::", "AWS::ApplicationAutoScaling::", "AWS::CodeDeploy::",
	"AWS::KMS::", "AWS::SecretsManager::", "AWS::XRay::", "AWS::Synthetics::", "AWS::Oam::", "AWS::RAM::",
}

// checkTarget warns of a resource that is in no table and is given the ARN of a
// function: a load balancer's target, a distribution, a mail rule. There are too
// many kinds to list, and most who want the ARN invoke it.
func (p *parser) checkTarget(r resource) {
	if slices.ContainsFunc(observers, func(prefix string) bool { return strings.HasPrefix(r.kind, prefix) }) {
		return
	}
	if n := p.arnIn(r.own); n != nil {
		p.warn(n, "%s is given a function, and what it sends there is not emulated", r.kind)
	}
}

// arnIn finds where a function's ARN is asked for.
func (p *parser) arnIn(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	switch name, arg := intrinsic(n); name {
	case "Fn::GetAtt":
		id, attribute, _ := strings.Cut(arg.Value, ".")
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			id, attribute = arg.Content[0].Value, arg.Content[1].Value
		}
		if attribute == "Arn" && p.isFunction(id) {
			return n
		}
		return nil
	case "Fn::Sub":
		text := arg.Value
		if arg.Kind == yaml.SequenceNode && len(arg.Content) > 0 {
			text = arg.Content[0].Value
		}
		for _, part := range strings.Split(text, "${")[1:] {
			if id, found := strings.CutSuffix(part[:max(strings.IndexByte(part, '}'), 0)], ".Arn"); found && p.isFunction(id) {
				return n
			}
		}
	}
	for _, child := range n.Content {
		if found := p.arnIn(child); found != nil {
			return found
		}
	}
	return nil
}

func (p *parser) isFunction(id string) bool {
	kind := member(member(member(p.root, "Resources"), id), "Type")
	return kind != nil && kind.Value == "AWS::Serverless::Function"
}
