// Package template reads a SAM template into the model the local server is
// built from: functions, APIs, queues and schedules, and the environment each
// function would get.
//
// It understands what a template of this project's kind uses: Globals,
// parameters with their constraints, conditions, and the intrinsic functions Ref,
// Fn::GetAtt, Fn::Sub, Fn::Join, Fn::Split, Fn::Select and Fn::If in short and
// long form. What it does not understand, in a place it reads, is an error that
// names the line and the resource; silence would make the local server differ
// from the deployed one. So are resources and properties that carry traffic and
// are not emulated, and those that AWS does not know either; what only tunes is a
// warning. Resources that carry no traffic (roles, alarms, tables, ...) are not
// looked at.
package template

import (
	"fmt"
	"os"
	"time"
)

// A Template is one parsed SAM template. Its slices are in the order of the
// file. It does not change after Parse.
type Template struct {
	Functions       []Function
	WebSocketAPIs   []WebSocketAPI
	HTTPAPIs        []HTTPAPI
	Buckets         []Bucket
	Queues          []Queue
	QueueSources    []QueueSource
	Schedules       []Schedule
	CustomResources []CustomResource
	// Warnings name what only tunes and is not emulated, such as a throttling
	// limit: each with its line and resource.
	Warnings []string

	eval      *evaluator
	variables map[string][]entry // by function
}

// A Function is an AWS::Serverless::Function with Globals merged into it. Its
// environment comes from Template.Environment.
type Function struct {
	LogicalID    string
	CodeURI      string // as written: a folder relative to the template
	Handler      string
	Runtime      string
	Architecture string        // "x86_64" where the template names none, as in Lambda
	Timeout      time.Duration // 1 s to 900 s; 3 s where the template names none
	MemorySize   int           // in MB; 128 where the template names none
}

// A WebSocketAPI is an AWS::Serverless::WebSocketApi.
type WebSocketAPI struct {
	LogicalID                string
	StageName                string // "default" where the template names none, as in SAM
	StageVariables           map[string]string
	RouteSelectionExpression string
	Routes                   []WebSocketRoute
	Authorizer               *Authorizer // of $connect; nil if anyone may connect
}

// A WebSocketRoute connects a route key with a function.
type WebSocketRoute struct {
	Key      string
	Function string // logical id
	// RouteResponse says that what the function returns is sent to the caller.
	// It takes both a RouteResponseSelectionExpression on the route and an
	// AWS::ApiGatewayV2::RouteResponse resource for it.
	RouteResponse      bool
	IntegrationTimeout time.Duration // 50 ms to 29 s
}

// An Authorizer is the REQUEST authorizer of a WebSocket API. Without an
// identity source the function is asked about every request.
type Authorizer struct {
	Function       string // logical id
	IdentitySource []string
}

// An HTTPAPI is an AWS::Serverless::HttpApi, or the one SAM makes for events
// that name no ApiId (ServerlessHttpApi).
type HTTPAPI struct {
	LogicalID      string
	StageName      string // "$default" where the template names none
	StageVariables map[string]string
	Routes         []HTTPRoute
	CORS           *CORS // nil if the gateway leaves CORS to the functions
}

// An HTTPRoute connects a method and a path with a function.
type HTTPRoute struct {
	Method             string // upper case, or "ANY"
	Path               string // "/conversations/{id}", or "$default"
	Function           string // logical id
	IntegrationTimeout time.Duration
}

// CORS is the CorsConfiguration of an HTTP API.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	AllowCredentials                                        bool
	MaxAge                                                  time.Duration // 0: not sent
}

// A Queue is an AWS::SQS::Queue.
type Queue struct {
	LogicalID         string
	Name              string // the logical id where the template names none
	VisibilityTimeout time.Duration
	Retention         time.Duration
	Delay             time.Duration
	Redrive           *Redrive // nil: a message is retried until its retention ends
}

// A Redrive says where a message goes that was received MaxReceiveCount times
// and not deleted.
type Redrive struct {
	DeadLetterQueue string // logical id
	MaxReceiveCount int
}

// A QueueSource invokes a function with batches of a queue's messages.
type QueueSource struct {
	Function, Queue         string // logical ids
	BatchSize               int
	Window                  time.Duration // longest wait for a batch to fill
	ReportBatchItemFailures bool
	MaximumConcurrency      int // 0: no limit of its own
}

// A Schedule invokes a function at a fixed rate.
type Schedule struct {
	Name     string // of the event
	Function string // logical id
	Every    time.Duration
	Input    string // the event, JSON; "" for EventBridge's own
}

// A CustomResource is made by a function while a stack is deployed.
type CustomResource struct {
	LogicalID, Type string
	Function        string            // logical id
	Properties      map[string]string // those that are texts
}

// Load reads and parses the template in a file. See Parse.
func Load(path string, parameters map[string]string) (*Template, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	t, err := Parse(data, parameters)
	if err != nil {
		return nil, fmt.Errorf("parse %s:\n%w", path, err)
	}
	return t, nil
}

// Function finds a function by its logical id.
func (t *Template) Function(logicalID string) (Function, bool) {
	for _, f := range t.Functions {
		if f.LogicalID == logicalID {
			return f, true
		}
	}
	return Function{}, false
}
