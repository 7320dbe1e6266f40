// Package cold measures what a function costs from its start to its first answer,
// and then from event to event: the built binaries, under a Runtime API like
// Lambda's, beside the least that a function in Go can be.
package cold

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"aiwm-chat/local/aws/lambda"
)

// A subject is a function that is measured: its binary's folder, what it is told,
// and an event that it is to answer.
type subject struct {
	name   string
	env    map[string]string
	memory int
	event  func() []byte
}

// A result is what was measured of a subject.
type result struct {
	name       string
	memory     int
	cold, warm time.Duration // medians
	cpu        time.Duration // of a warm invocation
	peak       int64         // bytes; 0: nobody knows here
}

// measure starts every subject in rounds of cold starts: in each of them all start
// once, so that a slow moment of the machine is everybody's.
func measure(ctx context.Context, dir string, subjects []subject, starts, invocations int) ([]result, error) {
	colds, results := make([][]time.Duration, len(subjects)), make([]result, len(subjects))
	for range starts {
		for i, s := range subjects {
			d, err := s.start(ctx, dir, 0, &results[i])
			if err != nil {
				return nil, err
			}
			colds[i] = append(colds[i], d)
		}
	}
	for i, s := range subjects {
		results[i] = result{name: s.name, memory: s.memory, cold: median(colds[i])}
		if _, err := s.start(ctx, dir, invocations, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// start starts a process, has it answer once, which is what it returns the time of,
// and then so many times more, which r gets the median of.
func (s subject) start(ctx context.Context, dir string, warm int, r *result) (first time.Duration, err error) {
	var pid atomic.Int64
	e, err := lambda.NewExec(lambda.ExecOptions{
		Dir: dir, Functions: map[string]lambda.ExecFunction{s.name: {Env: s.env, Timeout: time.Minute, MemorySize: s.memory}},
		Output: io.Discard, Logger: slog.New(slog.DiscardHandler), Started: func(_ string, id int) { pid.Store(int64(id)) },
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if closed := e.Close(closing); err == nil {
			err = closed
		}
	}()
	invoke := func() (time.Duration, error) {
		event := s.event()
		begin := time.Now()
		answer, err := e.Invoke(ctx, s.name, event)
		took := time.Since(begin)
		if err == nil && refused(answer) {
			err = fmt.Errorf("answered %s", answer)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
		return took, nil
	}
	if first, err = invoke(); err != nil || warm == 0 {
		return first, err
	}
	var times []time.Duration
	before := cpuOf(int(pid.Load()))
	for range warm {
		d, err := invoke()
		if err != nil {
			return 0, err
		}
		times = append(times, d)
	}
	r.warm, r.cpu = median(times), (cpuOf(int(pid.Load()))-before)/time.Duration(warm)
	r.peak = peakOf(int(pid.Load()))
	return first, nil
}

// refused reports whether an answer is an error: what is refused takes less time.
func refused(answer []byte) bool {
	var a struct{ StatusCode int }
	return json.Unmarshal(answer, &a) == nil && a.StatusCode >= http.StatusBadRequest
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
