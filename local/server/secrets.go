package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"aiwm-chat/local/aws/secrets"
)

// A keeper is the emulated service that keeps secrets, on a port of its own.
type keeper struct {
	store    *secrets.Server
	arn      func(name string) string
	kept     map[string]bool
	listener net.Listener
	http     *http.Server
	served   chan error
}

// keep starts the service that the options name.
func keep(o Options) (*keeper, error) {
	arns := map[string]func(string) string{"secretsmanager": secrets.ARN, "ssm": secrets.ParameterARN}
	if o.Secrets == "" {
		return nil, nil
	}
	k := &keeper{arn: arns[o.Secrets], kept: map[string]bool{}, store: secrets.New(secrets.Key{ID: accessKey, Secret: secretKey, Token: sessionToken}), served: make(chan error, 1)}
	if k.arn == nil {
		return nil, fmt.Errorf("secrets are kept in secretsmanager or ssm, not in %q", o.Secrets)
	}
	var err error
	if k.listener, err = net.Listen("tcp", o.anyPort()); err != nil {
		return nil, fmt.Errorf("listen for secrets: %w", err)
	}
	k.http = &http.Server{Handler: k.store, ReadTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}
	go func() { k.served <- k.http.Serve(k.listener) }()
	return k, nil
}

// hide puts the secrets of an environment where they are kept, and tells where
// that is in their place.
func (k *keeper) hide(env map[string]string, variables []string, url string) {
	for _, v := range variables {
		name, refers := strings.CutSuffix(v, "_ARN")
		if !refers || env[name] == "" {
			continue
		}
		if !k.kept[name] { // it may have been changed there since
			k.kept[name] = true
			k.store.Put(k.arn(name), env[name])
		}
		delete(env, name)
		env[v] = k.arn(name)
	}
	env["AWS_ENDPOINT_URL_SECRETS_MANAGER"], env["AWS_ENDPOINT_URL_SSM"] = url, url
}

func (k *keeper) close(ctx context.Context) error {
	if k == nil {
		return nil
	}
	err := k.http.Shutdown(ctx)
	if e := <-k.served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// Rotate changes a secret where it is kept, and nothing else, as if somebody had
// changed it there. It is for servers with Options.Secrets.
func (s *Server) Rotate(variable, value string) { s.secrets.store.Put(s.secrets.arn(variable), value) }

// SecretReads returns how often a secret was read where it is kept.
func (s *Server) SecretReads(variable string) int {
	return s.secrets.store.Reads(s.secrets.arn(variable))
}
