package docs_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/contract"
	"aiwm-chat/local/contract/verify"
	"aiwm-chat/local/docs"
	"aiwm-chat/local/server"
	"aiwm-chat/local/server/servertest"
)

// patience bounds waits that end early when all is well.
const patience = 90 * time.Second

func start(t *testing.T) *server.Server {
	t.Helper()
	return servertest.Start(t, server.Options{Pages: func(_ *server.Server, routes []string) map[string]http.Handler { return docs.Pages(routes) }})
}

func get(t *testing.T, method, url, encoding string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding) // or the client takes care of it itself
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// The contract is served, as this installation has it.
func TestDocumentsAreServed(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, openAPI := get(t, "GET", s.URL()+"/openapi.json", "identity")
	_, asyncAPI := get(t, "GET", s.URL()+"/asyncapi.json", "identity")
	want, err := contract.New(contract.Addresses{REST: s.URL(), WebSocket: s.WebSocketURL()})
	if err != nil || string(want.OpenAPI) != string(openAPI) || string(want.AsyncAPI) != string(asyncAPI) {
		t.Errorf("%v: what is served is not the contract at %s and %s", err, s.URL(), s.WebSocketURL())
	}
	if _, err := verify.New(openAPI, asyncAPI); err != nil {
		t.Error(err)
	}
}

// Each page comes from this server, under a policy that lets nothing else in.
func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tt := range []struct {
		path, media, part string
	}{
		{"/openapi.json", "application/json", `"openapi": "3.1.0"`},
		{"/asyncapi.json", "application/json", `"asyncapi": "3.0.0"`},
		{"/docs", "text/html; charset=utf-8", `href="/docs/rest"`},
		{"/docs/rest", "text/html; charset=utf-8", `/docs/swagger-ui/swagger-ui-bundle.js`},
		{"/docs/rest.js", "text/javascript; charset=utf-8", `/openapi.json`},
		{"/docs/style.css", "text/css; charset=utf-8", `main {`},
		{"/docs/websocket", "text/html; charset=utf-8", `<h3>message:from-user</h3>`},
		{"/docs/swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8", `SwaggerUIBundle`},
		{"/docs/swagger-ui/swagger-ui.css", "text/css; charset=utf-8", `.swagger-ui`},
		{"/docs/swagger-ui/favicon-32x32.png", "image/png", "PNG"},
	} {
		response, body := get(t, "GET", s.URL()+tt.path, "identity")
		h := response.Header
		if response.StatusCode != http.StatusOK || h.Get("Content-Type") != tt.media || !strings.Contains(string(body), tt.part) || h.Get("Content-Encoding") != "" {
			t.Errorf("GET %s: %s %s, with %q: %t", tt.path, response.Status, h.Get("Content-Type"), tt.part, strings.Contains(string(body), tt.part))
		}
		if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; script-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %v", tt.path, h)
		}
		if strings.HasPrefix(tt.media, "text/html") && (strings.Contains(string(body), "//cdn") || strings.Contains(string(body), "<script>") || strings.Contains(string(body), `src="http`)) {
			t.Errorf("%s has something from elsewhere", tt.path)
		}
		if response, _ := get(t, "POST", s.URL()+tt.path, "identity"); response.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %s", tt.path, response.Status)
		}
	}
	response, body := get(t, "GET", s.URL()+"/docs/swagger-ui/swagger-ui.css", "gzip")
	plain, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil || response.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("compressed: %v, %v", response.Header, err)
	}
	if text, err := io.ReadAll(plain); err != nil || !strings.Contains(string(text), ".swagger-ui") {
		t.Error("compressed it is another file:", err)
	}
	for _, path := range []string{"/docs/", "/docs/x", "/docs/swagger-ui/", "/docs/swagger-ui/x.js", "/docs/swagger-ui/embed.go", "/docs/swagger-ui/..%2f..%2fgo.mod", "/openapi.json/"} {
		if response, body := get(t, "GET", s.URL()+path, "identity"); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %s %.100s", path, response.Status, body)
		}
	}
	if response, _ := get(t, "GET", s.URL()+"/health", "identity"); response.StatusCode != http.StatusOK || response.Header.Get("Content-Security-Policy") != "" {
		t.Errorf("GET /health: %s", response.Status)
	}
}

// The page of the WebSocket has every action, event, code and name.
func TestWebSocketPageIsWhole(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, page := get(t, "GET", s.URL()+"/docs/websocket", "identity")
	_, text := get(t, "GET", s.URL()+"/asyncapi.json", "identity")
	var d struct {
		Components struct {
			Messages map[string]struct{ Name, Summary string }
			Schemas  map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	want := append([]string{s.WebSocketURL(), "Sec-WebSocket-Protocol", "1009"}, d.Components.Schemas["Code"].Enum...)
	for _, m := range d.Components.Messages {
		want = append(want, m.Name)
	}
	if len(want) < 50 {
		t.Errorf("only %d names", len(want))
	}
	for _, name := range want {
		if !strings.Contains(string(page), name) {
			t.Errorf("the page does not have %s", name)
		}
	}
}

// With another template there is another contract, which we do not know.
func TestAnotherTemplate(t *testing.T) {
	t.Parallel()
	if p := docs.Pages([]string{"GET /thing"}); p != nil {
		t.Errorf("there are %d pages", len(p))
	}
	if p := docs.Pages(contract.Routes()); p[docs.Path] == nil || p["/openapi.json"] == nil {
		t.Errorf("there are %d pages", len(p))
	}
}

// A browser shows the pages, and its policy stops nothing of them.
func TestBrowserShowsThePages(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("there is no Chromium, or no time for it")
	}
	s := start(t)
	for path, want := range map[string][]string{
		"/docs/rest#/Messages/sendMessage": { // opened
			"Create a conversation with an agent", "/conversations/{id}/participants/{type}/{participantId}", "Authorize",
			"Idempotency-Key", "conversation_closed", "application/problem+json",
		},
		"/docs/websocket": {"conversation:activity", "too_many_rooms"},
	} {
		profile, err := os.MkdirTemp("", "aiwm-chat-docs") // not t.TempDir: the browser's children may write to the last
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(profile) })
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
			"--user-data-dir="+profile, "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", s.URL()+path)
		var errs strings.Builder
		cmd.Stderr = &errs
		page, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, &errs)
		}
		for _, name := range want {
			if !strings.Contains(string(page), name) {
				t.Errorf("%s does not show %q\n%s", path, name, &errs)
			}
		}
		for line := range strings.Lines(errs.String()) {
			if strings.Contains(line, "CONSOLE") && (strings.Contains(line, "Content Security Policy") || strings.Contains(line, "Error")) {
				t.Errorf("%s: %s", path, line)
			}
		}
	}
}
