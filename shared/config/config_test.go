package config_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/shared/config"
)

const secret = "0123456789abcdef0123456789abcdef"

var all = []config.Part{
	config.Mongo, config.Redis, config.Connections, config.WelcomeQueue, config.SummaryQueue,
	config.JWT, config.OpenAI, config.SendLimit, config.TypingLimit,
}

// enough is the least environment that satisfies every part.
func enough() map[string]string {
	return map[string]string{
		"MONGODB_URI": "mongodb://u:hunter2@db/", "REDIS_ADDR": "redis:6379", "CONNECTIONS_URL": "https://api/prod/",
		"WELCOME_QUEUE_URL": "https://sqs/1/welcome", "SUMMARY_QUEUE_URL": "https://sqs/1/summary", "JWT_SECRET": secret,
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
	want.WelcomeQueueURL, want.SummaryQueueURL = "https://sqs/1/welcome", "https://sqs/1/summary"
	want.OpenAI.BaseURL, want.OpenAI.Model, want.OpenAI.Timeout = "https://api.openai.com/v1", "gpt-4o-mini", 20*time.Second
	want.SendLimit, want.TypingLimit = 600, 600
	if !slices.Equal(c.Redis.Addrs, []string{"redis:6379"}) || string(c.JWT.Secret) != secret || len(c.JWT.Algorithms) != 0 {
		t.Errorf("redis %v, secret %q, algorithms %v", c.Redis.Addrs, c.JWT.Secret, c.JWT.Algorithms)
	}
	if c.AWS != want.AWS || c.Mongo != want.Mongo || c.OpenAI != want.OpenAI || c.LogLevel != want.LogLevel ||
		c.ConnectionsURL != want.ConnectionsURL || c.WelcomeQueueURL != want.WelcomeQueueURL || c.SummaryQueueURL != want.SummaryQueueURL ||
		c.SendLimit != want.SendLimit || c.TypingLimit != want.TypingLimit {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

func TestEverythingGiven(t *testing.T) {
	env := enough()
	for name, v := range map[string]string{
		"LOG_LEVEL": "debug", "MONGODB_DB": "other", "REDIS_ADDR": "a:1, [::1]:2", "REDIS_PASSWORD": " p ", "REDIS_TLS": "true",
		"JWT_ALGORITHMS": "HS256, RS256", "JWT_PUBLIC_KEY": `-----BEGIN\nAA\n-----END`, "JWT_ISSUER": "iam", "JWT_AUDIENCE": "chat",
		"OPENAI_API_KEY": "sk", "OPENAI_BASE_URL": "http://llm/v1/", "OPENAI_MODEL": "m", "OPENAI_TIMEOUT": "5s",
		"RATE_LIMIT_SEND": "0", "RATE_LIMIT_TYPING": "7", "AWS_SESSION_TOKEN": "t",
	} {
		env[name] = v
	}
	c, err := config.Load(lookup(env), all...)
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"log":      c.LogLevel == slog.LevelDebug,
		"database": c.Mongo.Database == "other",
		"redis":    slices.Equal(c.Redis.Addrs, []string{"a:1", "[::1]:2"}) && c.Redis.Password == " p " && c.Redis.TLS,
		"jwt":      slices.Equal(c.JWT.Algorithms, []string{"HS256", "RS256"}) && c.JWT.Issuer == "iam" && c.JWT.Audience == "chat",
		"pem":      c.JWT.PublicKey == "-----BEGIN\nAA\n-----END",
		"openai":   c.OpenAI.APIKey == "sk" && c.OpenAI.BaseURL == "http://llm/v1" && c.OpenAI.Model == "m" && c.OpenAI.Timeout == 5*time.Second,
		"limits":   c.SendLimit == 0 && c.TypingLimit == 7,
		"aws":      c.AWS.SessionToken == "t",
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
		{"JWT_ALGORITHMS", "HS256,none", "JWT_ALGORITHMS must be some of"},
		{"JWT_SECRET", "", "JWT_SECRET is required, or else"},
		{"JWT_SECRET", "hunter2", "JWT_SECRET must be at least 32 bytes"},
		{"JWT_JWKS_URL", "file:///hunter2", "JWT_JWKS_URL must be an http"},
		{"OPENAI_BASE_URL", "hunter2", "OPENAI_BASE_URL must be an http"},
		{"OPENAI_TIMEOUT", "20", "OPENAI_TIMEOUT must be a duration such as 20s"},
		{"OPENAI_TIMEOUT", "0s", "OPENAI_TIMEOUT must be"},
		{"OPENAI_TIMEOUT", "61s", "OPENAI_TIMEOUT must be"},
		{"RATE_LIMIT_SEND", "-1", "RATE_LIMIT_SEND must be"},
		{"RATE_LIMIT_TYPING", "many", "RATE_LIMIT_TYPING must be"},
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
		"WELCOME_QUEUE_URL", "SUMMARY_QUEUE_URL", "JWT_SECRET",
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
			if name != "LOG_LEVEL" && !strings.HasPrefix(name, "AWS_") {
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
