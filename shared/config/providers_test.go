package config_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"aiwm-chat/shared/config"
)

func TestParseProviders(t *testing.T) {
	t.Parallel()
	got, err := config.ParseProviders(` {
		"openai": {"url": "https://api.openai.com/v1/"},
		"old-one": {"url": "http://127.0.0.1:11434/v1", "maxTokens": "max_tokens", "temperature": false}
	} `, true)
	want := map[string]config.Provider{
		"openai":  {URL: "https://api.openai.com/v1", MaxTokens: "max_completion_tokens", Temperature: true},
		"old-one": {URL: "http://127.0.0.1:11434/v1", MaxTokens: "max_tokens"},
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, none := range []string{"", " ", "{}"} {
		if got, err := config.ParseProviders(none, false); len(got) != 0 || err != nil {
			t.Errorf("%q: %v, %v", none, got, err)
		}
	}
	many := "{"
	for i := range 65 {
		many += fmt.Sprintf(`"p%d":{"url":"https://a"},`, i)
	}
	for text, want := range map[string]string{
		`nonsense`:                        "valid JSON",
		`[]`:                              "a JSON object",
		`{"a": {"url":"https://a"}} x`:    "valid JSON",
		`{"a b": {"url": "https://a"}}`:   `"a b" must be a name`,
		`{"a": 1}`:                        "a must be a JSON object",
		`{"a": {}}`:                       "a.url is required",
		`{"a": {"url": 1}}`:               "a.url must be",
		`{"a": {"url": "http://a.org"}}`:  "a.url must be an https URL",
		`{"a": {"url": "https://"}}`:      "a.url must be",
		`{"a": {"url": "https://k@a"}}`:   "a.url must be",
		`{"a": {"url": "https://a?k=1"}}`: "a.url must be",
		`{"a": {"url": "https://a#"}}`:    "a.url must be",
		`{"a": {"url": "https://a", "maxTokens": "tokens"}}`:     "a.maxTokens must be",
		`{"a": {"url": "https://a", "temperature": "false"}}`:    "a.temperature must be true or false",
		`{"a": {"url": "https://a", "key": "sk"}}`:               `a."key" is unknown`,
		`{"a": {"url": "https://a"}, "a": {"url": "https://b"}}`: `must not have "a" twice`,
		`{"a": {"url": "https://a", "url": "https://b"}}`:        `must not have "url" twice`,
		strings.TrimSuffix(many, ",") + "}":                      "at most 64",
	} {
		if got, err := config.ParseProviders(text, false); err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%.60s: %v, %v, want %s", text, got, err, want)
		}
	}
}

// Providers are outside, but on a laptop.
func TestProvidersAtPrivateAddresses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://127.0.0.1:8080", "http://localhost", "http://ollama:11434/v1", "https://localhost/v1", "https://LOCALHOST./v1", "https://a.localhost",
		"https://169.254.169.254/latest", "https://10.0.0.1/v1", "https://100.64.0.1", "https://[::1]/v1", "https://[::ffff:10.0.0.1]/v1", "https://[fd00::1]",
	} {
		text := fmt.Sprintf(`{"p": {"url": %q}}`, url)
		if got, err := config.ParseProviders(text, false); err == nil || got != nil || !strings.Contains(err.Error(), "p.url must") {
			t.Errorf("%s: %v, %v", url, got, err)
		}
		if got, err := config.ParseProviders(text, true); err != nil || got["p"].URL != url {
			t.Errorf("%s where it is local: %v, %v", url, got, err)
		}
		env := map[string]string{"PROVIDERS": text}
		if _, err := config.Load(lookup(env), config.Providers, config.ToolServers); err == nil {
			t.Errorf("%s is to be called", url)
		}
		if _, err := config.Load(lookup(env), config.Providers); err != nil {
			t.Errorf("%s, of which only the name counts: %v", url, err)
		}
		env["TOOL_SERVERS_LOCAL"] = "true"
		if c, err := config.Load(lookup(env), config.ToolServers, config.Providers); err != nil || c.Providers["p"].URL != url {
			t.Errorf("%s where the environment is local: %v", url, err)
		}
	}
}

func FuzzParseProviders(f *testing.F) {
	f.Add(`{"openai": {"url": "https://api.openai.com/v1", "maxTokens": "max_tokens", "temperature": false}}`, false)
	f.Add(`{"here": {"url": "http://127.0.0.1:11434/v1"}}`, true)
	f.Fuzz(func(t *testing.T, text string, local bool) {
		got, err := config.ParseProviders(text, local)
		for name, p := range got {
			if err != nil || name == "" || p.MaxTokens == "" || !strings.HasPrefix(strings.ToLower(p.URL), "http") || strings.HasSuffix(p.URL, "/") ||
				!local && !strings.HasPrefix(strings.ToLower(p.URL), "https:") {
				t.Errorf("%q: %+v, %v", name, p, err)
			}
		}
	})
}

// All that is wrong with the variables is told, and no key.
func TestProvidersFromTheEnvironment(t *testing.T) {
	env := enough()
	maps.Copy(env, map[string]string{"PROVIDERS": `{"a": {"url": "https://a"}}`, "PROVIDER_KEYS": " a=hunter2=, \n b=k ", "RUN_QUEUE_URL": "https://sqs/1/run"})
	parts := []config.Part{config.Providers, config.ProviderKeys, config.RunQueue}
	c, err := config.Load(lookup(env), parts...)
	if err != nil || c.Providers["a"].URL != "https://a" || c.ProviderKeys.Keys["a"] != "hunter2=" || c.ProviderKeys.Keys["b"] != "k" || c.RunQueueURL != "https://sqs/1/run" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, keys := range []string{"hunter2", "a=", "=hunter2", "a=hunter2,a=x", "a b=hunter2"} {
		_, err := config.Load(lookup(map[string]string{"PROVIDERS": `{"a": {}, "b": 1}`, "PROVIDER_KEYS": keys}), parts...)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("%q: %v", keys, err)
		}
		for _, want := range []string{"PROVIDERS is not valid: a.url is required", "PROVIDERS is not valid: b must be", "PROVIDER_KEYS must", "RUN_QUEUE_URL is required"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", keys, err, want)
			}
		}
	}
}
