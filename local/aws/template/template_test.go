package template

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// shop is a template of everything that is emulated.
const shop = "testdata/shop.yaml"

func TestLoad(t *testing.T) {
	tpl, err := Load(shop, map[string]string{"StageName": "dev", "Origins": "https://a.example,https://b.example"})
	if err != nil {
		t.Fatal(err)
	}
	if len(tpl.Functions) != 3 || len(tpl.WebSocketAPIs) != 1 || len(tpl.HTTPAPIs) != 1 || len(tpl.Queues) != 2 || len(tpl.QueueSources) != 1 || len(tpl.Schedules) != 1 {
		t.Fatalf("got %+v", tpl)
	}
	if f := tpl.Functions[0]; f.Architecture != "arm64" || f.Runtime != "provided.al2023" || f.Timeout != 5*time.Second {
		t.Errorf("globals are not merged: %+v", f)
	}
	if api := tpl.WebSocketAPIs[0]; api.StageName != "dev" || api.Authorizer.Function != "DoorFunction" || len(api.Routes) != 2 {
		t.Errorf("the WebSocket API is %+v", api)
	}
	if cors := tpl.HTTPAPIs[0].CORS; !slices.Equal(cors.AllowOrigins, []string{"https://a.example", "https://b.example"}) || cors.MaxAge != 10*time.Minute {
		t.Errorf("CORS is %+v", cors)
	}
	if q := tpl.Queues[0]; q.VisibilityTimeout != 2*time.Minute || q.Redrive.DeadLetterQueue != "Lost" || q.Redrive.MaxReceiveCount != 5 {
		t.Errorf("the queue is %+v", q)
	}
	if s := tpl.QueueSources[0]; s.Function != "PackFunction" || s.Queue != "Orders" || !s.ReportBatchItemFailures {
		t.Errorf("the source is %+v", s)
	}
	if s := tpl.Schedules[0]; s.Function != "PackFunction" || s.Every != 24*time.Hour {
		t.Errorf("the schedule is %+v", s)
	}
}

func TestEnvironment(t *testing.T) {
	tpl, err := Load(shop, map[string]string{"Night": "yes"})
	if err != nil {
		t.Fatal(err)
	}
	env, err := tpl.Environment("OrderFunction", Resolver{
		Values:    map[string]string{"Socket": "abc123", "AWS::Region": "eu-west-1"}, // none for the queue
		Variables: map[string]string{"ORDERS_URL": "http://127.0.0.1:1/orders", "LOG_LEVEL": "", "NOT_ITS_OWN": "x"},
	})
	want := map[string]string{
		"ORDERS_URL": "http://127.0.0.1:1/orders", "SOCKET_URL": "https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
	}
	if err != nil || !maps.Equal(env, want) {
		t.Errorf("got %v, %v", env, err)
	}
	if _, err := tpl.Environment("OrderFunction", Resolver{}); err == nil || !strings.Contains(err.Error(), "there is no value for Orders") {
		t.Errorf("a resource without a value gives %v", err)
	}
	if _, err := tpl.Environment("NoFunction", Resolver{}); err == nil {
		t.Error("an unknown function has an environment")
	}
}

// The intrinsic functions, each as the value of one environment variable.
func TestEnvironmentIntrinsics(t *testing.T) {
	const head = `
Parameters:
  P: {Type: String, Default: pv}
  L: {Type: CommaDelimitedList, Default: "a,b"}
  Empty: {Type: String}
Conditions:
  Yes: !Equals [!Ref P, pv]
  No: !Not [!Condition Yes]
  Both: {"Fn::And": [{Condition: Yes}, {Condition: No}]}
  Either: !Or [!Condition Yes, !Condition No]
Resources:
  Q: {Type: "AWS::SQS::Queue"}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f/
      Environment:
        Variables:
          V: `
	tests := []struct{ name, expression, want string }{
		{"literal", "text", "text"},
		{"number", "12", "12"},
		{"boolean", "true", "true"},
		{"null is left out", "~", ""},
		{"ref of a parameter", "!Ref P", "pv"},
		{"long ref", "{Ref: P}", "pv"},
		{"ref without a value is left out", "!Ref Empty", ""},
		{"ref of a resource", "!Ref Q", "queue-url"},
		{"pseudo parameter", "!Ref AWS::Partition", "aws"},
		{"no value", "!Ref AWS::NoValue", ""},
		{"get attribute", "!GetAtt Q.Arn", "queue-arn"},
		{"get attribute, list", "{\"Fn::GetAtt\": [Q, Arn]}", "queue-arn"},
		{"sub", "!Sub 'x-${P}-${Q.Arn}-${AWS::Region}-${!P}'", "x-pv-queue-arn-us-east-1-${P}"},
		{"sub with names", "!Sub ['${a}/${P}', {a: !Ref Q}]", "queue-url/pv"},
		{"join", "!Join ['-', [a, !Ref P, !Ref AWS::NoValue]]", "a-pv"},
		{"join a list", "!Join ['', !Ref L]", "ab"},
		{"select and split", "!Select [1, !Split ['/', 'a/b/c']]", "b"},
		{"if", "!If [Yes, a, b]", "a"},
		{"if, nested conditions", "!If [Both, a, !If [Either, c, d]]", "c"},
		{"dynamic reference is left out", "'{{resolve:secretsmanager:s:SecretString:k}}'", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tpl, err := Parse([]byte(head+test.expression), nil)
			if err != nil {
				t.Fatal(err)
			}
			env, err := tpl.Environment("F", Resolver{Values: map[string]string{"Q": "queue-url", "Q.Arn": "queue-arn"}})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := env["V"]; got != test.want || ok != (test.want != "") {
				t.Errorf("%s is %q", test.expression, got)
			}
		})
	}
}

func TestGlobalsMerge(t *testing.T) {
	tpl, err := Parse([]byte(`
Globals:
  Function:
    Timeout: 7
    Architectures: [arm64]
    Environment: {Variables: {A: global, B: global}}
  HttpApi:
    CorsConfiguration: {AllowOrigins: ["*"]}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f/
      MemorySize: 512
      Environment: {Variables: {B: own, C: own}}
      Events:
        Everything: {Type: HttpApi}
  G:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: g/, Timeout: 9, Environment: {Variables: !Ref AWS::NoValue}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{
		{LogicalID: "F", CodeURI: "f/", Architecture: "arm64", Timeout: 7 * time.Second, MemorySize: 512},
		{LogicalID: "G", CodeURI: "g/", Architecture: "arm64", Timeout: 9 * time.Second, MemorySize: 128},
	}
	if !slices.Equal(tpl.Functions, want) {
		t.Errorf("functions are %+v", tpl.Functions)
	}
	env, err := tpl.Environment("F", Resolver{})
	if err != nil || !maps.Equal(env, map[string]string{"A": "global", "B": "own", "C": "own"}) {
		t.Errorf("environment is %v, %v", env, err)
	}
	implicit := []HTTPAPI{{LogicalID: "ServerlessHttpApi", StageName: "$default", CORS: &CORS{AllowOrigins: []string{"*"}},
		Routes: []HTTPRoute{{"ANY", "$default", "F", 30 * time.Second}}}}
	if !reflect.DeepEqual(tpl.HTTPAPIs, implicit) {
		t.Errorf("implicit API is %+v", tpl.HTTPAPIs)
	}
}

func TestRouteResponseTakesBoth(t *testing.T) {
	const format = `
Resources:
  F: {Type: "AWS::Serverless::Function", Properties: {CodeUri: f/}}
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.action
      Routes:
        sendMessage: {FunctionArn: !GetAtt F.Arn, RouteResponseSelectionExpression: SELECTION}
  R: {Type: "TYPE", Properties: {ApiId: !Ref Api, RouteId: !Ref ApiSendmessageRoute, RouteResponseKey: $default}}
`
	for _, test := range []struct {
		selection, kind string
		want            bool
	}{
		{"$default", "AWS::ApiGatewayV2::RouteResponse", true},
		{"$default", "AWS::Other::Thing", false},
		{"~", "AWS::ApiGatewayV2::RouteResponse", false},
	} {
		text := strings.NewReplacer("SELECTION", test.selection, "TYPE", test.kind).Replace(format)
		tpl, err := Parse([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := tpl.WebSocketAPIs[0].Routes[0].RouteResponse; got != test.want {
			t.Errorf("%+v gives %t", test, got)
		}
	}
}

func TestConditionsRemoveResources(t *testing.T) {
	const text = `
Parameters: {Env: {Type: String, Default: dev}}
Conditions: {Prod: !Equals [!Ref Env, prod]}
Resources:
  Q: {Type: "AWS::SQS::Queue", Condition: Prod}
`
	for env, want := range map[string]int{"dev": 0, "prod": 1} {
		tpl, err := Parse([]byte(text), map[string]string{"Env": env})
		if err != nil {
			t.Fatal(err)
		}
		if len(tpl.Queues) != want {
			t.Errorf("%s has %d queues", env, len(tpl.Queues))
		}
	}
}

func TestFaultsNameLineAndResource(t *testing.T) {
	const function = `
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f/
`
	tests := []struct{ name, text, want string }{
		{"no yaml", "a: [", "yaml:"},
		{"empty", "", "empty"},
		{"no resources", "Parameters: {}", "no Resources"},
		{"alias", "Resources: {A: &a {}, B: *a}", "line 1: yaml aliases"},
		{"unknown function in a route", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes: {join: {FunctionArn: !GetAtt F2.Arn}}`, `Api: line 12: "F2" is no resource`},
		{"route to a queue", function + `
  Q: {Type: "AWS::SQS::Queue"}
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes: {join: {FunctionArn: !GetAtt Q.Arn}}`, `Api: line 13: "Q.Arn" refers to no AWS::Serverless::Function`},
		{"route by name instead of ARN", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes: {join: {FunctionArn: !Ref F}}`, `"F" refers to no`},
		{"duplicate WebSocket route", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes:
        join: {FunctionArn: !GetAtt F.Arn}
        join: {FunctionArn: !GetAtt F.Arn}`, "line 14: join is given twice"},
		{"WebSocket routes that differ in case", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Routes:
        sendMessage: {FunctionArn: !GetAtt F.Arn}
        sendmessage: {FunctionArn: !GetAtt F.Arn}`, "same logical id"},
		{"route key SAM refuses", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties: {RouteSelectionExpression: x, Routes: {"a:b": {FunctionArn: !GetAtt F.Arn}}}`, "neither alphanumeric"},
		{"no selection expression", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties: {Routes: {a: {FunctionArn: !GetAtt F.Arn}}}`, "no RouteSelectionExpression"},
		{"authorizer without $connect", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt F.Arn}
      Routes: {a: {FunctionArn: !GetAtt F.Arn}}`, "takes a $connect route"},
		{"IAM", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: x
      Auth: {AuthType: AWS_IAM}
      Routes: {$connect: {FunctionArn: !GetAtt F.Arn}}`, `"AWS_IAM" is not emulated`},
		{"duplicate HTTP route", function + `
      Events:
        A: {Type: HttpApi, Properties: {Method: get, Path: /a}}
        B: {Type: HttpApi, Properties: {Method: GET, Path: /a}}`, "F: line 10: the route GET /a is given twice"},
		{"path without slash", function + `
      Events: {A: {Type: HttpApi, Properties: {Method: get, Path: a}}}`, "does not begin with /"},
		{"method without path", function + `
      Events: {A: {Type: HttpApi, Properties: {Method: get}}}`, "a Method and a Path"},
		{"unknown API", function + `
      Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Other, Method: get, Path: /a}}}`, `"Other" is no parameter`},
		{"HTTP authorizer", function + `
      Events: {A: {Type: HttpApi, Properties: {Auth: {Authorizer: J}, Method: get, Path: /a}}}`, "Auth is not emulated"},
		{"payload format", function + `
      Events: {A: {Type: HttpApi, Properties: {PayloadFormatVersion: "1.0", Method: get, Path: /a}}}`, "payload format 1.0"},
		{"CORS", function + `
  Api: {Type: "AWS::Serverless::HttpApi", Properties: {CorsConfiguration: {AllowOrigins: ["*"], AllowCredentials: true}}}`,
			"AllowCredentials is not possible"},
		{"unknown queue", function + `
      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}`, `"Q" is no resource`},
		{"queue of another stack", function + `
      Events: {A: {Type: SQS, Properties: {Queue: "arn:aws:sqs:us-east-1:1:q"}}}`, "refers to no AWS::SQS::Queue"},
		{"visibility timeout", function + `
      Timeout: 60
      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}
  Q: {Type: "AWS::SQS::Queue"}`, "less than the function's timeout"},
		{"large batch without window", function + `
      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 11}}}
  Q: {Type: "AWS::SQS::Queue"}`, "BatchSize over 10"},
		{"FIFO queue", function + `
  Q: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true}}`, "Q: line 8: FifoQueue is not emulated"},
		{"stage", function + `
  Api:
    Type: AWS::Serverless::WebSocketApi
    Properties: {StageName: $default, RouteSelectionExpression: x, Routes: {a: {FunctionArn: !GetAtt F.Arn}}}`, "cannot be named $default"},
		{"filter", function + `
      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, FilterCriteria: {Filters: []}}}}
  Q: {Type: "AWS::SQS::Queue"}`, "FilterCriteria is not emulated"},
		{"unknown dead letter queue", `
Resources:
  Q: {Type: "AWS::SQS::Queue", Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn}}}`, `"D" is no resource`},
		{"bad rate", function + `
      Events: {A: {Type: Schedule, Properties: {Schedule: rate(1 minutes)}}}`, `the schedule "rate(1 minutes)"`},
		{"cron", function + `
      Events: {A: {Type: Schedule, Properties: {Schedule: "cron(0 * * * ? *)"}}}`, "the only one emulated"},
		{"event type", function + `
      Events: {A: {Type: SNS}}`, `"SNS", which is not emulated`},
		{"no code", "Resources: {F: {Type: \"AWS::Serverless::Function\"}}", "no CodeUri"},
		{"timeout", function + "      Timeout: 901", `F: line 7: Timeout is "901"`},
		{"lists of globals are added to", "Globals: {Function: {Architectures: [arm64]}}\n" + function + "      Architectures: [x86_64]", "F: line 4: the function has 2 architectures"},
		{"unknown intrinsic", function + "      Timeout: !FindInMap [a, b, c]", "F: line 7: the intrinsic function Fn::FindInMap"},
		{"unknown intrinsic in the environment", function + "      Environment: {Variables: {A: !ImportValue x}}", "F: line 7: the intrinsic function Fn::ImportValue"},
		{"unknown name in Sub", function + "      Environment: {Variables: {A: !Sub '${Nope}'}}", `"Nope" is no parameter and no resource`},
		{"Sub not closed", function + "      Environment: {Variables: {A: !Sub '${Nope'}}", "not closed"},
		{"list as a variable", function + "      Environment: {Variables: {A: [a]}}", "a list stands"},
		{"unknown condition", function + "      Timeout: !If [Nope, 1, 2]", `"Nope" is no condition`},
		{"circular condition", "Conditions: {A: !Not [!Condition A]}\nResources: {Q: {Type: \"AWS::SQS::Queue\", Condition: A}}", "depends on itself"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.text), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// The rarer forms, each as what the whole template comes to.
func TestForms(t *testing.T) {
	const function = `
Globals:
  Function:
    Architectures: !If [Arm, [arm64], [x86_64]]
    Environment: {Variables: {A: !Ref P}}
  HttpApi: {StageVariables: {a: "1"}}
Parameters: {P: {Type: String, Default: p}}
Conditions: {Arm: !Equals [a, a]}
Resources:
  Q: {Type: "AWS::SQS::Queue"}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f/
`
	tests := []struct {
		name, text string
		got        func(*Template) any
		want       any
	}{
		{"an own list replaces a global intrinsic", "      Architectures: [x86_64]", func(t *Template) any { return t.Functions[0].Architecture }, "x86_64"},
		{"an intrinsic replaces a global intrinsic", "      Environment: {Variables: {A: !Sub own}}",
			func(t *Template) any { env, _ := t.Environment("F", Resolver{}); return env["A"] }, "own"},
		{"disabled queue source", "      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, Enabled: false}}}",
			func(t *Template) any { return len(t.QueueSources) }, 0},
		{"queue source", "      Events: {A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 20, MaximumBatchingWindowInSeconds: 3, ScalingConfig: {MaximumConcurrency: 2}}}}",
			func(t *Template) any { return t.QueueSources[0] }, QueueSource{Function: "F", Queue: "Q", BatchSize: 20, Window: 3 * time.Second, MaximumConcurrency: 2}},
		{"disabled schedule", "      Events: {A: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}}",
			func(t *Template) any { return len(t.Schedules) }, 0},
		{"disabled schedule, by state", "      Events: {A: {Type: Schedule, Properties: {Schedule: rate(1 day), State: DISABLED}}}",
			func(t *Template) any { return len(t.Schedules) }, 0},
		{"schedule of version 2", "      Events: {A: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(2 hours), Input: '{}'}}}",
			func(t *Template) any { return t.Schedules[0] }, Schedule{Name: "A", Function: "F", Every: 2 * time.Hour, Input: "{}"}},
		{"any method", "      Events: {A: {Type: HttpApi, Properties: {Method: '*', Path: /a, TimeoutInMillis: 50}}}",
			func(t *Template) any { return t.HTTPAPIs[0].Routes[0] }, HTTPRoute{"ANY", "/a", "F", 50 * time.Millisecond}},
		{"CORS, short", "  Api: {Type: 'AWS::Serverless::HttpApi', Properties: {CorsConfiguration: true}}",
			func(t *Template) any { return t.HTTPAPIs[0].CORS.AllowOrigins[0] }, "*"},
		{"CORS, off", "  Api: {Type: 'AWS::Serverless::HttpApi', Properties: {CorsConfiguration: false}}",
			func(t *Template) any { return t.HTTPAPIs[0].CORS == nil }, true},
		{"stage variables", "  Api: {Type: 'AWS::Serverless::HttpApi', Properties: {StageName: dev, StageVariables: {b: !Ref P}}}",
			func(t *Template) any { return t.HTTPAPIs[0] }, HTTPAPI{LogicalID: "Api", StageName: "dev", StageVariables: map[string]string{"a": "1", "b": "p"}}},
		{"identity source", "  Api: {Type: 'AWS::Serverless::WebSocketApi', Properties: {RouteSelectionExpression: x, Routes: {$connect: {FunctionArn: !GetAtt F.Arn, IntegrationTimeout: 100}}, Auth: {AuthType: custom, AuthArn: !Sub '${F.Arn}', IdentitySource: [route.request.querystring.token]}}}",
			func(t *Template) any { return t.WebSocketAPIs[0] }, WebSocketAPI{LogicalID: "Api", StageName: "default", RouteSelectionExpression: "x",
				Routes:     []WebSocketRoute{{Key: "$connect", Function: "F", IntegrationTimeout: 100 * time.Millisecond}},
				Authorizer: &Authorizer{Function: "F", IdentitySource: []string{"route.request.querystring.token"}}}},
		{"open API", "  Api: {Type: 'AWS::Serverless::WebSocketApi', Properties: {RouteSelectionExpression: x, Routes: {$connect: {FunctionArn: !GetAtt F.Arn}}, Auth: {AuthType: NONE}}}",
			func(t *Template) any { return t.WebSocketAPIs[0].Authorizer == nil }, true},
		{"queue", "  R: {Type: 'AWS::SQS::Queue', Properties: {QueueName: r, FifoQueue: false, DelaySeconds: 5, RedrivePolicy: {deadLetterTargetArn: !GetAtt Q.Arn, maxReceiveCount: 3}}}",
			func(t *Template) any { return t.Queues[1] }, Queue{LogicalID: "R", Name: "r", VisibilityTimeout: 30 * time.Second,
				Retention: 96 * time.Hour, Delay: 5 * time.Second, Redrive: &Redrive{"Q", 3}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tpl, err := Parse([]byte(function+test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.got(tpl); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestSizesAreBounded(t *testing.T) {
	if _, err := Parse(make([]byte, MaxSize+1), nil); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large template gives %v", err)
	}
	expression := "!Sub x"
	for range 20 { // doubles 20 times
		expression = "!Sub ['${a}${a}', {a: " + expression + "}]"
	}
	_, err := Parse([]byte("Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: f, Environment: {Variables: {A: "+expression+"}}}}}"), nil)
	if err == nil || !strings.Contains(err.Error(), "Sub makes more than") {
		t.Errorf("a growing Sub gives %v", err)
	}
}

func TestUnknownParameter(t *testing.T) {
	if _, err := Load(shop, map[string]string{"Nope": "1"}); err == nil || !strings.Contains(err.Error(), `no parameter "Nope"`) {
		t.Errorf("got %v", err)
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	_, err := Parse([]byte("Resources:\n  F: {Type: 'AWS::Serverless::Function'}\n  G: {Type: 'AWS::Serverless::Function'}\n"), nil)
	if err == nil || strings.Count(err.Error(), "no CodeUri") != 2 {
		t.Errorf("got %v", err)
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"rate(1 minute)": time.Minute, "rate(5 minutes)": 5 * time.Minute, "rate(1 hour)": time.Hour,
		"rate(2 days)": 48 * time.Hour, "rate(1 minutes)": 0, "rate(5 minute)": 0, "rate(0 minutes)": 0,
		"rate(-1 minutes)": 0, "rate(10 seconds)": 0, "rate(5 minutes": 0, "5 minutes": 0, "": 0,
	} {
		if got, ok := parseRate(text); got != want || ok != (want != 0) {
			t.Errorf("%q is %s, %t", text, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(shop)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: f, Environment: {Variables: {A: !Sub ['${a}', {a: !If [C, 1, 2]}]}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		tpl, err := Parse([]byte(text), nil)
		if err != nil {
			return
		}
		for _, fn := range tpl.Functions {
			// A fault is fine, a panic is not.
			_, _ = tpl.Environment(fn.LogicalID, Resolver{})
		}
	})
}
