package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/config"
)

// What is deployed is what the code is: template.yaml against the functions.

const templateFile = "../template.yaml"

func loadTemplate(t *testing.T, parameters map[string]string) *template.Template {
	t.Helper()
	tpl, err := template.Load(templateFile, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

// A main of functions/ is a function of the template, wired in the local
// server, and the other way round.
func TestEveryFunctionIsEverywhere(t *testing.T) {
	mains, err := filepath.Glob("../functions/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var folders, deployed []string
	for _, m := range mains {
		folders = append(folders, filepath.Base(filepath.Dir(m)))
	}
	for _, f := range loadTemplate(t, nil).Functions {
		deployed = append(deployed, nameOf(f))
	}
	wired := slices.Sorted(maps.Keys(server.Functions()))
	slices.Sort(deployed)
	if !slices.Equal(folders, deployed) || !slices.Equal(folders, wired) {
		t.Errorf("functions/ has %v\ntemplate.yaml %v\nlocal/server %v", folders, deployed, wired)
	}
}

func nameOf(f template.Function) string {
	return strings.TrimSuffix(strings.TrimPrefix(f.CodeURI, "functions/"), "/")
}

// What a function needs of its environment is exactly what template.yaml gives
// it: no function knows more than it needs, none is short of any.
func TestFunctionsAreGivenWhatTheyNeed(t *testing.T) {
	known := server.Functions()
	tpl := loadTemplate(t, nil)
	for _, f := range tpl.Functions {
		want := []string{"LOG_LEVEL", "STACK_NAME"}
		for _, part := range known[nameOf(f)].Needs {
			want = append(want, part.Variables()...)
		}
		got := tpl.Variables(f.LogicalID)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: template.yaml gives %v, it needs %v", f.LogicalID, got, want)
		}
	}
}

// technologies are the packages that make use of a part.
var technologies = map[string][]config.Part{
	"shared/mongostore":          {config.Mongo},
	"shared/presence":            {config.Redis},
	"shared/delivery/apigateway": {config.Connections},
	"shared/queue":               {config.WelcomeQueue, config.SummaryQueue, config.StreamQueue, config.RunQueue, config.WebhookQueue},
	"shared/objects":             {config.Uploads},
	"shared/auth":                {config.JWT},
	"shared/summary":             {config.OpenAI},
}

// What a function says it needs is what its binary links: a need without its
// package is a lie, and so is a package without its need.
func TestFunctionsLinkWhatTheyNeed(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range packages(t) {
		imports[p.path] = p.imports
	}
	for name, f := range server.Functions() {
		linked := map[string]bool{}
		link(imports, linked, "functions/"+name)
		for pkg, parts := range technologies {
			needs := slices.ContainsFunc(parts, func(p config.Part) bool { return slices.Contains(f.Needs, p) })
			if needs != linked[pkg] {
				t.Errorf("%s: links %s: %t, but needs it: %t", name, pkg, linked[pkg], needs)
			}
		}
	}
}

// link adds to linked what a package imports, and what that imports.
func link(imports map[string][]string, linked map[string]bool, pkg string) {
	for _, imported := range imports[pkg] {
		if inner, ours := strings.CutPrefix(imported, module); ours && !linked[inner] {
			linked[inner] = true
			link(imports, linked, inner)
		}
	}
}

// background are the functions that nobody waits for, and those that wait for others.
var background = map[string]bool{"disconnect": true, "welcome": true, "expire": true, "answer": true, "summarize": true, "sweep": true, "indexes": true, "webhook": true}

func TestTemplateFunctions(t *testing.T) {
	for _, f := range loadTemplate(t, nil).Functions {
		if want := strings.ToUpper(nameOf(f)[:1]) + nameOf(f)[1:] + "Function"; f.LogicalID != want {
			t.Errorf("%s: CodeUri is %q", f.LogicalID, f.CodeURI)
		}
		memory := 512
		if background[nameOf(f)] {
			memory = 256
		}
		if f.Architecture != "arm64" || f.Runtime != "provided.al2023" || f.Handler != "bootstrap" || f.MemorySize != memory {
			t.Errorf("%s: globals are not merged: %+v", f.LogicalID, f)
		}
	}
}

func TestTemplateWebSocketAPI(t *testing.T) {
	tpl := loadTemplate(t, map[string]string{"StageName": "dev"})
	if len(tpl.WebSocketAPIs) != 1 {
		t.Fatalf("%d WebSocket APIs", len(tpl.WebSocketAPIs))
	}
	api := tpl.WebSocketAPIs[0]
	if api.LogicalID != "WebSocketApi" || api.StageName != "dev" || api.RouteSelectionExpression != "$request.body.action" {
		t.Errorf("API is %+v", api)
	}
	if api.Authorizer == nil || api.Authorizer.Function != "AuthorizeFunction" || api.Authorizer.IdentitySource != nil {
		t.Errorf("authorizer is %+v", api.Authorizer)
	}
	got := map[string]string{}
	for _, r := range api.Routes {
		got[r.Key] = r.Function
		if r.RouteResponse {
			t.Errorf("%s has a route response", r.Key)
		}
		if f, _ := tpl.Function(r.Function); f.Timeout > r.IntegrationTimeout {
			t.Errorf("%s may run for %s, longer than the gateway waits", r.Function, f.Timeout)
		}
	}
	want := map[string]string{"$connect": "ConnectFunction", "$disconnect": "DisconnectFunction", "$default": "DefaultFunction",
		"join": "JoinFunction", "leave": "LeaveFunction", "send": "SendFunction", "typing": "TypingFunction", "stream": "StreamFunction", "stop": "StreamFunction", "approve": "ApproveFunction", "react": "AnnotateFunction", "edit": "AnnotateFunction", "read": "ReadFunction", "unread": "ReadFunction", "signal": "SignalFunction"}
	if !maps.Equal(got, want) {
		t.Errorf("routes are %v", got)
	}
}

func TestTemplateHTTPAPI(t *testing.T) {
	tpl := loadTemplate(t, map[string]string{"AllowedOrigins": "https://a.example, https://b.example"})
	if len(tpl.HTTPAPIs) != 1 {
		t.Fatalf("%d HTTP APIs", len(tpl.HTTPAPIs))
	}
	api := tpl.HTTPAPIs[0]
	if api.LogicalID != "HttpApi" || api.StageName != "$default" {
		t.Errorf("API is %+v", api)
	}
	if !slices.Equal(api.CORS.AllowOrigins, []string{"https://a.example", "https://b.example"}) || api.CORS.MaxAge != 10*time.Minute {
		t.Errorf("CORS is %+v", api.CORS)
	}
	var got []string
	for _, r := range api.Routes {
		got = append(got, r.Method+" "+r.Path+" "+strings.TrimSuffix(r.Function, "Function"))
		if f, _ := tpl.Function(r.Function); f.Timeout > r.IntegrationTimeout {
			t.Errorf("%s may run for %s, longer than the gateway waits", r.Function, f.Timeout)
		}
	}
	slices.Sort(got)
	want := []string{
		"DELETE /agents/{id} Agents",
		"DELETE /conversations/{id} Conversations",
		"DELETE /conversations/{id}/participants/{type}/{participantId} Conversations",
		"DELETE /messages/{id} Messages",
		"DELETE /messages/{id}/reactions/{key} Messages",
		"DELETE /webhooks/{id} Agents",
		"GET /agents Agents",
		"GET /agents/{id} Agents",
		"GET /agents/{id}/backlog Messages",
		"GET /calls/ice Conversations",
		"GET /conversations Conversations",
		"GET /conversations/{id} Conversations",
		"GET /conversations/{id}/export Conversations",
		"GET /conversations/{id}/reads Conversations",
		"GET /conversations/{id}/runs Agents",
		"GET /conversations/{id}/streams Messages",
		"GET /conversations/{id}/streams/{streamId} Messages",
		"GET /documents/{id} Uploads",
		"GET /health Health",
		"GET /messages Messages",
		"GET /messages/{id} Messages",
		"GET /messages/{id}/reactions Messages",
		"GET /presence Conversations",
		"GET /runs/{id} Agents",
		"GET /search Search",
		"GET /usage Agents",
		"GET /webhooks Agents",
		"POST /agents Agents",
		"POST /conversations Conversations",
		"POST /conversations/{id}/approvals/{toolCallId} Messages",
		"POST /conversations/{id}/participants Conversations",
		"POST /conversations/{id}/streams/{streamId}/stop Messages",
		"POST /conversations/{id}/summary Conversations",
		"POST /messages Messages",
		"POST /messages/{id}/regenerate Agents",
		"POST /runs/{id}/stop Agents",
		"POST /uploads Uploads",
		"POST /webhooks Agents",
		"PUT /agents/{id} Agents",
		"PUT /conversations/{id} Conversations",
		"PUT /conversations/{id}/read Conversations",
		"PUT /conversations/{id}/unread Conversations",
		"PUT /messages/{id} Messages",
		"PUT /messages/{id}/reactions/{key} Messages",
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes are\n%s", strings.Join(got, "\n"))
	}
}

func TestTemplateQueuesAndSchedules(t *testing.T) {
	tpl := loadTemplate(t, nil)
	queues := map[string]template.Queue{}
	for _, q := range tpl.Queues {
		queues[q.LogicalID] = q
	}
	if len(tpl.QueueSources) != 5 {
		t.Errorf("queue sources are %+v", tpl.QueueSources)
	}
	for _, s := range tpl.QueueSources {
		q := queues[s.Queue]
		f, _ := tpl.Function(s.Function)
		if !s.ReportBatchItemFailures || q.VisibilityTimeout < 6*f.Timeout+s.Window {
			t.Errorf("source %+v of queue %+v", s, q)
		}
		if q.Redrive == nil || q.Redrive.MaxReceiveCount < 5 || queues[q.Redrive.DeadLetterQueue].Redrive != nil {
			t.Errorf("redrive of %s is %+v", q.LogicalID, q.Redrive)
		}
	}
	if want := []template.Schedule{{Name: "EveryMinute", Function: "SweepFunction", Every: time.Minute}}; !slices.Equal(tpl.Schedules, want) {
		t.Errorf("schedules are %+v", tpl.Schedules)
	}
}

func TestTemplateEnvironmentValues(t *testing.T) {
	tpl := loadTemplate(t, map[string]string{"MongodbUri": "mongodb://db.example", "StageName": "dev"})
	env, err := tpl.Environment("SendFunction", template.Resolver{
		Values: map[string]string{"WebSocketApi": "abc123", "SummaryQueue": "http://127.0.0.1:3003/queue", "RunQueue": "http://127.0.0.1:3003/runs", "WebhookQueue": "http://127.0.0.1:3003/webhooks", "AWS::Region": "eu-west-1"},
		Variables: map[string]string{
			"REDIS_ADDR":  "127.0.0.1:6379", // no value in the template
			"REDIS_TLS":   "",               // a value in the template, taken away
			"JWT_SECRET":  "not for this function",
			"MONGODB_DB":  "other",
			"UNKNOWN_VAR": "x",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"LOG_LEVEL": "info", "STACK_NAME": "local", "MONGODB_URI": "mongodb://db.example", "MONGODB_DB": "other", "REDIS_ADDR": "127.0.0.1:6379",
		"CONNECTIONS_URL":   "https://abc123.execute-api.eu-west-1.amazonaws.com/dev",
		"SUMMARY_QUEUE_URL": "http://127.0.0.1:3003/queue", "RUN_QUEUE_URL": "http://127.0.0.1:3003/runs", "WEBHOOK_QUEUE_URL": "http://127.0.0.1:3003/webhooks", "REDIS_MODE": "auto",
		"WEBSOCKET_ENABLED": "true", "LIMIT_USER_MESSAGES": "60/min burst 20", "LIMIT_AGENT_MESSAGES": "20/s burst 40", "LIMIT_FANOUT": "1000/s burst 10000",
	}
	if !maps.Equal(env, want) {
		t.Errorf("environment is %v", env)
	}
	if _, err := tpl.Environment("SendFunction", template.Resolver{}); err == nil || !strings.Contains(err.Error(), "there is no value for WebSocketApi") {
		t.Errorf("a resource without a value gives %v", err)
	}
	if _, err := tpl.Environment("NoFunction", template.Resolver{}); err == nil {
		t.Error("an unknown function has an environment")
	}
}
