package serve

import (
	"maps"
	"net/http"
	"time"

	"aiwm-chat/local/command"
	"aiwm-chat/local/console"
	"aiwm-chat/local/docs"
	"aiwm-chat/local/logline"
	"aiwm-chat/local/server"
)

// shownLines are the last lines of the log that the console shows.
const shownLines = 500

// tokenLife is how long the tokens count that a newcomer is given.
const tokenLife = 24 * time.Hour

// pagesOf are the console and the documentation.
func pagesOf(s *server.Server, o server.Options, routes []string, tail *logline.Tail, getenv func(string) string) map[string]http.Handler {
	pages := docs.Pages(routes)
	if pages == nil || s.WebSocketURL() == "" {
		return pages
	}
	show := console.Options{Usage: s.Usage, Faults: o.Faults, Exec: o.Exec != "", Log: tail}
	if foreign(getenv) == "" {
		show.Tokens = func() (console.Tokens, error) { return sign(s) }
	}
	maps.Copy(pages, console.Pages(show, routes))
	return pages
}

// sign makes tokens for both sides of a talk.
func sign(s *server.Server) (console.Tokens, error) {
	t := console.Tokens{Assistant: string(command.Assistant.ID), AgentID: string(command.DemoAgent.ID), TTL: tokenLife}
	var err error
	if t.User, err = s.Token(command.DemoUser, tokenLife); err != nil {
		return t, err
	}
	t.Agent, err = s.Token(command.DemoAgent, tokenLife)
	return t, err
}
