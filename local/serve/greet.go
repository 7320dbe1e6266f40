package serve

import (
	"cmp"
	"fmt"
	"io"

	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/command"
	"aiwm-chat/local/console"
	"aiwm-chat/local/docs"
	"aiwm-chat/local/server"
)

// greet prints where everything is.
func greet(out io.Writer, s *server.Server, o server.Options, getenv func(string) string) error {
	tokens, err := tokensOf(s, getenv)
	if err != nil {
		return err
	}
	data := "in memory"
	if o.Dir != "" {
		data = "in " + o.Dir
	}
	summaries := "by " + cmp.Or(getenv("OPENAI_MODEL"), "OpenAI")
	if getenv("OPENAI_API_KEY") == "" {
		summaries = "offline, because OPENAI_API_KEY is not set"
	}
	var more string
	first := ""
	if s.Shows(console.Path) {
		first = fmt.Sprintf("  Open          %s\n\n", s.URL()+console.Path)
	}
	if s.Shows(docs.Path) {
		more += fmt.Sprintf("  Docs          %s\n", s.URL()+docs.Path)
	}
	switch {
	case o.Exec != "" && o.Concurrency == 0:
		more += fmt.Sprintf("  Functions     from %s, %d at the same time; others wait (-concurrency)\n", o.Exec, lambda.DefaultProcesses())
	case o.Exec != "":
		more += fmt.Sprintf("  Functions     from %s, %d at the same time; more are throttled\n", o.Exec, o.Concurrency)
	case o.Lambda != "":
		more += fmt.Sprintf("  Functions     at %s, with the environment in %s\n", o.Lambda, environmentFile)
	}
	if f := o.Faults.String(); f != "none" {
		more += fmt.Sprintf("  Faults        %s\n", f)
	}
	webSocket, connections, rest := s.WebSocketURL(), s.ConnectionsURL()+"/@connections/{id}", s.URL()
	if webSocket == "" {
		webSocket, connections = "none in "+o.Template, "none"
	}
	if !s.HasHTTPAPI() {
		rest = "none in " + o.Template
	}
	_, err = fmt.Fprintf(out, `aiwm-chat is running

%s  WebSocket     %s
  REST          %s
  @connections  %s
  MongoDB       %s
  Redis         %s
  Data          %s
  Summaries     %s
  Model         %s (scripted)
  Tools         %s (a shop's, over MCP)
%s
%s    Stop: Ctrl-C
`, first, webSocket, rest, connections, where(s.MongoURI(), getenv("MONGODB_URI")),
		where(s.RedisAddr(), getenv("REDIS_ADDR")), data, summaries, s.ModelURL(), s.ToolsURL(), more, tokens)
	return err
}

// foreign is the variable that says whose tokens count; "" where ours do.
func foreign(getenv func(string) string) string {
	for _, name := range []string{"JWT_JWKS_URL", "JWT_PUBLIC_KEY", "JWT_ISSUER", "JWT_AUDIENCE"} {
		if getenv(name) != "" {
			return name
		}
	}
	return ""
}

// tokensOf are tokens to begin with, unless those of somebody else are asked for.
func tokensOf(s *server.Server, getenv func(string) string) (string, error) {
	if name := foreign(getenv); name != "" {
		return "Tokens are those of your issuer, as " + name + " says.", nil
	}
	t, err := sign(s)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("  User token    %s\n  Agent token   %s\n\nThe agent %q answers by itself. More tokens: go run ./local token -user u1", t.User, t.Agent, command.Assistant.ID), nil
}

// where shows an embedded database's address; a real one's may hold a password.
func where(embedded, given string) string {
	if given != "" {
		return "as the environment says"
	}
	return embedded + " (embedded)"
}
