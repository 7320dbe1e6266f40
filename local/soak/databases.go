package soak

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/local/embedded/mongod"
	"aiwm-chat/local/proxy"
)

// databases are embedded ones behind proxies, so that the functions reach them
// as they reach real ones, over a network that fails.
type databases struct {
	mongo      *mongod.Server
	redis      *miniredis.Miniredis
	mongoGate  *proxy.Gate // between the proxy and the server
	election   *election
	mongoProxy *proxy.Proxy
	redisProxy *proxy.Proxy
	wg         sync.WaitGroup
	done       chan struct{}
}

// bad is a network on a bad day, of some seconds.
var bad = proxy.Faults{Delay: 0.1, DelayMax: 50 * time.Millisecond, Reset: 0.02, Lose: 0.02, Swallow: 0.002}

func openDatabases(seed uint64) (_ *databases, err error) {
	d := &databases{done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.mongo, err = mongod.Listen("127.0.0.1:0", mongod.Options{}); err != nil {
		return nil, err
	}
	if d.redis, err = miniredis.Run(); err != nil {
		return nil, err
	}
	d.election = &election{random: rand.New(rand.NewPCG(seed, 2))}
	if d.mongoGate, err = proxy.NewGate(d.mongo.Addr(), proxy.MongoDB, d.election.judge); err != nil {
		return nil, err
	}
	if d.mongoProxy, err = proxy.Listen(d.mongoGate.Addr(), seed, bad); err != nil {
		return nil, err
	}
	if d.redisProxy, err = proxy.Listen(d.redis.Addr(), seed+1, bad); err != nil {
		return nil, err
	}
	d.wg.Go(d.tick)
	return d, nil
}

// tick drives the clock of miniredis, or nothing in it would expire.
func (d *databases) tick() {
	const tick = time.Second
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.redis.FastForward(tick)
		case <-d.done:
			return
		}
	}
}

// getenv tells the server where they are.
func (d *databases) getenv(name string) string {
	switch name {
	case "MONGODB_URI":
		return "mongodb://" + d.mongoProxy.Addr() + "/?directConnection=true"
	case "REDIS_ADDR":
		return d.redisProxy.Addr()
	case "LOG_LEVEL":
		return "error"
	}
	return ""
}

func (d *databases) heal() {
	d.redis.SetError("")
	d.election.on.Store(false)
	for _, p := range []*proxy.Proxy{d.mongoProxy, d.redisProxy} {
		p.Off()
		p.Return()
	}
}

func (d *databases) close() error {
	var errs []error
	close(d.done)
	d.wg.Wait()
	for _, p := range []*proxy.Proxy{d.mongoProxy, d.redisProxy} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	if d.mongoGate != nil {
		errs = append(errs, d.mongoGate.Close())
	}
	if d.redis != nil {
		d.redis.Close()
	}
	if d.mongo != nil {
		errs = append(errs, d.mongo.Close())
	}
	return errors.Join(errs...)
}
