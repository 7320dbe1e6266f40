package template

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// The properties of what is emulated, as SAM and CloudFormation have them.
var (
	functionProperties = effects(map[effect]string{
		emulated: "Architectures CodeUri Environment EventInvokeConfig Events Handler MemorySize Runtime Timeout",
		quiet: `AssumeRolePolicyDocument AutoPublishAlias AutoPublishAliasAllProperties AutoPublishCodeSha256 CodeSigningConfigArn
			DeploymentPreference Description FunctionName KmsKeyArn LoggingConfig PackageType PermissionsBoundary Policies PropagateTags
			PublishToLatestPublished Role RolePath RuntimeManagementConfig SourceKMSKeyArn Tags Tracing VersionDeletionPolicy VersionDescription`,
		tunes: `CapacityProviderConfig DeadLetterQueue DurableConfig EphemeralStorage FileSystemConfigs FunctionScalingConfig Layers
			ProvisionedConcurrencyConfig RecursiveLoop ReservedConcurrentExecutions SnapStart TenancyConfig VpcConfig`,
		carries: "FunctionUrlConfig ImageConfig ImageUri InlineCode",
	})
	environmentProperties = effects(map[effect]string{emulated: "Variables"})
	asyncProperties       = effects(map[effect]string{tunes: "MaximumEventAgeInSeconds MaximumRetryAttempts", carries: "DestinationConfig"})
	eventAttributes       = effects(map[effect]string{emulated: "Properties Type"})
	eventProperties       = map[string]map[string]effect{
		"HttpApi": effects(map[effect]string{
			emulated: "ApiId Method Path PayloadFormatVersion TimeoutInMillis", throttles: "RouteSettings", carries: "Auth",
		}),
		"SQS": effects(map[effect]string{
			emulated: "BatchSize Enabled FunctionResponseTypes MaximumBatchingWindowInSeconds Queue ScalingConfig",
			quiet:    "KmsKeyArn LoggingConfig MetricsConfig", carries: "FilterCriteria ProvisionedPollerConfig",
		}),
		"Schedule": effects(map[effect]string{
			emulated: "Enabled Input Schedule State", quiet: "Description Name RoleArn RuleName", tunes: "DeadLetterConfig RetryPolicy",
		}),
		"ScheduleV2": effects(map[effect]string{
			emulated: "Input ScheduleExpression State", quiet: "Description GroupName KmsKeyArn Name OmitName PermissionsBoundary RoleArn",
			tunes: "DeadLetterConfig EndDate FlexibleTimeWindow RetryPolicy ScheduleExpressionTimezone StartDate",
		}),
	}
	scalingProperties = effects(map[effect]string{emulated: "MaximumConcurrency"})

	httpAPIProperties = effects(map[effect]string{
		emulated: "CorsConfiguration StageName StageVariables",
		quiet:    "AccessLogSettings Description FailOnWarnings IpAddressType Name PropagateTags Tags",
		tunes:    "DisableExecuteApiEndpoint Domain", throttles: "DefaultRouteSettings RouteSettings", carries: "Auth DefinitionBody DefinitionUri",
	})
	corsProperties = effects(map[effect]string{emulated: "AllowCredentials AllowHeaders AllowMethods AllowOrigins ExposeHeaders MaxAge"})

	webSocketAPIProperties = effects(map[effect]string{
		emulated: "Auth RouteSelectionExpression Routes StageName StageVariables",
		quiet: `AccessLogSettings ApiKeySelectionExpression Description DisableSchemaValidation FailOnWarnings IpAddressType Name
			PropagateTags Tags`,
		tunes: "DisableExecuteApiEndpoint Domain", throttles: "DefaultRouteSettings RouteSettings",
	})
	// A route that asks for a key refuses who has none; here everybody would be
	// let in.
	routeProperties = effects(map[effect]string{
		emulated: "FunctionArn IntegrationTimeout RouteResponseSelectionExpression", quiet: "OperationName",
		tunes: "ModelSelectionExpression RequestModels RequestParameters", carries: "ApiKeyRequired",
	})
	authProperties = effects(map[effect]string{emulated: "AuthArn AuthType IdentitySource", quiet: "InvokeRole Name"})

	queueProperties = effects(map[effect]string{
		emulated: "DelaySeconds MessageRetentionPeriod QueueName RedrivePolicy VisibilityTimeout",
		quiet:    "KmsDataKeyReusePeriodSeconds KmsMasterKeyId RedriveAllowPolicy SqsManagedSseEnabled Tags",
		tunes:    "MaximumMessageSize ReceiveMessageWaitTimeSeconds",
		carries:  "ContentBasedDeduplication DeduplicationScope FifoQueue FifoThroughputLimit",
	})
	redriveProperties = effects(map[effect]string{emulated: "deadLetterTargetArn maxReceiveCount"})
)

// reserved are the variables that Lambda sets itself; it takes no function that
// names one.
var reserved = effects(map[effect]string{carries: `_HANDLER _X_AMZN_TRACE_ID AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_DEFAULT_REGION
	AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE
	AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API AWS_REGION AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
	LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT`})

// checkProperties checks the properties of one kind, of a resource or in
// Globals, and what is inside of them.
func (p *parser) checkProperties(kind string, m *yaml.Node) {
	switch kind {
	case "AWS::Serverless::Function":
		p.check(m, "a function", functionProperties)
		environment := p.inner(m, "Environment")
		p.check(environment, "an environment", environmentProperties)
		for v := range entries(p.inner(environment, "Variables")) {
			if reserved[v.key] != unknown {
				p.fail(v.at, "the variable %s is Lambda's own, which refuses the function", v.key)
			}
		}
		p.check(p.inner(m, "EventInvokeConfig"), "an EventInvokeConfig", asyncProperties)
		for e := range entries(p.inner(m, "Events")) {
			p.check(e.value, "an event", eventAttributes)
			if table := eventProperties[p.text(e.value, "Type", "")]; table != nil {
				properties := p.inner(e.value, "Properties")
				p.check(properties, "such an event", table)
				p.check(p.inner(properties, "ScalingConfig"), "a ScalingConfig", scalingProperties)
			}
		}
	case "AWS::Serverless::HttpApi":
		p.check(m, "an HttpApi", httpAPIProperties)
		p.check(p.inner(m, "CorsConfiguration"), "a CorsConfiguration", corsProperties)
	case "AWS::Serverless::WebSocketApi":
		p.check(m, "a WebSocketApi", webSocketAPIProperties)
		p.check(p.inner(m, "Auth"), "an Auth", authProperties)
		for e := range entries(p.inner(m, "Routes")) {
			p.check(e.value, "a route", routeProperties)
		}
	case "AWS::SQS::Queue":
		p.check(m, "a queue", queueProperties)
		p.check(p.inner(m, "RedrivePolicy"), "a RedrivePolicy", redriveProperties)
	}
}

// inner is a property that is a mapping, nil if it is not: whoever reads it
// says so.
func (p *parser) inner(m *yaml.Node, key string) *yaml.Node {
	if n := p.property(m, key); n != nil && !isIntrinsic(n) {
		return n
	}
	return nil
}

// check reports the members of a mapping that are unknown, or whose effect is
// not emulated. What is switched off has none.
func (p *parser) check(m *yaml.Node, what string, table map[string]effect) {
	for e := range entries(m) {
		if strings.HasPrefix(e.key, "Fn::") {
			continue // checkMacros sees it
		}
		effect := table[e.key]
		if effect == unknown {
			p.fail(e.at, "%s is no property of %s%s", e.key, what, meant(e.key, table))
			continue
		}
		if effect < tunes {
			continue
		}
		n := p.property(m, e.key)
		switch {
		case n == nil || n.Value == "false":
		case e.key == "MaximumRetryAttempts" && n.Value == "0": // what failed is not tried again here
		case effect == tunes:
			p.warn(e.at, "%s is not emulated", e.key)
		case effect == carries:
			p.fail(e.at, "%s is not emulated", e.key)
		default:
			p.warnThrottles(n)
		}
	}
}

// warnThrottles reports the limits in the settings of routes.
func (p *parser) warnThrottles(n *yaml.Node) {
	for e := range entries(n) {
		if strings.HasPrefix(e.key, "Throttling") {
			p.warn(e.at, "%s is not emulated", e.key)
		}
		p.warnThrottles(e.value)
	}
}

// meant guesses which property a misspelt one was to be.
func meant(key string, table map[string]effect) string {
	best, least := "", 3 // more differences make another word
	for name := range table {
		if len(key) > 2*len(name) {
			continue
		}
		if d := distance(strings.ToLower(key), strings.ToLower(name)); d < least || d == least && name < best {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; is " + best + " meant?"
}

// distance is how many letters must be added, removed or replaced to make b of
// a. Names are short.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
