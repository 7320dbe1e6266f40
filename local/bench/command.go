package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
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
	profile := fs.String("cpuprofile", "", "write a CPU profile to this `file`")
	template := fs.String("template", "template.yaml", "the SAM `file` that says what to run")
	exec := fs.String("exec", "", "run the bootstrap binaries in this `folder`")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if o.Conversations+o.Connections+o.Room == 0 {
		o.Conversations = 50
	}
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
	return server.With(ctx, server.Options{Template: *template, Getenv: command.Unlimited(getenv), Exec: *exec}, func(s *server.Server) error {
		o.WebSocketURL, o.HTTPURL, o.Token = s.WebSocketURL(), s.URL(), s.Token
		if *lean {
			o.WebSocketURL += "?v=2"
		}
		return Run(ctx, o, out)
	})
}
