// Package wire says how a function is put together, once for everybody who
// runs it: its main on Lambda, and the local server. A function's wiring is a
// package of its own, because a binary keeps the initialisers of every package
// that it imports.
package wire

import (
	"errors"
	"reflect"
	"sync"

	"aiwm-chat/shared/config"
)

// A Function is what one Lambda function is made of.
type Function struct {
	// Needs are the parts of its environment that it is given, and all that it
	// gets to know: they match template.yaml and what the binary links.
	Needs []config.Part

	// Wire returns the handler, as lambda.Start takes it, out of clients that
	// it takes from p. A client that cannot be opened is a fault of p, and Wire
	// goes on: it calls nothing of what it was given.
	Wire func(p *Process) any

	// Refuse returns the handler of a process that could not be wired, for err;
	// nil: the process ends, and Lambda tries again with another.
	Refuse func(err error) any
}

// Handler wires f in p, or says everything that kept it from that.
func (f Function) Handler(p *Process) (any, error) {
	h := f.Wire(p)
	p.beginning.Wait()
	if err := errors.Join(p.faults...); err != nil {
		return nil, err
	}
	return h, nil
}

// A Process holds the clients that the functions of one process share, as the
// invocations of a Lambda instance share them. It is filled at the start, by
// one goroutine; what Begin calls fills nothing.
type Process struct {
	Config  config.Config // of the parts that its functions need
	clients map[reflect.Type]any

	beginning sync.WaitGroup
	mu        sync.Mutex
	faults    []error
}

// NewProcess returns a Process without clients.
func NewProcess(c config.Config) *Process {
	return &Process{Config: c, clients: map[reflect.Type]any{}}
}

// Client returns the T of p, which open opens when it is asked for the first
// time. A T that cannot be opened is a fault of p and the zero T; it is not
// tried again.
func Client[T any](p *Process, open func(config.Config) (T, error)) T {
	key := reflect.TypeFor[T]()
	if c, ok := p.clients[key]; ok {
		return c.(T)
	}
	c, err := open(p.Config)
	p.fault(err)
	p.clients[key] = c
	return c
}

// Begin calls start beside whatever else the process has to do before its first
// event, such as to connect to another server. Handler waits for it. Its error is a
// fault of p.
func (p *Process) Begin(start func() error) {
	p.beginning.Go(func() { p.fault(start()) })
}

func (p *Process) fault(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, err)
}

// Put makes c the T of p, in place of the one that would be opened: the local
// server reaches what is in its own process without a network.
func Put[T any](p *Process, c T) { p.clients[reflect.TypeFor[T]()] = c }
