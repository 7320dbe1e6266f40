package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/checker/evidence"
	"aiwm-chat/local/client"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
)

// killedBounds are far above what it takes: milliseconds.
var killedBounds = checker.Bounds{Delivery: 30 * time.Second, Presence: 30 * time.Second}

// A killing is a conversation of three, an operation of which dies at each of
// its steps; and what the checker has to know of it.
type killing struct {
	*dispatch
	t        *testing.T
	server   *server.Server
	record   *checker.Recorder
	messages *mongo.Collection
	redis    redis.UniversalClient
	id       chat.ConversationID
	user     *member // the creator
	agent    *member
	guest    *member
}

// A member is a participant on one connection.
type member struct {
	*actor
	link string // in the history
	here bool   // in the room, as far as it knows
}

// An operation is what dies.
type operation struct {
	name     string
	function string   // whose steps are counted
	also     []string // what else it kills
	framed   bool     // it is a frame: API Gateway says so when its function died
	scale    float64
	prepare  func(k *killing)               // what it takes that the operation can be done
	run      func(k *killing)               // it is asked for once, and answered or not
	heal     func(k *killing, repeats bool) // what its client does then, or the clock, and what must be true after that
	after    func(k *killing)               // what must be true in the end; nil: nothing else
}

// The promises, where a function dies before or after any of its steps.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute, most of it waiting")
	}
	if os.Getenv("MONGODB_URI") != "" || os.Getenv("REDIS_ADDR") != "" {
		t.Skip("the steps are counted on single embedded servers")
	}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			k := newKilling(t, op)
			m := k.mortals[op.function]
			once := func(d *death) (met bool) {
				t.Helper()
				k.prepare(op)
				m.arm(d)
				before := k.deaths()
				op.run(k)
				m.ended()
				met = d == nil || d.awaits(0)
				if d != nil {
					m.taken()
				}
				if d != nil && met && op.framed {
					k.drain(before)
				}
				return met
			}
			once(nil) // the first invocation of a process looks at more than others do
			op.heal(k, true)
			once(nil)
			steps := m.taken()
			op.heal(k, true)
			if len(steps) == 0 {
				t.Fatal("it has no steps")
			}
			t.Logf("the steps: %q", steps)
			if os.Getenv("AIWM_EXEC") == "" {
				steps = sample(t, steps, 4)
			}
			for i, step := range steps {
				for _, late := range []bool{false, true} {
					repeats := late
					if os.Getenv("AIWM_EXEC") == "" { // after each step is every place but the first
						if !late {
							continue
						}
						repeats = i%2 == 0
					}
					met := false
					for try := 0; try < 3 && !met; try++ { // another order of what is done together may lack one
						if try > 0 { // it may be one of the first invocation
							m.restart()
						}
						met = once(&death{step: step, late: late})
						op.heal(k, repeats)
					}
					if !met {
						t.Errorf("%q came no more", step)
					}
					if t.Failed() {
						t.Fatalf("killed at %q, which was done: %t", step, late)
					}
				}
			}
			if op.after != nil {
				op.after(k)
			}
			k.judge()
		})
	}
}

// sample is some of the steps: with all of them, a function that runs in this
// process and is only cut off takes longer than the binaries do.
func sample(t *testing.T, steps []string, n int) []string {
	seed := rand.Uint64()
	t.Logf("a sample of them, with the seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	steps = slices.Clone(steps)
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return steps[:min(n, len(steps))]
}

func newKilling(t *testing.T, op operation) *killing {
	t.Helper()
	o := options()
	o.TimeScale = op.scale
	s, d := startMortal(t, o, append(op.also, op.function)...)
	k := &killing{
		dispatch: d, t: t, server: s, record: checker.NewRecorder(), messages: mongoOf(t, s), redis: redisOf(t, s),
		user: &member{actor: newUser(t, s)}, agent: &member{actor: newAgent(t, s)}, guest: &member{actor: newUser(t, s)},
	}
	k.id = k.user.open(k.agent.actor)
	k.user.add(k.guest.actor, k.id)
	for _, m := range k.all() {
		k.record.Member(k.id, m.principal)
	}
	return k
}

func (k *killing) all() []*member { return []*member{k.user, k.agent, k.guest} }

// prepare has everybody connected, who is to be, before what the operation needs.
func (k *killing) prepare(op operation) {
	if op.prepare != nil {
		op.prepare(k)
	}
}

// everybodyIn connects and joins who is not.
func everybodyIn(k *killing) {
	k.t.Helper()
	for _, m := range k.all() {
		if m.Client == nil {
			k.open(m)
		}
		if !m.here {
			k.join(m)
		}
	}
}

// reached waits until everybody in the room has all that is in the log, and
// nothing is due any more.
func (k *killing) reached() {
	k.t.Helper()
	n, err := k.messages.CountDocuments(k.t.Context(), map[string]any{"conversationId": k.id})
	if err != nil {
		k.t.Fatal(err)
	}
	for _, m := range k.all() {
		if m.here {
			eventuallyWithin(k.t, string(m.principal.ID)+" has all", killedBounds.Delivery, func() bool { return m.has() == n })
		}
	}
	eventuallyWithin(k.t, "nothing is due", killedBounds.Delivery, func() bool { return due(k.t, k.messages, k.id) == 0 })
}

// fromGateway reports whether API Gateway says that a function died.
func fromGateway(f client.Frame) bool { return f.Event == "" && f.Error == nil }

// deaths counts what API Gateway has said of functions that died.
func (k *killing) deaths() (n int) {
	for _, m := range k.all() {
		if m.Client != nil {
			for _, f := range m.Frames() {
				if fromGateway(f) {
					n++
				}
			}
		}
	}
	return n
}

// drain waits for one more than before, and takes them all: they name no request,
// and the next one would take them for its answer.
func (k *killing) drain(before int) {
	k.t.Helper()
	eventually(k.t, "API Gateway says that the function died", func() bool { return k.deaths() > before })
	ctx, cancel := context.WithCancel(k.t.Context())
	cancel()
	for _, m := range k.all() {
		for m.Client != nil {
			if _, err := m.Await(ctx, fromGateway); err != nil {
				break
			}
		}
	}
}

// sweep has the clock come, for all that is due.
func (k *killing) sweep() error {
	hasten(k.t, k.messages, k.id)
	_, err := k.Invoke(k.t.Context(), "SweepFunction", []byte(`{"version":"0","source":"aws.scheduler","detail-type":"Scheduled Event","detail":{}}`))
	return err
}

// judge has the checker look at all of it.
func (k *killing) judge() {
	k.t.Helper()
	time.Sleep(50 * time.Millisecond) // what has come is noted
	c, err := evidence.Conversation(k.t.Context(), k.user.rest, k.id, k.user.principal.OrgID)
	if err != nil {
		k.t.Fatal(err)
	}
	if c.Due, err = evidence.Due(k.t.Context(), k.messages, k.id); err != nil {
		k.t.Fatal(err)
	}
	f := checker.Final{At: time.Now().Add(killedBounds.Delivery + killedBounds.Presence), Conversations: map[chat.ConversationID]checker.Conversation{k.id: c}}
	r := checker.Check(k.record.History(), f, killedBounds)
	attempts, acknowledged := k.record.Acknowledged()
	k.t.Logf("%d attempts, %d acknowledged: %v", attempts, acknowledged, r)
	if !r.OK() {
		k.t.Error(r.Details())
	}
}
