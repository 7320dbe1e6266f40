package serve

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/server"
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
	o := server.Options{Template: template, Addr: "127.0.0.1:0", Lambda: "http://127.0.0.1:1", Logger: slog.New(slog.DiscardHandler),
		Secret: []byte("a secret of thirty-two bytes, all told")}
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
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
		for _, want := range []string{want, "WebSocket     none in " + template, "REST          " + s.URL() + "\n", "@connections  none\n"} {
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
