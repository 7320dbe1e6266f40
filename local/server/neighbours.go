package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"aiwm-chat/local/scripted"
	"aiwm-chat/local/toolserver"
)

// A neighbour is a service that functions call, on a port of its own: the routes of the
// template have all paths, and functions elsewhere must find it.
type neighbour struct {
	listener net.Listener
	http     *http.Server
	served   chan error
	stop     context.CancelFunc // what it is saying
}

func startNeighbour(o Options, what string, h http.Handler) (*neighbour, error) {
	listener, err := net.Listen("tcp", o.anyPort())
	if err != nil {
		return nil, fmt.Errorf("listen for the %s: %w", what, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &neighbour{listener: listener, served: make(chan error, 1), stop: stop}
	n.http = &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go func() { n.served <- n.http.Serve(listener) }()
	return n, nil
}

// close ends what it is saying, even where it was told to be silent for ever.
func (n *neighbour) close(ctx context.Context) error {
	if n == nil {
		return nil
	}
	n.stop()
	err := n.http.Shutdown(ctx)
	if e := <-n.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// startNeighbours starts the scripted model, and the server of tools of a shop.
func (s *Server) startNeighbours(o Options) (err error) {
	if s.model, err = startNeighbour(o, "scripted model", scripted.New(o.Model)); err != nil {
		return err
	}
	s.shop = toolserver.New()
	s.tools, err = startNeighbour(o, "server of tools", s.shop)
	return err
}

func (s *Server) closeNeighbours(ctx context.Context) error {
	if s.shop != nil {
		s.shop.Close()
	}
	return errors.Join(s.model.close(ctx), s.tools.close(ctx))
}

// ModelURL is the base of the scripted model's chat completions, where functions find
// them.
func (s *Server) ModelURL() string {
	return "http://" + s.reach(s.model.listener.Addr().String()) + "/v1"
}

// ToolsURL is where functions find the tools of the shop.
func (s *Server) ToolsURL() string {
	return "http://" + s.reach(s.tools.listener.Addr().String())
}

// Shop is the server at ToolsURL, which counts what it has done.
func (s *Server) Shop() *toolserver.Server { return s.shop }

// What agents that the backend runs may name here, beside what the environment says.
const (
	ScriptedProvider = "scripted" // the model at ModelURL
	OpenAIProvider   = "openai"   // where there is an OPENAI_API_KEY
	ShopServer       = "shop"     // the tools at ToolsURL
)

// agentVariables are those of the functions that answer for agents, unless the user's
// environment has them.
func (s *Server) agentVariables() map[string]string {
	of := map[string]string{}
	providers := fmt.Sprintf(`%q: {"url": %q}`, ScriptedProvider, s.ModelURL())
	if key := s.options.Getenv("OPENAI_API_KEY"); key != "" {
		url := s.options.Getenv("OPENAI_BASE_URL")
		if url == "" {
			url = "https://api.openai.com/v1"
		}
		providers += fmt.Sprintf(`, %q: {"url": %q}`, OpenAIProvider, url)
		of["PROVIDER_KEYS"] = OpenAIProvider + "=" + key
	}
	of["PROVIDERS"] = "{" + providers + "}"
	of["TOOL_SERVERS"] = fmt.Sprintf(`{%q: {"url": %q}}`, ShopServer, s.ToolsURL())
	of["TOOL_SERVERS_LOCAL"] = "true"
	of["WEBHOOKS_LOCAL"] = "true"
	for name := range of {
		if s.options.Getenv(name) != "" {
			delete(of, name)
		}
	}
	return of
}
