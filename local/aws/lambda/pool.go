package lambda

import "time"

// process takes an idle process of the function, or starts one.
func (e *Exec) process(f *execFunction) (*process, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, ErrClosed
	}
	for i := len(e.idle) - 1; i >= 0; i-- {
		if p := e.idle[i]; p.function == f {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			return p, nil
		}
	}
	if len(e.processes) >= e.most && len(e.idle) > 0 { // make room: end the one that is idle longest
		p := e.idle[0]
		e.idle = e.idle[1:]
		go p.end()
	}
	p, err := startProcess(e, f)
	if err != nil {
		return nil, err
	}
	e.processes[p] = struct{}{}
	return p, nil
}

// giveBack makes the process available for the next invocation.
func (e *Exec) giveBack(p *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.idleSince = time.Now()
	e.idle = append(e.idle, p)
}

// forget is called once for every process, when it has ended.
func (e *Exec) forget(p *process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.processes, p)
	for i := range e.idle {
		if e.idle[i] == p {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			break
		}
	}
}

// Kill kills the processes of a function, whatever they are doing, and returns
// when they are no more. Its next invocation starts another.
func (e *Exec) Kill(function string) {
	e.mu.Lock()
	var doomed []*process
	for p := range e.processes {
		if p.function.name == function {
			doomed = append(doomed, p)
		}
	}
	e.mu.Unlock()
	for _, p := range doomed {
		p.kill()
	}
	for _, p := range doomed {
		<-p.exited
	}
}

// reap ends processes that have been idle for too long.
func (e *Exec) reap() {
	defer e.wg.Done()
	tick := time.NewTicker(max(e.options.IdleTimeout/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-e.closing:
			return
		case <-tick.C:
		}
		e.mu.Lock()
		n := 0
		for n < len(e.idle) && time.Since(e.idle[n].idleSince) >= e.options.IdleTimeout {
			go e.idle[n].end()
			n++
		}
		e.idle = e.idle[n:]
		e.mu.Unlock()
	}
}
