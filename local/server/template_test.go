package server_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/coder/websocket"

	"aiwm-chat/local/server"
)

// patience bounds waits that end early when all is well.
const patience = 60 * time.Second

// Templates of other people. Their functions run elsewhere: at invokeAPI.
const (
	function = `
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: mine/
      Timeout: 20
`
	restOnly = "Resources:" + function + `      Environment:
        Variables:
          REST: !Sub https://${ServerlessHttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}
      Events: {Thing: {Type: HttpApi, Properties: {Method: POST, Path: /thing}}}
`
	socketOnly = "Resources:" + function + `      Environment:
        Variables:
          PUSH: !Sub https://${Socket}.execute-api.${AWS::Region}.${AWS::URLSuffix}/live
          PAGE: !Sub "${Socket.ApiEndpoint}/live"
          SELF: !GetAtt F.Arn
  Socket:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      RouteSelectionExpression: $request.body.action
      DefaultRouteSettings: {ThrottlingRateLimit: 5}
      Routes: {$connect: {FunctionArn: !GetAtt F.Arn}}
`
	both = socketOnly + `  G:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: other/
      Events:
        A: {Type: HttpApi, Properties: {Method: GET, Path: /ws}}
        B: {Type: HttpApi, Properties: {Method: GET, Path: "/{name}"}}
        C: {Type: HttpApi, Properties: {Method: POST, Path: "/@connections/{id}"}}
        D: {Type: HttpApi, Properties: {Method: GET, Path: /elsewhere}}
`
)

// startTemplate starts a server with a template and functions that answer 200
// with their name.
func startTemplate(t *testing.T, text string, o server.Options) *server.Server {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"statusCode":200,"body":"`+strings.Split(r.URL.Path, "/")[3]+`"}`)
	}))
	t.Cleanup(api.Close)
	o.Template, o.Addr, o.Lambda = writeTemplate(t, text), "127.0.0.1:0", api.URL
	return start(t, o)
}

func writeTemplate(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func start(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func do(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTemplateWithoutWebSocketAPI(t *testing.T) {
	t.Parallel()
	s := startTemplate(t, restOnly, server.Options{})
	if status, body := do(t, "POST", s.URL()+"/thing"); status != 200 || body != "F" {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := do(t, "POST", s.URL()+"/@connections/abc"); status != 404 || body != `{"message":"Not Found"}` {
		t.Errorf("@connections gives %d %s", status, body)
	}
	if s.WebSocketURL() != "" || !s.HasHTTPAPI() || s.Connections() != 0 {
		t.Errorf("WebSocket is at %q with %d connections, HTTP API: %t", s.WebSocketURL(), s.Connections(), s.HasHTTPAPI())
	}
	all, err := s.Environment()
	if err != nil || all["F"]["REST"] != s.URL() {
		t.Errorf("the function is told %v, %v", all, err)
	}
	if _, ok := all["F"]["CONNECTIONS_URL"]; ok {
		t.Error("there are no connections")
	}
}

// The addresses of the APIs reach a function in whatever variable it wants
// them.
func TestTemplateWithoutHTTPAPI(t *testing.T) {
	t.Parallel()
	s := startTemplate(t, socketOnly, server.Options{})
	c, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if status, body := do(t, "GET", s.URL()+"/thing"); status != 404 || body != `{"message":"Not Found"}` {
		t.Errorf("got %d %s", status, body)
	}
	all, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	env := all["F"]
	if env["PUSH"] != s.ConnectionsURL() || env["PAGE"] != strings.Replace(s.URL(), "http", "ws", 1)+"/live" ||
		env["SELF"] != "arn:aws:lambda:us-east-1:123456789012:function:F" || env["AWS_SESSION_TOKEN"] == "" {
		t.Errorf("the function is told %v", env)
	}
}

// What a template has and the server does not is said at the start; so is
// where the paths of the two APIs meet, which on AWS have hosts of their own.
func TestTemplateIsNamedWhereItDiffers(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	s := startTemplate(t, both, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, want := range []string{
		"Socket: line 17: ThrottlingRateLimit is not emulated",
		"the HTTP route GET /ws shares /ws with the WebSocket API",
		"the HTTP route GET /{name} does not get /live",
		"the HTTP route POST /@connections/{id} is never reached",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(log.String(), "/elsewhere") {
		t.Error("a route that meets nothing is named")
	}
	if status, body := do(t, "GET", s.URL()+"/ws"); status != 200 || body != "G" {
		t.Errorf("GET /ws gives %d %s", status, body)
	}
	if status, _ := do(t, "GET", s.URL()+"/live"); status != 426 {
		t.Errorf("GET /live gives %d", status)
	}
	c, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

// A page is where the template has nothing. What it has goes before, and that is
// said at the start.
func TestPagesGiveWay(t *testing.T) {
	t.Parallel()
	page := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	var log logtest.Buffer
	var told []string
	pages := func(_ *server.Server, routes []string) map[string]http.Handler {
		told = routes
		return map[string]http.Handler{"/ws": page("ws"), "/live": page("live"), "/elsewhere": page("elsewhere"), "/a/page": page("a page"), "/a/tree/": page("a tree"), "PUT /a/page": page("put")}
	}
	s := startTemplate(t, both, server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Pages: pages})
	if !slices.Contains(told, "GET /elsewhere") || len(told) != 4 {
		t.Errorf("the pages were told of the routes %q", told)
	}
	for _, want := range []string{
		"/ws is not shown: the WebSocket API is there", "/live is not shown: the WebSocket API is there", "/elsewhere is not shown: the HTTP route GET /elsewhere is there",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(log.String(), "/a/page") || s.Shows("/elsewhere") || !s.Shows("/a/page") {
		t.Error("pages that are shown are mixed up with those that are not")
	}
	for path, want := range map[string]string{
		"GET /elsewhere": "G", "GET /a/page": "a page", "GET /a/tree/leaf": "a tree", "GET /b": "G",
		"GET /a/page/": `{"message":"Not Found"}`, "POST /a/page": `{"message":"Not Found"}`, "PUT /a/page": "put", "GET /a/tree": `{"message":"Not Found"}`,
	} {
		method, path, _ := strings.Cut(path, " ")
		if _, body := do(t, method, s.URL()+path); body != want {
			t.Errorf("%s %s gives %s, want %s", method, path, body, want)
		}
	}
	all := startTemplate(t, strings.Replace(restOnly, "Method: POST, Path: /thing", "Method: ANY, Path: '/{proxy+}'", 1), server.Options{Pages: pages})
	if _, body := do(t, "GET", all.URL()+"/a/page"); body != "F" || all.Shows("/a/page") {
		t.Errorf("a page is before a route that takes everything: %s", body)
	}
	bare := startTemplate(t, socketOnly, server.Options{Pages: pages})
	if _, body := do(t, "GET", bare.URL()+"/a/page"); body != "a page" {
		t.Errorf("without an HTTP API: %s", body)
	}
	const counted = "aiwm_chat_open_connections 0"
	for name, c := range map[string]struct {
		url   string
		shown bool
	}{"no HTTP API": {bare.URL(), true}, "GET /{name}": {s.URL(), false}, "ANY /{proxy+}": {all.URL(), false}} {
		if _, body := do(t, "GET", c.url+"/metrics"); strings.Contains(body, counted) != c.shown {
			t.Errorf("with %s: /metrics is %s", name, body)
		}
	}
}

func TestTemplatesThatDoNotRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"functions of others":    {socketOnly, "F: mine/ is not wired in this process: run its binary with -exec"},
		"two APIs of a kind":     {socketOnly + strings.Replace(socketOnly[strings.Index(socketOnly, "  Socket:"):], "Socket:", "Other:", 1), "room for one WebSocketApi"},
		"traffic not emulated":   {restOnly + "  R: {Type: 'AWS::Events::Rule'}\n", "R: line 11: AWS::Events::Rule is not emulated"},
		"a property misspelt":    {strings.Replace(restOnly, "Timeout", "Timeuot", 1), "F: line 6: Timeuot is no property of a function; is Timeout meant?"},
		"a variable of Lambda's": {strings.Replace(restOnly, "REST:", "AWS_REGION:", 1), "F: line 9: the variable AWS_REGION is Lambda's own"},
	} {
		o := server.Options{Template: writeTemplate(t, tt.text), Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
		s, err := server.Start(t.Context(), o)
		if err == nil {
			stop(t, s)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// A body that does not come is not waited for.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := startTemplate(t, restOnly, server.Options{ReadTimeout: 200 * time.Millisecond})
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "POST /thing HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %s", resp.Status)
	}
}

// What takes its time is the function's business: neither a handshake nor a
// request is cut off because its function is slow.
func TestSlowFunction(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(3 * timeout)
		_, _ = io.WriteString(w, `{"statusCode":200,"body":"late"}`)
	}))
	t.Cleanup(api.Close)
	s := start(t, server.Options{Template: writeTemplate(t, both), Addr: "127.0.0.1:0", Lambda: api.URL, ReadTimeout: timeout})
	c, _, err := websocket.Dial(t.Context(), s.WebSocketURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if status, body := do(t, "GET", s.URL()+"/elsewhere"); status != 200 || body != "late" {
		t.Errorf("got %d %s", status, body)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, reply, err := c.Read(t.Context()); err != nil || !strings.Contains(string(reply), "Forbidden") {
		t.Errorf("the connection says %s, %v", reply, err)
	}
}

// @connections lets in who signs with the keys that functions are given.
func TestConnectionsChecksSignatures(t *testing.T) {
	t.Parallel()
	err := server.With(t.Context(), server.Options{Template: "../../template.yaml", Logger: slog.New(slog.DiscardHandler)}, func(s *server.Server) error {
		all, err := s.Environment()
		if err != nil {
			return err
		}
		env := all["ConnectFunction"]
		given := aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"], SessionToken: env["AWS_SESSION_TOKEN"]}
		forged := given
		forged.SecretAccessKey = "another"
		for credentials, want := range map[aws.Credentials]int{given: http.StatusGone, forged: http.StatusForbidden} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", s.ConnectionsURL()+"/@connections/PJqB0fHsqRcCHlw%3D", strings.NewReader("x"))
			if err != nil {
				return err
			}
			hash := sha256.Sum256([]byte("x"))
			if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(hash[:]), "execute-api", "us-east-1", time.Now()); err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("secret %q gives %s, want %d", credentials.SecretAccessKey, resp.Status, want)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
