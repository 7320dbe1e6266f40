package gateway

import (
	"cmp"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/secrets"
	"aiwm-chat/shared/wire"
)

// Run is the main of a function: it reads the environment, wires the function
// and serves Lambda's events. Where something is missing it names everything
// that is, and the process ends. Secrets that are kept elsewhere are read then,
// all at the same time, and again only after one was refused.
func Run(f wire.Function) {
	handler, stack, err := prepare(f)
	for n := 0; f.Refuse != nil && n < grantTries && isDenied(err); n++ {
		time.Sleep(grantPause)
		handler, stack, err = prepare(f)
	}
	if err != nil && f.Refuse != nil {
		handler, err = f.Refuse(err), nil
	}
	if err != nil {
		crashed(os.Stdout)
		slog.SetLogLoggerLevel(slog.LevelError) // where operators look
		log.Fatal(err)
	}
	lambda.StartWithOptions(handler, lambda.WithContext(observe.To(context.Background(), sinkOf(stack))))
}

// sinkOf is where an instance tells its numbers, and its calls where Lambda runs
// X-Ray's daemon beside it.
func sinkOf(stack string) *observe.Sink {
	sink := observe.NewSink(stack, os.Stdout)
	if addr := os.Getenv("AWS_XRAY_DAEMON_ADDRESS"); addr != "" {
		if daemon, err := net.Dial("udp", addr); err == nil { // without it only traces are lost
			sink.Trace(daemon)
		}
	}
	return sink
}

// crashed counts a process that does not start, of which Lambda's own numbers tell
// an alarm too little: see Authorizer.
func crashed(out io.Writer) {
	sink := observe.NewSink(cmp.Or(os.Getenv("STACK_NAME"), "local"), out)
	_, i := observe.Begin(observe.To(context.Background(), sink), observe.Start{Function: os.Getenv("AWS_LAMBDA_FUNCTION_NAME")})
	i.Add(observe.Crashes, 1)
	i.End()
}

// secretsTime is how long the secrets may take that a function starts with:
// Lambda gives the whole start 10 s, and MongoDB may need most of it.
const secretsTime = 4 * time.Second

// What runs in the middle of a deployment has got its rights a moment ago, and
// AWS needs some seconds until they count everywhere. Where Lambda ends the start
// before that, it begins again with the first event, for as long as that may take.
const (
	grantTries = 6
	grantPause = 5 * time.Second
)

func isDenied(err error) bool { return err != nil && strings.Contains(err.Error(), "AccessDenied") }

// prepare reads the environment, secrets included, and wires the function. stack is
// where its numbers belong.
func prepare(f wire.Function) (handler any, stack string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), secretsTime)
	defer cancel()
	cfg, err := config.LoadWith(ctx, os.Getenv, secrets.In(os.Getenv), f.Needs...)
	LogJSON(os.Stdout, cfg.LogLevel)
	if err != nil {
		return nil, "", err
	}
	handler, err = f.Handler(wire.NewProcess(cfg))
	return handler, cfg.Stack, err
}

// LogJSON makes lines of JSON, as CloudWatch reads them, the process's log, each
// with what finds the others of its invocation.
func LogJSON(w io.Writer, level slog.Level) {
	slog.SetDefault(slog.New(observe.Handler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))))
}
