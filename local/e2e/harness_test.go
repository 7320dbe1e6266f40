// Package e2e_test drives the whole local server through real sockets, as
// clients do, and knows nothing of what is inside. With AIWM_EXEC it runs the
// built binaries in that folder; with MONGODB_URI and REDIS_ADDR, on those.
package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/observe"
)

// patience is how long a test waits for what must come; it comes in
// milliseconds, unless the machine is so busy that Redis seems away: then sweep
// brings it, within two minutes.
const patience = 90 * time.Second

// quiet is how long a test waits for what must not come.
const quiet = 150 * time.Millisecond

// shared is the server of every test that does not need one of its own.
var shared *server.Server

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// scratch is a folder for what tests build; run makes and removes it.
var scratch string

func run(m *testing.M) (status int) {
	slog.SetDefault(slog.New(observe.Handler(slog.NewJSONHandler(watched, &slog.HandlerOptions{Level: &watched.level}))))
	if testing.Verbose() {
		watched.also = os.Stderr
	}
	var err error
	if scratch, err = os.MkdirTemp("", "aiwm-chat-e2e"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a temporary folder
	if contract.Contract, err = readContract(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if shared, err = server.Start(context.Background(), options()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status = m.Run()
	if broken := contract.broken(); len(broken) > 0 {
		fmt.Fprintln(os.Stderr, "what was seen is not as the contract of local/contract has it:\n"+strings.Join(broken, "\n"))
		status = 1
	}
	if leaks := watched.leaks(); leaks != "" {
		fmt.Fprintln(os.Stderr, "a secret, or what somebody wrote, is in the log:\n"+leaks)
		status = 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shared.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "close the server:", err)
		return 1
	}
	return status
}

// options are those of a server in memory, or as the environment says.
func options() server.Options {
	o := server.Options{
		Template: "../../template.yaml", Addr: "127.0.0.1:0", Secret: []byte("a secret of thirty-two bytes, all told"),
		Getenv: fromEnvironment, Exec: os.Getenv("AIWM_EXEC"), Strict: true,
	}
	return o
}

// fromEnvironment lets only databases in, so that a developer's OPENAI_API_KEY
// does not make tests expensive.
func fromEnvironment(name string) string {
	switch name {
	case "MONGODB_URI", "REDIS_ADDR":
		return os.Getenv(name)
	case "LOG_LEVEL":
		return "error"
	}
	if strings.HasPrefix(name, "LIMIT_") {
		return "0" // tests that are about a limit set it
	}
	return ""
}

// start runs a server that the test may end.
func start(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	s := startBare(t, o)
	t.Cleanup(func() { stop(t, s) })
	return s
}

// startBare is start where the test ends the server itself.
func startBare(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil && ctx.Err() != nil {
		t.Error("close the server:", err)
	}
}

// serial makes ids of every test and run unlike all others.
var serial atomic.Int64

func unique(prefix string) string {
	return prefix + "-" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" + strconv.FormatInt(serial.Add(1), 10)
}

type fields = map[string]any

func data[T any](t *testing.T, f client.Frame) T {
	t.Helper()
	v, err := client.Data[T](f)
	if err != nil {
		t.Fatalf("the data of %s: %v", f.Event, err)
	}
	return v
}

// code returns the code of a refusal, "" for none.
func code(t *testing.T, err error) chat.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok {
		t.Fatalf("not a refusal but a failure: %v", err)
	}
	return refusal.Code
}

// redisOf returns a client of the server's Redis.
func redisOf(t *testing.T, s *server.Server) redis.UniversalClient {
	t.Helper()
	r := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(s.RedisAddr(), ",")})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// emptiesRedis skips a test that empties Redis where others use it meanwhile.
func emptiesRedis(t *testing.T) {
	t.Helper()
	if os.Getenv("REDIS_ADDR") != "" {
		t.Skip("a Redis that is not the test's own is not emptied")
	}
}

// eventually waits until something becomes true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	eventuallyWithin(t, what, patience, is)
}

func eventuallyWithin(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
	}
}

// luckily tries what a machine that is busy may spoil: one of three times it
// must be as it says.
func luckily(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 3 {
		if err = try(); err == nil || t.Failed() {
			return
		}
		t.Log("again:", err)
	}
	t.Error(err)
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
