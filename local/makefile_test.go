package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// make sam compiles everything once, as SAM will, before SAM builds fifteen
// functions at the same time: with a cold cache each of them would compile it.
func TestMakeSAMCompilesOnce(t *testing.T) {
	if _, err := os.ReadFile("../Makefile"); err != nil { // so that go test does not remember what make said of another
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "make", "-n", "-C", "..", "--no-print-directory", "sam").Output()
	if err != nil {
		t.Skip("make is not installed, or does not run:", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	environment, isSAM := strings.CutSuffix(lines[len(lines)-1], " sam build")
	// SAM adds these for the architecture of the template.
	want := "GOOS=linux GOARCH=arm64 " + environment + " go list -export ./functions/..."
	if len(lines) != 2 || !isSAM || !strings.HasPrefix(lines[0], want) {
		t.Errorf("make sam runs\n%s\nwant first\n%s", out, want)
	}
	for _, f := range loadTemplate(t, nil).Functions {
		if f.Architecture != "arm64" {
			t.Errorf("%s is built for %s", f.LogicalID, f.Architecture)
		}
	}
}

// Each stack of samconfig.toml is found by its name, and deployed with what was
// built for it.
func TestMakeDeploys(t *testing.T) {
	for _, file := range []string{"../Makefile", "../samconfig.toml"} {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for environment, stack := range map[string]string{"dev": "aiwm-chat-dev", "prod": "aiwm-chat"} {
		for target, want := range map[string]string{
			"deploy": "sam deploy --config-env " + environment, "delete": "sam delete --config-env " + environment, "logs": "--stack-name " + stack + " ",
		} {
			out, err := exec.CommandContext(t.Context(), "make", "-n", "-C", "..", "--no-print-directory", target, "ENV="+environment).Output()
			if err != nil {
				t.Skip("make is not installed, or does not run:", err)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("make %s ENV=%s runs\n%s\nwant %s", target, environment, out, want)
			}
		}
	}
}
