package e2e_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// Ctrl-C closes connections with 1001, and nothing is left running.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := runLocal(t, t.TempDir())
	user := p.connect(t, p.userToken)
	if _, err := user.Next(t.Context(), protocol.EventConnected); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
	<-user.Done()
	if code := user.CloseCode(); code != 1001 {
		t.Errorf("the connection was closed with %d", code)
	}
	if words := strings.TrimSuffix(p.stdout.String(), "\n"); !strings.HasPrefix(words[strings.LastIndexByte(words, '\n')+1:], "closing") {
		t.Errorf("the last words were %q", p.stdout.String())
	}
	for name, url := range map[string]string{"REST": p.url, "MongoDB": p.mongo, "Redis": p.redis} {
		if conn, err := net.Dial("tcp", hostPort.FindString(url)); err == nil {
			conn.Close()
			t.Errorf("%s still listens at %s", name, url)
		}
	}
}

// G1 with the very worst of endings: kill -9 while messages are being written.
func TestKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := runLocal(t, dir)
	user := p.connect(t, p.userToken)
	var c protocol.Conversation
	if err := p.rest(t, p.userToken).Do(t.Context(), http.MethodPost, "/conversations", fields{"title": "t", "agentId": "demo-agent"}, &c); err != nil {
		t.Fatal(err)
	}
	const secretWord = "rhubarb"
	var acked sync.Map
	var enough, writers sync.WaitGroup
	enough.Add(40)
	for range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				f, err := user.Request(t.Context(), "send", fields{"conversationId": c.ID, "content": secretWord})
				if err != nil {
					return // killed
				}
				if sent, err := client.Data[protocol.Sent](f); err == nil {
					acked.Store(sent.Seq, sent.MessageID)
				}
				if n < 10 {
					enough.Done()
				}
			}
		})
	}
	enough.Wait()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	writers.Wait()
	for _, secret := range []string{p.userToken, p.agentToken, secretWord} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Error("the log has a token or a message")
		}
	}
	if !strings.Contains(p.stderr.String(), "route=send") {
		t.Errorf("the log has no line per event: %s", p.stderr.String())
	}

	p = runLocal(t, dir)
	log := map[int64]chat.MessageID{}
	for more, after := true, int64(0); more; {
		var page protocol.MessagePage
		path := "/messages?limit=100&conversationId=" + string(c.ID) + "&afterSeq=" + strconv.FormatInt(after, 10)
		if err := p.rest(t, p.userToken).Do(t.Context(), http.MethodGet, path, nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Data {
			if m.Seq != after+1 {
				t.Fatalf("seq %d follows %d", m.Seq, after)
			}
			log[m.Seq], after = m.ID, m.Seq
		}
		more = page.Pagination.HasMore
	}
	acked.Range(func(seq, id any) bool {
		if log[seq.(int64)] != id {
			t.Errorf("seq %v was acknowledged as %v, the log has %q", seq, id, log[seq.(int64)])
		}
		return true
	})
}

// What `local token` prints is good for the server of the same folder.
func TestTokenCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := runLocal(t, dir)
	token, stderr, status := runToEnd(t, dir, nil, "token", "-user", "u9", "-org", "globex", "-ttl", "5m")
	if status != 0 || strings.Count(token, "\n") != 1 {
		t.Fatalf("exit status %d, stdout %q, stderr %q", status, token, stderr)
	}
	token = strings.TrimSpace(token)
	c := p.connect(t, token)
	f, err := c.Next(t.Context(), protocol.EventConnected)
	if err != nil || data[protocol.Connected](t, f).UserID != "u9" {
		t.Errorf("connected as %s, %v", f.Data, err)
	}
}

// Every fault at the start is one clear line and exit status 1.
func TestOneLineForAFault(t *testing.T) {
	t.Parallel()
	taken := shared.URL()[strings.LastIndex(shared.URL(), ":")+1:]
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"the port is taken", []string{"PORT=" + taken}, nil, "PORT chooses another port"},
		{"no port", []string{"PORT=http"}, nil, `PORT must be a number from 0 to 65535, not "http"`},
		{"no such address", nil, []string{"-bind", "192.0.2.1"}, "192.0.2.1"},
		{"no MongoDB there", []string{"MONGODB_URI=mongodb://user:hunter2@127.0.0.1:1/"}, nil, "MONGODB_URI: no database answers"},
		{"no MongoDB URI", []string{"MONGODB_URI=postgres://hunter2"}, nil, "MONGODB_URI"},
		{"no Redis there", []string{"REDIS_ADDR=127.0.0.1:1"}, nil, "REDIS_ADDR: [127.0.0.1:1] does not answer"},
		{"no Redis address", []string{"REDIS_ADDR=hunter2"}, nil, "REDIS_ADDR must be host:port"},
		{"a short secret", []string{"JWT_SECRET=hunter2"}, nil, "JWT_SECRET must be at least 32 bytes"},
		{"no probability", nil, []string{"-reorder", "2"}, "not between 0 and 1"},
		{"no number", nil, []string{"-timescale", "fast"}, "-timescale"},
		{"no time", nil, []string{"-timescale", "0"}, "-timescale must be positive"},
		{"no such flag", nil, []string{"-nonsense"}, "-nonsense"},
		{"no such form of log", nil, []string{"-log", "xml"}, "text or json"},
		{"no such command", nil, []string{"dance"}, "unknown command"},
		{"a word too many", nil, []string{"serve", "please"}, `unknown argument "please"`},
		{"nothing to kill", nil, []string{"-kill", "0.1"}, "-kill is for -exec"},
		{"two kinds of functions", nil, []string{"-exec", ".", "-lambda", "http://127.0.0.1:1"}, "exclude each other"},
		{"no such template", nil, []string{"-template", "nothing.yaml"}, "nothing.yaml"},
		{"a token for nobody", nil, []string{"token"}, "give -user or -agent"},
	} {
		stdout, stderr, status := runToEnd(t, t.TempDir(), tt.env, tt.args...)
		if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q, want one line with %q", tt.name, status, stdout, stderr, tt.want)
		}
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: the line shows a secret: %s", tt.name, stderr)
		}
	}
}

// binary builds the command once, as `go run ./local` does.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "local")
	out, err := exec.Command("go", "build", "-o", file, "aiwm-chat/local").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return file, nil
})

// A process is `go run ./local` as its user sees it.
type process struct {
	cmd                          *exec.Cmd
	stdout, stderr               *logtest.Buffer
	url, webSocket, mongo, redis string
	userToken, agentToken        string
	ended                        chan error
}

func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal("build the command:", err)
	}
	template, err := filepath.Abs(options().Template)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(template, filepath.Join(dir, "template.yaml")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	cmd := exec.Command(file, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PORT=0", "HOME=" + dir, "LIMIT_USER_MESSAGES=0"}, env...)
	return cmd
}

// runToEnd runs a command that is to end by itself.
func runToEnd(t *testing.T, dir string, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := command(t, dir, env, args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// runLocal starts a server with its data in dir and waits for its greeting.
func runLocal(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	if folder := options().Exec; folder != "" {
		absolute, err := filepath.Abs(folder)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "-exec", absolute)
	}
	return greeted(t, command(t, dir, nil, args...))
}

// greeted starts a server and waits for its greeting.
func greeted(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, stdout: &logtest.Buffer{}, stderr: &logtest.Buffer{}, ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	eventually(t, "the server greets", func() bool {
		select {
		case err := <-p.ended:
			t.Fatalf("the server ended: %v: %s", err, p.stderr.String())
		default:
		}
		return strings.Contains(p.stdout.String(), "Ctrl-C")
	})
	for label, field := range map[string]*string{
		"WebSocket": &p.webSocket, "REST": &p.url, "MongoDB": &p.mongo, "Redis": &p.redis,
		"User token": &p.userToken, "Agent token": &p.agentToken,
	} {
		found := regexp.MustCompile(`(?m)^  ` + label + ` +(\S+)`).FindStringSubmatch(p.stdout.String())
		if found == nil {
			t.Fatalf("the greeting has no %s: %s", label, p.stdout.String())
		}
		*field = found[1]
	}
	return p
}

var hostPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func (p *process) wait(t *testing.T) (status int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the server does not end:", p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) connect(t *testing.T, token string) *client.Client {
	t.Helper()
	return dial(t, p.webSocket, token)
}

func (p *process) rest(t *testing.T, token string) *client.REST {
	r := callerOf(p.url, token)
	t.Cleanup(r.Close)
	return r
}
