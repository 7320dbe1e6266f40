package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/client"
)

// killedBounds are far above what it takes: milliseconds.
var killedBounds = checker.Bounds{Delivery: 30 * time.Second, Presence: 30 * time.Second}

// A killing is a conversation of three, an operation of which dies at each of
// its steps.
type killing struct {
	*dispatch
	*scene
	redis redis.UniversalClient
	user  *member // the creator
	agent *member
	guest *member
}

// An operation is what dies.
type operation struct {
	name     string
	function string   // whose steps are counted
	also     []string // what else it kills
	framed   bool     // it is a frame: API Gateway says so when its function died
	ticks    bool     // some of its steps are the clock's or a retry's, and do not come each time
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
	all := slices.Concat(operations, changing, uploading(), marking(), calling(), streamOperations(), runOperations())
	if os.Getenv("AIWM_EXEC") != "" && os.Getenv("AIWM_KILL") == "" {
		all = operations // each step of the others on binaries takes six minutes, and some come at their own time
	}
	for _, op := range all {
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
			if op.ticks {
				once(nil)
				again := m.taken()
				steps = slices.DeleteFunc(steps, func(s string) bool { return !slices.Contains(again, s) })
				op.heal(k, true)
			}
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
					if !met && !op.ticks {
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
	user, agent, guest := &member{actor: newUser(t, s)}, &member{actor: newAgent(t, s)}, &member{actor: newUser(t, s)}
	k := &killing{dispatch: d, scene: newScene(t, s, user.open(agent.actor), user, agent, guest), redis: redisOf(t, s), user: user, agent: agent, guest: guest}
	k.bounds = killedBounds
	return k
}

// prepare has everybody connected, who is to be, before what the operation needs.
func (k *killing) prepare(op operation) {
	if op.prepare != nil {
		op.prepare(k)
	}
}

// everybodyIn connects and joins who is not, or whom API Gateway has closed: two hours are
// minutes here, and some operations take as long.
func everybodyIn(k *killing) {
	k.t.Helper()
	for _, m := range k.members {
		if m.Client != nil && m.isOver() {
			k.close(m)
		}
		if m.Client == nil {
			k.open(m)
		}
		if !m.here {
			k.join(m)
		}
	}
}

// fromGateway reports whether API Gateway says that a function died.
func fromGateway(f client.Frame) bool { return f.Event == "" && f.Error == nil }

// deaths counts what API Gateway has said of functions that died.
func (k *killing) deaths() (n int) {
	for _, m := range k.members {
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
	for _, m := range k.members {
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
