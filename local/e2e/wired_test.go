package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	little "encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
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
// for each of their frames is more than a small machine has.
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
	s, err := startBare(t, o)
	if err != nil {
		t.Fatal(err)
	}
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

// A counter is a TCP proxy that notes the commands that go to a database.
type counter struct {
	addr string

	mu       sync.Mutex
	commands []string
}

// count starts a counter before a database; read parses its protocol.
func count(t *testing.T, target string, read func(*bufio.Reader) (command string, err error)) *counter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{addr: listener.Addr().String()}
	var connections sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); connections.Wait() })
	connections.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			seen, tee := io.Pipe()
			connections.Go(func() { c.note(bufio.NewReader(seen), read); _, _ = io.Copy(io.Discard, seen) })
			connections.Go(func() { _, _ = io.Copy(from, to); _ = from.Close(); _ = to.Close() })
			connections.Go(func() { _, _ = io.Copy(io.MultiWriter(tee, to), from); _ = tee.Close(); _ = to.Close() })
		}
	})
	return c
}

func (c *counter) note(r *bufio.Reader, read func(*bufio.Reader) (string, error)) {
	for {
		command, err := read(r)
		if err != nil {
			return
		}
		if command != "" {
			c.mu.Lock()
			c.commands = append(c.commands, command)
			c.mu.Unlock()
		}
	}
}

func (c *counter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.commands
	c.commands = nil
	return taken
}

// readRedis reads one command: an array of bulk strings.
func readRedis(r *bufio.Reader) (string, error) {
	number := func(prefix string) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, prefix)))
	}
	n, err := number("*")
	if err != nil {
		return "", err
	}
	var words []string
	for range n {
		size, err := number("$")
		if err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return "", err
		}
		words = append(words, string(word[:size]))
	}
	command := strings.ToLower(words[0])
	if command == "eval" {
		return command + " " + words[3], nil
	}
	if command == "hello" || command == "client" || command == "info" || command == "cluster" {
		return "", nil // of the connection
	}
	return command + " " + strings.Join(words[1:min(len(words), 2)], " "), nil
}

// readMongo reads one command of OP_MSG; "" for what the driver asks for itself.
func readMongo(r *bufio.Reader) (string, error) {
	var header [16]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return "", err
	}
	body := make([]byte, little.LittleEndian.Uint32(header[:])-16)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	if opcode := little.LittleEndian.Uint32(header[12:]); opcode != 2013 {
		return "", nil // the first hello
	}
	elements, err := bson.Raw(body[5:]).Elements()
	if len(elements) == 0 {
		return "", fmt.Errorf("a message without a command: %w", err)
	}
	switch name := elements[0].Key(); name {
	case "hello", "isMaster", "ismaster", "ping", "endSessions", "buildInfo", "killCursors":
		return "", nil
	default:
		return name + " " + elements[0].Value().StringValue(), nil
	}
}
