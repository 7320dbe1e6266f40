package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"go.uber.org/goleak"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What no log line and no answer may ever contain. The events in testdata have
// both.
const (
	secretToken = "secret.token.value"
	secretWords = "the secret words"
)

// fields changes an event: a value by the path of its key, nil to remove it.
type fields map[string]any

// event returns testdata/<name>.json, changed. The files have the keys that
// API Gateway, SQS and EventBridge send, and no others.
func event(t testing.TB, name string, change fields) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	for path, value := range change {
		at, keys := root, strings.Split(path, "/")
		for _, key := range keys[:len(keys)-1] {
			at = at[key].(map[string]any)
		}
		if last := keys[len(keys)-1]; value == nil {
			delete(at, last)
		} else {
			at[last] = value
		}
	}
	b, err = json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// invoke runs a handler as Lambda does: JSON in, JSON out, or an error.
func invoke[Out any](t testing.TB, ctx context.Context, handler any, event []byte) (Out, error) {
	t.Helper()
	var out Out
	b, err := lambda.NewHandler(handler).Invoke(ctx, event)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("the response is no JSON: %v: %s", err, b)
	}
	return out, nil
}

// logged returns what the process logs during the test.
func logged(t testing.TB) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	gateway.LogJSON(&log, slog.LevelInfo)
	return &log
}

// mustNotLeak fails when s contains what was secret.
func mustNotLeak(t testing.TB, what, s string) {
	t.Helper()
	for _, secret := range []string{secretToken, secretWords} {
		if strings.Contains(s, secret) {
			t.Errorf("%s contains %q: %s", what, secret, s)
		}
	}
}

// line decodes the one line that an event is to write.
func line(t testing.TB, log *bytes.Buffer) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	var entry map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &entry); err != nil || len(lines) != 1 {
		t.Fatalf("want one line of JSON, got %d: %v\n%s", len(lines), err, log)
	}
	mustNotLeak(t, "the log", log.String())
	return entry
}

// connections is a poster that keeps what it is given.
type connections struct {
	mu     sync.Mutex
	frames []frame
	closed []chat.ConnectionID
	err    error // of every post
}

type frame struct {
	To    chat.ConnectionID `json:"-"`
	Event string
	ID    string
	Data  map[string]any
	Error *struct {
		Code      chat.Code
		Message   string
		Retryable bool
		Details   map[string]any
	}
}

func (c *connections) Post(ctx context.Context, to chat.Connection, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	f := frame{To: to.ID}
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	c.frames = append(c.frames, f)
	return c.err
}

func (c *connections) Close(_ context.Context, to chat.Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, to.ID)
}
