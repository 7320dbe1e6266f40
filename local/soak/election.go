package soak

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"aiwm-chat/local/proxy"
)

// An election is what a replica set does to its clients while it has no primary,
// or another one: commands are refused, answers do not come, and writes are done
// of which nobody knows whether they stay. Here all of them do.
type election struct {
	on       atomic.Bool
	happened atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
}

// An upset is one thing that happens to a command with a probability.
type upset struct {
	probability float64
	verdict     proxy.Verdict
}

var upsets = []upset{
	{0.03, proxy.Verdict{Fate: proxy.Refuse, Code: 10107, Reason: "not primary"}},
	{0.02, proxy.Verdict{Fate: proxy.Refuse, Code: 11602, Reason: "operation was interrupted: the primary stepped down"}},
	{0.03, proxy.Verdict{Fate: proxy.Doubt, Code: 64, Reason: "waiting for replication timed out"}},
	{0.02, proxy.Verdict{Fate: proxy.Doubt, Code: 189, Reason: "primary stepped down while waiting for replication"}},
	{0.03, proxy.Verdict{Fate: proxy.Lose}},
}

func (e *election) judge(c proxy.Command) proxy.Verdict {
	if !e.on.Load() {
		return proxy.Verdict{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	drawn := e.random.Float64()
	for _, u := range upsets {
		if drawn -= u.probability; drawn < 0 {
			if u.verdict.Fate == proxy.Doubt && !c.Write {
				break
			}
			e.happened.Add(1)
			return u.verdict
		}
	}
	return proxy.Verdict{}
}
