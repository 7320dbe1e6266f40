package demo

import (
	"context"
	"flag"
	"io"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
)

// Command starts a server of its own, in memory and on free ports, and plays
// three conversations of real clients.
func Command(ctx context.Context, args []string, out io.Writer, _ func(string) string) error {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	verbose := fs.Bool("v", false, "log every event")
	template := fs.String("template", "template.yaml", "the SAM `file` that says what to run")
	if err := command.Parse(fs, args); err != nil {
		return err
	}
	if !*verbose {
		command.Quiet()
	}
	return server.With(ctx, server.Options{Template: *template, Getenv: command.Unlimited(nil), Model: Model}, func(s *server.Server) error {
		user, err := s.Token(command.DemoUser, time.Hour)
		if err != nil {
			return err
		}
		agent, err := s.Token(command.DemoAgent, time.Hour)
		if err != nil {
			return err
		}
		admin, err := s.TokenWith(chat.Principal{Type: chat.User, ID: "demo-admin", OrgID: chat.DefaultOrg}, time.Hour, chat.RoleAdmin)
		if err != nil {
			return err
		}
		return Run(ctx, Target{
			WebSocketURL: s.WebSocketURL(), HTTPURL: s.URL(), AdminToken: admin, Provider: server.ScriptedProvider, ToolServer: server.ShopServer,
			UserID: command.DemoUser.ID, UserToken: user, AgentID: command.DemoAgent.ID, AgentToken: agent,
		}, out)
	})
}
