package config_test

import (
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/config"
)

const secret = "0123456789abcdef0123456789abcdef"

var all = config.Parts()

// enough is the least environment that satisfies every part.
func enough() map[string]string {
	return map[string]string{
		"MONGODB_URI": "mongodb://u:hunter2@db/", "REDIS_ADDR": "redis:6379", "CONNECTIONS_URL": "https://api/prod/",
		"WELCOME_QUEUE_URL": "https://sqs/1/welcome", "SUMMARY_QUEUE_URL": "https://sqs/1/summary", "STREAM_QUEUE_URL": "https://sqs/1/stream",
		"RUN_QUEUE_URL": "https://sqs/1/run", "WEBHOOK_QUEUE_URL": "https://sqs/1/webhook", "JWT_SECRET": secret,
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2",
	}
}

func lookup(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestDefaults(t *testing.T) {
	c, err := config.Load(lookup(enough()), all...)
	if err != nil {
		t.Fatal(err)
	}
	var want config.Config
	want.LogLevel = slog.LevelInfo
	want.AWS = config.AWS{Region: "eu-west-1", AccessKeyID: "AKIA", SecretAccessKey: "hunter2"}
	want.Mongo.URI, want.Mongo.Database = "mongodb://u:hunter2@db/", "aiwm_chat"
	want.ConnectionsURL = "https://api/prod"
	want.WelcomeQueueURL, want.SummaryQueueURL, want.StreamQueueURL, want.RunQueueURL = "https://sqs/1/welcome", "https://sqs/1/summary", "https://sqs/1/stream", "https://sqs/1/run"
	want.WebhookQueueURL = "https://sqs/1/webhook"
	want.OpenAI.BaseURL, want.OpenAI.Model, want.OpenAI.Timeout, want.OpenAI.MaxTokens = "https://api.openai.com/v1", "gpt-6-luna", 20*time.Second, 4000
	want.Redis.Mode = config.RedisAuto
	want.Limits = config.Limits{
		UserConnections: 20, AgentConnections: 100, Rooms: 100,
		Joins:        config.Rate{Count: 120, Per: time.Minute, Burst: 200},
		UserMessages: config.Rate{Count: 60, Per: time.Minute, Burst: 20}, AgentMessages: config.Rate{Count: 20, Per: time.Second, Burst: 40},
		Fanout: config.Rate{Count: 1000, Per: time.Second, Burst: 10_000},
		Typing: config.Rate{Count: 60, Per: time.Minute, Burst: 30}, Pings: config.Rate{Count: 60, Per: time.Minute, Burst: 30},
		Reads: config.Rate{Count: 600, Per: time.Minute, Burst: 600}, Writes: config.Rate{Count: 120, Per: time.Minute, Burst: 120},
		Creations: config.Rate{Count: 30, Per: time.Minute, Burst: 30}, Additions: config.Rate{Count: 60, Per: time.Minute, Burst: 60},
		Reactions: config.Rate{Count: 120, Per: time.Minute, Burst: 120}, Edits: config.Rate{Count: 30, Per: time.Minute, Burst: 30},
		Marks: config.Rate{Count: 120, Per: time.Minute, Burst: 120}, Exports: config.Rate{Count: 60, Per: time.Minute, Burst: 60},
		Searches: config.Rate{Count: 60, Per: time.Minute, Burst: 60},
		Uploads:  config.Rate{Count: 30, Per: time.Minute, Burst: 30}, UploadMegabytes: 1000, Signals: config.Rate{Count: 300, Per: time.Minute, Burst: 300},
		Summaries: config.Rate{Count: 6, Per: time.Minute, Burst: 6},
	}
	if !slices.Equal(c.JWT.ClaimUser, []string{"userId", "sub"}) || !slices.Equal(c.JWT.ClaimAgent, []string{"agentId"}) || !slices.Equal(c.JWT.ClaimOrg, []string{"orgId"}) ||
		!slices.Equal(c.JWT.ClaimRoles, []string{"roles"}) || !slices.Equal(c.JWT.ClaimAudience, []string{"aud"}) || c.JWT.JWKSKeep != 24*time.Hour {
		t.Errorf("claims %+v", c.JWT)
	}
	if !slices.Equal(c.Redis.Addrs, []string{"redis:6379"}) || string(c.JWT.Secret) != secret || len(c.JWT.Algorithms) != 0 {
		t.Errorf("redis %v, secret %q, algorithms %v", c.Redis.Addrs, c.JWT.Secret, c.JWT.Algorithms)
	}
	if c.AWS != want.AWS || c.Mongo != want.Mongo || c.OpenAI != want.OpenAI || c.LogLevel != want.LogLevel ||
		c.ConnectionsURL != want.ConnectionsURL || c.WelcomeQueueURL != want.WelcomeQueueURL || c.SummaryQueueURL != want.SummaryQueueURL ||
		c.StreamQueueURL != want.StreamQueueURL || c.RunQueueURL != want.RunQueueURL || c.WebhookQueueURL != want.WebhookQueueURL || c.WebhooksLocal ||
		c.Redis.Mode != want.Redis.Mode || c.Redis.Username != "" || c.Redis.Password != "" || c.Redis.TLS || c.Limits != want.Limits {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

func TestEverythingGiven(t *testing.T) {
	env := enough()
	for name, v := range map[string]string{
		"LOG_LEVEL": "debug", "MONGODB_DB": "other", "MONGODB_SERVER_API": "1", "REDIS_ADDR": "a:1, [::1]:2", "REDIS_MODE": "cluster", "REDIS_USERNAME": "chat", "REDIS_PASSWORD": " p ", "REDIS_TLS": "true",
		"JWT_ALGORITHMS": "HS256, RS256", "JWT_PUBLIC_KEY": `-----BEGIN\nAA\n-----END`, "JWT_ISSUER": "iam", "JWT_AUDIENCE": "chat",
		"JWT_JWKS_KEEP": "168h", "JWT_CLAIM_USER": " oid , sub", "JWT_CLAIM_AGENT": "chat.agent", "JWT_CLAIM_ORG": "tid", "JWT_CLAIM_ROLES": "https://x.org/roles,scope", "JWT_CLAIM_AUDIENCE": "azp",
		"OPENAI_API_KEY": "sk", "OPENAI_BASE_URL": "http://llm/v1/", "OPENAI_MODEL": "m", "OPENAI_TIMEOUT": "5s", "OPENAI_MAX_TOKENS": "300", "OPENAI_TEMPERATURE": " 0 ",
		"LIMIT_ROOMS": "0", "LIMIT_USER_CONNECTIONS": "3", "LIMIT_AGENT_CONNECTIONS": " 4 ", "LIMIT_JOINS": "0", "LIMIT_TYPING": "7/s", "LIMIT_FANOUT": " 5/min burst 9 ",
		"AWS_SESSION_TOKEN": "t",
	} {
		env[name] = v
	}
	c, err := config.Load(lookup(env), all...)
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"log":      c.LogLevel == slog.LevelDebug,
		"database": c.Mongo.Database == "other" && c.Mongo.ServerAPI == "1",
		"redis":    slices.Equal(c.Redis.Addrs, []string{"a:1", "[::1]:2"}) && c.Redis.Mode == config.RedisCluster && c.Redis.Username == "chat" && c.Redis.Password == " p " && c.Redis.TLS,
		"jwt":      slices.Equal(c.JWT.Algorithms, []string{"HS256", "RS256"}) && c.JWT.Issuer == "iam" && c.JWT.Audience == "chat",
		"claims": slices.Equal(c.JWT.ClaimUser, []string{"oid", "sub"}) && slices.Equal(c.JWT.ClaimAgent, []string{"chat.agent"}) && slices.Equal(c.JWT.ClaimOrg, []string{"tid"}) &&
			slices.Equal(c.JWT.ClaimRoles, []string{"https://x.org/roles", "scope"}) && slices.Equal(c.JWT.ClaimAudience, []string{"azp"}) && c.JWT.JWKSKeep == 168*time.Hour,
		"pem":    c.JWT.PublicKey == "-----BEGIN\nAA\n-----END",
		"openai": c.OpenAI.APIKey == "sk" && c.OpenAI.BaseURL == "http://llm/v1" && c.OpenAI.Model == "m" && c.OpenAI.Timeout == 5*time.Second && c.OpenAI.MaxTokens == 300 && c.OpenAI.Temperature != nil && *c.OpenAI.Temperature == 0,
		"counts": c.Limits.Rooms == 0 && c.Limits.UserConnections == 3 && c.Limits.AgentConnections == 4,
		"rates":  c.Limits.Joins.None() && c.Limits.Typing == config.Rate{Count: 7, Per: time.Second, Burst: 7} && c.Limits.Fanout == config.Rate{Count: 5, Per: time.Minute, Burst: 9},
		"aws":    c.AWS.SessionToken == "t",
	} {
		if !ok {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"LOG_LEVEL", "loud", "LOG_LEVEL must be debug"},
		{"MONGODB_URI", "", "MONGODB_URI is required"},
		{"MONGODB_URI", "  ", "MONGODB_URI is required"},
		{"MONGODB_URI", "postgres://hunter2", "MONGODB_URI must begin"},
		{"MONGODB_DB", "a/hunter2", "MONGODB_DB must be"},
		{"MONGODB_DB", strings.Repeat("x", 64), "MONGODB_DB must be"},
		{"MONGODB_SERVER_API", "2", "MONGODB_SERVER_API must be 1"},
		{"REDIS_ADDR", "", "REDIS_ADDR is required"},
		{"REDIS_ADDR", ",", "REDIS_ADDR is required"},
		{"REDIS_ADDR", "hunter2", "REDIS_ADDR must be host:port"},
		{"REDIS_ADDR", "a:1,b", "REDIS_ADDR must be host:port"},
		{"REDIS_ADDR", ":6379", "REDIS_ADDR must be host:port"},
		{"REDIS_ADDR", "a:65536", "REDIS_ADDR must be host:port"},
		{"REDIS_TLS", "hunter2", "REDIS_TLS must be true or false"},
		{"CONNECTIONS_URL", "", "CONNECTIONS_URL is required"},
		{"CONNECTIONS_URL", "ws://hunter2", "CONNECTIONS_URL must be an http"},
		{"CONNECTIONS_URL", "https://", "CONNECTIONS_URL must be an http"},
		{"CONNECTIONS_URL", "https://%zz", "CONNECTIONS_URL must be an http"},
		{"WELCOME_QUEUE_URL", "", "WELCOME_QUEUE_URL is required"},
		{"SUMMARY_QUEUE_URL", "queue", "SUMMARY_QUEUE_URL must be an http"},
		{"STREAM_QUEUE_URL", "queue", "STREAM_QUEUE_URL must be an http"},
		{"JWT_ALGORITHMS", "HS256,none", "JWT_ALGORITHMS must be some of"},
		{"JWT_ALGORITHMS", "HS256, ES256", "JWT_ALGORITHMS has ES256, which needs JWT_PUBLIC_KEY or JWT_JWKS_URL"},
		{"JWT_SECRET", "", "JWT_SECRET is required, or else"},
		{"JWT_SECRET", "hunter2", "JWT_SECRET must be at least 32 bytes"},
		{"JWT_JWKS_URL", "file:///hunter2", "JWT_JWKS_URL must be an http"},
		{"JWT_JWKS_URL", "http://hunter2.example.org/jwks", "JWT_JWKS_URL must be an https URL"},
		{"JWT_JWKS_URL", "HTTP://hunter2.example.org/jwks", "JWT_JWKS_URL must be an https URL"},
		{"JWT_JWKS_URL", "http://10.0.0.1/hunter2", "JWT_JWKS_URL must be an https URL"},
		{"JWT_JWKS_URL", "http://127.0.0.1.hunter2.org/", "JWT_JWKS_URL must be an https URL"},
		{"JWT_JWKS_URL", "http://localhost@hunter2.org/", "JWT_JWKS_URL must be an https URL"},
		{"JWT_JWKS_KEEP", "1d", "JWT_JWKS_KEEP must be a duration such as 24h0m0s"},
		{"JWT_JWKS_KEEP", "169h", "JWT_JWKS_KEEP must be a duration"},
		{"OPENAI_BASE_URL", "hunter2", "OPENAI_BASE_URL must be an http"},
		{"OPENAI_TIMEOUT", "20", "OPENAI_TIMEOUT must be a duration such as 20s"},
		{"OPENAI_TIMEOUT", "0s", "OPENAI_TIMEOUT must be"},
		{"OPENAI_MAX_TOKENS", "0", "OPENAI_MAX_TOKENS must be a whole number from 1 to 1000000"},
		{"OPENAI_MAX_TOKENS", "many", "OPENAI_MAX_TOKENS must be a whole number"},
		{"OPENAI_TEMPERATURE", "warm", "OPENAI_TEMPERATURE must be a number from 0 to 2"},
		{"OPENAI_TEMPERATURE", "-0.1", "OPENAI_TEMPERATURE must be"},
		{"OPENAI_TEMPERATURE", "2.1", "OPENAI_TEMPERATURE must be"},
		{"OPENAI_TEMPERATURE", "NaN", "OPENAI_TEMPERATURE must be"},
		{"OPENAI_TIMEOUT", "61s", "OPENAI_TIMEOUT must be"},
		{"REDIS_MODE", "sentinel", "REDIS_MODE must be auto, single or cluster"},
		{"REDIS_MODE", "Auto", "REDIS_MODE must be auto, single or cluster"},
		{"LIMIT_ROOMS", "-1", "LIMIT_ROOMS must be a whole number from 0 to 1000000"},
		{"LIMIT_ROOMS", "many", "LIMIT_ROOMS must be"},
		{"LIMIT_ROOMS", "1000001", "LIMIT_ROOMS must be"},
		{"LIMIT_USER_CONNECTIONS", "1.5", "LIMIT_USER_CONNECTIONS must be"},
		{"LIMIT_AGENT_CONNECTIONS", "60/min", "LIMIT_AGENT_CONNECTIONS must be"},
		{"LIMIT_TYPING", "hunter2", "LIMIT_TYPING must be a rate such as 60/min burst 30, or 0 for none"},
		{"LIMIT_AGENT_MESSAGES", "20", "LIMIT_AGENT_MESSAGES must be a rate such as 20/s burst 40, or 0"},
		{"AWS_REGION", "", "AWS_REGION is required"},
		{"AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is required"},
		{"AWS_SECRET_ACCESS_KEY", "", "AWS_SECRET_ACCESS_KEY is required"},
	} {
		env := enough()
		env[tt.name] = tt.value
		_, err := config.Load(lookup(env), all...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s=%q: error %v, want %s …", tt.name, tt.value, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s=%q: more than one fault, or a value shown: %v", tt.name, tt.value, err)
		}
	}
}

func TestRates(t *testing.T) {
	for _, tt := range []struct {
		text string
		want config.Rate // none: refused, unless it is "0"
		form string      // of it, where it is another one
	}{
		{"60/min burst 20", config.Rate{Count: 60, Per: time.Minute, Burst: 20}, ""},
		{"20/s burst 40", config.Rate{Count: 20, Per: time.Second, Burst: 40}, ""},
		{"20/s", config.Rate{Count: 20, Per: time.Second, Burst: 20}, "20/s burst 20"},
		{"1/min", config.Rate{Count: 1, Per: time.Minute, Burst: 1}, "1/min burst 1"},
		{"1000000/s burst 1000000", config.Rate{Count: 1_000_000, Per: time.Second, Burst: 1_000_000}, ""},
		{" 60/min burst 20\n", config.Rate{Count: 60, Per: time.Minute, Burst: 20}, "60/min burst 20"},
		{"0", config.Rate{}, ""},
		{text: "60"}, {text: "60/"}, {text: "/min"}, {text: "min"}, {text: "60/h"}, {text: "60/minute"}, {text: "60/Min"}, {text: "60 / min"}, {text: "60/m"},
		{text: "0/min"}, {text: "-1/min"}, {text: "1.5/min"}, {text: "1e3/min"}, {text: "x/min"}, {text: "1000001/s"}, {text: "99999999999999999999/s"},
		{text: "60/min burst"}, {text: "60/min burst 0"}, {text: "60/min burst -1"}, {text: "60/min burst x"}, {text: "60/min burst 1000001"},
		{text: "60/min  burst 20"}, {text: "60/min burst  20"}, {text: "60/min burst 20 burst 20"}, {text: "60/min,burst 20"}, {text: "burst 20"}, {text: "60/s/min"}, {text: "00"}, {text: "none"},
	} {
		env := enough()
		env["LIMIT_PINGS"] = tt.text
		c, err := config.Load(lookup(env), config.PingLimit)
		if refused := tt.want.None() && tt.text != "0"; refused != (err != nil) {
			t.Errorf("%q is %+v, %v", tt.text, c.Limits.Pings, err)
		} else if !refused {
			if got := c.Limits.Pings; got != tt.want || got.None() != (tt.text == "0") || got.String() != cmp.Or(tt.form, tt.text) {
				t.Errorf("%q is %+v, %v", tt.text, got, got)
			}
			if got := c.Limits.Pings; !got.None() && got.Step() != got.Per/time.Duration(got.Count) {
				t.Errorf("%q has steps of %v", tt.text, got.Step())
			}
		}
	}
}

// Each limit is of its own variable, and of no other.
func TestLimitsAreApart(t *testing.T) {
	rates := map[string]func(config.Limits) config.Rate{
		"LIMIT_JOINS":         func(l config.Limits) config.Rate { return l.Joins },
		"LIMIT_USER_MESSAGES": func(l config.Limits) config.Rate { return l.UserMessages }, "LIMIT_AGENT_MESSAGES": func(l config.Limits) config.Rate { return l.AgentMessages },
		"LIMIT_FANOUT": func(l config.Limits) config.Rate { return l.Fanout }, "LIMIT_TYPING": func(l config.Limits) config.Rate { return l.Typing },
		"LIMIT_PINGS": func(l config.Limits) config.Rate { return l.Pings }, "LIMIT_READS": func(l config.Limits) config.Rate { return l.Reads },
		"LIMIT_WRITES": func(l config.Limits) config.Rate { return l.Writes }, "LIMIT_CREATIONS": func(l config.Limits) config.Rate { return l.Creations },
		"LIMIT_ADDITIONS": func(l config.Limits) config.Rate { return l.Additions }, "LIMIT_SUMMARIES": func(l config.Limits) config.Rate { return l.Summaries },
		"LIMIT_REACTIONS": func(l config.Limits) config.Rate { return l.Reactions }, "LIMIT_EDITS": func(l config.Limits) config.Rate { return l.Edits },
		"LIMIT_MARKS": func(l config.Limits) config.Rate { return l.Marks }, "LIMIT_EXPORTS": func(l config.Limits) config.Rate { return l.Exports },
		"LIMIT_SEARCHES": func(l config.Limits) config.Rate { return l.Searches },
		"LIMIT_UPLOADS":  func(l config.Limits) config.Rate { return l.Uploads },
		"LIMIT_SIGNALS":  func(l config.Limits) config.Rate { return l.Signals },
	}
	counts := map[string]func(config.Limits) int{
		"LIMIT_USER_CONNECTIONS":  func(l config.Limits) int { return l.UserConnections },
		"LIMIT_AGENT_CONNECTIONS": func(l config.Limits) int { return l.AgentConnections }, "LIMIT_ROOMS": func(l config.Limits) int { return l.Rooms },
		"LIMIT_UPLOAD_MEGABYTES": func(l config.Limits) int { return l.UploadMegabytes },
	}
	if n := reflect.TypeFor[config.Limits]().NumField(); n != len(rates)+len(counts) {
		t.Fatalf("there are %d limits, the test knows %d", n, len(rates)+len(counts))
	}
	env := enough()
	for name := range rates {
		env[name] = fmt.Sprint(len(env), "/s")
	}
	for name := range counts {
		env[name] = fmt.Sprint(len(env))
	}
	c, err := config.Load(lookup(env), all...)
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range rates {
		if got := of(c.Limits); fmt.Sprint(got.Count, "/s") != env[name] {
			t.Errorf("%s=%s gave %v", name, env[name], got)
		}
	}
	for name, of := range counts {
		if got := of(c.Limits); fmt.Sprint(got) != env[name] {
			t.Errorf("%s=%s gave %d", name, env[name], got)
		}
	}
}

// REDIS_HOST and REDIS_PORT are for those who have them already.
func TestRedisHostAndPort(t *testing.T) {
	for _, tt := range []struct{ addr, host, port, want string }{
		{"a:1", "b", "2", "a:1"}, {"", "b", "2", "b:2"}, {"", " b ", "", "b:6379"}, {"", "::1", "2", "[::1]:2"}, {"", "[::1]", "2", "[::1]:2"},
		{"", "b", "x", ""}, {"", "b", "70000", ""}, {"", "", "2", ""},
	} {
		env := enough()
		env["REDIS_ADDR"], env["REDIS_HOST"], env["REDIS_PORT"] = tt.addr, tt.host, tt.port
		c, err := config.Load(lookup(env), config.Redis)
		if got := strings.Join(c.Redis.Addrs, ","); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%+v: %q, error %v", tt, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "REDIS_") {
			t.Errorf("%+v: error %v names no variable", tt, err)
		}
	}
}

func TestRedisMode(t *testing.T) {
	for _, tt := range []struct{ addr, mode, want string }{
		{"a:1", "", "auto"}, {"a:1", " auto ", "auto"}, {"a:1", "single", "single"}, {"a:1", "cluster", "cluster"},
		{"a:1,b:1", "", "auto"}, {"a:1,b:1", "cluster", "cluster"}, {"a:1,b:1", "single", ""},
	} {
		env := enough()
		env["REDIS_ADDR"], env["REDIS_MODE"] = tt.addr, tt.mode
		c, err := config.Load(lookup(env), config.Redis)
		if (err != nil) != (tt.want == "") || err == nil && string(c.Redis.Mode) != tt.want {
			t.Errorf("%s %q is %q, %v", tt.addr, tt.mode, c.Redis.Mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "REDIS_MODE must not be single with several addresses") {
			t.Errorf("%s %q is %v", tt.addr, tt.mode, err)
		}
	}
}

// What a function does not need, it is not told: a limit of another part is none.
func TestPartsFillOnlyTheirLimits(t *testing.T) {
	c, err := config.Load(lookup(enough()), config.TypingLimit)
	if want := (config.Limits{Typing: config.Rate{Count: 60, Per: time.Minute, Burst: 30}}); err != nil || c.Limits != want {
		t.Errorf("got %+v, %v", c.Limits, err)
	}
}

// Parts has each part once, in order, and each has variables that no other has.
func TestParts(t *testing.T) {
	of := map[string]config.Part{}
	for i, p := range config.Parts() {
		if int(p) != i || len(p.Variables()) == 0 {
			t.Errorf("part %d is %d, with %v", i, p, p.Variables())
		}
		for _, name := range p.Variables() {
			if other, known := of[name]; known {
				t.Errorf("%s is of the parts %d and %d", name, other, p)
			}
			of[name] = p
		}
	}
	if last := config.Webhooks; len(config.Parts()) != int(last)+1 {
		t.Errorf("there are %d parts, the last is %d", len(config.Parts()), last)
	}
}

// Keys come over https, or from this machine.
func TestWhereKeysArePublished(t *testing.T) {
	for _, url := range []string{
		"https://iam.example.org/jwks", "HTTPS://iam/jwks", "http://localhost:8080/realms/x/certs", "http://127.0.0.1:8080/", "http://[::1]/jwks", "http://host.docker.internal:8080/certs",
	} {
		env := enough()
		env["JWT_JWKS_URL"] = url
		if c, err := config.Load(lookup(env), config.JWT); err != nil || c.JWT.JWKSURL == "" {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTwoPublicKeys(t *testing.T) {
	env := enough()
	env["JWT_PUBLIC_KEY"], env["JWT_JWKS_URL"] = "PEM", "https://iam/jwks"
	if _, err := config.Load(lookup(env), config.JWT); err == nil || !strings.Contains(err.Error(), "JWT_JWKS_URL must not") {
		t.Errorf("error %v", err)
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	_, err := config.Load(lookup(nil), all...)
	if err == nil {
		t.Fatal("an empty environment was accepted")
	}
	want := []string{
		"MONGODB_URI", "REDIS_ADDR", "CONNECTIONS_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"WELCOME_QUEUE_URL", "SUMMARY_QUEUE_URL", "STREAM_QUEUE_URL", "JWT_SECRET", "RUN_QUEUE_URL", "WEBHOOK_QUEUE_URL",
	}
	var got []string
	for line := range strings.Lines(err.Error()) {
		name, _, _ := strings.Cut(line, " ")
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults of %v, want %v", got, want)
	}
}

// TestPartsReadOnlyTheirVariables keeps Variables, which template.yaml is
// compared with, equal to what Load really reads.
func TestPartsReadOnlyTheirVariables(t *testing.T) {
	for _, p := range all {
		read := map[string]bool{}
		_, err := config.Load(func(name string) string { read[name] = true; return enough()[name] }, p)
		if err != nil {
			t.Errorf("part %d with enough: %v", p, err)
		}
		for _, name := range p.Variables() {
			if !read[name] {
				t.Errorf("part %d does not read %s", p, name)
			}
			delete(read, name)
		}
		for name := range read {
			if name != "LOG_LEVEL" && name != "STACK_NAME" && !strings.HasPrefix(name, "AWS_") {
				t.Errorf("part %d reads %s, which is not its own", p, name)
			}
		}
	}
}

func TestNothingAsked(t *testing.T) {
	if _, err := config.Load(lookup(nil)); err != nil {
		t.Errorf("no part needs nothing: %v", err)
	}
}

func TestTURN(t *testing.T) {
	env := enough()
	env["TURN_URLS"], env["TURN_SECRET"] = "stun:s.example.org, turns:t.example.org:5349?transport=tcp", "north"
	c, err := config.Load(lookup(env), config.TURN)
	if err != nil || len(c.TURN.URLs) != 2 || c.TURN.URLs[1] != "turns:t.example.org:5349?transport=tcp" || c.TURN.Secret != "north" {
		t.Errorf("%+v, %v", c.TURN, err)
	}
	for _, bad := range []string{"https://t.example.org", "turn:", "turn:a b", "javascript:turn:x"} {
		env["TURN_URLS"] = bad
		if _, err := config.Load(lookup(env), config.TURN); err == nil || !strings.Contains(err.Error(), "TURN_URLS") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
