package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/aws/lambda"
)

// invokers makes each kind of invoker for testHandlers, with a limit of
// invocations at the same time.
var invokers = map[string]func(t *testing.T, concurrency int) lambda.Invoker{
	"inprocess": newInProcess,
	"exec":      newExec,
	"remote":    newRemote,
}

func newInProcess(t *testing.T, concurrency int) lambda.Invoker {
	functions := map[string]lambda.Function{}
	for name, h := range testHandlers {
		if name != "crash" {
			functions[name] = lambda.Function{Handler: h, Timeout: timeoutOf(name)}
		}
	}
	p, err := lambda.NewInProcess(functions, lambda.InProcessOptions{Concurrency: concurrency, Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeInvoker(t, p) })
	return p
}

// newBootstraps lays out a bootstrap for every name as `sam build` does.
func newBootstraps(t testing.TB, names ...string) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(dir, name, "bootstrap")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newExec(t *testing.T, concurrency int) lambda.Invoker {
	functions := map[string]lambda.ExecFunction{}
	var names []string
	for name := range testHandlers {
		functions[name] = lambda.ExecFunction{Timeout: timeoutOf(name)}
		names = append(names, name)
	}
	e, err := lambda.NewExec(lambda.ExecOptions{
		Dir: newBootstraps(t, names...), Functions: functions, Concurrency: concurrency,
		Output: io.Discard, Logger: discardLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeInvoker(t, e) })
	return e
}

func newRemote(t *testing.T, concurrency int) lambda.Invoker {
	server := httptest.NewServer(invokeAPI(newInProcess(t, concurrency)))
	t.Cleanup(server.Close)
	r, err := lambda.NewRemote(server.URL, lambda.RemoteOptions{Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func closeInvoker(t testing.TB, c interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// invokeAPI serves Lambda's Invoke API from another invoker.
func invokeAPI(invoker lambda.Invoker) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" || !json.Valid(event) {
			http.Error(w, `{"Message":"bad request"}`, http.StatusBadRequest)
			return
		}
		response, err := invoker.Invoke(context.WithoutCancel(r.Context()), r.PathValue("name"), event)
		var failed *lambda.FunctionError
		var throttled *lambda.ThrottledError
		switch {
		case errors.As(err, &failed):
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			response = failed.Payload
		case errors.As(err, &throttled):
			w.WriteHeader(http.StatusTooManyRequests)
		case errors.Is(err, lambda.ErrNotFound):
			w.WriteHeader(http.StatusNotFound)
		case err != nil:
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write(response)
	})
	return mux
}

// eachInvoker runs one test of the conformance suite on all invokers.
func eachInvoker(t *testing.T, concurrency int, test func(t *testing.T, invoker lambda.Invoker)) {
	for name, open := range invokers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, concurrency))
		})
	}
}

func TestResponse(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		for _, tt := range []struct{ function, event, want string }{
			{"echo", `{"text":"hello <b>"}`, `{"text":"hello <b>"}`},
			{"echo", `{"text":"again"}`, `{"text":"again"}`},
			{"nil", `{}`, `null`},
		} {
			got, err := invoker.Invoke(t.Context(), tt.function, []byte(tt.event))
			if err != nil || string(got) != tt.want {
				t.Errorf("%s(%s) = %s, %v; want %s", tt.function, tt.event, got, err, tt.want)
			}
		}
	})
}

func TestFunctionError(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		for _, tt := range []struct{ function, errorType, message string }{
			{"fail", "errorString", "broken"},
			{"custom", "wrapError", "custom: x"},
			{"typed", "customError", "custom: x"},
			{"panic", "string", "oh no"},
			{"badin", "UnmarshalTypeError", "json: cannot unmarshal object into Go value of type []int"},
		} {
			response, err := invoker.Invoke(t.Context(), tt.function, []byte(`{}`))
			var failed *lambda.FunctionError
			if !errors.As(err, &failed) || response != nil {
				t.Errorf("%s: %s, %v; want a function error", tt.function, response, err)
				continue
			}
			if failed.ErrorType() != tt.errorType || failed.ErrorMessage() != tt.message {
				t.Errorf("%s: %s; want type %s, message %s", tt.function, failed.Payload, tt.errorType, tt.message)
			}
		}
		// The function is well again after each of them.
		if _, err := invoker.Invoke(t.Context(), "panic", []byte(`{}`)); !strings.Contains(err.Error(), "oh no") {
			t.Errorf("second panic: %v", err)
		}
		if got, err := invoker.Invoke(t.Context(), "echo", []byte(`{"text":"x"}`)); err != nil || string(got) != `{"text":"x"}` {
			t.Errorf("echo after errors: %s, %v", got, err)
		}
	})
}

// [D] The function is ended at its Timeout.
func TestTimeout(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		release := filepath.Join(t.TempDir(), "release")
		defer touch(t, release) // a handler in this process cannot be killed
		for function, event := range map[string]event{"slow": {Release: release}, "sleep": {}} {
			_, err := invoker.Invoke(t.Context(), function, encode(t, event))
			var failed *lambda.FunctionError
			if !errors.As(err, &failed) || failed.ErrorType() != "Sandbox.Timedout" ||
				!strings.HasSuffix(failed.ErrorMessage(), "Task timed out after 0.30 seconds") {
				t.Errorf("%s: %v", function, err)
			}
		}
	})
}

func TestCallerGivesUp(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		dir := t.TempDir()
		started, release := filepath.Join(dir, "started"), filepath.Join(dir, "release")
		defer touch(t, release)
		block := encode(t, event{Started: started, Release: release})

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := invoker.Invoke(ctx, "block", encode(t, event{Release: release})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := invoker.Invoke(ctx, "block", block)
			failed <- err
		}()
		eventually(t, "function starts", exists(started))
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("cancel: %v", err)
		}
		if _, err := invoker.Invoke(ctx, "echo", []byte(`{}`)); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
	})
}

// [D] Invoking what does not exist is 404 ResourceNotFound.
func TestNotFound(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		if _, err := invoker.Invoke(t.Context(), "nobody", []byte(`{}`)); !errors.Is(err, lambda.ErrNotFound) ||
			!strings.Contains(err.Error(), "nobody") {
			t.Errorf("err = %v", err)
		}
	})
}

// [D] 6 MB for the event and for the response of a synchronous invocation.
func TestSizeLimits(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		largest := append([]byte(`{}`), bytes.Repeat([]byte(" "), lambda.MaxEvent-2)...)
		if got, err := invoker.Invoke(t.Context(), "raw", largest); err != nil || !bytes.Equal(got, largest) {
			t.Errorf("largest event: %d bytes, %v", len(got), err)
		}
		if _, err := invoker.Invoke(t.Context(), "raw", append(largest, ' ')); !errors.Is(err, lambda.ErrTooLarge) {
			t.Errorf("event over the limit: %v", err)
		}

		got, err := invoker.Invoke(t.Context(), "raw", encode(t, event{Size: lambda.MaxResponse}))
		if err != nil || len(got) != lambda.MaxResponse {
			t.Errorf("largest response: %d bytes, %v", len(got), err)
		}
		_, err = invoker.Invoke(t.Context(), "raw", encode(t, event{Size: lambda.MaxResponse + 1}))
		var failed *lambda.FunctionError
		if !errors.As(err, &failed) || failed.ErrorType() != "Function.ResponseSizeTooLarge" {
			t.Errorf("response over the limit: %v", err)
		}
	})
}

// TestConcurrency runs as many invocations at the same time as are allowed, and
// one more.
// [D] Over the concurrency Lambda throttles: 429.
func TestConcurrency(t *testing.T) {
	const limit = 3
	eachInvoker(t, limit, func(t *testing.T, invoker lambda.Invoker) {
		dir := t.TempDir()
		release := filepath.Join(dir, "release")
		var wg sync.WaitGroup
		for i := range limit {
			started := filepath.Join(dir, strconv.Itoa(i))
			wg.Go(func() {
				if _, err := invoker.Invoke(t.Context(), "block", encode(t, event{Started: started, Release: release})); err != nil {
					t.Errorf("invocation %d: %v", i, err)
				}
			})
		}
		for i := range limit {
			eventually(t, "all run at once", exists(filepath.Join(dir, strconv.Itoa(i))))
		}
		_, err := invoker.Invoke(t.Context(), "echo", []byte(`{}`))
		var throttled interface{ Throttled() bool }
		if !errors.As(err, &throttled) || !throttled.Throttled() {
			t.Errorf("one too many: %v", err)
		}
		touch(t, release)
		wg.Wait()
		for i := range 10 { // one after the other is always within the limit
			if _, err := invoker.Invoke(t.Context(), "echo", []byte(`{}`)); err != nil {
				t.Fatalf("after: invocation %d: %v", i, err)
			}
		}
	})
}

// TestNoSharing invokes one function many times at once and looks for an answer
// that belongs to another.
func TestNoSharing(t *testing.T) {
	eachInvoker(t, 8, func(t *testing.T, invoker lambda.Invoker) {
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 50 {
					in := encode(t, event{Text: strings.Repeat(fmt.Sprintf("%d-%d ", worker, i), 50)})
					want := bytes.Clone(in)
					got, err := invoker.Invoke(t.Context(), "echo", in)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("worker %d, event %d: %.40s, %v", worker, i, got, err)
						return
					}
					clear(in)
					clear(got)
				}
			})
		}
		wg.Wait()
	})
}

// [D] The function sees its deadline, request id and ARN.
func TestContext(t *testing.T) {
	eachInvoker(t, 0, func(t *testing.T, invoker lambda.Invoker) {
		get := func(ctx context.Context) (info invocationInfo) {
			t.Helper()
			response, err := invoker.Invoke(ctx, "info", []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(response, &info); err != nil {
				t.Fatal(err)
			}
			return info
		}
		start := time.Now()
		first, second := get(t.Context()), get(t.Context())
		if first.RequestID == "" || first.RequestID == second.RequestID {
			t.Errorf("request ids %q and %q", first.RequestID, second.RequestID)
		}
		if first.ARN != "arn:aws:lambda:us-east-1:123456789012:function:info" {
			t.Errorf("arn = %q", first.ARN)
		}
		// The deadline comes in whole milliseconds.
		if low, high := start.Add(timeoutOf("info")), time.Now().Add(timeoutOf("info")); first.Deadline.Before(low.Add(-time.Millisecond)) || first.Deadline.After(high) {
			t.Errorf("deadline %v is not between %v and %v", first.Deadline, low, high)
		}
	})
}

// TestCallersDeadline shows that a function is told of its caller's deadline
// when that comes before its own timeout. Over the Invoke API it is not: the
// deadline does not travel.
func TestCallersDeadline(t *testing.T) {
	for _, name := range []string{"inprocess", "exec"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			response, err := invokers[name](t, 0).Invoke(ctx, "info", []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			var got invocationInfo
			if err := json.Unmarshal(response, &got); err != nil {
				t.Fatal(err)
			}
			want, _ := ctx.Deadline()
			if diff := want.Sub(got.Deadline); diff < 0 || diff > time.Millisecond {
				t.Errorf("deadline %v, want the caller's %v", got.Deadline, want)
			}
		})
	}
}
