package lambda_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	"aiwm-chat/local/aws/lambda"
)

// startExec runs the named test functions. The Dir and Functions of o are
// filled in where they are missing.
func startExec(t testing.TB, o lambda.ExecOptions, names ...string) *lambda.Exec {
	t.Helper()
	if o.Functions == nil {
		o.Functions = map[string]lambda.ExecFunction{}
	}
	for _, name := range names {
		if _, ok := o.Functions[name]; !ok {
			o.Functions[name] = lambda.ExecFunction{Timeout: time.Minute}
		}
	}
	o.Dir = newBootstraps(t, names...)
	if o.Output == nil {
		o.Output = io.Discard
	}
	if o.Logger == nil {
		o.Logger = discardLogger()
	}
	e, err := lambda.NewExec(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func debugLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestExecReusesProcesses(t *testing.T) {
	var log logtest.Buffer
	e := startExec(t, lambda.ExecOptions{Logger: debugLogger(&log)}, "echo")
	defer closeInvoker(t, e)
	for range 20 {
		if _, err := e.Invoke(t.Context(), "echo", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "process started"); n != 1 {
		t.Errorf("%d processes for 20 invocations one after the other", n)
	}
}

// [D] The variables that a bootstrap needs.
func TestExecEnvironment(t *testing.T) {
	t.Setenv("OF_THIS_PROCESS", "secret")
	e := startExec(t, lambda.ExecOptions{
		Functions: map[string]lambda.ExecFunction{"getenv": {
			MemorySize: 256, Timeout: time.Minute,
			Env: map[string]string{"COLOUR": "blue", "AWS_LAMBDA_FUNCTION_VERSION": "mine"},
		}},
	}, "getenv")
	defer closeInvoker(t, e)
	response, err := e.Invoke(t.Context(), "getenv", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(response, &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"COLOUR=blue", "AWS_REGION=us-east-1", "AWS_LAMBDA_FUNCTION_NAME=getenv", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "_HANDLER=bootstrap", "LAMBDA_RUNTIME_DIR=/var/runtime", "TZ=:UTC",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	var root, libraries string
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "LAMBDA_TASK_ROOT="); ok {
			root = value
		}
		if value, ok := strings.CutPrefix(v, "LD_LIBRARY_PATH="); ok {
			libraries = value
		}
	}
	if want := "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:" + root + ":" + root + "/lib:/opt/lib"; root == "" || libraries != want {
		t.Errorf("LD_LIBRARY_PATH is %q, want %q", libraries, want)
	}
	if slices.Contains(env, "OF_THIS_PROCESS=secret") {
		t.Error("the environment of the server leaks into the function")
	}
}

func TestExecInitFailure(t *testing.T) {
	var log, output logtest.Buffer
	e := startExec(t, lambda.ExecOptions{Logger: debugLogger(&log), Output: &output}, "initexit")
	defer closeInvoker(t, e)
	_, err := e.Invoke(t.Context(), "initexit", []byte(`{}`))
	var failed *lambda.FunctionError
	if !errors.As(err, &failed) || failed.ErrorType() != "Runtime.ExitError" || !strings.Contains(failed.ErrorMessage(), "exit status 3") {
		t.Errorf("err = %v", err)
	}
	if want := "initexit | cannot start: no configuration\n"; output.String() != want {
		t.Errorf("output = %q, want %q", output.String(), want)
	}
	if !strings.Contains(log.String(), "exit status 3") {
		t.Errorf("log does not say how the process ended:\n%s", log.String())
	}
}

// [D] A panic posts an error and exits: the next invocation gets a new process.
func TestExecCrash(t *testing.T) {
	var log logtest.Buffer
	e := startExec(t, lambda.ExecOptions{Logger: debugLogger(&log)}, "crash", "panic")
	defer closeInvoker(t, e)
	for _, name := range []string{"crash", "crash", "panic", "panic"} { // each is replaced
		_, err := e.Invoke(t.Context(), name, []byte(`{}`))
		var failed *lambda.FunctionError
		if !errors.As(err, &failed) {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "crash" && (failed.ErrorType() != "Runtime.ExitError" || !strings.Contains(failed.ErrorMessage(), "signal: killed")) {
			t.Errorf("crash: %v", err)
		}
	}
	if n := strings.Count(log.String(), "process started"); n != 4 {
		t.Errorf("%d processes for 4 crashes", n)
	}
}

func TestExecKillFault(t *testing.T) {
	dir := t.TempDir()
	var asked atomic.Int32
	e := startExec(t, lambda.ExecOptions{Kill: func(function string) (time.Duration, bool) {
		return 0, function == "block" && asked.Add(1) == 1
	}}, "block", "echo")
	defer closeInvoker(t, e)
	_, err := e.Invoke(t.Context(), "block", encode(t, event{Release: filepath.Join(dir, "never")}))
	var failed *lambda.FunctionError
	if !errors.As(err, &failed) || failed.ErrorType() != "Runtime.ExitError" {
		t.Errorf("killed: %v", err)
	}
	touch(t, filepath.Join(dir, "release"))
	if _, err := e.Invoke(t.Context(), "block", encode(t, event{Release: filepath.Join(dir, "release")})); err != nil {
		t.Errorf("after the kill: %v", err)
	}
	if _, err := e.Invoke(t.Context(), "echo", []byte(`{}`)); err != nil {
		t.Errorf("another function: %v", err)
	}
}

func TestExecReapsIdleProcesses(t *testing.T) {
	var log logtest.Buffer
	e := startExec(t, lambda.ExecOptions{IdleTimeout: 50 * time.Millisecond, Logger: debugLogger(&log)}, "echo")
	defer closeInvoker(t, e)
	for range 2 {
		if _, err := e.Invoke(t.Context(), "echo", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		ended := strings.Count(log.String(), "process ended") + 1
		eventually(t, "idle process ends", func() bool { return strings.Count(log.String(), "process ended") == ended })
	}
}

// TestExecBoundsProcesses invokes two functions in turn where one process may
// live.
func TestExecBoundsProcesses(t *testing.T) {
	var log logtest.Buffer
	e := startExec(t, lambda.ExecOptions{Concurrency: 1, Logger: debugLogger(&log)}, "echo", "info")
	defer closeInvoker(t, e)
	for _, name := range []string{"echo", "info", "echo"} {
		if _, err := e.Invoke(t.Context(), name, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two of three processes end", func() bool { return strings.Count(log.String(), "process ended") == 2 })
}

// Without a Concurrency there are as many processes at work as the machine can
// bear. What comes on top waits for its turn, or until its caller gives up.
func TestExecWaitsForTheMachine(t *testing.T) {
	var log logtest.Buffer
	e := startExec(t, lambda.ExecOptions{Logger: debugLogger(&log)}, "block", "echo")
	defer closeInvoker(t, e)
	dir := t.TempDir()
	release := filepath.Join(dir, "release")
	var wg sync.WaitGroup
	defer wg.Wait()
	defer touch(t, release)
	most := lambda.DefaultProcesses()
	for i := range most {
		wg.Go(func() {
			in := encode(t, event{Started: filepath.Join(dir, strconv.Itoa(i)), Release: release})
			if _, err := e.Invoke(t.Context(), "block", in); err != nil {
				t.Errorf("invocation %d: %v", i, err)
			}
		})
	}
	for i := range most {
		eventually(t, "they run at once", exists(filepath.Join(dir, strconv.Itoa(i))))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Invoke(ctx, "echo", []byte(`{}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one too many: %v", err)
	}
	for range 3 * most { // these wait, and are not throttled
		wg.Go(func() {
			if _, err := e.Invoke(t.Context(), "echo", []byte(`{}`)); err != nil {
				t.Error(err)
			}
		})
	}
	touch(t, release)
	wg.Wait()
	if n := strings.Count(log.String(), "process started"); n > 2*most {
		t.Errorf("%d processes were started where %d may be at work", n, most)
	}
}

// TestExecCloseTerminates shows that only a function with an extension is told
// of its end, as on Lambda.
// [D] No extension: SIGKILL at once; an internal one (WithEnableSIGTERM):
// SIGTERM first.
func TestExecCloseTerminates(t *testing.T) {
	for name, told := range map[string]bool{"sigterm": true, "trap": false} {
		mark := filepath.Join(t.TempDir(), "mark")
		e := startExec(t, lambda.ExecOptions{Functions: map[string]lambda.ExecFunction{
			name: {Env: map[string]string{"MARK": mark}, Timeout: time.Minute},
		}}, name)
		if _, err := e.Invoke(t.Context(), name, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		closeInvoker(t, e)
		if exists(mark)() != told {
			t.Errorf("%s: told of its end: %v", name, !told)
		}
		if _, err := e.Invoke(t.Context(), name, []byte(`{}`)); !errors.Is(err, lambda.ErrClosed) {
			t.Errorf("%s: invoke after close: %v", name, err)
		}
	}
}

func TestExecCloseCutsOff(t *testing.T) {
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	e := startExec(t, lambda.ExecOptions{}, "block")
	failed := make(chan error, 1)
	go func() {
		_, err := e.Invoke(t.Context(), "block", encode(t, event{Started: started, Release: filepath.Join(dir, "never")}))
		failed <- err
	}()
	eventually(t, "function starts", exists(started))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	var functionError *lambda.FunctionError
	if err := <-failed; !errors.As(err, &functionError) {
		t.Errorf("invocation: %v", err)
	}
}

// [D] Init has 10 s. Lambda would try once more inside the first invocation;
// here the next one starts a new process.
func TestExecInitTimeout(t *testing.T) {
	e := scriptExec(t, "sleep 60", lambda.ExecOptions{InitTimeout: 50 * time.Millisecond})
	defer closeInvoker(t, e)
	_, err := e.Invoke(t.Context(), "f", []byte(`{}`))
	var failed *lambda.FunctionError
	if !errors.As(err, &failed) || failed.ErrorType() != "Sandbox.Timedout" || !strings.Contains(failed.ErrorMessage(), "Init timed out") {
		t.Errorf("err = %v", err)
	}
}

// scriptExec runs a shell script as the function "f".
func scriptExec(t *testing.T, script string, o lambda.ExecOptions) *lambda.Exec {
	t.Helper()
	o.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Dir, "bootstrap"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.Functions = map[string]lambda.ExecFunction{"f": {Dir: ".", Timeout: time.Minute}}
	o.Output, o.Logger = io.Discard, discardLogger()
	e, err := lambda.NewExec(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExecRefusesBinaries(t *testing.T) {
	foreign := map[string]uint16{"arm64": 183, "amd64": 62} // e_machine
	delete(foreign, runtime.GOARCH)
	for arch, machine := range foreign {
		dir := t.TempDir()
		header := make([]byte, 64)
		copy(header, "\x7fELF\x02\x01\x01")
		binary.LittleEndian.PutUint16(header[16:], 2)       // executable
		binary.LittleEndian.PutUint16(header[18:], machine) //
		binary.LittleEndian.PutUint32(header[20:], 1)       // version
		binary.LittleEndian.PutUint16(header[52:], 64)      // size of this header
		binary.LittleEndian.PutUint16(header[54:], 0x38)    // size of a program header
		binary.LittleEndian.PutUint16(header[58:], 0x40)    // size of a section header
		if err := os.WriteFile(filepath.Join(dir, "bootstrap"), header, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := lambda.NewExec(lambda.ExecOptions{Dir: dir, Functions: map[string]lambda.ExecFunction{"f": {Dir: "."}}})
		if err == nil || !strings.Contains(err.Error(), "linux/"+arch) || !strings.Contains(err.Error(), "GOARCH="+runtime.GOARCH) {
			t.Errorf("%s: %v", arch, err)
		}
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for sub, want := range map[string]string{"missing": "make build", ".": "not an executable"} {
		_, err := lambda.NewExec(lambda.ExecOptions{Dir: dir, Functions: map[string]lambda.ExecFunction{"f": {Dir: sub}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sub, err)
		}
	}
}

// TestExecRuntimeAPI speaks the Runtime API as no Go function does, from a
// shell script.
// [D] Runtime API 2018-06-01: an error before the first event, no response, a
// response to another event.
func TestExecRuntimeAPI(t *testing.T) {
	for _, tt := range []struct{ name, script, errorType string }{
		{"init error", `curl -s -XPOST -d '{"errorType":"Init.Broken","errorMessage":"x"}' $API/init/error; exit 1`, "Init.Broken"},
		{"no response", `curl -s $API/invocation/next; curl -s $API/invocation/next`, "Runtime.NoResponse"},
		{"response to another", `curl -s $API/invocation/next; curl -s -XPOST -d '{}' $API/invocation/other/response; exit 1`, "Runtime.ExitError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat("/usr/bin/curl"); err != nil {
				t.Skip("needs curl")
			}
			e := scriptExec(t, "API=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime\n"+tt.script, lambda.ExecOptions{})
			defer closeInvoker(t, e)
			_, err := e.Invoke(t.Context(), "f", []byte(`{}`))
			var failed *lambda.FunctionError
			if !errors.As(err, &failed) || failed.ErrorType() != tt.errorType {
				t.Errorf("err = %v, want %s", err, tt.errorType)
			}
		})
	}
}

// [D] Runtime API 2018-06-01: the headers of next, 202 for a response, and the
// invocation ends with the following next.
func TestExecNextAndResponse(t *testing.T) {
	if _, err := os.Stat("/usr/bin/curl"); err != nil {
		t.Skip("needs curl")
	}
	e := scriptExec(t, `API=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
headers=$(curl -s -D - -o /dev/null $API/invocation/next | tr -d '\r')
for name in Aws-Request-Id Deadline-Ms Invoked-Function-Arn Trace-Id; do
	echo "$headers" | grep -qi "^Lambda-Runtime-$name: ." || exit 1
done
id=$(echo "$headers" | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
status=$(curl -s -o /dev/null -w '%{http_code}' -XPOST -d '"ok"' $API/invocation/$id/response)
[ "$status" = 202 ] || exit 1
curl -s $API/invocation/next`, lambda.ExecOptions{})
	defer closeInvoker(t, e)
	if got, err := e.Invoke(t.Context(), "f", []byte(`{}`)); err != nil || string(got) != `"ok"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func BenchmarkExec(b *testing.B) {
	e := startExec(b, lambda.ExecOptions{}, "echo")
	defer closeInvoker(b, e)
	event := []byte(`{"text":"hello"}`)
	for b.Loop() {
		if _, err := e.Invoke(b.Context(), "echo", event); err != nil {
			b.Fatal(err)
		}
	}
}
