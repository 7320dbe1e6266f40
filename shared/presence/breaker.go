package presence

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// What must go on without Redis waits for it so long while somebody waits, and
// longer where nobody does. Once that was in vain twice, with no answer in
// between, it is not asked for a while: once may be a machine that was busy. Of a
// cluster that is each node by itself: what the others know is had all the same.
const (
	hurry  = 300 * time.Millisecond
	silent = 5 * time.Second
	inVain = 2
)

var errSilent = errors.New("redis did not answer a moment ago")

// A breaker keeps those who wait alike from waiting in vain again and again. Who
// is in a hurry and who is not have one each: two answers that were late for a
// reply must not keep a fan-out, which has the time, from being tried.
type breaker struct {
	limit time.Duration

	doubts atomic.Bool // whether nodes has any: nothing is looked up where all is well
	mu     sync.Mutex
	nodes  map[string]doubt // by address: those that did not answer the last time
}

// A doubt is how often in a row a node did not answer, and until when it is not asked.
type doubt struct {
	unanswered  int
	silentUntil time.Time
}

// isSilent reports whether a node is not to be asked.
func (b *breaker) isSilent(node string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.nodes[node].silentUntil)
}

// note keeps whether nodes answered.
func (b *breaker) note(answered map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for node, did := range answered {
		d := b.nodes[node]
		switch d.unanswered++; {
		case did:
			d.unanswered = 0
		case d.unanswered >= inVain:
			d = doubt{silentUntil: time.Now().Add(silent)}
		}
		if b.nodes == nil {
			b.nodes = map[string]doubt{}
		}
		b.nodes[node] = d
	}
	for node, d := range b.nodes {
		if d.unanswered == 0 && !time.Now().Before(d.silentUntil) {
			delete(b.nodes, node)
		}
	}
	b.doubts.Store(len(b.nodes) > 0)
}

// quickly is pipelined for what can go on without an answer, while somebody
// waits. What is for a node that did not answer a moment ago has errSilent, and is
// not sent.
func (c *client) quickly(ctx context.Context, commands func(redis.Pipeliner)) error {
	return c.within(ctx, &c.quick, commands)
}

// calmly is quickly where nobody waits.
func (c *client) calmly(ctx context.Context, commands func(redis.Pipeliner)) error {
	return c.within(ctx, &c.calm, commands)
}

func (c *client) within(ctx context.Context, b *breaker, commands func(redis.Pipeliner)) error {
	limited, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	var sent, kept []redis.Cmder
	err := c.pipelined(limited, func(p redis.Pipeliner) {
		commands(p)
		sent, kept = p.Cmds(), nil
		if b.doubts.Load() {
			sent, kept = c.withhold(p, b)
		}
	})
	switch {
	case err == nil && len(kept) > 0:
		err = errSilent
	case err == nil && !b.doubts.Load():
		return nil
	}
	if ctx.Err() != nil { // the caller's own haste
		return err
	}
	used, answered := c.redis(), map[string]bool{}
	for _, cmd := range sent {
		_, did := errors.AsType[redis.Error](cmd.Err()) // an error, but at once, and perhaps of one key
		node := nodeOf(used, cmd)
		answered[node] = answered[node] || did || cmd.Err() == nil
	}
	b.note(answered)
	return err
}

// withhold takes out of a pipeline what is for silent nodes.
func (c *client) withhold(p redis.Pipeliner, b *breaker) (sent, kept []redis.Cmder) {
	used := c.redis()
	for _, cmd := range p.Cmds() {
		if b.isSilent(nodeOf(used, cmd)) {
			cmd.SetErr(errSilent)
			kept = append(kept, cmd)
		} else {
			sent = append(sent, cmd)
		}
	}
	if len(kept) > 0 {
		p.Discard()
		_ = p.BatchProcess(context.Background(), sent...) // only queues
	}
	return sent, kept
}

// nodeOf is the address of the node of a cluster that is asked: empty of a single
// server, and where it is not known.
func nodeOf(used redis.UniversalClient, cmd redis.Cmder) string {
	cluster, is := used.(*redis.ClusterClient)
	if !is {
		return ""
	}
	at := 1 // of the key
	if strings.EqualFold(cmd.Name(), "eval") {
		at = 3
	}
	key := ""
	if args := cmd.Args(); len(args) > at {
		key, _ = args[at].(string)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel() // it is not to ask for the slots, which it waits for
	node, err := cluster.MasterForKey(over, key)
	if err != nil {
		return ""
	}
	return node.Options().Addr
}
