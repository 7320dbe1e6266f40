package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/aws/template"
	"aiwm-chat/shared/config"
)

// What a deployment is given, and what is left of it.

// Every parameter is explained, in a group, and refuses what cannot be right
// with a sentence; its default is one that it would take.
func TestParameters(t *testing.T) {
	d := readDocument(t)
	var grouped []string
	for _, group := range childContent(&d.Metadata, "AWS::CloudFormation::Interface", "ParameterGroups") {
		grouped = append(grouped, scalars(child(group, "Parameters"))...)
	}
	// Whatever these are, they are right or cannot be told from it.
	free := []string{"RedisPassword", "OpenaiApiKey", "TurnSecret", "JwtIssuer", "JwtAudience"}
	for name, p := range d.Parameters {
		if p.Description == "" {
			t.Errorf("%s has no description", name)
		}
		if n := count(grouped, name); n != 1 {
			t.Errorf("%s is in %d groups", name, n)
		}
		checks := p.AllowedPattern != "" || p.AllowedValues != nil || p.Type == "Number"
		if checks == slices.Contains(free, name) || checks && p.ConstraintDescription == "" {
			t.Errorf("%s: checked: %t, and says %q", name, checks, p.ConstraintDescription)
		}
		if p.Default == "" && name == "RedisAddress" {
			continue // there is nothing that would be right for everybody
		}
		if _, err := template.Load(templateFile, map[string]string{name: p.Default}); err != nil {
			t.Errorf("the default of %s is refused: %v", name, err)
		}
	}
	if len(grouped) != len(d.Parameters) {
		t.Errorf("%d parameters are grouped, there are %d", len(grouped), len(d.Parameters))
	}
}

func count(all []string, s string) (n int) {
	for _, a := range all {
		if a == s {
			n++
		}
	}
	return n
}

// What is wrong is refused before anything is deployed; what functions would take
// is not.
func TestParametersThatAreWrong(t *testing.T) {
	for name, values := range map[string]struct{ right, wrong []string }{
		"MongodbUri":       {[]string{"mongodb+srv://u:p@c.example.net/?retryWrites=true"}, []string{"c.example.net", "postgres://x"}},
		"MongodbUriArn":    {[]string{"arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat/db-AbCdEf", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/chat/db"}, []string{"chat/db", "arn:aws:s3:::x", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat/db"}},
		"RedisAddress":     {[]string{"r:6379", "a.example.net:1,b.example.net:2", "[::1]:6379"}, []string{"r", "redis://r:6379", "a:1,,b:2", ""}},
		"JwtSecret":        {[]string{strings.Repeat("x", 32)}, []string{"short"}},
		"JwtPublicKey":     {[]string{"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", `-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n`}, []string{"-----BEGIN PRIVATE KEY-----\nMCow\n-----END PRIVATE KEY-----"}},
		"JwtJwksUrl":       {[]string{"https://iam.example.org/jwks"}, []string{"http://iam.example.org/jwks", "iam"}},
		"JwtAlgorithms":    {[]string{"RS256", "RS256,ES256"}, []string{"none", "HS512", "RS256, ES256"}},
		"JwtJwksKeep":      {[]string{"24h", "1h30m"}, []string{"1 day", "24"}},
		"AllowedOrigins":   {[]string{"*", "https://*", "https://a.example.org, http://localhost:5173"}, []string{"a.example.org", "https://a.example.org/", ""}},
		"LimitTyping":      {[]string{"0", "60/min", "7/s burst 9"}, []string{"60", "60/h", "fast"}},
		"LimitRooms":       {[]string{"0", "1000000"}, []string{"-1", "1.5", "many"}},
		"SubnetIds":        {[]string{"subnet-0a1b,subnet-2c3d"}, []string{"vpc-1", "subnet-1, subnet-2"}},
		"AlarmEmail":       {[]string{"ops@example.org"}, []string{"ops"}},
		"OpenaiTimeout":    {[]string{"20s"}, []string{"20"}},
		"HttpDomainName":   {[]string{"api.example.org"}, []string{"https://api.example.org", "API.example.org"}},
		"WebSocketEnabled": {[]string{"false"}, []string{"no"}},
		"LogRetention":     {[]string{"90"}, []string{"31", "for ever"}},
		"HttpRate":         {[]string{"1", "100000"}, []string{"0", "x", "1.5", "100001", ""}},
	} {
		for _, v := range values.right {
			if _, err := template.Load(templateFile, map[string]string{name: v}); err != nil {
				t.Errorf("%s=%q: %v", name, v, err)
			}
		}
		for _, v := range values.wrong {
			if _, err := template.Load(templateFile, map[string]string{name: v}); err == nil || !strings.Contains(err.Error(), "parameter "+name+" must be") {
				t.Errorf("%s=%q: %v", name, v, err)
			}
		}
	}
}

// What the template takes a function would start with: what it would not has to
// fail the deployment, and not each function after it.
func TestFunctionsTakeWhatTheTemplateTakes(t *testing.T) {
	for name, tt := range map[string]struct {
		variable string
		part     config.Part
		values   []string // of which some are right
	}{
		"LimitTyping":     {"LIMIT_TYPING", config.TypingLimit, []string{"1000000/s burst 1000000", "1000001/s", "9/s burst 9999999", "0/s"}},
		"LimitRooms":      {"LIMIT_ROOMS", config.JoinLimits, []string{"1000000", "1000001"}},
		"OpenaiMaxTokens": {"OPENAI_MAX_TOKENS", config.OpenAI, []string{"1000000", "1000001", "0"}},
		"OpenaiTimeout":   {"OPENAI_TIMEOUT", config.OpenAI, []string{"60s", "1m", "0s", "61s", "1h", "1m1s"}},
		"JwtJwksKeep":     {"JWT_JWKS_KEEP", config.JWT, []string{"168h", "167h59m59s", "90m", "3600s", "0h", "169h", "168h1s", "20000m"}},
		"RedisAddress":    {"REDIS_ADDR", config.Redis, []string{"[::1]:65535", "r:1", "r:0", "r:65536", "a:b:6379", "r:99999"}},
		"AllowedOrigins":  {"ALLOWED_ORIGINS", config.AllowedOrigins, []string{"https://a.example.org", "https://a.example.org,", "https://a:b"}},
	} {
		taken := 0
		for _, v := range tt.values {
			if _, err := template.Load(templateFile, map[string]string{name: v}); err != nil {
				continue
			}
			taken++
			env := map[string]string{"JWT_SECRET": strings.Repeat("x", 32), "REDIS_ADDR": "r:1"}
			env[tt.variable] = v
			if _, err := config.Load(func(name string) string { return env[name] }, tt.part); err != nil {
				t.Errorf("%s=%q is taken, and then: %v", name, v, err)
			}
		}
		if taken == 0 || taken == len(tt.values) {
			t.Errorf("%s: %d of %q are taken", name, taken, tt.values)
		}
	}
}

// Logs end, and nothing that somebody may miss ends with the stack.
func TestWhatIsKept(t *testing.T) {
	d := readDocument(t)
	logs := 0
	for id, r := range d.Resources {
		switch {
		case r.Type == "AWS::Logs::LogGroup":
			logs++
			if n := child(&r.Properties, "RetentionInDays"); n == nil || n.Tag != "!Ref" || n.Value != "LogRetention" {
				t.Errorf("%s has no retention", id)
			}
		case strings.HasSuffix(id, "DeadLetterQueue"):
			if n := child(&r.Properties, "MessageRetentionPeriod"); n == nil || n.Value != "1209600" {
				t.Errorf("%s does not keep for as long as it could", id)
			}
		default:
			continue
		}
		if r.DeletionPolicy != "RetainExceptOnCreate" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s is deleted with the stack: %q, %q", id, r.DeletionPolicy, r.UpdateReplacePolicy)
		}
	}
	if n := child(&d.Globals, "Function", "LoggingConfig", "LogGroup"); logs != 2 || n == nil || n.Value != "FunctionLogs" {
		t.Errorf("%d log groups; functions write to %v, which Lambda would make without a retention", logs, n)
	}
}

// What reads a queue has dead letters, and time; what is invoked without anybody
// who waits is not repeated without end.
func TestFunctionsHaveWhatTheyRunWith(t *testing.T) {
	d, tpl := readDocument(t), loadTemplate(t, nil)
	for _, f := range tpl.Functions {
		if f.MemorySize == 0 || f.Timeout == 0 || f.Timeout == 3*time.Second {
			t.Errorf("%s has %d MB and %s", f.LogicalID, f.MemorySize, f.Timeout)
		}
	}
	for _, s := range tpl.QueueSources {
		i := slices.IndexFunc(tpl.Queues, func(q template.Queue) bool { return q.LogicalID == s.Queue })
		if f, _ := tpl.Function(s.Function); tpl.Queues[i].Redrive == nil || tpl.Queues[i].VisibilityTimeout < 6*f.Timeout+s.Window {
			t.Errorf("%s reads %+v", s.Function, tpl.Queues[i])
		}
	}
	for _, s := range tpl.Schedules {
		r := d.Resources[s.Function]
		if n := child(&r.Properties, "EventInvokeConfig", "MaximumRetryAttempts"); n == nil || n.Value != "0" {
			t.Errorf("%s is repeated, and what is left of it has no dead letters", s.Function)
		}
	}
}

// The indexes are there before what writes: whoever is told of the database waits
// for them, but for who only looks whether it answers.
func TestFunctionsWaitForTheIndexes(t *testing.T) {
	d, tpl := readDocument(t), loadTemplate(t, nil)
	if r := tpl.CustomResources; len(r) != 1 || r[0].LogicalID != "Indexes" || r[0].Function != "IndexesFunction" {
		t.Fatalf("custom resources are %+v", r)
	}
	for _, f := range tpl.Functions {
		r := d.Resources[f.LogicalID]
		waits, reads := slices.Contains(scalars(&r.DependsOn), "Indexes"), slices.Contains(tpl.Variables(f.LogicalID), "MONGODB_URI")
		if own := f.LogicalID == "IndexesFunction" || f.LogicalID == "HealthFunction"; waits != (reads && !own) {
			t.Errorf("%s: reads the database: %t, waits for its indexes: %t", f.LogicalID, reads, waits)
		}
	}
}

// Clients reach the version that a deployment has let them: by the alias, of
// every function behind a route, and a new version takes over under alarms.
func TestRoutesGoToTheAlias(t *testing.T) {
	d, tpl := readDocument(t), loadTemplate(t, nil)
	behind := map[string]bool{tpl.WebSocketAPIs[0].Authorizer.Function: true}
	for _, r := range tpl.WebSocketAPIs[0].Routes {
		behind[r.Function] = true
	}
	for _, r := range tpl.HTTPAPIs[0].Routes {
		behind[r.Function] = true // SAM takes the alias by itself
	}
	api := d.Resources["WebSocketApi"].Properties
	for _, s := range scalars(&api) {
		if strings.HasSuffix(s, "Function.Arn") {
			t.Errorf("a route goes past the alias: %s", s)
		}
	}
	preference := child(&d.Globals, "Function", "DeploymentPreference")
	alarms := scalars(child(preference, "Alarms"))
	if len(alarms) == 0 || child(&d.Globals, "Function", "AutoPublishAlias") == nil {
		t.Error("versions are not rolled out under alarms")
	}
	watched := map[string]bool{}
	for _, id := range alarms {
		r := d.Resources[id]
		if r.Type != "AWS::CloudWatch::Alarm" {
			t.Errorf("%s is no alarm", id)
		}
		for _, s := range scalars(&r.Properties) {
			watched[s] = true
		}
	}
	// A forged token is an error of authorize to Lambda, and must take no version back.
	if door := tpl.WebSocketAPIs[0].Authorizer.Function; watched[door] || !watched["Crashes"] {
		t.Errorf("the errors of %s are watched: %t, its crashes: %t", door, watched[door], watched["Crashes"])
	} else {
		watched[door] = true
	}
	for _, f := range tpl.Functions {
		r := d.Resources[f.LogicalID]
		n := child(&r.Properties, "DeploymentPreference", "Enabled")
		if gradual := n == nil || n.Value != "false"; gradual != behind[f.LogicalID] {
			t.Errorf("%s: behind a route: %t, rolled out gradually: %t", f.LogicalID, behind[f.LogicalID], gradual)
		}
		if behind[f.LogicalID] && !watched[f.LogicalID] {
			t.Errorf("no alarm watches %s", f.LogicalID)
		}
	}
}

var variable = regexp.MustCompile(`\$context\.[A-Za-z.]+`)

// Of a request its route is logged and never what a client wrote: the query may
// have a token in it.
func TestAccessLogsHaveNoQuery(t *testing.T) {
	d := readDocument(t)
	harmless := []string{
		"requestId", "requestTime", "routeKey", "eventType", "connectionId", "status", "error.message", "integrationErrorMessage",
		"integrationLatency", "responseLatency", "responseLength", "identity.sourceIp",
	}
	for _, id := range []string{"WebSocketApi", "HttpApi"} {
		r := d.Resources[id].Properties
		settings := child(&r, "AccessLogSettings")
		if settings == nil || settings.Tag != "!If" {
			t.Fatalf("%s has no access log", id)
		}
		format := child(settings.Content[1], "Format").Value
		found := variable.FindAllString(format, -1)
		for _, v := range found {
			if !slices.Contains(harmless, strings.TrimPrefix(v, "$context.")) {
				t.Errorf("%s logs %s", id, v)
			}
		}
		if len(found) < 8 || strings.Count(format, "$") != len(found) {
			t.Errorf("%s logs %s", id, format)
		}
		if throttle := scalars(child(&r, "DefaultRouteSettings")); len(throttle) != 2 {
			t.Errorf("%s is not throttled: %v", id, throttle)
		}
	}
}

var (
	override = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)
	setting  = regexp.MustCompile(`(?m)^parameter_overrides = '([^']*)'`)
)

// What samconfig.toml sets is what the template has, and takes.
func TestSamconfig(t *testing.T) {
	b, err := os.ReadFile("../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"dev", "prod"} {
		_, section, found := strings.Cut(string(b), "["+environment+".deploy.parameters]")
		if !found {
			t.Fatalf("there is no %s", environment)
		}
		section, _, _ = strings.Cut(section, "\n[")
		line := setting.FindStringSubmatch(section)
		if line == nil {
			t.Fatalf("%s sets no parameters: %s", environment, section)
		}
		given := map[string]string{}
		for _, m := range override.FindAllStringSubmatch(line[1], -1) {
			given[m[1]] = strings.Trim(m[2], `"`)
		}
		if _, err := template.Load(templateFile, given); err != nil {
			t.Errorf("%s: %v", environment, err)
		}
		if plain := given["PlainSecrets"]; (plain == "allowed") != (environment == "dev") {
			t.Errorf("%s: PlainSecrets=%s", environment, plain)
		}
		if days, err := strconv.Atoi(given["LogRetention"]); err != nil || days == 0 {
			t.Errorf("%s: LogRetention=%s", environment, given["LogRetention"])
		}
	}
}
