package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"aiwm-chat/local/server"
	"aiwm-chat/shared/config"
)

// What a function may do, against what it needs. Resources are read as they are
// written: a name stands for itself.

// A right is an action on a resource; when says under which condition, "" is
// always.
type right struct{ action, resource, when string }

// rightsIn are the statements of a policy document.
func rightsIn(t *testing.T, policy *yaml.Node, when string) (rights []right) {
	t.Helper()
	for _, s := range child(policy, "Statement").Content {
		condition := when
		if s.Tag == "!If" {
			condition, s = s.Content[0].Value, s.Content[1]
		}
		if effect := child(s, "Effect"); effect == nil || effect.Value != "Allow" || child(s, "NotAction") != nil || child(s, "NotResource") != nil {
			t.Fatalf("line %d: a statement that is not understood", s.Line)
		}
		for _, action := range scalars(child(s, "Action")) {
			for _, resource := range scalars(child(s, "Resource")) {
				rights = append(rights, right{action, resource, condition})
			}
		}
	}
	return rights
}

// rightsOf are what the role of a function may do: what it is given by name, and
// what is its own.
func rightsOf(t *testing.T, d document, function string) (rights []right) {
	t.Helper()
	f := d.Resources[function].Properties
	name := strings.TrimSuffix(child(&f, "Role").Value, ".Arn")
	role := d.Resources[name].Properties
	if name != strings.TrimSuffix(function, "Function")+"Role" || child(&f, "Policies") != nil {
		t.Errorf("%s has not a role of its own: %s", function, name)
	}
	if trusted := scalars(child(&role, "AssumeRolePolicyDocument", "Statement")); !slices.Equal(trusted, []string{"Allow", "lambda.amazonaws.com", "sts:AssumeRole"}) {
		t.Errorf("%s trusts %v", name, trusted)
	}
	for _, p := range child(&role, "ManagedPolicyArns").Content {
		when := ""
		if p.Tag == "!If" {
			when, p = p.Content[0].Value, p.Content[1]
		}
		policy := d.Resources[p.Value]
		if policy.Type != "AWS::IAM::ManagedPolicy" || policy.Condition != when {
			t.Errorf("%s is given %s (%s) under %q, which exists under %q", name, p.Value, policy.Type, when, policy.Condition)
			continue
		}
		rights = append(rights, rightsIn(t, child(&policy.Properties, "PolicyDocument"), when)...)
	}
	for _, p := range childContent(&role, "Policies") {
		rights = append(rights, rightsIn(t, child(p, "PolicyDocument"), "")...)
	}
	return rights
}

const connections = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebSocketApi}/${StageName}/"

// everywhere are the rights of every function. The stars are of actions that know no
// resource: AWS's own policies have them too.
var everywhere = []right{
	{"logs:CreateLogStream", "FunctionLogs.Arn", ""}, {"logs:PutLogEvents", "FunctionLogs.Arn", ""},
	{"xray:PutTraceSegments", "*", "Traced"}, {"xray:PutTelemetryRecords", "*", "Traced"},
	{"ec2:CreateNetworkInterface", "*", "InVpc"}, {"ec2:DescribeNetworkInterfaces", "*", "InVpc"}, {"ec2:DescribeSubnets", "*", "InVpc"},
	{"ec2:DeleteNetworkInterface", "*", "InVpc"}, {"ec2:AssignPrivateIpAddresses", "*", "InVpc"}, {"ec2:UnassignPrivateIpAddresses", "*", "InVpc"},
}

// secretsOf names the parameters of the secrets that come with a part.
var secretsOf = map[config.Part]string{
	config.Mongo: "MongodbUri", config.Redis: "RedisPassword", config.JWT: "JwtSecret", config.OpenAI: "OpenaiApiKey", config.TURN: "TurnSecret",
	config.ProviderKeys: "ProviderKeys", config.ToolServers: "ToolServers",
}

// needed are the rights that a function cannot do without: those of the parts
// that it needs, of the methods of its handlers, and of what it is invoked by.
func needed(t *testing.T, f wired) []right {
	rights := slices.Clone(everywhere)
	for _, part := range f.needs {
		if name, ok := secretsOf[part]; ok {
			for _, action := range []string{"secretsmanager:GetSecretValue", "ssm:GetParameter"} {
				rights = append(rights, right{action, name + "Arn", name + "Kept"})
			}
			rights = append(rights, right{"kms:Decrypt", "SecretsKmsKeyArn", "OwnSecretsKey"})
		}
		switch part {
		case config.Connections:
			for _, method := range []string{"POST", "DELETE"} { // whoever posts ends connections whose token has expired
				rights = append(rights, right{"execute-api:ManageConnections", connections + method + "/@connections/*", ""})
			}
		case config.WelcomeQueue:
			rights = append(rights, right{"sqs:SendMessage", "WelcomeQueue.Arn", ""})
		case config.SummaryQueue:
			rights = append(rights, right{"sqs:SendMessage", "SummaryQueue.Arn", ""})
		case config.WebhookQueue:
			rights = append(rights, right{"sqs:SendMessage", "WebhookQueue.Arn", ""})
		case config.RunQueue:
			rights = append(rights, right{"sqs:SendMessage", "RunQueue.Arn", ""})
		case config.StreamQueue:
			rights = append(rights, right{"sqs:SendMessage", "StreamQueue.Arn", ""})
		}
	}
	if slices.Contains(f.needs, config.Uploads) {
		for method, actions := range map[string][]string{
			"PutLink": {"s3:PutObject", "s3:PutObjectTagging"}, "GetLink": {"s3:GetObject"}, // whoever has a link has the rights of who signed it
			"Keep": {"s3:DeleteObjectTagging"}, "Erase": {"s3:DeleteObject"},
		} {
			for _, action := range actions {
				if slices.Contains(f.methods, method) {
					rights = append(rights, right{action, "${UploadsBucket.Arn}/*", ""})
				}
			}
		}
		if slices.Contains(f.methods, "Keep") { // to tell what is missing
			rights = append(rights, right{"s3:ListBucket", "UploadsBucket.Arn", ""})
		}
	}
	if slices.Contains(f.methods, "Gone") {
		rights = append(rights, right{"execute-api:ManageConnections", connections + "GET/@connections/*", ""})
	}
	for _, s := range loadTemplate(t, nil).QueueSources {
		if s.Function == f.id {
			for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
				rights = append(rights, right{action, s.Queue + ".Arn", ""})
			}
		}
	}
	return rights
}

// A wired is a function with what its code says of it.
type wired struct {
	id      string
	needs   []config.Part
	methods []string // of the interfaces of all handlers that it links
	own     []string // of its own handler's
}

func wiredFunctions(t *testing.T) (all []wired) {
	t.Helper()
	imports := map[string][]string{}
	for _, p := range packages(t) {
		imports[p.path] = p.imports
	}
	known := server.Functions()
	for _, f := range loadTemplate(t, nil).Functions {
		linked := map[string]bool{}
		link(imports, linked, "functions/"+nameOf(f))
		var methods []string
		for pkg := range linked {
			if strings.HasPrefix(pkg, "functions/") && strings.HasSuffix(pkg, "/handler") {
				methods = append(methods, interfaceMethods(t, "../"+pkg)...)
			}
		}
		own := interfaceMethods(t, "../functions/"+nameOf(f)+"/handler")
		all = append(all, wired{f.LogicalID, known[nameOf(f)].Needs, methods, own})
	}
	return all
}

// interfaceMethods are the methods of the interfaces that a package declares.
func interfaceMethods(t *testing.T, dir string) (methods []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					for _, name := range m.Names {
						methods = append(methods, name.Name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return methods
}

// A function may do what it needs to, and nothing else.
func TestFunctionsMayDoWhatTheyNeed(t *testing.T) {
	d := readDocument(t)
	for _, f := range wiredFunctions(t) {
		got, want := set(rightsOf(t, d, f.id)), set(needed(t, f))
		for r := range got {
			if !want[r] {
				t.Errorf("%s may %s on %s (%s), which it does not need", f.id, r.action, r.resource, r.when)
			}
		}
		for r := range want {
			if !got[r] {
				t.Errorf("%s may not %s on %s (%s), which it needs", f.id, r.action, r.resource, r.when)
			}
		}
	}
	roles := 0
	for _, r := range d.Resources {
		if r.Type == "AWS::IAM::Role" {
			roles++
		}
	}
	if want := len(wiredFunctions(t)); roles != want {
		t.Errorf("there are %d roles for %d functions", roles, want)
	}
}

func set(rights []right) map[right]bool {
	all := map[right]bool{}
	for _, r := range rights {
		all[r] = true
	}
	return all
}

// What a function says it needs of the queues is what an interface of its handler
// has a method for, or of one that it uses: the two are one technology, which
// says nothing.
func TestQueuesAreUsedByWhoNeedsThem(t *testing.T) {
	for method, part := range map[string]config.Part{"EnqueueWelcome": config.WelcomeQueue, "EnqueueSummary": config.SummaryQueue, "EnqueueStream": config.StreamQueue, "EnqueueRun": config.RunQueue, "EnqueueWebhook": config.WebhookQueue} {
		has := func(methods []string) bool {
			return slices.ContainsFunc(methods, func(m string) bool { return strings.HasPrefix(m, method) })
		}
		for _, f := range wiredFunctions(t) {
			if needs := slices.Contains(f.needs, part); needs && !has(f.methods) || !needs && has(f.own) {
				t.Errorf("%s: needs %v: %t, but its handlers have %s: %t", f.id, part.Variables(), needs, method, !needs)
			}
		}
	}
}

// A parameter that is secret is shown nowhere: not by CloudFormation, in no
// output, and to no function but those that need it.
func TestSecretsAreShownNowhere(t *testing.T) {
	d := readDocument(t)
	secret := slices.Sorted(maps.Values(secretsOf))
	for name, p := range d.Parameters {
		if p.NoEcho != slices.Contains(secret, name) {
			t.Errorf("%s: NoEcho is %t", name, p.NoEcho)
		}
	}
	for _, name := range secret {
		if _, ok := d.Parameters[name+"Arn"]; !ok {
			t.Errorf("%s cannot be kept elsewhere", name)
		}
		for output, n := range d.Outputs {
			if slices.ContainsFunc(scalars(&n), func(s string) bool { return s == name || strings.Contains(s, "${"+name+"}") }) {
				t.Errorf("the output %s shows %s", output, name)
			}
		}
		for id, r := range d.Resources {
			if r.Type != "AWS::Serverless::Function" && slices.Contains(scalars(&r.Properties), name) {
				t.Errorf("%s is given %s", id, name)
			}
		}
	}
}

// A right that is one too many or too few, or too wide, is found.
func TestRightsAreFound(t *testing.T) {
	d := readDocument(t)
	for change, policy := range map[string]string{
		"every bucket": `{Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}`,
		"every queue":  `{Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: "*"}]}`,
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(policy), &n); err != nil {
			t.Fatal(err)
		}
		for r := range set(rightsIn(t, n.Content[0], "")) {
			if set(everywhere)[r] {
				t.Errorf("%s is right", change)
			}
		}
	}
	if n := len(rightsOf(t, d, "AuthorizeFunction")); n != len(everywhere)+3 {
		t.Errorf("authorize has %d rights: %v", n, fmt.Sprint(rightsOf(t, d, "AuthorizeFunction")))
	}
}
