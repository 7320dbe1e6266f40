package e2e_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/proxy"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/wire"
)

// A mortal is a function that can be killed between any two of its steps: what it
// asks of MongoDB and Redis, and what it posts and enqueues. With AIWM_EXEC it is
// a process that is killed with SIGKILL; without, it runs here and is cut off:
// from that step on nothing that it does arrives anywhere, nor does its answer.
type mortal struct {
	t        *testing.T
	name     string // the logical id
	function template.Function
	env      map[string]string // of a function that is not mortal

	birth sync.Mutex // held while a life begins, which may be a step
	mu    sync.Mutex
	life  *life // the present one; nil: the next invocation begins one
	death *death
	seen  map[string]int // since arm
	steps []string       // the same, in their order
	begun int            // invocations since arm
	busy  int            // invocations that are running
	ends  []func()
}

// A death is where a mortal is to die.
type death struct {
	step string // the name of the step and how often it came before: "insert messages 0"
	late bool   // the step is done, and its answer does not come; else it is not begun
	met  chan struct{}
}

// A life is one instance of the function, and the gates that it goes through.
type life struct {
	mortal  *mortal
	invoker lambda.Invoker
	dying   atomic.Bool
	dead    chan struct{}
	once    sync.Once
}

// arm has the function die at d; nil: it is only watched.
func (m *mortal) arm(d *death) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.death, m.seen, m.steps, m.begun = d, map[string]int{}, nil, 0
	if d != nil {
		d.met = make(chan struct{})
	}
}

// taken returns the steps since arm, and looks no more.
func (m *mortal) taken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.death, m.seen = nil, nil
	return m.steps
}

// restart has the next invocation begin a new life.
func (m *mortal) restart() {
	m.mu.Lock()
	l := m.life
	m.mu.Unlock()
	if l != nil {
		l.die()
	}
}

// ended waits until what was invoked since arm has ended.
func (m *mortal) ended() {
	m.t.Helper()
	eventually(m.t, m.name+" has been invoked, and has ended", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.begun > 0 && m.busy == 0
	})
}

// Invoke implements lambda.Invoker for the one function.
func (m *mortal) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	l := m.alive()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.busy--
	}()
	type result struct {
		response []byte
		err      error
	}
	done := make(chan result, 1)
	go func() {
		response, err := l.invoker.Invoke(ctx, function, event)
		done <- result{response, err}
	}()
	select {
	case r := <-done:
		if !l.dying.Load() {
			return r.response, r.err
		}
		<-l.dead
		return r.response, r.err
	case <-l.dead:
		return nil, &lambda.FunctionError{Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"exit status: signal: killed"}`)}
	}
}

// alive returns the present life, or begins one, for one more invocation.
func (m *mortal) alive() *life {
	m.birth.Lock()
	defer m.birth.Unlock()
	m.mu.Lock()
	l := m.life
	m.busy++
	m.begun++
	m.mu.Unlock()
	if l == nil {
		l = m.newLife()
		m.mu.Lock()
		m.life = l
		m.mu.Unlock()
	}
	return l
}

// meet is called at every step, and returns whether the life may take it; and if
// so, whether it dies when it is done.
func (l *life) meet(step string) (may, last bool) {
	m := l.mortal
	m.mu.Lock()
	select {
	case <-l.dead:
		m.mu.Unlock()
		return false, false
	default:
	}
	step = kindOf(step)
	if m.seen == nil {
		m.mu.Unlock()
		return true, false
	}
	step, m.seen[step] = step+" "+strconv.Itoa(m.seen[step]), m.seen[step]+1
	m.steps = append(m.steps, step)
	d := m.death
	if d == nil || d.step != step {
		m.mu.Unlock()
		return true, false
	}
	m.mu.Unlock()
	if d.late {
		return true, true
	}
	l.die()
	return false, false
}

// die kills, and says so when it is done.
func (l *life) die() {
	l.once.Do(func() {
		l.dying.Store(true)
		m := l.mortal
		if running, ok := l.invoker.(*lambda.Exec); ok {
			running.Kill(m.name)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		close(l.dead)
		m.life = nil
		if m.death != nil {
			close(m.death.met)
			m.death = nil
		}
	})
}

func (l *life) judge(c proxy.Command) proxy.Verdict {
	switch may, last := l.meet(c.Name); {
	case !may:
		return proxy.Verdict{Fate: proxy.Drop}
	case last:
		return proxy.Verdict{Fate: proxy.Lose, Answered: l.die}
	}
	return proxy.Verdict{}
}

// through is what the life posts and enqueues on its way to target.
func (l *life) through(t *testing.T, target string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	// A connection that was opened in vain and has carried nothing would hold up
	// the end of the server for five seconds.
	transport := &http.Transport{DisableKeepAlives: true}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
			if r.Out.Host = to.Host; r.In.Header.Get("X-Amz-Content-Sha256") != "" {
				r.Out.Host = r.In.Host // S3's, which has signed it
			}
		},
		Transport: transport, ErrorHandler: unanswered,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		step := "enqueue"
		switch {
		case strings.Contains(r.URL.Path, "/@connections/"):
			step = strings.ToLower(r.Method) + " @connections"
		case r.Header.Get("X-Amz-Content-Sha256") != "":
			step = strings.ToLower(r.Method) + " object"
		case r.Header.Get("Mcp-Method") != "":
			step = r.Header.Get("Mcp-Method")
		case r.Header.Get("Mcp-Protocol-Version") != "":
			step = "a request to a server of tools"
		}
		may, last := l.meet(step)
		if !may {
			panic(http.ErrAbortHandler)
		}
		if !last {
			forward.ServeHTTP(w, r)
			return
		}
		forward.ServeHTTP(httptest.NewRecorder(), r)
		l.die()
		panic(http.ErrAbortHandler)
	}))
	s.Config.ErrorLog = nil
	l.mortal.finally(s.Close)
	return s.URL + to.Path
}

// newLife begins an instance behind gates of its own. The caller holds m.birth.
func (m *mortal) newLife() *life {
	l := &life{mortal: m, dead: make(chan struct{})}
	env := map[string]string{}
	for name, value := range m.env {
		switch name {
		case "MONGODB_URI", "REDIS_ADDR":
			kind, host := proxy.Redis, value
			if name == "MONGODB_URI" {
				uri, err := url.Parse(value)
				if err != nil {
					m.t.Error(err)
				}
				kind, host = proxy.MongoDB, uri.Host
			}
			gate, err := proxy.NewGate(host, kind, l.judge)
			if err != nil {
				m.t.Error(err)
				break
			}
			m.finally(func() { _ = gate.Close() })
			value = strings.Replace(value, host, gate.Addr(), 1)
		case "CONNECTIONS_URL", "WELCOME_QUEUE_URL", "SUMMARY_QUEUE_URL", "STREAM_QUEUE_URL", "RUN_QUEUE_URL", "AWS_ENDPOINT_URL_S3":
			value = l.through(m.t, value)
		case "TOOL_SERVERS":
			value = toolsURL.ReplaceAllStringFunc(value, func(url string) string { return l.through(m.t, url) })
		}
		env[name] = value
	}
	running, end, err := m.run(env)
	if err != nil {
		m.t.Error(err)
	}
	l.invoker = running
	m.finally(func() {
		limit := patience
		if l.dying.Load() {
			limit = quiet // nothing that it does arrives anywhere, and what it waits for never comes
		}
		end(limit)
	})
	return l
}

// run is one instance: a process at most, as long as one invocation waits for
// another to end.
func (m *mortal) run(env map[string]string) (_ lambda.Invoker, end func(time.Duration), err error) {
	if dir := os.Getenv("AIWM_EXEC"); dir != "" {
		running, err := lambda.NewExec(lambda.ExecOptions{
			Dir: dir, Functions: map[string]lambda.ExecFunction{m.name: {Env: env, Timeout: m.function.Timeout}}, Output: io.Discard,
		})
		return running, func(time.Duration) { _ = running.Close(context.Background()) }, err
	}
	function := server.Functions()[path.Base(m.function.CodeURI)]
	cfg, err := config.Load(func(name string) string { return env[name] }, function.Needs...)
	if err != nil {
		return nil, nil, err
	}
	process := wire.NewProcess(cfg)
	handler, err := function.Handler(process)
	if err != nil {
		return nil, nil, err
	}
	running, err := lambda.NewInProcess(map[string]lambda.Function{m.name: {Handler: handler, Timeout: m.function.Timeout}}, lambda.InProcessOptions{})
	return running, func(limit time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		errs := []error{running.Close(ctx)}
		for _, need := range function.Needs { // what it does not need would be opened here
			switch need {
			case config.Mongo:
				errs = append(errs, mongostore.In(process).Close(ctx))
			case config.Redis:
				errs = append(errs, presence.In(process).Close())
			}
		}
		if err := errors.Join(errs...); err != nil && limit == patience {
			m.t.Log("end a function:", err)
		}
	}, err
}

func (m *mortal) finally(end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ends = append(m.ends, end)
}

// end ends what all lives have opened, the last first.
func (m *mortal) end() {
	m.mu.Lock()
	ends := m.ends
	m.ends = nil
	m.mu.Unlock()
	for i := len(ends) - 1; i >= 0; i-- {
		ends[i]()
	}
}

var identities = []struct {
	of *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`\{(user|agent):[^}]*\}`), "{$1}"},
	{regexp.MustCompile(`(conversation|connection):\{[^}]*\}`), "$1"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "run"},
}

// toolsURL is the address of a server of tools among those of TOOL_SERVERS.
var toolsURL = regexp.MustCompile(`http://[^"]+`)

// kindOf is the name of a step without the ids in it.
func kindOf(step string) string {
	for _, i := range identities {
		step = i.of.ReplaceAllString(step, i.to)
	}
	return step
}

// awaits waits until the function has died.
func (d *death) awaits(limit time.Duration) bool {
	select {
	case <-d.met:
		return true
	default:
	}
	select {
	case <-d.met:
		return true
	case <-time.After(limit):
		return false
	}
}
