package lambda

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/uuid"
)

// A Function is one function that runs in this process.
type Function struct {
	// Handler is what the function's main gives to lambda.Start: usually a
	// func(context.Context, Event) (Response, error).
	//
	// A value that implements lambda.Handler is called as it is, by several
	// goroutines at once. One that lambda.NewHandler made is refused, because
	// the bytes it returns are used again by its next invocation: give the func
	// itself.
	Handler any
	// Timeout is Lambda's Timeout; 3 s if zero.
	Timeout time.Duration
}

// InProcessOptions configures NewInProcess. Its zero value is ready to use.
type InProcessOptions struct {
	// Concurrency is how many invocations may run at the same time, all
	// functions together; 1000 if zero. A handler that ignores its deadline
	// counts until it returns.
	Concurrency int
	// Strict fails an invocation that leaves a goroutine running, with the
	// errorType "Local.GoroutineLeak". Lambda freezes such a goroutine and lets
	// it go on minutes later or never. The check stops the world on every
	// invocation: it is for tests.
	Strict bool
	// Context is what the contexts of all invocations are made of, as
	// lambda.WithContext has it; nil: context.Background.
	Context context.Context //nolint:containedctx // it is no call's
	// Logger gets one line per invocation; nil: slog.Default.
	Logger *slog.Logger
}

// An InProcess invokes handlers in this process. What Lambda keeps apart it
// keeps apart too: events and responses are copied, the context carries a
// deadline and is cancelled after the return, and a panic fails the invocation
// alone. What it cannot do is stop a handler that ignores its context;
// InProcess.Close waits for those.
type InProcess struct {
	functions map[string]*inProcessFunction
	options   InProcessOptions
	slots     chan struct{} // one element per running invocation

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // Add only under mu and while not closed
}

// An inProcessFunction keeps execution environments, as Lambda does: each
// serves one invocation at a time. That makes it safe to use what
// lambda.NewHandler returns, which lends out the buffer of its response.
type inProcessFunction struct {
	name    string
	arn     string
	timeout time.Duration
	start   func() awslambda.Handler

	mu   sync.Mutex
	idle []*instance
	over bool // no environment is kept any more
}

// An instance is an execution environment. It runs the invocations that it is
// given, one after the other, on a goroutine that it keeps: its stack has grown
// to what the handler needs. It ends when its work is closed.
type instance struct {
	handler awslambda.Handler
	work    chan func(awslambda.Handler)
}

func newInstance(h awslambda.Handler) *instance {
	env := &instance{handler: h, work: make(chan func(awslambda.Handler))}
	go func() {
		for do := range env.work {
			do(env.handler)
		}
	}()
	return env
}

// NewInProcess returns an invoker of the given functions, by name.
func NewInProcess(functions map[string]Function, o InProcessOptions) (*InProcess, error) {
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	p := &InProcess{
		functions: make(map[string]*inProcessFunction, len(functions)),
		options:   o,
		slots:     make(chan struct{}, o.Concurrency),
	}
	for name, f := range functions {
		if f.Handler == nil {
			return nil, fmt.Errorf("function %s has no handler", name)
		}
		start := func() awslambda.Handler { return awslambda.NewHandler(f.Handler) }
		if h, ok := f.Handler.(awslambda.Handler); ok {
			if awslambda.NewHandler(h) == h { // it returns what it made itself unchanged
				return nil, fmt.Errorf("function %s: give the func, not what lambda.NewHandler made of it", name)
			}
			start = func() awslambda.Handler { return h }
		}
		if f.Timeout <= 0 {
			f.Timeout = defaultTimeout
		}
		p.functions[name] = &inProcessFunction{
			name: name, arn: ARN(name), timeout: f.Timeout, start: start,
		}
	}
	return p, nil
}

// Invoke implements Invoker.
func (p *InProcess) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	f, err := admit(ctx, p.functions, function, event)
	if err != nil {
		return nil, err
	}
	if err := p.acquire(function); err != nil {
		return nil, err
	}

	start, requestID := time.Now(), uuid.NewString()
	deadline := functionDeadline(ctx, f.timeout)
	fctx, cancel := context.WithDeadline(p.options.Context, deadline)
	if header := TraceOf(ctx); header != "" {
		fctx = WithTrace(fctx, header)
	}
	fctx = lambdacontext.NewContext(fctx, &lambdacontext.LambdaContext{AwsRequestID: requestID, InvokedFunctionArn: f.arn})
	done := make(chan result, 1)
	event = bytes.Clone(event)
	env := f.instance()
	env.work <- func(h awslambda.Handler) {
		r := p.run(fctx, f, h, requestID, event)
		if late := time.Since(deadline); late > time.Second {
			p.options.Logger.Warn("handler went on after its deadline", "function", function, "requestId", requestID, "late", late)
		}
		f.giveBack(env) // before the caller knows: it may invoke again at once
		p.release()
		cancel()
		done <- r
	}

	var r result
	select {
	case <-ctx.Done():
	case <-fctx.Done(): // the handler returned, or its deadline passed
	}
	switch fctx.Err() {
	case context.Canceled:
		r = <-done
	case context.DeadlineExceeded:
		r.err = timeoutError(requestID, f.timeout)
		if deadline.Before(start.Add(f.timeout)) { // it was the caller's
			r.err = fmt.Errorf("invoke %s: %w", function, context.DeadlineExceeded)
		}
	default:
		r.err = fmt.Errorf("invoke %s: %w", function, ctx.Err())
	}
	logInvocation(ctx, p.options.Logger, function, requestID, start, r.err)
	return r.response, r.err
}

// Close refuses new invocations and waits for the running ones, those included
// whose caller has given up. It returns the error of ctx, wrapped, if some are
// still running by then.
func (p *InProcess) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, f := range p.functions {
		f.end()
	}

	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d running handlers: %w", len(p.slots), ctx.Err())
	}
}

func (p *InProcess) acquire(function string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("invoke %s: %w", function, ErrClosed)
	}
	select {
	case p.slots <- struct{}{}:
		p.running.Add(1)
		return nil
	default:
		return &ThrottledError{Function: function}
	}
}

func (p *InProcess) release() {
	<-p.slots
	p.running.Done()
}

type result struct {
	response []byte
	err      error
}

// run calls the handler of an execution environment and returns a copy of its
// response.
func (p *InProcess) run(ctx context.Context, f *inProcessFunction, h awslambda.Handler, requestID string, event []byte) (r result) {
	var leaks leakCheck
	if p.options.Strict {
		ctx = leaks.begin(ctx, requestID)
	}
	r = p.call(ctx, f, h, requestID, event)
	if p.options.Strict {
		if leaked := leaks.end(); leaked != "" {
			p.options.Logger.Error("goroutine outlives its handler", "function", f.name, "requestId", requestID, "stack", leaked)
			return result{err: newFunctionError("Local.GoroutineLeak", "a goroutine outlives the handler: "+leaked)}
		}
	}
	return r
}

// call turns an error, a panic and an oversized response into function errors.
func (p *InProcess) call(ctx context.Context, f *inProcessFunction, h awslambda.Handler, requestID string, event []byte) (r result) {
	defer func() {
		if v := recover(); v != nil {
			p.options.Logger.Error("handler panicked", "function", f.name, "requestId", requestID, "panic", v, "stack", string(debug.Stack()))
			r = result{err: handlerError(v)}
		}
	}()
	response, err := h.Invoke(ctx, event)
	if err != nil {
		return result{err: handlerError(err)}
	}
	if len(response) > MaxResponse {
		return result{err: responseTooLarge()}
	}
	return result{response: bytes.Clone(response)}
}

// instance returns an idle execution environment, or a new one.
func (f *inProcessFunction) instance() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.idle); n > 0 {
		env := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return env
	}
	return newInstance(f.start())
}

// giveBack keeps an environment for the next invocation; after end it lets it
// go. The environment may still be at the end of its last work: whoever takes
// it waits for that moment only.
func (f *inProcessFunction) giveBack(env *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		close(env.work)
		return
	}
	f.idle = append(f.idle, env)
}

// end lets the idle environments go, and those still at work when they are
// done.
func (f *inProcessFunction) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, env := range f.idle {
		close(env.work)
	}
	f.idle, f.over = nil, true
}
