package template

import (
	"slices"
	"strings"
	"testing"
)

// head is a template that is emulated; the rows add what is not. What they add
// begins in line 8.
const head = `Transform: AWS::Serverless-2016-10-31
Resources:
  Q: {Type: "AWS::SQS::Queue"}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f/
`

func TestTrafficThatIsNotEmulatedIsAnError(t *testing.T) {
	socket := func(route string) string {
		return `  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes:
        join:
          FunctionArn: !GetAtt F.Arn
` + route
	}
	tests := []struct{ name, text, want string }{
		{"rule", "  R: {Type: 'AWS::Events::Rule'}", "R: line 8: AWS::Events::Rule is not emulated"},
		{"event source", "  R: {Type: 'AWS::Lambda::EventSourceMapping'}", "R: line 8: AWS::Lambda::EventSourceMapping is not emulated"},
		{"raw route", "  R: {Type: 'AWS::ApiGatewayV2::Route'}", "R: line 8: AWS::ApiGatewayV2::Route is not emulated"},
		{"raw API", "  R: {Type: 'AWS::ApiGatewayV2::Api'}", "R: line 8: AWS::ApiGatewayV2::Api is not emulated"},
		{"REST API", "  R: {Type: 'AWS::Serverless::Api'}", "R: line 8: AWS::Serverless::Api is not emulated"},
		{"raw REST API", "  R: {Type: 'AWS::ApiGateway::RestApi'}", "R: line 8: AWS::ApiGateway::RestApi is not emulated"},
		{"schedule", "  R: {Type: 'AWS::Scheduler::Schedule'}", "R: line 8: AWS::Scheduler::Schedule is not emulated"},
		{"raw function", "  R: {Type: 'AWS::Lambda::Function'}", "R: line 8: AWS::Lambda::Function is not emulated"},
		{"function URL", "  R: {Type: 'AWS::Lambda::Url'}", "R: line 8: AWS::Lambda::Url is not emulated"},
		{"nested stack", "  R: {Type: 'AWS::Serverless::Application'}", "R: line 8: AWS::Serverless::Application is not emulated"},
		{"subscription", "  R: {Type: 'AWS::SNS::Subscription'}", "R: line 8: AWS::SNS::Subscription is not emulated"},
		{"misspelt kind", "  R: {Type: 'AWS::Serverless::Functoin'}", "R: line 8: AWS::Serverless::Functoin is not emulated"},
		{"topic that invokes", "  R: {Type: 'AWS::SNS::Topic', Properties: {Subscription: [{Protocol: email}, {Protocol: lambda, Endpoint: !GetAtt F.Arn}]}}", "R: line 8: Subscription is not emulated"},
		{"bucket that notifies", "  R:\n    Type: AWS::S3::Bucket\n    Properties:\n      NotificationConfiguration: {LambdaConfigurations: []}", "R: line 11: NotificationConfiguration is not emulated"},
		{"destination", "  R:\n    Type: AWS::Lambda::EventInvokeConfig\n    Properties: {DestinationConfig: {OnFailure: {}}}", "R: line 10: DestinationConfig is not emulated"},
		{"loop of resources", "  'Fn::ForEach::Topics':\n    - T\n    - [a, b]\n    - {'Q${T}': {Type: 'AWS::SQS::Queue'}}", "line 8: Fn::ForEach::Topics is not emulated"},
		{"loop of properties", "      Environment:\n        Variables:\n          Fn::ForEach::V: [X, [A], {'${X}': b}]", "F: line 10: Fn::ForEach::V is not emulated"},
		{"included resources", "  Fn::Transform: {Name: 'AWS::Include', Parameters: {Location: s3://b/k}}", "line 8: Fn::Transform is not emulated"},
		{"function URL of a function", "      FunctionUrlConfig: {AuthType: NONE}", "F: line 8: FunctionUrlConfig is not emulated"},
		{"destination of a function", "      EventInvokeConfig:\n        DestinationConfig: {OnFailure: {Type: SQS}}", "F: line 9: DestinationConfig is not emulated"},
		{"reserved variable", "      Environment:\n        Variables:\n          AWS_REGION: eu-west-1", "F: line 10: the variable AWS_REGION is Lambda's own"},
		{"misspelt property of a function", "      Timout: 5", "F: line 8: Timout is no property of a function; is Timeout meant?"},
		{"another case", "      timeout: 5", "F: line 8: timeout is no property of a function; is Timeout meant?"},
		{"nothing like it", "      Colour: blue", "F: line 8: Colour is no property of a function"},
		{"misspelt environment", "      Environment: {Variable: {A: b}}", "F: line 8: Variable is no property of an environment; is Variables meant?"},
		{"misspelt property of an event", "      Events:\n        A: {Type: HttpApi, Properties: {Metod: get, Path: /a, Method: get}}", "F: line 9: Metod is no property of such an event; is Method meant?"},
		{"misspelt attribute of an event", "      Events:\n        A: {Type: HttpApi, Propertis: {}}", "F: line 9: Propertis is no property of an event; is Properties meant?"},
		{"misspelt property of a queue", "  R:\n    Type: AWS::SQS::Queue\n    Properties: {VisibilityTimeOut: 3, DelaySecond: 5}", "R: line 10: DelaySecond is no property of a queue; is DelaySeconds meant?"},
		{"misspelt redrive", "  R:\n    Type: AWS::SQS::Queue\n    Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt Q.Arn, maxReceivecount: 3}}", "R: line 10: maxReceivecount is no property of a RedrivePolicy; is maxReceiveCount meant?"},
		{"misspelt CORS", "  R:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      CorsConfiguration: {AllowOrigin: ['*']}", "R: line 11: AllowOrigin is no property of a CorsConfiguration; is AllowOrigins meant?"},
		{"misspelt attribute of a resource", "  R: {Type: 'AWS::SQS::Queue', DependOn: Q}", "R: line 8: DependOn is no property of a resource; is DependsOn meant?"},
		{"misspelt section", "Output: {}", "line 8: Output is no property of a template; is Outputs meant?"},
		{"misspelt global section", "Globals: {Functions: {}}", "line 8: Functions is no property of Globals; is Function meant?"},
		{"misspelt global property", "Globals:\n  Function: {Environment: {Variables: {}}, TimeOuts: 3}", "Globals.Function: line 9: TimeOuts is no property of a function"},
		{"reserved variable in Globals", "Globals:\n  Function: {Environment: {Variables: {AWS_SESSION_TOKEN: x}}}", "Globals.Function: line 9: the variable AWS_SESSION_TOKEN"},
		{"globals are ignored", "  R: {Type: 'AWS::Serverless::HttpApi', IgnoreGlobals: '*'}", "R: line 8: IgnoreGlobals is not emulated"},
		{"API key", socket("          ApiKeyRequired: true"), "Api: line 15: ApiKeyRequired is not emulated"},
		{"misspelt property of a route", socket("          FunctionARNs: x"), "Api: line 15: FunctionARNs is no property of a route; is FunctionArn meant?"},
		{"misspelt property of a WebSocketApi", socket("      StageVariable: {}"), "Api: line 15: StageVariable is no property of a WebSocketApi; is StageVariables meant?"},
		{"misspelt property of its Auth", socket("      Auth: {AuthTyp: NONE}"), "Api: line 15: AuthTyp is no property of an Auth; is AuthType meant?"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(head+test.text), nil)
			if err == nil || !strings.Contains("\n"+err.Error(), "\n"+test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := Parse([]byte("Transform: [AWS::Serverless-2016-10-31, Mine]\nResources: {}"), nil); err == nil || !strings.Contains(err.Error(), "line 1: the macro Mine is not run") {
		t.Errorf("a macro gives %v", err)
	}
}

func TestWhatOnlyTunesIsAWarning(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // nil: nothing is said
	}{
		{"throttling of an HTTP API", "  R:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      DefaultRouteSettings: {ThrottlingRateLimit: 5, DetailedMetricsEnabled: true}",
			[]string{"R: line 11: ThrottlingRateLimit is not emulated"}},
		{"throttling of a route", "  R:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      RouteSettings:\n        GET /a:\n          ThrottlingBurstLimit: 5",
			[]string{"R: line 13: ThrottlingBurstLimit is not emulated"}},
		{"throttling of a WebSocket API", "  R:\n    Type: AWS::Serverless::WebSocketApi\n    Properties:\n      RouteSelectionExpression: x\n      Routes: {a: {FunctionArn: !GetAtt F.Arn}}\n      DefaultRouteSettings:\n        ThrottlingBurstLimit: 5",
			[]string{"R: line 14: ThrottlingBurstLimit is not emulated"}},
		{"throttling in Globals", "Globals:\n  HttpApi:\n    DefaultRouteSettings: {ThrottlingRateLimit: 5}", []string{"Globals.HttpApi: line 10: ThrottlingRateLimit is not emulated"}},
		{"reserved concurrency", "      ReservedConcurrentExecutions: 5", []string{"F: line 8: ReservedConcurrentExecutions is not emulated"}},
		{"layers", "      Layers: [a]\n      VpcConfig: {}", []string{"F: line 8: Layers is not emulated", "F: line 9: VpcConfig is not emulated"}},
		{"retries of a schedule", "      Events:\n        A: {Type: Schedule, Properties: {Schedule: rate(1 day), RetryPolicy: {MaximumRetryAttempts: 1}}}",
			[]string{"F: line 9: RetryPolicy is not emulated"}},
		{"asynchronous retries", "      EventInvokeConfig: {MaximumRetryAttempts: 1}", []string{"F: line 8: MaximumRetryAttempts is not emulated"}},
		{"custom domain", "  R: {Type: 'AWS::ApiGatewayV2::DomainName'}", []string{"R: line 8: AWS::ApiGatewayV2::DomainName is not emulated"}},
		{"target of a load balancer", "  R:\n    Type: AWS::ElasticLoadBalancingV2::TargetGroup\n    Properties:\n      Targets: [{Id: !GetAtt F.Arn}]",
			[]string{"R: line 11: AWS::ElasticLoadBalancingV2::TargetGroup is given a function, and what it sends there is not emulated"}},
		{"rule of a mail service", "  R:\n    Type: AWS::SES::ReceiptRule\n    Properties:\n      Rule: {Actions: [{LambdaAction: {FunctionArn: {'Fn::GetAtt': [F, Arn]}}}]}",
			[]string{"R: line 11: AWS::SES::ReceiptRule is given a function, and what it sends there is not emulated"}},
		{"part of a text", "  R:\n    Type: AWS::CloudFront::Distribution\n    Properties: {A: !Sub ['${B}:${F.Arn}', {B: c}]}",
			[]string{"R: line 10: AWS::CloudFront::Distribution is given a function, and what it sends there is not emulated"}},
		{"custom resource", "  R: {Type: 'Custom::Thing'}", []string{"R: line 8: Custom::Thing is not emulated: its ServiceToken is none of this template's functions"}},

		{"what is not there is not missed", "      FunctionUrlConfig: !Ref AWS::NoValue\n      ReservedConcurrentExecutions: !Ref AWS::NoValue", nil},
		{"letters to people", "  R: {Type: 'AWS::SNS::Topic', Properties: {Subscription: [{Protocol: email, Endpoint: a@b.example}]}}", nil},
		{"no retries", "      EventInvokeConfig: {MaximumRetryAttempts: 0}", nil},
		{"what is off", "  R: {Type: 'AWS::Events::Rule', Properties: {State: DISABLED}}", nil},
		{"names, rights and logs", "      Description: d\n      Policies: []\n      Tracing: Active\n      Tags: {a: b}", nil},
		{"who is only told of functions", "  R: {Type: 'AWS::IAM::ManagedPolicy', Properties: {A: !GetAtt F.Arn}}\n  S: {Type: 'AWS::Lambda::Permission', Properties: {FunctionName: !GetAtt F.Arn}}\n  T: {Type: 'AWS::X::Y', Properties: {A: !GetAtt Q.Arn, B: !Sub '${F} ${Q.Arn} ${', C: F.Arn}}", nil},
		{"a table and a role", "  R: {Type: 'AWS::DynamoDB::Table'}\n  S: {Type: 'AWS::IAM::Role'}\n  T: {Type: 'AWS::SQS::QueuePolicy'}\n  U: {Type: 'AWS::S3::Bucket'}", nil},
		{"a resource that its condition takes away", "  R: {Type: 'AWS::Events::Rule', Condition: No}\nConditions: {No: !Equals [a, b]}", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tpl, err := Parse([]byte(head+test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(tpl.Warnings, test.want) {
				t.Errorf("warnings are %q, want %q", tpl.Warnings, test.want)
			}
		})
	}
}

// SAM makes an API for events that name none, and its id can be referred to.
func TestImplicitAPIHasAnID(t *testing.T) {
	tpl, err := Parse([]byte(head+`      Environment:
        Variables: {URL: !Sub "https://${ServerlessHttpApi}.example"}
      Events: {A: {Type: HttpApi}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	env, err := tpl.Environment("F", Resolver{Values: map[string]string{"ServerlessHttpApi": "abc"}})
	if err != nil || env["URL"] != "https://abc.example" {
		t.Errorf("got %v, %v", env, err)
	}
	if _, err := Parse([]byte(head+`      Environment: {Variables: {URL: !Ref ServerlessHttpApi}}`), nil); err == nil {
		t.Error("an API that nobody makes is referred to")
	}
}

// A function is reached by its alias as well, and makes custom resources.
func TestWhatAFunctionIsCalled(t *testing.T) {
	tpl, err := Parse([]byte(head+`      AutoPublishAlias: live
      Environment: {Variables: {SELF: !Ref F.Alias}}
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Auth: {AuthType: CUSTOM, AuthArn: !Ref F.Alias}
      Routes: {$connect: {FunctionArn: !Ref F.Alias}}
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt F.Arn, ServiceTimeout: 60, Version: 3, More: {a: b}, None: !Ref AWS::NoValue}
  Absent: {Type: Custom::Thing, Condition: No, Properties: {ServiceToken: !GetAtt F.Arn}}
Conditions: {No: !Equals [a, b]}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	api := tpl.WebSocketAPIs[0]
	if api.Authorizer.Function != "F" || api.Routes[0].Function != "F" || len(tpl.Warnings) != 0 {
		t.Errorf("the API is %+v, warnings %q", api, tpl.Warnings)
	}
	if c := tpl.CustomResources; len(c) != 1 || c[0].LogicalID != "Thing" || c[0].Function != "F" || c[0].Properties["Version"] != "3" || len(c[0].Properties) != 2 {
		t.Errorf("custom resources are %+v", c)
	}
	if env, err := tpl.Environment("F", Resolver{Values: map[string]string{"F.Alias": "arn:live"}}); err != nil || env["SELF"] != "arn:live" {
		t.Errorf("the environment is %v, %v", env, err)
	}
	if _, err := Parse([]byte(head+"      Environment: {Variables: {A: !Ref F.Arn}}"), nil); err == nil {
		t.Error("a Ref finds an attribute")
	}
}

// A parameter has to be as the template says, and is refused in its words.
func TestParameterIsChecked(t *testing.T) {
	const parameters = `
Parameters:
  P: {Type: String, Default: x, AllowedPattern: "[a-z]+", ConstraintDescription: must be letters}
  N: {Type: Number, Default: 1, MinValue: 1, MaxValue: 10}
  V: {Type: String, Default: "true", AllowedValues: ["true", "false"], ConstraintDescription: must be true or false}
  L: {Type: CommaDelimitedList, Default: "", AllowedPattern: "[a-z]*"}
`
	for value, want := range map[string]string{
		"P=abc": "", "P=a1": "parameter P must be letters", "P=": "parameter P must be letters", "N=10": "", "N=11": "parameter N has a value that",
		"N=0": "parameter N has", "N=x": "parameter N has", "V=false": "", "V=yes": "parameter V must be true or false", "L=a,b": "", "L=a,1": "parameter L has",
	} {
		name, v, _ := strings.Cut(value, "=")
		_, err := Parse([]byte(head+parameters), map[string]string{name: v})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
