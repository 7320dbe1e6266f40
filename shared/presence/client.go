package presence

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"aiwm-chat/shared/config"
	"aiwm-chat/shared/observe"
)

// Options says where Redis is and what is allowed.
type Options struct {
	Addrs    []string // host:port; several are the nodes of a cluster
	Mode     config.RedisMode
	Username string // of an ACL; empty: the default user
	Password string
	Renewal  *config.Renewal // reads Password again after it was refused; nil where it does not change
	TLS      bool
	Limits   Limits
	Now      func() time.Time // nil: time.Now

	// MaxIdle is how many idle connections are kept; 0: few, as a Lambda
	// instance needs, which has one invocation at a time.
	MaxIdle int
	// Dial is another way to the server than TCP; nil: TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	timeout = 2 * time.Second // of connecting, of one write and of one read
	maxIdle = 8
	// idle is below the 350 s after which AWS's NAT gateways and load balancers
	// drop an idle flow without telling the ends.
	idle = 5 * time.Minute
)

// A client sends commands to Redis, whatever kind it turns out to be, and has
// them done once more where that promises to help.
type client struct {
	renewal *config.Renewal

	mu      sync.Mutex
	options redis.UniversalOptions
	current redis.UniversalClient

	quick, calm breaker
}

func newClient(o Options) (*client, error) {
	if len(o.Addrs) == 0 {
		return nil, errors.New("no address of redis")
	}
	options := redis.UniversalOptions{
		Addrs: o.Addrs, Username: o.Username, Password: o.Password,
		IsClusterMode: o.Mode == config.RedisCluster,
		// RESP2 needs no handshake, and has HGETALL as a flat list.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DialTimeout:              timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
		ConnMaxIdleTime: idle, MaxIdleConns: o.MaxIdle,
		Dialer: o.Dial, DialerRetries: 1,
		// Once, for a pooled connection that died while Lambda was frozen.
		MaxRetries: 1,
	}
	if options.MaxIdleConns == 0 {
		options.MaxIdleConns = maxIdle
	}
	if o.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.Mode == config.RedisSingle && len(o.Addrs) > 1 {
		return nil, errors.New("a single redis has one address")
	}
	redis.SetLogger(logger{}) // of the whole process: the library knows no other
	return &client{
		renewal: o.Renewal, options: options, current: redis.NewUniversalClient(&options),
		quick: breaker{limit: hurry}, calm: breaker{limit: timeout},
	}, nil
}

// Close closes the connections to Redis.
func (c *client) Close() error { return c.redis().Close() }

func (c *client) redis() redis.UniversalClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// pipelined sends commands in one round trip; others may come between them.
// Commands must not mind being done twice. Where the answers say that the
// connections are of no use any more they are done once more on new ones: a
// replica that was the master, a server that turns out to be a node of a
// cluster, a password that was changed.
func (c *client) pipelined(ctx context.Context, commands func(redis.Pipeliner)) error {
	used := c.redis()
	err := send(ctx, used, commands)
	if err == nil || !c.renew(used, err) && !c.authenticate(ctx, used, err) {
		c.reload(ctx, used, err)
		return err
	}
	return send(ctx, c.redis(), commands)
}

// send reports the first error of any command.
func send(ctx context.Context, r redis.UniversalClient, commands func(redis.Pipeliner)) error {
	pipe := r.Pipeline()
	commands(pipe)
	if pipe.Len() == 0 {
		return nil
	}
	told := observe.Of(ctx).Call("Redis")
	err := failure(pipe.Exec(ctx))
	told(err)
	return err
}

// failure is the first error that says more than that something is not there.
func failure(cmds []redis.Cmder, err error) error {
	for _, cmd := range cmds {
		if e := cmd.Err(); e != nil && !errors.Is(e, redis.Nil) {
			return e
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// renew puts a new client in the place of one whose answer was err, and reports
// whether to try again.
func (c *client) renew(used redis.UniversalClient, err error) bool {
	_, single := used.(*redis.Client)
	text := err.Error()
	cluster := strings.HasPrefix(text, "MOVED ") || strings.HasPrefix(text, "CROSSSLOT ")
	stale := strings.Contains(text, "READONLY You can't write") || strings.HasPrefix(text, "LOADING ") || strings.HasPrefix(text, "UNBLOCKED ") ||
		errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || isReset(err)
	_, answered := errors.AsType[redis.Error](err)
	if !single || answered && !cluster && !stale {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != used {
		return true // somebody else did, and the error may be that of closing it
	}
	if !cluster && !stale {
		return false
	}
	if cluster {
		c.options.IsClusterMode = true
	}
	c.current = redis.NewUniversalClient(&c.options)
	_ = used.Close() // what others have under way on it is tried again as well
	return true
}

// reload has the client of a cluster ask which node has which slots, where one did
// not answer: by itself it asks once a minute, and when it is told that a slot has
// moved, which a node that has died does not say. It is done beside what follows.
func (c *client) reload(ctx context.Context, used redis.UniversalClient, err error) {
	cluster, is := used.(*redis.ClusterClient)
	if _, answered := errors.AsType[redis.Error](err); is && !answered {
		cluster.ReloadState(ctx)
	}
}

// isReset reports whether a connection was lost, rather than never made: where
// nobody listens a second dial finds nobody either.
func isReset(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op != "dial" && !op.Timeout()
}

// Health writes and reads a key of its own: a replica answers a ping, and so
// does a server that is out of memory. One round trip.
func (c *client) Health(ctx context.Context) error {
	const key = "health:{aiwm-chat}"
	want := rand.Text()
	var got *redis.StringCmd
	err := c.pipelined(ctx, func(p redis.Pipeliner) {
		p.Set(ctx, key+":"+want, want, time.Minute)
		got = p.Get(ctx, key+":"+want)
	})
	if err == nil && got.Val() != want {
		err = errors.New("it reads another value than was written")
	}
	return failed("write and read", err)
}

// logger keeps the client's remarks out of the log, unless it is to have
// everything: what goes wrong comes back as an error as well.
type logger struct{}

// Printf is what the client calls.
func (logger) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, args...))
}
