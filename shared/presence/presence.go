// Package presence knows who is connected where, in Redis: the connections of
// principals, who is in which room, who types, and how much of their limits
// everybody has used.
//
// Only Connect, Enter with Confirm, Ping and the end of a connection write
// presence. Redis is a cache of who is where and may lose everything, or any one
// slot, at any moment: a connection's next ping finds what was lost. Every key
// expires, so what a crash leaves behind goes away by itself. All of it works on
// a Redis Cluster: what has to be atomic is one command, or one script on one
// hash tag, and there are no transactions, which a failover can break for ever.
//
// An error is chat.Unavailable when Redis does not answer or refuses. Round
// trips are stated per method; on a cluster the nodes are asked in parallel,
// which counts as one.
package presence

import (
	"fmt"
	"time"

	"aiwm-chat/shared/chat"
)

// lifetime is how long a registration counts: the 2 h after which API Gateway
// closes any connection (WebSocket API quotas), and slack. No key lives longer.
const lifetime = 2*time.Hour + 10*time.Minute

// mourning is how long the tombstone of a connection keeps it from being
// registered again: far longer than a function that saw it open may run.
const mourning = 2 * time.Minute

// trial is how long an entry in a room may stay provisional: as long as a join
// may run.
const trial = 30 * time.Second

// opening is how long a connection may be registered without being open: until
// $connect has returned, API Gateway answers a post to it with 410.
const opening = 10 * time.Second

// twice is how long a call remembers what it did: as long as it may be until it is
// done once more, because its answer was lost.
const twice = 30 * time.Second

// A Store keeps presence in Redis. It is safe for concurrent use.
type Store struct {
	*client
	limits  Limits
	buckets buckets
	now     func() time.Time
}

// Open returns a Store. It does not use the network.
func Open(o Options) (*Store, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, fmt.Errorf("open presence: %w", err)
	}
	s := &Store{client: c, limits: o.Limits, now: o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// failed turns an error of the client into the one that callers see.
func failed(step string, err error) error {
	if err == nil {
		return nil
	}
	return chat.Unavailablef(fmt.Errorf("%s: %w", step, err), "presence is not available now; try again")
}
