package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"time"

	"aiwm-chat/local/demo"
	"aiwm-chat/local/server"
)

// playDemo starts a server of its own, in memory and on free ports, and plays
// a conversation between two real clients.
func playDemo(ctx context.Context, args []string, out io.Writer, _ func(string) string) error {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	verbose := fs.Bool("v", false, "log every event")
	template := fs.String("template", "template.yaml", "the SAM `file` that says what to run")
	if err := parse(fs, args); err != nil {
		return err
	}
	if !*verbose {
		quiet()
	}
	return withServer(ctx, server.Options{Template: *template}, func(s *server.Server) error {
		user, err := s.Token(demoUser, time.Hour)
		if err != nil {
			return err
		}
		agent, err := s.Token(demoAgent, time.Hour)
		if err != nil {
			return err
		}
		return demo.Run(ctx, demo.Target{
			WebSocketURL: s.WebSocketURL(), HTTPURL: s.URL(),
			UserID: demoUser.ID, UserToken: user, AgentID: demoAgent.ID, AgentToken: agent,
		}, out)
	})
}

// withServer runs a server in memory, on free ports and with a secret of its
// own, for as long as use takes.
func withServer(ctx context.Context, o server.Options, use func(*server.Server) error) (err error) {
	o.Addr, o.Secret = "127.0.0.1:0", newSecret()
	s, err := server.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		if closeErr := s.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	return use(s)
}

// quiet silences the log: what the command prints is the point of it.
func quiet() { slog.SetDefault(slog.New(slog.DiscardHandler)) }
