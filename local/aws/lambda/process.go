package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// An invocation is one event on its way through a process.
type invocation struct {
	id       string
	ctx      context.Context // the caller's, for its deadline
	event    []byte
	finished chan struct{} // closed when the runtime asks for the next event, which is what ends an invocation
	done     chan struct{} // closed when result is final

	result   result // guarded by process.mu until done
	answered bool   // result is set; guarded by process.mu
}

// A process is one bootstrap process with a Runtime API server of its own, by
// which it is known.
type process struct {
	exec     *Exec
	function *execFunction
	cmd      *exec.Cmd
	server   *http.Server
	events   chan *invocation // to the runtime's pending request for the next event
	exited   chan struct{}    // closed when the process has been waited for
	ending   atomic.Bool      // we ended it, so its end is no news

	idleSince time.Time // guarded by Exec.mu

	mu        sync.Mutex
	ready     bool        // the runtime has asked for an event at least once
	extension bool        // it has registered an extension, and so is told of its end
	current   *invocation // what the runtime is working on
	failure   []byte      // what the runtime posted as its init error
}

// startProcess starts a process of f. The caller holds e.mu.
func startProcess(e *Exec, f *execFunction) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for runtime: %w", err)
	}
	p := &process{exec: e, function: f, events: make(chan *invocation), exited: make(chan struct{})}
	p.server = &http.Server{
		Handler:           p.runtimeAPI(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(e.options.Logger.Handler(), slog.LevelDebug),
	}
	output := &processOutput{to: e.output, prefix: f.name + " | "}
	p.cmd = exec.Command(f.path)
	p.cmd.Dir = filepath.Dir(f.path)
	p.cmd.Env = append(f.env[:len(f.env):len(f.env)], "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.WaitDelay = time.Second // what it left running must not keep its output open
	ownGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("start process: %w", err)
	}
	e.options.Logger.Debug("process started", "function", f.name, "pid", p.cmd.Process.Pid)
	if e.options.Started != nil {
		e.options.Started(f.name, p.cmd.Process.Pid)
	}

	e.wg.Add(2)
	go func() {
		defer e.wg.Done()
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.options.Logger.Error("serve runtime api", "function", f.name, "err", err)
		}
	}()
	go func() {
		defer e.wg.Done()
		p.wait(output)
	}()
	return p, nil
}

// wait sees the process end, however it does.
func (p *process) wait(output *processOutput) {
	_ = p.cmd.Wait() // its outcome is in ProcessState
	output.flush()
	p.server.Close()
	p.exec.forget(p)
	close(p.exited)
	level := slog.LevelError
	if p.ending.Load() {
		level = slog.LevelDebug
	}
	p.exec.options.Logger.Log(context.Background(), level, "process ended",
		"function", p.function.name, "pid", p.cmd.Process.Pid, "status", p.cmd.ProcessState.String())
}

// serve has the process run one invocation and sets its result. It returns
// false when the process, which was well before, ended without having seen the
// event.
func (p *process) serve(inv *invocation) bool {
	initTimer := time.NewTimer(p.exec.options.InitTimeout)
	defer initTimer.Stop()
	select {
	case p.events <- inv:
	case <-p.exited:
		return p.initFailed(inv)
	case <-initTimer.C:
		p.kill()
		p.answer(inv, result{err: newFunctionError("Sandbox.Timedout",
			fmt.Sprintf("RequestId: %s Error: Init timed out after %.2f seconds", inv.id, p.exec.options.InitTimeout.Seconds()))})
		return true
	}

	timeout := time.NewTimer(p.function.timeout)
	defer timeout.Stop()
	if p.exec.options.Kill != nil {
		if after, kill := p.exec.options.Kill(p.function.name); kill {
			defer time.AfterFunc(after, func() {
				p.exec.options.Logger.Warn("process killed by fault", "function", p.function.name, "requestId", inv.id)
				p.kill()
			}).Stop()
		}
	}
	select {
	case <-inv.finished:
		p.exec.giveBack(p)
	case <-p.exited:
		p.answer(inv, result{err: exitError(inv.id, p.cmd.ProcessState.String())})
	case <-timeout.C:
		p.kill()
		p.answer(inv, result{err: timeoutError(inv.id, p.function.timeout)})
	}
	return true
}

// answer sets the result of an invocation unless it has one.
func (p *process) answer(inv *invocation, r result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !inv.answered {
		inv.result, inv.answered = r, true
	}
}

func (p *process) initFailed(inv *invocation) bool {
	p.mu.Lock()
	ready, failure := p.ready, p.failure
	p.mu.Unlock()
	if ready {
		return false
	}
	err := exitError(inv.id, p.cmd.ProcessState.String())
	if failure != nil {
		err = &FunctionError{Payload: failure}
	}
	p.answer(inv, result{err: err})
	return true
}

// end ends the process, and lets it know before if it has registered an
// extension.
func (p *process) end() {
	p.mu.Lock()
	extension := p.extension
	p.mu.Unlock()
	if extension {
		p.signal(terminate)
		select {
		case <-p.exited:
		case <-time.After(killDelay):
		}
	}
	p.kill()
}

// kill ends the process at once.
func (p *process) kill() { p.signal(kill) }

func (p *process) signal(send func(*exec.Cmd)) {
	p.ending.Store(true)
	select {
	case <-p.exited: // its id may be another's by now
	default:
		send(p.cmd)
	}
}
