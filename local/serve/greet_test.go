package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
)

// The greeting says what there is, what there is not, and how many functions
// run at the same time.
func TestGreeting(t *testing.T) {
	t.Parallel()
	template := filepath.Join(t.TempDir(), "template.yaml")
	const text = "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f/\n      Events: {A: {Type: HttpApi}}\n"
	if err := os.WriteFile(template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := server.Options{Template: template, Lambda: "http://127.0.0.1:1"}
	s := servertest.Start(t, o)
	o.Lambda, o.Exec = "", ".build"
	for concurrency, want := range map[int]string{
		0: fmt.Sprintf("from .build, %d at the same time; others wait (-concurrency)", lambda.DefaultProcesses()),
		3: "from .build, 3 at the same time; more are throttled",
	} {
		o.Concurrency = concurrency
		var out strings.Builder
		if err := greet(&out, s, o, func(string) string { return "" }); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{want, "WebSocket     none in " + template, "REST          " + s.URL() + "\n", "@connections  none\n", "Model         " + s.ModelURL() + " (scripted)\n"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, &out)
			}
		}
	}
	var out strings.Builder
	getenv := func(name string) string { return map[string]string{"JWT_ISSUER": "https://issuer.example"}[name] }
	if err := greet(&out, s, o, getenv); err != nil || strings.Contains(out.String(), "User token") || !strings.Contains(out.String(), "as JWT_ISSUER says") {
		t.Errorf("with an issuer: %v\n%s", err, &out)
	}
}
