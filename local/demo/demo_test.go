package demo_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"aiwm-chat/local/demo"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
	"aiwm-chat/shared/chat"
)

var update = flag.Bool("update", false, "write the golden file")

const golden = "testdata/demo.golden"

// The whole local server is under the demo, in memory. CI compares what
// `go run ./local demo` prints with the same golden file.
func TestDemoPrintsTheSameEveryTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := servertest.Start(t, server.Options{Model: demo.Model})
	target := demo.Target{WebSocketURL: s.WebSocketURL(), HTTPURL: s.URL(), UserID: "demo-user", AgentID: "demo-agent", Provider: server.ScriptedProvider, ToolServer: server.ShopServer}
	target.UserToken = token(t, s, chat.User, target.UserID)
	target.AgentToken = token(t, s, chat.Agent, target.AgentID)
	target.AdminToken = token(t, s, chat.User, "demo-admin", chat.RoleAdmin)
	var out bytes.Buffer
	if err := demo.Run(ctx, target, &out); err != nil {
		t.Fatalf("%v, after\n%s", err, &out)
	}
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func token(t *testing.T, s *server.Server, kind chat.PrincipalType, id chat.PrincipalID, roles ...string) string {
	t.Helper()
	text, err := s.TokenWith(chat.Principal{Type: kind, ID: id, OrgID: chat.DefaultOrg}, time.Hour, roles...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
