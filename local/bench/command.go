package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

// Command starts a server of its own and loads it. MONGODB_URI and REDIS_ADDR
// have it use those databases instead of the embedded ones.
func Command(ctx context.Context, args []string, out io.Writer, getenv func(string) string) (err error) {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	var o Options
	fs.IntVar(&o.Conversations, "conversations", 0, "conversations in a closed loop, each a user and an agent")
	lean := fs.Bool("lean", false, "clients ask for the dialect lean: one frame for each connection and message")
	seconds := fs.Int("seconds", 20, "how long the closed loop runs")
	fs.IntVar(&o.Connections, "connections", 0, "connections that only wait")
	fs.IntVar(&o.Room, "room", 0, "connections in one conversation that get a message together")
	fs.IntVar(&o.Streams, "streams", 0, "answers that agents write at the same time, 20 pieces a second each, for -seconds")
	profile := fs.String("cpuprofile", "", "write a CPU profile to this `file`")
	template := fs.String("template", "template.yaml", "the SAM `file` that says what to run")
	exec := fs.String("exec", "", "run the bootstrap binaries in this `folder`")
	fs.DurationVar(&o.MemoryWatch, "memory-watch", 0, "have the connections ping for this `time`, such as 60s, and fail if memory grows after the first third; with -target it is what /metrics of a go run ./local tells")
	target := fs.String("target", "", "load the WebSocket API at this `URL` (wss://…), with tokens signed with JWT_SECRET, in place of a server here")
	rest := fs.String("rest", "", "with -target: the `URL` of its HTTP API (https://…)")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if err := checkTarget(fs, *target, *rest, getenv); err != nil {
		return err
	}
	if o.Conversations+o.Connections+o.Room+o.Streams == 0 {
		o.Conversations = 50
	}
	o.Progress = os.Stderr
	o.Duration = time.Duration(*seconds) * time.Second
	command.Quiet()
	if *profile != "" {
		f, createErr := os.Create(*profile)
		if createErr != nil {
			return fmt.Errorf("write a profile: %w", createErr)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("write a profile: %w", err)
		}
		defer func() { pprof.StopCPUProfile(); err = errors.Join(err, f.Close()) }()
	}
	if *target != "" {
		o.WebSocketURL, o.HTTPURL, o.Elsewhere = query(*target, *lean), strings.TrimSuffix(*rest, "/"), true
		o.Token = func(p chat.Principal, ttl time.Duration) (string, error) {
			return auth.Mint([]byte(getenv("JWT_SECRET")), p, string(p.ID), ttl, time.Now())
		}
		return Run(ctx, o, out)
	}
	return server.With(ctx, server.Options{Template: *template, Getenv: command.Unlimited(getenv), Exec: *exec}, func(s *server.Server) error {
		o.WebSocketURL, o.HTTPURL, o.Token = query(s.WebSocketURL(), *lean), s.URL(), s.Token
		return Run(ctx, o, out)
	})
}

func query(address string, lean bool) string {
	if lean {
		return address + "?v=2"
	}
	return address
}

// checkTarget refuses flags that do nothing, or not enough, together.
func checkTarget(fs *flag.FlagSet, target, rest string, getenv func(string) string) error {
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	ours := func(address string, schemes ...string) bool {
		u, err := url.Parse(address)
		return err == nil && u.Host != "" && u.RawQuery == "" && slices.Contains(schemes, u.Scheme)
	}
	switch {
	case target == "" && rest == "":
		return nil
	case !ours(target, "wss", "ws"):
		return errors.New("-target must be a wss:// URL without a query")
	case !ours(rest, "https", "http"):
		return errors.New("-rest must be an https:// URL, that of the HTTP API of -target")
	case set["exec"] || set["template"]:
		return errors.New("-exec and -template are for a server here, not for -target")
	case len(getenv("JWT_SECRET")) < auth.MinSecret:
		return fmt.Errorf("-target takes tokens that are signed with JWT_SECRET: set it, of %d bytes or more", auth.MinSecret)
	}
	return nil
}
