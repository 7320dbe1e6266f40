package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"

	"github.com/aws/aws-sdk-go-v2/aws"

	agents "aiwm-chat/functions/agents/wiring"
	annotate "aiwm-chat/functions/annotate/wiring"
	answer "aiwm-chat/functions/answer/wiring"
	approve "aiwm-chat/functions/approve/wiring"
	authorize "aiwm-chat/functions/authorize/wiring"
	connect "aiwm-chat/functions/connect/wiring"
	conversations "aiwm-chat/functions/conversations/wiring"
	fallback "aiwm-chat/functions/default/wiring"
	disconnect "aiwm-chat/functions/disconnect/wiring"
	expire "aiwm-chat/functions/expire/wiring"
	health "aiwm-chat/functions/health/wiring"
	indexes "aiwm-chat/functions/indexes/wiring"
	join "aiwm-chat/functions/join/wiring"
	leave "aiwm-chat/functions/leave/wiring"
	messages "aiwm-chat/functions/messages/wiring"
	read "aiwm-chat/functions/read/wiring"
	search "aiwm-chat/functions/search/wiring"
	send "aiwm-chat/functions/send/wiring"
	signal "aiwm-chat/functions/signal/wiring"
	stream "aiwm-chat/functions/stream/wiring"
	summarize "aiwm-chat/functions/summarize/wiring"
	sweep "aiwm-chat/functions/sweep/wiring"
	typing "aiwm-chat/functions/typing/wiring"
	uploads "aiwm-chat/functions/uploads/wiring"
	webhook "aiwm-chat/functions/webhook/wiring"
	welcome "aiwm-chat/functions/welcome/wiring"
	"aiwm-chat/local/aws/lambda"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/observe"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/secrets"
	"aiwm-chat/shared/wire"
)

// Functions returns the functions of functions/, by folder.
func Functions() map[string]wire.Function {
	return map[string]wire.Function{
		"agents":        agents.Function,
		"annotate":      annotate.Function,
		"answer":        answer.Function,
		"approve":       approve.Function,
		"authorize":     authorize.Function,
		"connect":       connect.Function,
		"conversations": conversations.Function,
		"default":       fallback.Function,
		"disconnect":    disconnect.Function,
		"expire":        expire.Function,
		"health":        health.Function,
		"indexes":       indexes.Function,
		"join":          join.Function,
		"leave":         leave.Function,
		"messages":      messages.Function,
		"read":          read.Function,
		"search":        search.Function,
		"signal":        signal.Function,
		"send":          send.Function,
		"stream":        stream.Function,
		"summarize":     summarize.Function,
		"sweep":         sweep.Function,
		"typing":        typing.Function,
		"uploads":       uploads.Function,
		"webhook":       webhook.Function,
		"welcome":       welcome.Function,
	}
}

// startFunctions makes the invoker of the functions: in this process, from
// built binaries, or elsewhere.
func (s *Server) startFunctions(ctx context.Context) error {
	start := s.newInProcess
	switch {
	case s.options.Lambda != "":
		start = s.newRemote
	case s.options.Exec != "":
		start = s.newExec
	}
	invoker, err := start(ctx)
	if err == nil {
		s.functions, s.invoker = invoker, s.meter.functions(s.template, s.tracer.Functions(invoker))
	}
	return err
}

// checkWired refuses a template whose functions are not those of this process,
// before anything is missed that only ours need.
func (s *Server) checkWired() error {
	if s.options.Exec != "" || s.options.Lambda != "" {
		return nil
	}
	known := Functions()
	for _, f := range s.template.Functions {
		if _, ok := known[path.Base(f.CodeURI)]; !ok {
			return fmt.Errorf("%s: %s: %s is not wired in this process: run its binary with -exec (-exec .aws-sam/build after sam build), or name it in local/server",
				s.options.Template, f.LogicalID, f.CodeURI)
		}
	}
	return nil
}

// newRemote signs its calls, which only the real service demands, where the
// user's environment has credentials.
func (s *Server) newRemote(context.Context) (lambda.Invoker, error) {
	o := lambda.RemoteOptions{Region: s.options.Getenv("AWS_REGION"), Logger: s.options.Logger}
	if id := s.options.Getenv("AWS_ACCESS_KEY_ID"); id != "" {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID: id, SecretAccessKey: s.options.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: s.options.Getenv("AWS_SESSION_TOKEN"),
			}, nil
		})
	}
	return lambda.NewRemote(s.options.Lambda, o)
}

func (s *Server) newExec(context.Context) (lambda.Invoker, error) {
	o := lambda.ExecOptions{
		Dir: s.options.Exec, Functions: map[string]lambda.ExecFunction{}, Concurrency: s.options.Concurrency,
		Logger: s.options.Logger, Kill: s.kill(), Metrics: s.numbers,
	}
	for _, f := range s.template.Functions {
		env, err := s.environment(f.LogicalID)
		if err != nil {
			return nil, err
		}
		o.Functions[f.LogicalID] = lambda.ExecFunction{Env: env, Timeout: f.Timeout, MemorySize: f.MemorySize}
	}
	return lambda.NewExec(o)
}

// newInProcess wires the functions in one process, as gateway.Run does each in
// its own, but for what openClients puts there.
func (s *Server) newInProcess(ctx context.Context) (lambda.Invoker, error) {
	known := Functions()
	cfg, err := s.config(ctx, known)
	if err != nil {
		return nil, err
	}
	process := wire.NewProcess(cfg)
	if err := s.openClients(ctx, process); err != nil {
		return nil, err
	}
	table := map[string]lambda.Function{}
	for _, f := range s.template.Functions {
		handler, err := known[path.Base(f.CodeURI)].Handler(process)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.LogicalID, err)
		}
		table[f.LogicalID] = lambda.Function{Handler: handler, Timeout: f.Timeout}
	}
	return lambda.NewInProcess(table, lambda.InProcessOptions{
		Concurrency: s.options.Concurrency, Strict: s.options.Strict, Logger: s.options.Logger,
		Context: observe.To(context.Background(), observe.NewSink(cfg.Stack, s.numbers)),
	})
}

// config reads the environment of all functions together. That each is given
// what it needs is tested against the template.
func (s *Server) config(ctx context.Context, known map[string]wire.Function) (config.Config, error) {
	all := map[string]string{}
	var needs []config.Part
	for _, f := range s.template.Functions {
		env, err := s.environment(f.LogicalID)
		if err != nil {
			return config.Config{}, err
		}
		maps.Copy(all, env)
		needs = append(needs, known[path.Base(f.CodeURI)].Needs...)
	}
	getenv := func(name string) string { return all[name] }
	return config.LoadWith(ctx, getenv, secrets.In(getenv), needs...)
}

// maxIdle is for many invocations in one process, where Lambda has one.
const maxIdle = 128

// clients are those that have to be closed.
type clients struct {
	store    *mongostore.Store
	presence *presence.Store
}

// openClients puts into the process what differs from Lambda: what is in this
// process, the embedded databases and @connections, is reached by the same
// drivers and the same SDK without a network. It finds out at the start what
// would otherwise fail with the first client.
func (s *Server) openClients(ctx context.Context, p *wire.Process) (err error) {
	cfg := p.Config
	if cfg.ConnectionsURL != "" {
		poster, err := apigateway.New(apigateway.Options{Endpoint: cfg.ConnectionsURL, AWS: cfg.AWS, Transport: s})
		if err != nil {
			return err
		}
		wire.Put(p, poster)
	}
	if cfg.Mongo.URI != "" {
		mongo := mongostore.OptionsOf(cfg)
		mongo.Dial = s.meter.dialMongo(s.databases.dialMongo())
		if s.clients.store, err = mongostore.Open(cfg.Mongo.URI, cfg.Mongo.Database, mongo); err != nil {
			return err
		}
		wire.Put(p, s.clients.store)
	}
	if len(cfg.Redis.Addrs) == 0 {
		return nil
	}
	redis := presence.OptionsOf(cfg)
	redis.Dial, redis.MaxIdle = s.meter.dialRedis(s.databases.dialRedis()), maxIdle
	if s.clients.presence, err = presence.Open(redis); err != nil {
		return err
	}
	wire.Put(p, s.clients.presence)
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	if err := s.clients.presence.Health(ctx); err != nil {
		return fmt.Errorf("REDIS_ADDR: %s does not answer: %w", cfg.Redis.Addrs, err)
	}
	return nil
}

func (c clients) close(ctx context.Context) error {
	var errs []error
	if c.store != nil {
		errs = append(errs, c.store.Close(ctx))
	}
	if c.presence != nil {
		errs = append(errs, c.presence.Close())
	}
	return errors.Join(errs...)
}
