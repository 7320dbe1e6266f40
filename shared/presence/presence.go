// Package presence knows who is connected where, in Redis: connections by
// principal, the rooms of conversations, who is typing, sends whose effects are
// not finished, and rate limits.
//
// Redis is a cache of who is where and may be emptied at any moment: a live
// connection is registered again by its next frame. Every key expires, so what
// a crash leaves behind goes away by itself. All of it works on a Redis
// Cluster: each transaction and each script stays within one hash tag.
//
// An error is chat.Unavailable when Redis does not answer or refuses. Round
// trips are stated per method; on a cluster the nodes are asked in parallel,
// which counts as one.
package presence

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/sync/errgroup"

	"aiwm-chat/shared/chat"
)

// lifetime is how long a registration counts: the 2 h after which API Gateway
// closes any connection (WebSocket API quotas), and slack. It is the time to
// live of every key but the typing ones.
const lifetime = 2*time.Hour + 10*time.Minute

// timeout bounds connecting, one write and one read.
const timeout = 2 * time.Second

// Options says where Redis is and what is allowed.
type Options struct {
	Addr            string // host:port, or several separated by commas: a cluster
	Password        string
	TLS             bool
	SendPerMinute   int              // sends of one principal, with a burst of as many; 0: no limit
	TypingPerMinute int              // typing actions, likewise
	Now             func() time.Time // nil: time.Now

	// Dial is another way to the server than TCP; nil: TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// A Store keeps presence in Redis. It is safe for concurrent use.
type Store struct {
	client          redis.UniversalClient
	cluster         bool
	sendPerMinute   int
	typingPerMinute int
	now             func() time.Time
}

// Open returns a Store. It does not use the network.
func Open(o Options) (*Store, error) {
	if o.Addr == "" {
		return nil, errors.New("open presence: no address of redis")
	}
	options := &redis.UniversalOptions{
		Addrs: strings.Split(o.Addr, ","), Password: o.Password,
		// RESP2 needs no handshake, and has HGETALL as a flat list.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DialTimeout:              timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
		Dialer: o.Dial, DialerRetries: 1,
		// Once, for a pooled connection that died while Lambda was frozen.
		MaxRetries: 1,
	}
	redis.SetLogger(logger{}) // of the whole process: the client knows no other
	if o.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	s := &Store{
		client:        redis.NewUniversalClient(options),
		sendPerMinute: o.SendPerMinute, typingPerMinute: o.TypingPerMinute, now: o.Now,
	}
	_, s.cluster = s.client.(*redis.ClusterClient)
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Close closes the connections to Redis.
func (s *Store) Close() error { return s.client.Close() }

// Ping reports whether Redis answers. One round trip.
func (s *Store) Ping(ctx context.Context) error {
	return failed("ping redis", s.client.Ping(ctx).Err())
}

// together sends transactions, each of one hash tag, in one round trip. A
// single server runs them as one; the nodes of a cluster know only their own.
func (s *Store) together(ctx context.Context, parts ...func(redis.Pipeliner)) error {
	if !s.cluster {
		_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, part := range parts {
				part(p)
			}
			return nil
		})
		return err
	}
	var g errgroup.Group
	for _, part := range parts {
		g.Go(func() error {
			_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error { part(p); return nil })
			return err
		})
	}
	return g.Wait()
}

// pipelined sends commands in one round trip; others may come between them.
func (s *Store) pipelined(ctx context.Context, commands func(redis.Pipeliner)) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error { commands(p); return nil })
	return err
}

// failed turns an error of the client into the one that callers see.
func failed(step string, err error) error {
	if err == nil {
		return nil
	}
	return chat.Unavailablef(fmt.Errorf("%s: %w", step, err), "presence is not available now; try again")
}

// logger keeps the client's remarks out of the log, unless it is to have
// everything: what goes wrong comes back as an error as well.
type logger struct{}

// Printf is what the client calls.
func (logger) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, args...))
}
