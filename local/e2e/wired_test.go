package e2e_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"testing"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/proxy"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// set is the environment of the other tests with some variables set.
func set(variables map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := variables[name]; ok {
			return value
		}
		return fromEnvironment(name)
	}
}

// crowd are the options of a server with many clients: looking for goroutines
// that an invocation has left takes longer than the invocation there. A process
// for each of their frames is more than a small machine has, and so is a second test
// that waits for answers meanwhile: tests with a crowd are not parallel.
func crowd(t *testing.T) server.Options {
	t.Helper()
	if os.Getenv("AIWM_EXEC") != "" {
		t.Skip("a crowd, which runs in one process")
	}
	o := options()
	o.Strict = false
	return o
}

// A verdict is what becomes of a post on its way to the emulator.
type verdict int

const (
	pass     verdict = iota
	throttle         // 429
	hang             // no answer, as long as the caller waits
)

// posts stand between the functions and @connections: they count, and do what a
// test wants of a post.
type posts struct {
	forward http.Handler

	mu     sync.Mutex
	frames []post
	decide func(p post) verdict
}

// A post is a frame for a connection.
type post struct{ connection, frame string }

func (p post) is(event string) bool { return strings.HasPrefix(p.frame, `{"event":"`+event+`"`) }

func (s *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, id, _ := strings.Cut(r.URL.Path, "/@connections/")
	p := post{id, string(body)}
	s.mu.Lock()
	v := pass
	if r.Method == http.MethodPost {
		s.frames = append(s.frames, p)
		if s.decide != nil {
			v = s.decide(p)
		}
	}
	s.mu.Unlock()
	switch v {
	case throttle:
		w.Header().Set("X-Amzn-Errortype", "LimitExceededException")
		w.WriteHeader(http.StatusTooManyRequests)
	case hang:
		<-r.Context().Done()
	default:
		s.forward.ServeHTTP(w, r)
	}
}

// rule says from now on what becomes of posts.
func (s *posts) rule(decide func(p post) verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide = decide
}

// take returns the posts since it was called last.
func (s *posts) take() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.frames
	s.frames = nil
	return taken
}

// startWired starts a server whose functions post through a posts. They run
// behind the Invoke API, with what Environment tells them but for that.
func startWired(t *testing.T, o server.Options) (*server.Server, *posts) {
	t.Helper()
	var functions lambda.Invoker
	ready := make(chan struct{})
	api := httptest.NewServer(invokeAPI(func() lambda.Invoker { <-ready; return functions }))
	t.Cleanup(api.Close)
	o.Exec, o.Lambda = "", api.URL
	s := startBare(t, o)
	target, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	t.Cleanup(transport.CloseIdleConnections)
	between := &posts{forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, ErrorHandler: unanswered,
	}}
	proxy := httptest.NewServer(between)
	t.Cleanup(proxy.Close)
	environment, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range environment {
		if env["CONNECTIONS_URL"] != "" {
			env["CONNECTIONS_URL"] = strings.Replace(s.ConnectionsURL(), s.URL(), proxy.URL, 1)
		}
	}
	functions, end := invoker(t, environment)
	close(ready)
	t.Cleanup(func() {
		between.rule(nil)
		stop(t, s) // first: the functions still have to disconnect
		end()
	})
	return s, between
}

func unanswered(w http.ResponseWriter, _ *http.Request, _ error) {
	w.WriteHeader(http.StatusBadGateway)
}

// invoker runs the functions with an environment: the binaries of AIWM_EXEC, or
// in this process.
func invoker(t *testing.T, environment map[string]map[string]string) (_ lambda.Invoker, end func()) {
	t.Helper()
	if dir := os.Getenv("AIWM_EXEC"); dir != "" {
		o := lambda.ExecOptions{Dir: dir, Functions: map[string]lambda.ExecFunction{}, Output: io.Discard}
		for name, env := range environment {
			o.Functions[name] = lambda.ExecFunction{Env: env, Timeout: patience / 4}
		}
		running, err := lambda.NewExec(o)
		if err != nil {
			t.Fatal(err)
		}
		return running, func() { _ = running.Close(context.WithoutCancel(t.Context())) }
	}
	parsed, err := template.Load("../../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	known, all := server.Functions(), map[string]string{}
	var needs []config.Part
	for _, f := range parsed.Functions {
		maps.Copy(all, environment[f.LogicalID])
		needs = append(needs, known[path.Base(f.CodeURI)].Needs...)
	}
	cfg, err := config.Load(func(name string) string { return all[name] }, needs...)
	if err != nil {
		t.Fatal(err)
	}
	process, table := wire.NewProcess(cfg), map[string]lambda.Function{}
	for _, f := range parsed.Functions {
		handler, err := known[path.Base(f.CodeURI)].Handler(process)
		if err != nil {
			t.Fatal(err)
		}
		table[f.LogicalID] = lambda.Function{Handler: handler, Timeout: f.Timeout}
	}
	running, err := lambda.NewInProcess(table, lambda.InProcessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return running, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = running.Close(ctx)
		_ = mongostore.In(process).Close(ctx)
		_ = presence.In(process).Close()
	}
}

// A counter notes the commands that go to a database.
type counter struct {
	addr string

	mu       sync.Mutex
	commands []string
}

// count starts a counter before a database.
func count(t *testing.T, target string, p proxy.Protocol) *counter {
	t.Helper()
	c := &counter{}
	gate, err := proxy.NewGate(target, p, func(command proxy.Command) proxy.Verdict {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.commands = append(c.commands, command.Name)
		return proxy.Verdict{}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gate.Close() })
	c.addr = gate.Addr()
	return c
}

func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.commands
	c.commands = nil
	return taken
}

// startCounted starts a server with the limits that are the default, and counters
// before its databases, which are those of base: what a test asks there itself is
// not counted.
func startCounted(t *testing.T, timeScale float64) (s, base *server.Server, mongo, redis *counter) {
	t.Helper()
	if os.Getenv("MONGODB_URI") != "" || os.Getenv("REDIS_ADDR") != "" {
		t.Skip("the databases are counted on single embedded servers")
	}
	base = start(t, crowd(t))
	uri, err := url.Parse(base.MongoURI())
	if err != nil {
		t.Fatal(err)
	}
	mongo, redis = count(t, uri.Host, proxy.MongoDB), count(t, base.RedisAddr(), proxy.Redis)
	uri.Host = mongo.addr
	databases := set(map[string]string{"MONGODB_URI": uri.String(), "REDIS_ADDR": redis.addr})
	o := options()
	o.TimeScale = timeScale
	o.Getenv = func(name string) string {
		if strings.HasPrefix(name, "LIMIT_") {
			return ""
		}
		return databases(name)
	}
	return start(t, o), base, mongo, redis
}
