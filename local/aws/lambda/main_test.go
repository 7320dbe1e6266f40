package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/goleak"
)

// TestMain makes this test binary a bootstrap too: a symbolic link to it,
// started with the name of one of testHandlers, serves that function over the
// Runtime API.
func TestMain(m *testing.M) {
	if name := os.Getenv("AWS_LAMBDA_FUNCTION_NAME"); name != "" {
		serveFunction(name)
		return
	}
	goleak.VerifyTestMain(m)
}

func serveFunction(name string) {
	switch name {
	case "initexit":
		fmt.Println("cannot start: no configuration")
		os.Exit(3)
	case "trap": // a signal handler alone is not told
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		go func() {
			<-signals
			_ = os.WriteFile(os.Getenv("MARK"), []byte("terminated"), 0o600)
		}()
		awslambda.Start(echo)
	case "sigterm":
		awslambda.StartWithOptions(echo, awslambda.WithEnableSIGTERM(func() {
			_ = os.WriteFile(os.Getenv("MARK"), []byte("terminated"), 0o600)
			os.Exit(0)
		}))
	case "getenv":
		awslambda.Start(func() ([]string, error) { return os.Environ(), nil })
	default:
		awslambda.Start(testHandlers[name])
	}
}

type event struct {
	Text string `json:"text,omitempty"`
	Size int    `json:"size,omitempty"`
	// Started and Release are files: the function makes the first and waits for
	// the second.
	Started string `json:"started,omitempty"`
	Release string `json:"release,omitempty"`
}

type customError struct{ what string }

func (e *customError) Error() string { return "custom: " + e.what }

// shortTimeout is the timeout of "slow" and "sleep"; the others have one that
// no test reaches.
const shortTimeout = 300 * time.Millisecond

// testHandlers are the functions that every invoker runs.
var testHandlers = map[string]any{
	"echo":   echo,
	"nil":    func(event) error { return nil },
	"fail":   func(event) (event, error) { return event{}, errors.New("broken") },
	"custom": func(event) error { return fmt.Errorf("%w", &customError{"x"}) },
	"typed":  func(event) error { return &customError{"x"} },
	"panic":  func(event) (event, error) { panic("oh no") },
	"raw":    rawHandler{},
	"info":   info,
	"block":  block,
	"slow":   block,
	"badin":  func([]int) error { return nil },
	"sleep":  func(ctx context.Context, _ event) error { <-ctx.Done(); time.Sleep(2 * time.Second); return nil },
	"crash":  func(event) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) },
}

func timeoutOf(name string) time.Duration {
	if name == "slow" || name == "sleep" {
		return shortTimeout
	}
	return time.Minute
}

// A rawHandler returns a long event as it is, and for a short one as many bytes
// as it asks for. It does without JSON, which the race detector makes slow.
type rawHandler struct{}

func (rawHandler) Invoke(_ context.Context, b []byte) ([]byte, error) {
	if len(b) > 100 {
		return b, nil
	}
	var e event
	err := json.Unmarshal(b, &e)
	return bytes.Repeat([]byte("x"), e.Size), err
}

func echo(e event) (event, error) { return e, nil }

type invocationInfo struct {
	RequestID string    `json:"requestId"`
	ARN       string    `json:"arn"`
	Deadline  time.Time `json:"deadline"`
}

func info(ctx context.Context, _ event) (invocationInfo, error) {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return invocationInfo{}, errors.New("no lambda context")
	}
	deadline, _ := ctx.Deadline()
	return invocationInfo{RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, Deadline: deadline}, nil
}

// block ignores its context until it is released: its file is there, or the
// test is over and has removed the folder.
func block(e event) (event, error) {
	if e.Started != "" {
		if err := os.WriteFile(e.Started, nil, 0o600); err != nil {
			return e, err
		}
	}
	for {
		if _, err := os.Stat(e.Release); err == nil {
			return e, nil
		}
		if _, err := os.Stat(filepath.Dir(e.Release)); err != nil {
			return e, nil
		}
		time.Sleep(time.Millisecond)
	}
}

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually polls until ok, for as long as a loaded machine may need.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
