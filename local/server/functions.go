package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	authorize "aiwm-chat/functions/authorize/handler"
	connect "aiwm-chat/functions/connect/handler"
	conversations "aiwm-chat/functions/conversations/handler"
	fallback "aiwm-chat/functions/default/handler"
	disconnect "aiwm-chat/functions/disconnect/handler"
	health "aiwm-chat/functions/health/handler"
	join "aiwm-chat/functions/join/handler"
	leave "aiwm-chat/functions/leave/handler"
	messages "aiwm-chat/functions/messages/handler"
	send "aiwm-chat/functions/send/handler"
	summarize "aiwm-chat/functions/summarize/handler"
	sweep "aiwm-chat/functions/sweep/handler"
	typing "aiwm-chat/functions/typing/handler"
	welcome "aiwm-chat/functions/welcome/handler"
	"aiwm-chat/local/lambda"
	"aiwm-chat/shared/auth"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/delivery/apigateway"
	"aiwm-chat/shared/gateway"
	"aiwm-chat/shared/live"
	"aiwm-chat/shared/mongostore"
	"aiwm-chat/shared/presence"
	"aiwm-chat/shared/queue"
	"aiwm-chat/shared/summary"
)

// functions are the clients that the functions of this process share, as the
// invocations of one Lambda instance share them.
type functions struct {
	store *mongostore.Store
	live  *live.Live
	jobs  *queue.Queue
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
		s.invoker = invoker
	}
	return err
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
		Logger: s.options.Logger, Kill: s.kill(),
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

func (s *Server) newInProcess(ctx context.Context) (lambda.Invoker, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	handlers, err := s.handlers(ctx, cfg)
	if err != nil {
		return nil, err
	}
	table := map[string]lambda.Function{}
	for _, f := range s.template.Functions {
		h, ok := handlers[f.CodeURI]
		if !ok {
			return nil, fmt.Errorf("%s: no handler in this process for %s; name it in local/server, or run its binary with -exec", f.LogicalID, f.CodeURI)
		}
		table[f.LogicalID] = lambda.Function{Handler: h, Timeout: f.Timeout}
	}
	return lambda.NewInProcess(table, lambda.InProcessOptions{
		Concurrency: s.options.Concurrency, Strict: s.options.Strict, Logger: s.options.Logger,
	})
}

// config reads the environment of all functions together. That each main asks
// for what its own environment has is tested against the template.
func (s *Server) config() (config.Config, error) {
	all := map[string]string{}
	for _, f := range s.template.Functions {
		env, err := s.environment(f.LogicalID)
		if err != nil {
			return config.Config{}, err
		}
		maps.Copy(all, env)
	}
	return config.Load(func(name string) string { return all[name] },
		config.Mongo, config.Redis, config.Connections, config.WelcomeQueue, config.SummaryQueue,
		config.JWT, config.OpenAI, config.SendLimit, config.TypingLimit)
}

// handlers are the functions of functions/, by folder, built as their mains
// build them.
func (s *Server) handlers(ctx context.Context, cfg config.Config) (_ map[string]any, err error) {
	f := &functions{}
	s.functions = f
	if err := s.openClients(f, cfg); err != nil {
		return nil, err
	}
	if err := f.ping(ctx, cfg); err != nil {
		return nil, err
	}
	if f.jobs, err = queue.New(queue.OptionsOf(cfg)); err != nil {
		return nil, err
	}
	tokens, err := auth.NewVerifier(auth.OptionsOf(cfg))
	if err != nil {
		return nil, err
	}
	rooms, deliver, announce := f.live.Presence, f.live.Deliver, f.live.Announce
	joiner := join.New(f.store, rooms, announce)
	leaver := leave.New(rooms, announce)
	sender := send.New(f.store, rooms, deliver, f.jobs)
	typist := typing.New(rooms, deliver)
	summariser := summarize.New(f.store, summary.Of(cfg), announce)
	actions := fallback.Actions{Join: joiner.Handle, Leave: leaver.Handle, Send: sender.Handle, Typing: typist.Handle}
	return map[string]any{
		"functions/authorize/":     gateway.Authorizer(authorize.New(tokens).Handle),
		"functions/connect/":       gateway.Connect(connect.New(rooms, f.store, f.jobs, announce).Handle),
		"functions/disconnect/":    gateway.Disconnect(disconnect.New(rooms, f.store, announce).Handle),
		"functions/welcome/":       gateway.Queue(welcome.New(f.store, f.live.Poster).Handle),
		"functions/join/":          gateway.Action(deliver, joiner.Handle),
		"functions/leave/":         gateway.Action(deliver, leaver.Handle),
		"functions/send/":          gateway.Action(deliver, sender.Handle),
		"functions/typing/":        gateway.Action(deliver, typist.Handle),
		"functions/default/":       gateway.Frames(deliver, fallback.New(rooms, actions).Handle),
		"functions/conversations/": gateway.HTTP(tokens, conversations.New(f.store, rooms, deliver, announce, summariser, time.Now).Routes()),
		"functions/messages/":      gateway.HTTP(tokens, messages.New(f.store, announce, sender, time.Now).Routes()),
		"functions/summarize/":     gateway.Queue(summariser.Handle),
		"functions/sweep/":         gateway.Schedule(sweep.New(rooms, f.store, sender, time.Now).Handle),
		"functions/health/":        health.New(f.store, rooms).Handle,
	}, nil
}

// openClients differs from what the mains do in one point: what is in this
// process, the embedded databases and @connections, is reached by the same
// drivers and the same SDK without a network.
func (s *Server) openClients(f *functions, cfg config.Config) (err error) {
	if f.store, err = mongostore.OpenOver(cfg.Mongo.URI, cfg.Mongo.Database, s.databases.dialMongo()); err != nil {
		return err
	}
	redis := presence.OptionsOf(cfg)
	redis.Dial = s.databases.dialRedis()
	store, err := presence.Open(redis)
	if err != nil {
		return err
	}
	poster, err := apigateway.New(apigateway.Options{Endpoint: cfg.ConnectionsURL, AWS: cfg.AWS, Transport: s})
	if err != nil {
		return err
	}
	f.live = live.New(store, poster)
	return nil
}

// ping finds out at the start what would otherwise fail with the first client.
func (f *functions) ping(ctx context.Context, cfg config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	if err := f.live.Presence.Ping(ctx); err != nil {
		return fmt.Errorf("REDIS_ADDR: %s does not answer: %w", cfg.Redis.Addrs, err)
	}
	return nil
}

func (f *functions) close(ctx context.Context) error {
	var errs []error
	if f.store != nil {
		errs = append(errs, f.store.Close(ctx))
	}
	if f.live != nil {
		errs = append(errs, f.live.Presence.Close())
	}
	return errors.Join(errs...)
}
