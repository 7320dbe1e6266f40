package soak

import (
	"context"
	"math/rand/v2"
	"time"

	"aiwm-chat/local/embedded/mongod"
)

// replica is a MongoDB of one visible member, so that a proxy can stand before
// it: a failover makes it another one. Its faults happen while badReplica does.
func replica(seed uint64) *mongod.Replica {
	return &mongod.Replica{
		Lag: 10 * time.Millisecond, Election: 300 * time.Millisecond, Seed: seed,
		Faults: mongod.Faults{LoseReply: 0.005, NotPrimary: 0.005, NoMajority: 0.005, Failover: 0.001},
	}
}

// openReplica starts it without trouble.
func openReplica(seed uint64) (*mongod.Server, error) {
	s, err := mongod.Listen("127.0.0.1:0", mongod.Options{Replica: replica(seed)})
	if err == nil {
		s.Trouble(false)
	}
	return s, err
}

func (s *soak) failover(context.Context, *rand.Rand) { s.databases.mongo.Failover() }

// badReplica has commands lose their answers, find no primary, and fail to be
// acknowledged after they were done, for some seconds.
func (s *soak) badReplica(ctx context.Context, r *rand.Rand) {
	s.databases.mongo.Trouble(true)
	pause(ctx, s.some(r, 2, 5))
	s.databases.mongo.Trouble(false)
}

// lagging is a majority that gets nothing: either it comes back, or a failover
// takes what it has not.
func (s *soak) lagging(ctx context.Context, r *rand.Rand) {
	release := s.databases.mongo.HoldMajority()
	defer release()
	pause(ctx, s.some(r, 0.5, 3))
	if r.IntN(2) == 0 {
		s.databases.mongo.Failover()
	}
}
