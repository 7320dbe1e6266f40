package lambda_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiwm-chat/local/logline/logtest"

	awslambda "github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/local/aws/lambda"
)

func inProcess(t testing.TB, o lambda.InProcessOptions, handler any) *lambda.InProcess {
	t.Helper()
	if o.Logger == nil {
		o.Logger = discardLogger()
	}
	p, err := lambda.NewInProcess(map[string]lambda.Function{"f": {Handler: handler, Timeout: time.Minute}}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeInvoker(t, p) })
	return p
}

func TestContextIsCancelledAfterReturn(t *testing.T) {
	var kept context.Context
	p := inProcess(t, lambda.InProcessOptions{}, func(ctx context.Context) error { kept = ctx; return ctx.Err() })
	if _, err := p.Invoke(t.Context(), "f", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(kept.Err(), context.Canceled) {
		t.Errorf("context after return: %v", kept.Err())
	}
}

func TestContextCarriesNothingOfTheCaller(t *testing.T) {
	type key struct{}
	var seen any
	p := inProcess(t, lambda.InProcessOptions{}, func(ctx context.Context) { seen = ctx.Value(key{}) })
	if _, err := p.Invoke(context.WithValue(t.Context(), key{}, "secret"), "f", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if seen != nil {
		t.Errorf("handler sees %v", seen)
	}
}

func TestRefusesHandlers(t *testing.T) {
	for name, handler := range map[string]any{"none": nil, "wrapped": awslambda.NewHandler(echo)} {
		if _, err := lambda.NewInProcess(map[string]lambda.Function{"f": {Handler: handler}}, lambda.InProcessOptions{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestPlainHandler shows that a handler that returns the very bytes it got
// still shares nothing with its caller.
func TestPlainHandler(t *testing.T) {
	p := inProcess(t, lambda.InProcessOptions{}, rawHandler{})
	event := bytes.Repeat([]byte(" "), 200)
	want := bytes.Clone(event)
	got, err := p.Invoke(t.Context(), "f", event)
	clear(event)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPanicStackOnlyInLog(t *testing.T) {
	var log logtest.Buffer
	p := inProcess(t, lambda.InProcessOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func() error { panic("oh no") })
	_, err := p.Invoke(t.Context(), "f", []byte(`{}`))
	var failed *lambda.FunctionError
	if !errors.As(err, &failed) || strings.Contains(string(failed.Payload), "stackTrace\":[") {
		t.Errorf("err = %v, payload has the stack", err)
	}
	if !strings.Contains(log.String(), "TestPanicStackOnlyInLog") {
		t.Errorf("log has no stack:\n%s", log.String())
	}
}

func TestLogHasNoPayload(t *testing.T) {
	var log logtest.Buffer
	debug := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := inProcess(t, lambda.InProcessOptions{Logger: debug}, echo)
	if _, err := p.Invoke(t.Context(), "f", []byte(`{"text":"confidential"}`)); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Contains(got, "confidential") || strings.Count(got, "\n") != 1 || !strings.Contains(got, "function=f") {
		t.Errorf("log:\n%s", got)
	}
}

func TestStrictFindsGoroutineThatOutlivesHandler(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	p := inProcess(t, lambda.InProcessOptions{Strict: true}, func() {
		go func() { // started by a goroutine of the handler, which is gone by now
			go leakUntil(stop, stopped)
		}()
	})
	_, err := p.Invoke(t.Context(), "f", []byte(`{}`))
	var failed *lambda.FunctionError
	if !errors.As(err, &failed) || failed.ErrorType() != "Local.GoroutineLeak" || !strings.Contains(failed.ErrorMessage(), "leakUntil") {
		t.Errorf("err = %v", err)
	}
	close(stop)
	<-stopped
}

func leakUntil(stop <-chan struct{}, stopped chan<- struct{}) {
	<-stop
	close(stopped)
}

func TestStrictAcceptsTidyHandlers(t *testing.T) {
	background := make(chan struct{})
	go func() { <-background }() // not the handler's, though of this module
	defer close(background)
	p := inProcess(t, lambda.InProcessOptions{Strict: true}, func() {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
		time.AfterFunc(time.Hour, func() {}).Stop()
		context.AfterFunc(context.Background(), func() {})
	})
	for range 20 {
		if _, err := p.Invoke(t.Context(), "f", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseWaitsForStrayHandlers(t *testing.T) {
	dir := t.TempDir()
	started, release := filepath.Join(dir, "started"), filepath.Join(dir, "release")
	p := inProcess(t, lambda.InProcessOptions{}, block)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := p.Invoke(ctx, "f", encode(t, event{Started: started, Release: release}))
		failed <- err
	}()
	eventually(t, "handler starts", exists(started))
	cancel()
	<-failed

	expired, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Close(expired); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close with a stray handler: %v", err)
	}
	if _, err := p.Invoke(t.Context(), "f", []byte(`{}`)); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("invoke after close: %v", err)
	}
	touch(t, release)
	closeInvoker(t, p)
}

func BenchmarkInProcess(b *testing.B) {
	for name, handler := range map[string]any{"json": echo, "raw": rawHandler{}} {
		b.Run(name, func(b *testing.B) {
			p := inProcess(b, lambda.InProcessOptions{}, handler)
			event := []byte(`{"text":"` + strings.Repeat("x", 200) + `"}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Invoke(b.Context(), "f", event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
