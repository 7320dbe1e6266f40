package e2e_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"aiwm-chat/local/logline/logtest"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Clients that share no code with the server, nor with its other client.

func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, args := findNode(t, "testdata/chat.mjs")
	user, agent := newUser(t, shared), newAgent(t, shared).connect()
	id := user.open(agent)
	agent.join(id)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append(args, shared.WebSocketURL(), user.token, string(id), "hello from Node")...)
	var out, errs logtest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if m := data[protocol.Message](t, agent.expect(protocol.EventMessageNew)); m.Content != "hello from Node" || m.ParticipantType != chat.User {
		t.Errorf("the agent got %+v", m)
	}
	agent.say(id, "hello, Node")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	for _, want := range []string{"agent: hello, Node\n", "closed with 1000, subprotocol bearer\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}

// findNode returns a Node that has a WebSocket, and how to run a script with it.
func findNode(t *testing.T, script string) (node string, args []string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	args = []string{script}
	has := func(flag ...string) bool {
		out, err := exec.CommandContext(t.Context(), node, append(flag, "-p", "typeof WebSocket")...).Output()
		return err == nil && strings.TrimSpace(string(out)) == "function"
	}
	if !has() {
		if !has("--experimental-websocket") {
			t.Skip("this node has no WebSocket")
		}
		args = []string{"--experimental-websocket", "--no-warnings", script}
	}
	return node, args
}

// An agent that streams, in forty lines that share nothing with us.
func TestNodeAgentStreams(t *testing.T) {
	t.Parallel()
	node, args := findNode(t, "testdata/stream.mjs")
	user, agent := newUser(t, shared).connect(), newAgent(t, shared)
	id := user.open(agent)
	user.join(id)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append(args, shared.WebSocketURL(), agent.token, string(id))...)
	var out, errs logtest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	user.expect(protocol.EventUserJoined)
	question := user.say(id, "How is the sea?")
	shown := newScreen(user)
	final := shown.ended(id, "answer-"+string(question.MessageID))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	const want = "The sea is quiet today , and the waves 🌊 come slowly ."
	if final.Content != want || final.ParentID != question.MessageID || final.Status != chat.StatusSent || !strings.Contains(out.String(), "sent as seq 2\n") {
		t.Errorf("got %+v, and %q", final, out.String())
	}
	if n := shown.pieces; n < 2 {
		t.Errorf("it came in %d pieces", n)
	}
}

// A page of another origin: the subprotocol is selected, as browsers insist,
// and CORS lets every method and the token through.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := findBrowser()
	if browser == "" {
		t.Skip("there is no Chromium")
	}
	page, err := os.ReadFile("testdata/browser.html")
	if err != nil {
		t.Fatal(err)
	}
	// The page as it is, and what it has written when it is done.
	report := `<script>document.addEventListener("done", () => fetch("/outcome", {method: "POST", body: document.querySelector("#log").textContent}))</script>`
	outcome := make(chan string, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, strings.Replace(string(page), "<pre", report+"<pre", 1))
		case "/outcome":
			text, _ := io.ReadAll(r.Body)
			outcome <- string(text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(origin.Close)

	profile, err := os.MkdirTemp(scratch, "browser") // not t.TempDir: the browser's children may write to the last
	if err != nil {
		t.Fatal(err)
	}
	user, agent := newUser(t, shared), newAgent(t, shared).connect()
	query := url.Values{"ws": {shared.WebSocketURL()}, "rest": {shared.URL()}, "token": {user.token}, "agent": {string(agent.principal.ID)}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+profile, "--remote-debugging-port=0", origin.URL+"/?"+query.Encode())
	var errs logtest.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	f, err := agent.Next(ctx, protocol.EventMessageFromUser)
	if err != nil {
		t.Fatalf("the browser says nothing: %v: %s", err, errs.String())
	}
	agent.say(data[protocol.Message](t, f).ConversationID, "hello, browser")
	select {
	case got := <-outcome:
		want := strings.Join([]string{
			"agent: hello, browser", "subprotocol: bearer",
			"log: hello from a browser, hello, browser", "deleted: 404 not_found", "",
		}, "\n")
		if got != want {
			t.Errorf("the page shows\n%s\nwant\n%s", got, want)
		}
	case <-ctx.Done():
		t.Fatal("the page never ends:", errs.String())
	}
}

func findBrowser() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	return ""
}
