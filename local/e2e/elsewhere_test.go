package e2e_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"aiwm-chat/local/logline/logtest"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
)

// Functions that run elsewhere, behind the Invoke API, carry a conversation
// with no more than what Environment tells them.
func TestFunctionsElsewhere(t *testing.T) {
	binaries := os.Getenv("AIWM_EXEC")
	if binaries == "" {
		t.Skip("functions run elsewhere with AIWM_EXEC only")
	}
	t.Parallel()
	var functions lambda.Invoker
	api := httptest.NewServer(invokeAPI(func() lambda.Invoker { return functions }))
	t.Cleanup(api.Close)
	o := options()
	o.Exec, o.Lambda, o.Host = "", api.URL, "localhost"
	s := startBare(t, o)
	environment, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	exec := lambda.ExecOptions{Dir: binaries, Functions: map[string]lambda.ExecFunction{}, Output: io.Discard}
	for name, env := range environment {
		if url := env["CONNECTIONS_URL"]; url != "" && !strings.HasPrefix(url, "http://localhost:") {
			t.Errorf("%s is told that @connections is at %s", name, url)
		}
		exec.Functions[name] = lambda.ExecFunction{Env: env, Timeout: patience / 4}
	}
	running, err := lambda.NewExec(exec)
	if err != nil {
		t.Fatal(err)
	}
	functions = running
	t.Cleanup(func() {
		stop(t, s) // first: the functions still have to disconnect
		if err := running.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	twoTalk(t, s)
	summaryAfterTheTenthMessage(t, s)
}

// invokeAPI answers as sam local start-lambda does.
func invokeAPI(functions func() lambda.Invoker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		response, err := functions().Invoke(r.Context(), r.PathValue("name"), event)
		if failed, ok := errors.AsType[*lambda.FunctionError](err); ok {
			w.Header().Set("x-amz-function-error", "Unhandled")
			response = failed.Payload
		} else if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(response)
	})
	return mux
}

// Where no function answers, clients get what API Gateway says of a broken
// integration, and the log says which URL is silent.
func TestNothingAnswersElsewhere(t *testing.T) {
	var log logtest.Buffer
	o := options()
	o.Exec, o.Lambda = "", "http://127.0.0.1:1"
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := start(t, o)
	user := newUser(t, s)
	_, err := reach(t.Context(), s.WebSocketURL(), user.token)
	if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != http.StatusInternalServerError {
		t.Errorf("the handshake got %v", err)
	}
	err = user.try(http.MethodGet, "/conversations", nil, nil)
	if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Message != "API Gateway: Internal Server Error" {
		t.Errorf("REST got %v", err)
	}
	for _, want := range []string{"AuthorizeFunction", "ConversationsFunction", "127.0.0.1:1", "connection refused"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not name %s", want)
		}
	}
	if strings.Contains(log.String(), user.token) {
		t.Error("the log has a token")
	}
}

// A wrong URL or folder is refused at the start.
func TestFunctionsNowhere(t *testing.T) {
	for _, tt := range []struct {
		set  func(*server.Options)
		want string
	}{
		{func(o *server.Options) { o.Lambda = "127.0.0.1:3001" }, "is not a http:// or https:// URL"},
		{func(o *server.Options) { o.Exec = t.TempDir() }, "make build"},
	} {
		o := options()
		o.Exec = ""
		tt.set(&o)
		if _, err := server.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line with %q", err, tt.want)
		}
	}
}
