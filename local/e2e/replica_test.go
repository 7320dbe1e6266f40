package e2e_test

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"aiwm-chat/local/embedded/mongod"
)

// G1 to G4 and G8 on a replica set whose majority lags while answers are lost,
// primaries change, acknowledgements fail, and what the majority had not is
// taken back.
func TestPromisesOnAReplicaSet(t *testing.T) {
	if os.Getenv("MONGODB_URI") != "" {
		t.Skip("another MongoDB has no such faults")
	}
	t.Parallel()
	seed := rand.Uint64()
	mongo, err := mongod.Listen("127.0.0.1:0", mongod.Options{Replica: &mongod.Replica{
		Members: 3, Lag: 20 * time.Millisecond, Election: 20 * time.Millisecond, Seed: seed,
		Faults: mongod.Faults{LoseReply: 0.01, NotPrimary: 0.01, NoMajority: 0.01, Failover: 0.005},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the server
		if err := mongo.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the seed was %d, %d faults happened", seed, mongo.Happened())
		}
	})
	mongo.Trouble(false)
	o := options()
	o.TimeScale = 20 // sweeps every three seconds
	o.Getenv = func(name string) string {
		if name == "MONGODB_URI" {
			return mongo.URI()
		}
		return fromEnvironment(name)
	}
	s := start(t, o)
	mongo.Trouble(true)
	r := newRoom(t, s)
	written := r.write()
	mongo.Trouble(false)
	r.checkLog(written)
	for _, member := range r.members {
		missing := r.missing(member, len(written), 5*time.Second)
		if len(missing) > 0 {
			r.recover(member, missing[0]-1)
		}
		if missing := r.missing(member, len(written), patience); len(missing) > 0 {
			t.Errorf("%s never got the seqs %v", member.principal, missing)
		}
	}
	messages := mongoOf(t, s)
	eventuallyWithin(t, "nothing is due", 2*time.Minute, func() bool { return due(t, messages, r.id) == 0 })
	if mongo.Happened() == 0 {
		t.Error("nothing happened")
	}
}
