package handler

import (
	"context"
	"sync"
	"time"

	"aiwm-chat/shared/chat"
)

// What is known of an agent is good for so long, and of so many agents. Who makes an
// agent a managed one waits so long at most for its first answer.
const (
	profileLife = 30 * time.Second
	maxProfiles = 1000
)

type agents interface {
	Agent(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error)
}

// profiles are the agents that this instance has looked up: a message in a conversation
// without a managed agent costs no round trip for that. What it says may be over; the run
// itself reads the agent anew.
type profiles struct {
	store agents
	now   func() time.Time

	mu    sync.Mutex
	known map[chat.Principal]knownProfile
}

type knownProfile struct {
	agent chat.AgentProfile
	until time.Time
}

func newProfiles(s agents) *profiles {
	return &profiles{store: s, now: time.Now, known: map[chat.Principal]knownProfile{}}
}

// of returns an agent: one that nobody created is not managed. A miss is one round trip.
func (p *profiles) of(ctx context.Context, agent chat.Principal) (chat.AgentProfile, error) {
	p.mu.Lock()
	found, ok := p.known[agent]
	p.mu.Unlock()
	if ok && p.now().Before(found.until) {
		return found.agent, nil
	}
	profile, err := p.store.Agent(ctx, agent)
	if err != nil && chat.CodeOf(err) != chat.NotFound {
		return chat.AgentProfile{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxProfiles {
		clear(p.known)
	}
	p.known[agent] = knownProfile{profile, p.now().Add(profileLife)}
	return profile, nil
}
