// Package serve runs the local server until it is interrupted.
package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/filelock"
	"aiwm-chat/local/logline"
	"aiwm-chat/local/scripted"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/observe"
)

// shutdownTime is how long Ctrl-C waits for what is running.
const shutdownTime = 10 * time.Second

// tokenDelay makes the scripted model about as fast as one that is no script: 60 tokens
// a second.
const tokenDelay = 16 * time.Millisecond

// serveFlags are the flags of serve that are no options of the server.
type serveFlags struct {
	memory, verbose bool
	log, bind       string
}

// flagsOfServe declares the flags of serve.
func flagsOfServe(o *server.Options) (*flag.FlagSet, *serveFlags) {
	fs, f := flag.NewFlagSet("local", flag.ContinueOnError), &serveFlags{}
	fs.Usage = func() {
		fmt.Fprintln(fs.Output(), "Usage: go run ./local [serve|demo|token|contract|indexes|migrate|reindex|export|import|bench|soak|cost|cold] [flags]; <command> -h lists the flags of another. Those of serve:")
		fs.PrintDefaults()
	}
	fs.BoolVar(&f.memory, "memory", false, "keep no data; without it they are in "+command.DataDir)
	fs.StringVar(&f.log, "log", "text", "`form` of the log: text or json")
	fs.BoolVar(&f.verbose, "v", false, "log the emulators' own lines too")
	fs.StringVar(&f.bind, "bind", "127.0.0.1", "listen on this `address` of this machine; who reaches it reaches the databases too")
	fs.StringVar(&o.Template, "template", "template.yaml", "the SAM `file` that says what to run")
	fs.Func("parameter", "a `Name=value` for a parameter of the template; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("it has to be Name=value")
		}
		if o.Parameters == nil {
			o.Parameters = map[string]string{}
		}
		o.Parameters[name] = value
		return nil
	})
	fs.StringVar(&o.Secrets, "secrets", "", "keep the functions' secrets in this emulated `service`, secretsmanager or ssm, as in production")
	fs.StringVar(&o.Exec, "exec", "", "run the bootstrap binaries in this `folder` (.aws-sam/build or .build)")
	fs.StringVar(&o.Lambda, "lambda", "", "invoke the functions at this `URL`, such as that of sam local start-lambda; writes "+environmentFile+" for them")
	fs.StringVar(&o.Host, "host", "", "with -lambda: the `name` by which the functions reach this machine, such as host.docker.internal")
	fs.IntVar(&o.Concurrency, "concurrency", 0, "invocations at the same time, more are throttled; 0: 1000, as on AWS, of which with -exec the machine decides how many run and how many wait")
	fs.Float64Var(&o.TimeScale, "timescale", 1, "divide the gateway's and the queues' waiting times by this `factor`: 60 makes 10 min idle 10 s")
	fs.Var(&o.Unproven, "unproven", "set a `switch` for what AWS leaves open, such as MaxPost=32768; may be repeated")
	o.Faults = faults.Register(fs)
	return fs, f
}

// Command runs the local server until it is interrupted.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) error {
	o := server.Options{Getenv: getenv, Model: scripted.Options{Delay: tokenDelay}}
	fs, f := flagsOfServe(&o)
	tail := logline.NewTail(shownLines)
	o.Pages = func(s *server.Server, routes []string) map[string]http.Handler {
		return pagesOf(s, o, routes, tail, getenv)
	}
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if err := setLog(f.log, f.verbose, tail); err != nil {
		return err
	}
	if o.TimeScale <= 0 {
		return fmt.Errorf("-timescale must be positive")
	}
	if err := fit(fs); err != nil {
		return err
	}
	if !f.memory {
		o.Dir = command.DataDir
	}
	var err error
	if o.Addr, err = address(f.bind, getenv); err != nil {
		return err
	}
	if o.Secret, err = command.SigningSecret(getenv); err != nil {
		return err
	}
	s, err := server.Start(ctx, o)
	if errors.Is(err, filelock.ErrTaken) {
		return fmt.Errorf("%w; -memory runs one beside it, which keeps no data", err)
	}
	if err != nil {
		return err
	}
	if o.Lambda != "" {
		err = writeEnvironment(s)
	}
	if err == nil && s.HasHTTPAPI() && foreign(getenv) == "" {
		if err := hire(ctx, s, getenv); err != nil {
			slog.WarnContext(ctx, "there is no assistant", "err", err)
		}
	}
	if err == nil {
		err = greet(out, s, o, getenv)
	}
	if err == nil {
		<-ctx.Done()
		fmt.Fprintf(out, "closing, which takes up to %.0f s where something is running; Ctrl-C again ends at once\n", shutdownTime.Seconds())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	closed := s.Close(ctx)
	if errors.Is(closed, context.DeadlineExceeded) {
		closed = fmt.Errorf("something was still running (an answer goes on within a minute and a half of the next start): %w", closed)
	}
	return errors.Join(err, closed)
}

// fit refuses flags that do nothing, or too much, together.
func fit(fs *flag.FlagSet) error {
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	switch {
	case set["exec"] && set["lambda"]:
		return fmt.Errorf("-exec and -lambda exclude each other")
	case set["host"] && !set["lambda"]:
		return fmt.Errorf("-host is for -lambda")
	case set["kill"] && !set["exec"]:
		return fmt.Errorf("-kill is for -exec: it takes a process to kill one")
	}
	return nil
}

// address is where to listen: on loopback unless the user says otherwise, for
// there is no TLS here.
func address(bind string, getenv func(string) string) (string, error) {
	port := getenv("PORT")
	if port == "" {
		port = "3003"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("PORT must be a number from 0 to 65535, not %q", port)
	} else if n == 0 {
		port = "0"
	}
	return net.JoinHostPort(bind, port), nil
}

func setLog(form string, verbose bool, tail *logline.Tail) error {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	var h slog.Handler
	switch form {
	case "text":
		h = logline.New(os.Stderr, level)
	case "json":
		h = observe.Handler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	default:
		return fmt.Errorf("-log must be text or json, not %q", form)
	}
	slog.SetDefault(slog.New(tail.Handler(h)))
	return nil
}
