package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/embedded/pipe"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/config"
	"aiwm-chat/shared/mongostore"
)

// databases are the real ones of the environment, or embedded ones on loopback
// ports, so that the functions use the real drivers either way.
type databases struct {
	mongoURI, mongoDB string
	mongoAPI          string
	redisAddr         string
	mongo             *mongod.Server // nil: a real one
	mongoPipe         *pipe.Listener
	redis             *miniredis.Miniredis
	redisPipe         *pipe.Listener
	stop              func() // what keeps Redis going
}

// reachable is how long a database may take to answer at the start.
const reachable = 3 * time.Second

func openDatabases(ctx context.Context, o Options) (_ *databases, err error) {
	d := &databases{mongoURI: o.Getenv("MONGODB_URI"), mongoDB: o.Getenv("MONGODB_DB"), mongoAPI: o.Getenv("MONGODB_SERVER_API"), redisAddr: config.RedisAddr(o.Getenv)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.mongoDB == "" {
		d.mongoDB = "aiwm_chat"
	}
	if d.mongoURI == "" {
		if err := d.embedMongo(o); err != nil {
			return nil, err
		}
	}
	if d.redisAddr == "" {
		if err := d.embedRedis(o); err != nil {
			return nil, err
		}
	}
	if err := d.createIndexes(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *databases) embedMongo(o Options) (err error) {
	dir := o.Dir
	if dir != "" {
		dir = filepath.Join(dir, "mongod")
	}
	if d.mongo, err = mongod.Listen(o.anyPort(), mongod.Options{Dir: dir, Logger: o.Logger}); err != nil {
		return fmt.Errorf("start the embedded MongoDB: %w", err)
	}
	d.mongoURI = d.mongo.URI()
	d.mongoPipe = pipe.Listen()
	d.mongo.Serve(d.mongoPipe)
	return nil
}

// embedRedis starts miniredis, whose clock must be driven: by a ticker, since
// its own wall-clock mode has every command scan all keys.
func (d *databases) embedRedis(o Options) error {
	d.redis = miniredis.NewMiniRedis()
	if err := d.redis.StartAddr(o.anyPort()); err != nil {
		d.redis = nil
		return fmt.Errorf("start the embedded Redis: %w", err)
	}
	d.redisAddr = d.redis.Addr()
	d.redisPipe = pipe.Listen()
	const tick = time.Second // each walks all keys; nothing here depends on a finer one
	ticker, done := time.NewTicker(tick), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ticker.C:
				d.redis.FastForward(tick)
			case <-done:
				return
			}
		}
	})
	wg.Go(func() {
		for {
			conn, err := d.redisPipe.Accept()
			if err != nil {
				return
			}
			d.redis.Server().ServeConn(conn)
		}
	})
	d.stop = func() { ticker.Stop(); close(done); _ = d.redisPipe.Close(); wg.Wait() }
	return nil
}

// createIndexes is the explicit step without which the functions that write
// messages refuse to start. Where there are many messages it takes long; only
// the first answer has to come soon.
func (d *databases) createIndexes(ctx context.Context) error {
	store, err := mongostore.Open(d.mongoURI, d.mongoDB, mongostore.Options{ServerAPI: d.mongoAPI})
	if err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	err = d.answers(ctx, store)
	if err == nil {
		err = store.CreateIndexes(ctx)
	}
	if err := errors.Join(err, store.Close(context.WithoutCancel(ctx))); err != nil {
		return fmt.Errorf("MONGODB_URI: %w", err)
	}
	return nil
}

func (d *databases) answers(ctx context.Context, store *mongostore.Store) error {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	err := store.Ping(ctx)
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Code == chat.Unavailable {
		return fmt.Errorf("no database answers within %v: %w", reachable, e.Unwrap())
	}
	return err
}

// dialMongo returns how functions in this process reach the embedded MongoDB:
// without a network. It is nil where a real one is reached over TCP.
func (d *databases) dialMongo() options.ContextDialer {
	if d.mongo == nil {
		return nil
	}
	return d.mongoPipe
}

// dialRedis is the same for Redis.
func (d *databases) dialRedis() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.redis == nil {
		return nil
	}
	return d.redisPipe.DialContext
}

func (d *databases) close() error {
	if d.redis != nil {
		d.stop()
		d.redis.Close()
	}
	if d.mongo != nil {
		_ = d.mongoPipe.Close() // never fails
		return d.mongo.Close()
	}
	return nil
}
