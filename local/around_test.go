package main

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"aiwm-chat/shared/config"
)

// .env.example names variables that somebody reads, and none with a secret in it.
func TestEnvironmentExample(t *testing.T) {
	known := []string{"PORT", "LOG_LEVEL", "REDIS_HOST", "REDIS_PORT"}
	for _, p := range config.Parts() {
		known = append(known, p.Variables()...)
	}
	f, err := os.Open("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	env := map[string]string{"MONGODB_URI": "mongodb://db", "JWT_SECRET": strings.Repeat("s", 32), "REDIS_HOST": "redis"}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		n++
		if !slices.Contains(known, name) {
			t.Errorf(".env.example names %s, which nobody reads", name)
		}
		if value != "" {
			env[name] = value
		}
	}
	if n < 10 {
		t.Errorf("found %d variables: the test is broken", n)
	}
	c, err := config.Load(func(name string) string { return env[name] }, config.Mongo, config.Redis, config.JWT, config.OpenAI)
	if err != nil || !slices.Equal(c.Redis.Addrs, []string{"redis:6379"}) {
		t.Errorf("with what is in .env.example: %v, error %v", c.Redis.Addrs, err)
	}
}

// The workflow runs every check of .ci/run but those that need what GitHub has
// not, none that does not exist, and packages that do.
func TestWorkflow(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct {
				Matrix map[string][]string
			}
			Env      map[string]string
			Services map[string]any
			Steps    []struct{ Run string }
		}
	}
	b, err := os.ReadFile("../.github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &workflow); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^checks=\((.*)\)$`).FindSubmatch(script)
	if m == nil {
		t.Fatal("found no checks in .ci/run: the test is broken")
	}
	missing := slices.DeleteFunc(strings.Fields(string(m[1])), func(c string) bool {
		return c == "template" || c == "clients" // cfn-lint; chromium as root
	})
	for _, check := range strings.Fields(strings.Join(workflow.Jobs["checks"].Strategy.Matrix["check"], " ")) {
		i := slices.Index(missing, check)
		if i < 0 {
			t.Errorf("ci.yml runs %s, which is no check of .ci/run, or twice", check)
			continue
		}
		missing = slices.Delete(missing, i, i+1)
	}
	if len(missing) > 0 {
		t.Errorf("ci.yml does not run %q", missing)
	}
	databases := workflow.Jobs["databases"]
	if databases.Env["MONGODB_URI"] == "" || databases.Env["REDIS_ADDR"] == "" || databases.Services["redis"] == nil {
		t.Error("ci.yml has no real databases")
	}
	tested := 0
	for _, step := range databases.Steps {
		for _, pkg := range regexp.MustCompile(`\./(\S+)/\.\.\.`).FindAllStringSubmatch(step.Run, -1) {
			tested++
			if _, err := os.Stat("../" + pkg[1]); err != nil {
				t.Errorf("ci.yml tests %s: %v", pkg[1], err)
			}
		}
	}
	if tested < 4 {
		t.Errorf("ci.yml tests %d packages on real databases", tested)
	}
}
