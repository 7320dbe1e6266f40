package template

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// An effect is what something in a template means to the local server.
type effect int

const (
	unknown   effect = iota // to AWS too, or to us
	emulated                // it is read
	quiet                   // it changes nothing that a client or a function here could tell: names, rights, logs
	tunes                   // traffic is the same without it, but not as fast, as much or as well guarded: a warning
	carries                 // without it traffic is missing: an error
	throttles               // settings of which only the throttling tunes
)

// kinds are the kinds of resources of the services that traffic passes
// through. One of these services that is not listed carries traffic that is not
// emulated, or is misspelt.
var kinds = effects(map[effect]string{
	emulated: `AWS::Serverless::Function AWS::Serverless::HttpApi AWS::Serverless::WebSocketApi
		AWS::ApiGatewayV2::RouteResponse AWS::SQS::Queue`,
	quiet: `AWS::Serverless::Connector AWS::Serverless::LayerVersion AWS::Serverless::SimpleTable
		AWS::ApiGateway::Account AWS::ApiGatewayV2::Deployment
		AWS::Events::ApiDestination AWS::Events::Archive AWS::Events::Connection AWS::Events::Endpoint
		AWS::Events::EventBus AWS::Events::EventBusPolicy
		AWS::Lambda::Alias AWS::Lambda::CodeSigningConfig AWS::Lambda::LayerVersion AWS::Lambda::LayerVersionPermission
		AWS::Lambda::Permission AWS::Lambda::Version
		AWS::Scheduler::ScheduleGroup AWS::SQS::QueueInlinePolicy AWS::SQS::QueuePolicy`,
	tunes: `AWS::Serverless::CapacityProvider
		AWS::ApiGateway::ApiKey AWS::ApiGateway::UsagePlan AWS::ApiGateway::UsagePlanKey
		AWS::ApiGateway::BasePathMapping AWS::ApiGateway::BasePathMappingV2 AWS::ApiGateway::DomainName AWS::ApiGateway::DomainNameV2
		AWS::ApiGatewayV2::ApiMapping AWS::ApiGatewayV2::DomainName AWS::ApiGatewayV2::Model AWS::ApiGatewayV2::VpcLink
		AWS::Lambda::CapacityProvider AWS::Lambda::EventInvokeConfig
		AWS::SecretsManager::RotationSchedule AWS::WAFv2::WebACLAssociation`,
	// Of other services those that invoke functions.
	carries: `AWS::AppSync::GraphQLApi AWS::CloudFormation::Stack AWS::IoT::TopicRule AWS::Logs::SubscriptionFilter
		AWS::Pipes::Pipe AWS::SNS::Subscription AWS::StepFunctions::StateMachine`,
})

var services = []string{"AWS::Serverless::", "AWS::ApiGateway::", "AWS::ApiGatewayV2::", "AWS::Events::", "AWS::Lambda::", "AWS::Scheduler::", "AWS::SQS::"}

// invoking are the properties by which resources that hold something invoke
// functions too.
var invoking = map[string]string{
	"AWS::S3::Bucket":                "NotificationConfiguration",
	"AWS::SNS::Topic":                "Subscription",
	"AWS::Cognito::UserPool":         "LambdaConfig",
	"AWS::Lambda::EventInvokeConfig": "DestinationConfig",
}

var (
	sections = effects(map[effect]string{emulated: "Conditions Globals Parameters Resources Transform",
		quiet: "AWSTemplateFormatVersion Description Hooks Mappings Metadata Outputs Rules"})
	globalSections = effects(map[effect]string{emulated: "Function HttpApi WebSocketApi",
		quiet: "Api CapacityProvider LayerVersion SimpleTable StateMachine"})
	attributes = effects(map[effect]string{emulated: "Condition Properties Type", carries: "IgnoreGlobals",
		quiet: "Connectors CreationPolicy DeletionPolicy DependsOn Metadata UpdatePolicy UpdateReplacePolicy"})
	transforms = effects(map[effect]string{quiet: "AWS::LanguageExtensions AWS::Serverless-2016-10-31"})
)

// effects makes a table of names by effect.
func effects(names map[effect]string) map[string]effect {
	table := map[string]effect{}
	for e, list := range names {
		for _, name := range strings.Fields(list) {
			table[name] = e
		}
	}
	return table
}

// checkTemplate reports what is outside of the resources.
func (p *parser) checkTemplate() {
	p.check(p.root, "a template", sections)
	globals := member(p.root, "Globals")
	p.check(globals, "Globals", globalSections)
	for e := range entries(globals) {
		p.in = "Globals." + e.key
		p.checkProperties("AWS::Serverless::"+e.key, e.value)
	}
	p.in = ""
	if t := member(p.root, "Transform"); t != nil {
		for _, n := range append([]*yaml.Node{t}, t.Content...) {
			if n.Kind == yaml.ScalarNode && transforms[n.Value] == unknown {
				p.fail(n, "the macro %s is not run", n.Value)
			}
		}
	}
	p.checkMacros(member(p.root, "Conditions"))
	for e := range entries(member(p.root, "Resources")) {
		p.in = e.key
		if !isMacro(e.key) {
			p.checkMacros(e.value)
			continue
		}
		p.in = ""
		p.fail(e.at, "%s is not emulated: write its resources out", e.key)
	}
	p.in = ""
}

// isMacro recognises the calls that make members of a mapping.
func isMacro(key string) bool { return strings.HasPrefix(key, "Fn::ForEach") || key == "Fn::Transform" }

func (p *parser) checkMacros(n *yaml.Node) {
	if n == nil {
		return
	}
	for e := range entries(n) {
		if isMacro(e.key) {
			p.fail(e.at, "%s is not emulated", e.key)
		}
	}
	for _, child := range n.Content {
		p.checkMacros(child)
	}
}

// checkResource reports a resource that is not emulated, and what is not of one
// that is.
func (p *parser) checkResource(r resource) {
	e := kinds[r.kind]
	for _, prefix := range services {
		if e == unknown && strings.HasPrefix(r.kind, prefix) {
			e = carries
		}
	}
	if isCustom(r.kind) {
		e = emulated
	}
	switch {
	case e == carries && p.disabled(r):
	case e == carries:
		p.fail(r.at, "%s is not emulated", r.kind)
	case e == tunes:
		p.warn(r.at, "%s is not emulated", r.kind)
	case e == emulated:
		p.checkProperties(r.kind, r.own)
	case e == unknown:
		p.checkTarget(r)
	}
	if key, ok := invoking[r.kind]; ok {
		if n := p.property(r.own, key); n != nil && !mails(n) {
			p.fail(n, "%s is not emulated", key)
		}
	}
}

// mails reports whether all subscriptions of a topic are letters to people.
func mails(subscriptions *yaml.Node) bool {
	for _, s := range subscriptions.Content {
		if n := member(s, "Protocol"); n == nil || n.Value != "email" && n.Value != "email-json" && n.Value != "sms" {
			return false
		}
	}
	return subscriptions.Kind == yaml.SequenceNode
}

// disabled tells whether a rule, a schedule or an event source is switched off.
func (p *parser) disabled(r resource) bool {
	for key, off := range map[string]string{"State": "DISABLED", "Enabled": "false"} {
		if n := p.property(r.own, key); n != nil && n.Value == off {
			return true
		}
	}
	return false
}
