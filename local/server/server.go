// Package server is the whole local installation in one process: the API
// Gateway emulators, the functions, the queues and the schedule that
// template.yaml names, and embedded databases where no real ones are given.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"aiwm-chat/local/aws/cloudformation"
	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/local/aws/s3"
	"aiwm-chat/local/aws/schedule"
	"aiwm-chat/local/aws/template"
	"aiwm-chat/local/aws/wsapi"
	"aiwm-chat/local/faults"
	"aiwm-chat/local/logline"
	"aiwm-chat/local/prometheus"
	"aiwm-chat/local/scripted"
	"aiwm-chat/local/toolserver"
	"aiwm-chat/local/tracing"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/chat"
)

// Options says how the server is run. Template and Addr are required.
type Options struct {
	Template string // path of the SAM template
	Addr     string // host:port to listen on; port 0 takes a free one; databases and queues take free ports of the same host
	Dir      string // where data is kept; in memory if empty
	Secret   []byte // signs the tokens of this machine, 32 bytes at least; unless Getenv names other keys

	// Getenv overrides what the template says: every variable of a function
	// that it knows (MONGODB_URI, REDIS_ADDR, OPENAI_API_KEY, JWT_…).
	Getenv func(string) string

	// Parameters are values for the template's parameters.
	Parameters map[string]string
	// Secrets says where the secrets are kept that functions are given: "" in
	// their environment, "secretsmanager" or "ssm" in the emulated service, of
	// which they are told the ARNs, as in production.
	Secrets string

	Exec        string // run the bootstrap binaries in this folder
	Lambda      string // invoke functions at this URL; they need Environment
	Host        string // what functions at Lambda call this machine; the host of Addr if empty
	Concurrency int    // invocations at the same time; Lambda's 1,000 if zero, of which with Exec the machine decides how many run and how many wait
	Strict      bool   // an invocation that leaves a goroutine running fails

	// TimeScale divides the waiting times of API Gateway and SQS and the times
	// between scheduled invocations: 60 makes a minute into a second; 1 if zero.
	TimeScale float64
	// DelayScale divides the delays of SQS alone; TimeScale if zero. What the functions
	// themselves wait for is not scaled, and jobs look after it.
	DelayScale float64
	// ReadTimeout is how long a request may take to come, body and all,
	// whatever the time scale; 30 s if zero.
	ReadTimeout time.Duration
	Faults      *faults.Faults // nil: none
	// Pages makes what this server shows beside the APIs, given the server, which does
	// not run yet, and the keys of the HTTP API's routes: handlers of GET by path, or by
	// all paths below one that ends with a slash, and of another method by it and a path,
	// such as "PUT /faults". Routes of the template go before them. Nil: nothing.
	Pages    func(s *Server, routes []string) map[string]http.Handler
	Model    scripted.Options // of the model at ModelURL
	Unproven Unproven
	Logger   *slog.Logger // nil: slog.Default
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Exec == "" && o.Lambda == "" {
		o.Logger = slog.New(logline.Quieter(o.Logger.Handler()))
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.TimeScale == 0 {
		o.TimeScale = 1
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 30 * time.Second
	}
	return o
}

// anyPort is a free port beside Addr. Start has listened on Addr by then.
func (o Options) anyPort() string {
	host, _, _ := net.SplitHostPort(o.Addr)
	return net.JoinHostPort(host, "0")
}

// A Server runs until Close.
type Server struct {
	options   Options
	template  *template.Template
	stage     string          // of the WebSocket API; empty: there is none
	shared    map[string]bool // paths that the HTTP API and the WebSocket API both have
	databases *databases
	listener  net.Listener
	http      *http.Server
	queues    *queues
	buckets   []*s3.Bucket
	secrets   *keeper // nil: they are in the environment
	model     *neighbour
	tools     *neighbour
	shop      *toolserver.Server
	functions lambda.Invoker // without tracing
	invoker   lambda.Invoker
	tracer    *tracing.Tracer // nil: none
	clients   clients
	websocket *wsapi.API
	pages     map[string]http.Handler // by path; one that ends with a slash is all below it
	schedules *schedule.Scheduler
	numbers   *prometheus.Numbers
	meter     *meter
	served    chan error
}

// Start reads the template, opens the databases and serves. When it fails,
// nothing is left running and the error is one line for the user.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	o = o.withDefaults()
	s := &Server{options: o, served: make(chan error, 1), numbers: prometheus.New(), meter: newMeter()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.template, err = template.Load(o.Template, o.Parameters); err != nil {
		return nil, err
	}
	if len(s.template.WebSocketAPIs) > 1 || len(s.template.HTTPAPIs) > 1 {
		return nil, fmt.Errorf("%s: the local server has room for one WebSocketApi and one HttpApi", o.Template)
	}
	for _, a := range s.template.WebSocketAPIs {
		s.stage = a.StageName
	}
	if err = s.checkWired(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", o.Addr); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; is another server running? PORT chooses another port", err)
		}
		return nil, err // names the address
	}
	if s.databases, err = openDatabases(ctx, o); err != nil {
		return nil, err
	}
	if s.queues, err = newQueues(s.template, o); err != nil {
		return nil, err
	}
	if err = s.openBuckets(); err != nil {
		return nil, err
	}
	if s.secrets, err = keep(o); err != nil {
		return nil, err
	}
	if err = s.startNeighbours(o); err != nil {
		return nil, err
	}
	if s.tracer, err = tracing.New(o.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")); err != nil {
		return nil, err
	}
	if err = s.startFunctions(ctx); err != nil {
		return nil, err
	}
	if err = s.serve(); err != nil {
		return nil, err
	}
	if err = s.createResources(ctx); err != nil {
		return nil, err
	}
	if err = s.queues.consume(s.template, s.invoker); err != nil {
		return nil, err
	}
	if w := s.template.Warnings; len(w) > 0 {
		o.Logger.Info(o.Template + ": " + strings.Join(w, "; "))
	}
	s.schedules, err = startSchedules(s.template, s.invoker, o)
	return s, err
}

// createResources has functions make the custom resources, as a deployment does
// before there are clients. Functions elsewhere may not be up yet: there a
// deployment has done it, or this server itself.
func (s *Server) createResources(ctx context.Context) error {
	if s.options.Lambda != "" {
		return nil
	}
	for _, r := range s.template.CustomResources {
		if err := cloudformation.Create(ctx, s.invoker, cloudformation.Resource(r)); err != nil {
			return err
		}
	}
	return nil
}

// RoundTrip carries the SDK's calls of @connections from functions in this
// process to the emulator without a network. It is used once the server runs.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.websocket == nil {
		return nil, errors.New("the template has no WebSocketApi, and so no @connections")
	}
	return s.tracer.Transport(s.websocket.Transport()).RoundTrip(r)
}

func (s *Server) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.options.TimeScale)
}

// URL is the base of the HTTP API.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// WebSocketURL is where clients connect; empty where the template has no
// WebSocketApi.
func (s *Server) WebSocketURL() string {
	if s.stage == "" {
		return ""
	}
	return "ws://" + s.listener.Addr().String() + "/" + mappingKey
}

// ConnectionsURL is what the SDK's client of the Management API is given.
func (s *Server) ConnectionsURL() string { return s.URL() + "/" + s.stage }

// MongoURI is where MongoDB is.
func (s *Server) MongoURI() string { return s.databases.mongoURI }

// RedisAddr is the address of Redis.
func (s *Server) RedisAddr() string { return s.databases.redisAddr }

// HasHTTPAPI reports whether the template has an HttpApi.
func (s *Server) HasHTTPAPI() bool { return len(s.template.HTTPAPIs) > 0 }

// Connections is the number of WebSocket connections that are open.
func (s *Server) Connections() int {
	if s.websocket == nil {
		return 0
	}
	return s.websocket.Connections()
}

// Token signs a token for p with the secret of this machine.
func (s *Server) Token(p chat.Principal, ttl time.Duration) (string, error) {
	return s.TokenWith(p, ttl)
}

// TokenWith is Token with roles.
func (s *Server) TokenWith(p chat.Principal, ttl time.Duration, roles ...string) (string, error) {
	return auth.Mint(s.options.Secret, p, string(p.ID), ttl, time.Now(), roles...)
}

// Close ends the connections with 1001, waits for what is running until ctx is
// done, and closes the databases. It returns nil when all ended by itself.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	if s.schedules != nil {
		errs = append(errs, s.schedules.Stop(ctx))
	}
	if s.websocket != nil { // before the listener: its last functions still post
		errs = append(errs, s.websocket.Shutdown(ctx))
	}
	if s.queues != nil {
		errs = append(errs, s.queues.close(ctx))
	}
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
		if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	} else if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	switch c := s.functions.(type) {
	case interface{ Close(context.Context) error }:
		errs = append(errs, c.Close(ctx))
	case *lambda.Remote:
		c.Close()
	}
	errs = append(errs, s.clients.close(ctx), s.secrets.close(ctx), s.closeNeighbours(ctx), s.tracer.Close(ctx))
	if s.databases != nil {
		errs = append(errs, s.databases.close())
	}
	return errors.Join(errs...)
}
