package e2e_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"aiwm-chat/local/aws/cloudformation"
	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/protocol"
)

// Functions that are told only where their secrets are kept work as others do,
// and take a secret that was changed there without being deployed again.
func TestSecretsAreKeptElsewhere(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"secretsmanager", "ssm"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Secrets = service
			s := start(t, o)
			all, err := s.Environment()
			if err != nil {
				t.Fatal(err)
			}
			for function, env := range all {
				for _, name := range []string{"MONGODB_URI", "JWT_SECRET"} {
					if env[name] != "" {
						t.Errorf("%s has %s in its environment", function, name)
					}
				}
			}
			user, agent := newUser(t, s).connect(), newAgent(t, s).connect()
			var c protocol.Conversation
			if err := user.rest.Do(t.Context(), http.MethodPost, "/conversations", fields{"title": "t", "agentId": agent.principal.ID}, &c); err != nil {
				t.Fatal(err)
			}
			if s.SecretReads("MONGODB_URI") == 0 || s.SecretReads("JWT_SECRET") == 0 {
				t.Error("the secrets are read from somewhere else")
			}

			const changed = "another secret of thirty-two bytes, all told"
			s.Rotate("JWT_SECRET", changed)
			token, err := auth.Mint([]byte(changed), user.principal, "", time.Hour, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			rest := callerOf(s.URL(), token)
			defer rest.Close()
			if err := rest.Do(t.Context(), http.MethodGet, "/conversations/"+string(c.ID), nil, &c); err != nil {
				t.Errorf("a token of the new secret: %v", err)
			}
			dial(t, s.WebSocketURL(), token)
		})
	}
}

// A page may connect where it may call the HTTP API, and nowhere else.
func TestOriginsOfBothAPIs(t *testing.T) {
	t.Parallel()
	const good, bad = "https://chat.example.org", "https://evil.example.org"
	byParameter, byVariable := options(), options()
	byParameter.Parameters = map[string]string{"AllowedOrigins": "https://other.example.org, " + good}
	byVariable.Getenv = set(map[string]string{"ALLOWED_ORIGINS": "https://other.example.org," + good})
	for name, o := range map[string]server.Options{"parameter": byParameter, "variable": byVariable} {
		s := start(t, o)
		user := newUser(t, s)
		for origin, allowed := range map[string]bool{good: true, bad: false, "null": false, good + ".evil.net": false} {
			header := http.Header{"Authorization": {"Bearer " + user.token}, "Origin": {origin}}
			c, resp, err := websocket.Dial(t.Context(), s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: header})
			if c != nil {
				c.CloseNow()
			}
			if allowed != (err == nil) || !allowed && (resp == nil || resp.StatusCode != http.StatusForbidden) {
				t.Errorf("%s: a page of %s connects: %v, %v", name, origin, resp, err)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL()+"/conversations", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "GET")
			preflight, err := web.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			preflight.Body.Close()
			if got := preflight.Header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed {
				t.Errorf("%s: CORS lets a page of %s: %q", name, origin, got)
			}
		}
		user.connect() // who is no browser names no origin
	}
}

// With the WebSocket side switched off clients are told so, and REST is whole.
func TestWebSocketIsSwitchedOff(t *testing.T) {
	t.Parallel()
	o := options()
	o.Parameters = map[string]string{"WebSocketEnabled": "false"}
	s := start(t, o)
	user, agent := newUser(t, s), newAgent(t, s)
	c, resp, err := websocket.Dial(t.Context(), s.WebSocketURL(), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + user.token}}})
	if c != nil {
		c.CloseNow()
	}
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("connected: %v, %v", resp, err)
	}
	var made protocol.Conversation
	if err := user.rest.Do(t.Context(), http.MethodPost, "/conversations", fields{"title": "t", "agentId": agent.principal.ID}, &made); err != nil {
		t.Fatal(err)
	}
	body := fields{"conversationId": made.ID, "content": "by REST"}
	if err := user.rest.Do(t.Context(), http.MethodPost, "/messages", body, nil); err != nil {
		t.Error(err)
	}
	var page protocol.MessagePage
	if err := agent.rest.Do(t.Context(), http.MethodGet, "/messages?conversationId="+string(made.ID), nil, &page); err != nil || len(page.Data) != 1 {
		t.Errorf("got %d messages, %v", len(page.Data), err)
	}
	if err := user.rest.Do(t.Context(), http.MethodDelete, "/conversations/"+string(made.ID), nil, nil); err != nil {
		t.Error(err)
	}
}

// The function that creates the indexes answers the deployment: that they are
// there, also when they were before; or what is wrong, also where it cannot even
// start; and it lets a stack go that never worked.
func TestIndexesAreDeployed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(scratch, "indexes")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags=lambda.norpc", "-o", filepath.Join(dir, "Indexes", "bootstrap"), "aiwm-chat/functions/indexes").CombinedOutput()
	if err != nil {
		t.Fatal(string(out))
	}
	mongo, err := mongod.Listen("127.0.0.1:0", mongod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mongo.Close()
	deploy := func(env map[string]string) error {
		e, err := lambda.NewExec(lambda.ExecOptions{Dir: dir, Output: os.Stderr, Functions: map[string]lambda.ExecFunction{"Indexes": {Env: env, Timeout: time.Minute}}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // it has answered
		return cloudformation.Create(t.Context(), e, cloudformation.Resource{LogicalID: "Indexes", Type: "Custom::Indexes", Function: "Indexes"})
	}
	for range 2 {
		if err := deploy(map[string]string{"MONGODB_URI": mongo.URI()}); err != nil {
			t.Error(err)
		}
	}
	store, err := mongostore.Open(mongo.URI(), "aiwm_chat", mongostore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // of a test
	if err := store.CheckIndexes(t.Context()); err != nil {
		t.Error(err)
	}
	err = deploy(map[string]string{"MONGODB_URI": "postgres://hunter2", "MONGODB_DB": "a/b", "MONGODB_SERVER_API": "9"})
	for _, want := range []string{"MONGODB_URI must begin", "MONGODB_DB must be", "MONGODB_SERVER_API must be"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a wrong parameter: %v, want %s", err, want)
		}
	}
	if err := deploy(map[string]string{"MONGODB_URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"}); err == nil || !strings.Contains(err.Error(), "create Indexes: ") || chat.CodeOf(err) != chat.Internal {
		t.Errorf("no database there: %v", err)
	}
}
