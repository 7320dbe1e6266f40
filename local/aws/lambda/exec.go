package lambda

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	defaultIdleTimeout = 5 * time.Minute
	defaultMemorySize  = 128 // MB, as Lambda
	defaultInitTimeout = 10 * time.Second
	// killDelay is what a function with an internal extension gets between
	// SIGTERM and SIGKILL.
	killDelay = 500 * time.Millisecond
)

// An ExecFunction is one function that Exec runs from its binary.
type ExecFunction struct {
	// Dir is the folder of the bootstrap binary inside ExecOptions.Dir; the
	// function's name if empty: the logical id, as `sam build` lays out
	// .aws-sam/build.
	Dir string
	// Env is the environment of the function as its configuration has it. To it
	// are added the variables that Lambda sets (AWS_LAMBDA_*, AWS_REGION,
	// _HANDLER, LAMBDA_TASK_ROOT, PATH, TZ, …). Nothing else of this process is
	// passed on.
	Env map[string]string
	// Timeout is Lambda's Timeout; 3 s if zero.
	Timeout time.Duration
	// MemorySize in MB is told to the function and not enforced; 128 if zero.
	MemorySize int
}

// ExecOptions configures NewExec.
type ExecOptions struct {
	// Dir holds one folder per function, each with an executable named
	// bootstrap.
	Dir string
	// Functions are the functions that can be invoked, by name.
	Functions map[string]ExecFunction
	// Concurrency is how many invocations there may be at the same time, all
	// functions together; more are throttled. If zero it is 1000, which one
	// machine could not run: only DefaultProcesses of them do, and the others
	// wait for as long as their callers.
	Concurrency int
	// IdleTimeout is how long a process may wait for its next invocation before
	// it is ended; 5 min if zero.
	IdleTimeout time.Duration
	// InitTimeout is how long a process may take from its start to its first
	// request for an event; 10 s if zero, as on Lambda. (There the first
	// invocation would try the init once more; here it fails, and the next one
	// starts another process.)
	InitTimeout time.Duration
	// Output gets what the functions print, each line behind the function's
	// name, one line at a time; nil: os.Stderr.
	Output io.Writer
	// Metrics gets, each in one call, the lines of CloudWatch's embedded metric
	// format that the functions print, which are not for people; nil: Output does.
	Metrics io.Writer
	// Logger gets one line per invocation, and one about each process that ends
	// unasked; nil: slog.Default.
	Logger *slog.Logger
	// Kill is asked at the start of every invocation whether to kill its
	// process, and how long after the event was handed over; nil: no process is
	// killed. It lets tests see what a crash in the middle of the work does.
	Kill func(function string) (after time.Duration, kill bool)
	// Started is told of every process that is started; nil: nobody is. It lets
	// measurements look at the process.
	Started func(function string, pid int)
}

// An Exec runs bootstrap binaries, as they are deployed, in an environment like
// Lambda's: each process serves one invocation at a time, asks for it over the
// Runtime API, is reused while it is well, and is killed when the function's
// timeout passes. A process that crashed is replaced by the next invocation.
type Exec struct {
	options   ExecOptions
	functions map[string]*execFunction
	output    *lineWriter

	atWork chan struct{} // one element per process that runs an invocation; its capacity is how many may
	most   int           // processes, the idle ones included

	mu        sync.Mutex
	closed    bool                  // no new invocations
	ended     bool                  // no new processes
	processes map[*process]struct{} // starting, busy, idle and ending
	running   int                   // invocations, those that wait included
	idle      []*process            // the one used last is at the end
	wg        sync.WaitGroup        // processes, invocations and the reaper; Add only under mu and while not closed
	closing   chan struct{}
}

type execFunction struct {
	name    string
	path    string // of the binary
	arn     string
	env     []string
	timeout time.Duration
}

// DefaultProcesses is how many processes an Exec without a Concurrency has at
// work at the same time: enough for each core to have something to do while
// others wait for a database, and no more. Lambda would go on and start an
// execution environment for every invocation; on one machine they would keep
// each other from ending.
func DefaultProcesses() int { return 8 * runtime.GOMAXPROCS(0) }

// NewExec checks that every function has a binary that this machine can run,
// and returns an invoker. No process is started yet.
func NewExec(o ExecOptions) (*Exec, error) {
	atWork, most := o.Concurrency, o.Concurrency
	if o.Concurrency <= 0 {
		o.Concurrency, atWork = defaultConcurrency, DefaultProcesses()
		most = 2 * (atWork + len(o.Functions)) // room for idle ones: a start costs more than its memory
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.InitTimeout <= 0 {
		o.InitTimeout = defaultInitTimeout
	}
	if o.Output == nil {
		o.Output = os.Stderr
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &Exec{
		options:   o,
		functions: make(map[string]*execFunction, len(o.Functions)),
		output:    &lineWriter{out: o.Output, metrics: o.Metrics},
		processes: map[*process]struct{}{},
		closing:   make(chan struct{}),
		atWork:    make(chan struct{}, atWork),
		most:      most,
	}
	for name, f := range o.Functions {
		if f.Dir == "" {
			f.Dir = name
		}
		if f.Timeout <= 0 {
			f.Timeout = defaultTimeout
		}
		if f.MemorySize <= 0 {
			f.MemorySize = defaultMemorySize
		}
		path, err := filepath.Abs(filepath.Join(o.Dir, f.Dir, "bootstrap"))
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", name, err)
		}
		if err := checkBinary(path); err != nil {
			return nil, fmt.Errorf("function %s: %w", name, err)
		}
		e.functions[name] = &execFunction{
			name:    name,
			path:    path,
			arn:     ARN(name),
			env:     environment(name, filepath.Dir(path), f),
			timeout: f.Timeout,
		}
	}
	e.wg.Add(1)
	go e.reap()
	return e, nil
}

// Invoke implements Invoker. A process that ends before it asks for its first
// event, or does not ask in time, fails the invocation with a *FunctionError;
// the next one starts another. The function's timeout counts from when it has
// the event.
func (e *Exec) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	f, err := admit(ctx, e.functions, function, event)
	if err != nil {
		return nil, err
	}
	if err := e.acquire(function); err != nil {
		return nil, err
	}

	inv := &invocation{
		id: uuid.NewString(), ctx: ctx, event: bytes.Clone(event), finished: make(chan struct{}), done: make(chan struct{}),
	}
	start := time.Now()
	go func() {
		e.serve(f, inv)
		e.release() // before the caller knows: it may invoke again at once
		close(inv.done)
	}()
	select {
	case <-inv.done:
		err = inv.result.err
	case <-ctx.Done():
		err = fmt.Errorf("invoke %s: %w", function, ctx.Err())
	}
	logInvocation(ctx, e.options.Logger, function, inv.id, start, err)
	if err != nil {
		return nil, err
	}
	return inv.result.response, nil
}

func (e *Exec) acquire(function string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("invoke %s: %w", function, ErrClosed)
	}
	if e.running >= e.options.Concurrency {
		return &ThrottledError{Function: function}
	}
	e.running++
	e.wg.Add(1)
	return nil
}

func (e *Exec) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	e.wg.Done()
}

// serve has a process run the invocation and sets its result. It waits until
// one may; a caller that gives up before takes the invocation back.
func (e *Exec) serve(f *execFunction, inv *invocation) {
	select {
	case e.atWork <- struct{}{}:
		defer func() { <-e.atWork }()
	case <-inv.ctx.Done():
		inv.result.err = fmt.Errorf("invoke %s: %w", f.name, inv.ctx.Err())
		return
	}
	for {
		p, err := e.process(f)
		if err != nil {
			inv.result.err = fmt.Errorf("invoke %s: %w", f.name, err)
			return
		}
		if p.serve(inv) {
			return
		}
		// An idle process died before it took the event. There are only so many
		// of them.
	}
}

// Close refuses new invocations, waits for the running ones until ctx is done,
// and ends all processes as Lambda does: with SIGKILL, and with SIGTERM 500 ms
// before if the function registered an extension (lambda.WithEnableSIGTERM).
// When it returns none is left. It returns the error of ctx, wrapped, if
// invocations had to be cut off.
func (e *Exec) Close(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	e.mu.Unlock()

	var cut error
	for e.active() > 0 && cut == nil {
		select {
		case <-ctx.Done():
			cut = fmt.Errorf("wait for %d running invocations: %w", e.active(), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	e.mu.Lock()
	e.ended = true
	for p := range e.processes {
		go p.end()
	}
	e.mu.Unlock()
	e.wg.Wait()
	return cut
}

func (e *Exec) active() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}
