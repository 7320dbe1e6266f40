// Package profiles remembers for a moment what an agent is: who looks at each message
// whether the backend answers for an agent pays a round trip for that once in a while.
package profiles

import (
	"context"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
)

// What is known of an agent is good for so long, and of so many agents. Who makes an
// agent a managed one waits so long at most for its first answer.
const (
	life = 30 * time.Second
	most = 1000
)

type store interface {
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
}

// Cache holds the agents that this instance has looked up. What it says may be over: a run
// reads its agent anew.
type Cache struct {
	store store
	now   func() time.Time

	mu    sync.Mutex
	known map[chat.Principal]entry
}

type entry struct {
	agent chat.AgentProfile
	until time.Time
}

// New returns a Cache that looks up agents in a store.
func New(s store) *Cache {
	return &Cache{store: s, now: time.Now, known: map[chat.Principal]entry{}}
}

// Of returns an agent: one that nobody created is not managed. A miss is one round trip.
func (c *Cache) Of(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error) {
	c.mu.Lock()
	found, ok := c.known[agent]
	c.mu.Unlock()
	if ok && c.now().Before(found.until) {
		return found.agent, nil
	}
	profile, err := c.store.Agent(ctx, agent)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return chat.AgentProfile{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= most {
		clear(c.known)
	}
	c.known[agent] = entry{profile, c.now().Add(life)}
	return profile, nil
}

// Answers reports whether the backend answers for an agent, which is online then whatever
// Redis knows of it. What cannot be read is no.
func (c *Cache) Answers(ctx context.Context, agent chat.Principal) bool {
	profile, err := c.Of(ctx, agent)
	return err == nil && profile.Managed != nil
}
