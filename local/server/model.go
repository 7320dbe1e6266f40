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
)

// A modelServer is the scripted model, on a port of its own: the routes of the template
// have all paths, and functions elsewhere must find it.
type modelServer struct {
	listener net.Listener
	http     *http.Server
	served   chan error
	stop     context.CancelFunc // what it is saying
}

// startModel starts the model.
func startModel(o Options) (*modelServer, error) {
	listener, err := net.Listen("tcp", o.anyPort())
	if err != nil {
		return nil, fmt.Errorf("listen for the scripted model: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &modelServer{listener: listener, served: make(chan error, 1), stop: stop}
	m.http = &http.Server{
		Handler: scripted.New(o.Model), ReadTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go func() { m.served <- m.http.Serve(listener) }()
	return m, nil
}

// close ends what the model is saying, even where it was told to be silent for ever.
func (m *modelServer) close(ctx context.Context) error {
	if m == nil {
		return nil
	}
	m.stop()
	err := m.http.Shutdown(ctx)
	if e := <-m.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// ModelURL is the base of the scripted model's chat completions, where functions find
// them.
func (s *Server) ModelURL() string {
	return "http://" + s.reach(s.model.listener.Addr().String()) + "/v1"
}
