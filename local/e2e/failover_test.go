package e2e_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiwm-chat/local/checker"
	"aiwm-chat/local/server"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// ackTime is far above what it takes that a message is acknowledged while a slot is
// not to be had: where Redis is waited for it is for a third of a second.
const ackTime = 10 * time.Second

// knownTime is less than the minute in which the client of Redis would find the new
// master by itself.
const knownTime = 30 * time.Second

// G1, G4 and G5 while a master of a Redis cluster dies: every message is stored and
// acknowledged, what could not be delivered is made good when a replica has taken
// over, and the processes that have met this work on as before.
func TestAMasterOfTheClusterDies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		whole bool // the other masters answer nothing meanwhile
	}{{"its slots alone are away", false}, {"all slots are away", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := crowd(t)
			c := startCluster(t, tt.whole)
			o.TimeScale = 15 // a sweep every four seconds; ten minutes of idle time are forty
			o.Getenv = set(map[string]string{"REDIS_ADDR": c.addrs(), "LIMIT_FANOUT": ""})
			s := start(t, o)
			// Each with its room, and its agent, on the master that dies or another.
			var scenes []*scene
			for _, on := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
				scenes = append(scenes, sceneOn(t, s, c, on[0], on[1]))
			}
			var slowest atomic.Int64
			talking, hush := context.WithCancel(t.Context())
			defer hush()
			var writers sync.WaitGroup
			for _, k := range scenes {
				for _, m := range k.members {
					for _, rest := range []bool{false, true} {
						writers.Go(func() { k.chatter(talking, m, rest, &slowest) })
					}
				}
			}
			time.Sleep(time.Second)
			died := time.Now()
			c.masters[0].kill()
			eventually(t, "the replica has taken over", func() bool { return c.failedOver(t.Context()) == nil })
			t.Logf("failed over after %v", time.Since(died).Round(time.Millisecond))
			time.Sleep(2 * time.Second)
			hush()
			writers.Wait()
			over := time.Now()
			if took := time.Duration(slowest.Load()); took > ackTime {
				t.Errorf("a message was acknowledged after %v", took)
			} else {
				t.Logf("the slowest was acknowledged after %v", took.Round(time.Millisecond))
			}
			// No join, but where the pong lacks the room: the server alone has to deliver.
			each(len(scenes), len(scenes), func(i int) { // together: who is idle is closed
				k := scenes[i]
				k.enter()
				if took := time.Since(over); took > knownTime {
					t.Errorf("the instance found the new master after %v", took)
				}
				k.settle()
				k.reached()
				k.works()
				k.judge()
			})
		})
	}
}

// sceneOn is a user, an agent and a guest, with the room, and the agent, on the first
// master or on another.
func sceneOn(t *testing.T, s *server.Server, c *redisCluster, room, agents bool) *scene {
	t.Helper()
	user, guest, agent := &member{actor: newUser(t, s)}, &member{actor: newUser(t, s)}, &member{actor: newAgent(t, s)}
	for c.first(t, principalKey(agent.principal)) != agents {
		agent.actor = newAgent(t, s)
	}
	var id chat.ConversationID
	for id = user.open(agent.actor); c.first(t, roomKey(id)) != room; id = user.open(agent.actor) {
	}
	k := newScene(t, s, id, user, agent, guest)
	k.bounds = checker.Bounds{Delivery: 2 * time.Minute, Presence: 30 * time.Second}
	for _, m := range k.members {
		k.open(m)
		k.join(m)
	}
	return k
}

// chatter writes until ctx is done; nothing that is sent may fail, or is sent twice.
func (k *scene) chatter(ctx context.Context, by *member, rest bool, slowest *atomic.Int64) {
	for ctx.Err() == nil {
		begun := time.Now()
		if err := k.try(k.utter(by, rest)); err != nil {
			k.t.Errorf("%s, over REST %t: %v", by.principal, rest, err)
			return
		}
		for took := int64(time.Since(begun)); ; {
			known := slowest.Load()
			if took <= known || slowest.CompareAndSwap(known, took) {
				break
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// enter has the members do what their pongs tell them, until they are in the room.
func (k *scene) enter() {
	k.t.Helper()
	each(len(k.members), len(k.members), func(i int) {
		m, in := k.members[i], false
		for deadline := time.Now().Add(k.bounds.Delivery); !in; time.Sleep(quiet) {
			f, err := m.ask("ping", nil)
			if err == nil {
				if _, in = heads(data[protocol.Pong](k.t, f))[k.id]; !in {
					k.join(m)
				}
			}
			if time.Now().After(deadline) {
				k.t.Errorf("%s is not in the room: %v", m.principal, err)
				return
			}
		}
	})
}

// settle has what is due be done, whenever the sweep would do it.
func (k *scene) settle() {
	k.t.Helper()
	eventuallyWithin(k.t, "nothing is due", k.bounds.Delivery, func() bool {
		hasten(k.t, k.messages, k.id) // a sweep may have met the few seconds in which Redis is not asked
		time.Sleep(time.Second)
		return due(k.t, k.messages, k.id) == 0
	})
}

// works checks that all that needs Redis works again, and is delivered at once.
func (k *scene) works() {
	k.t.Helper()
	for _, m := range k.members {
		k.close(m)
		k.open(m)
		k.join(m)
	}
	user, agent := k.members[0], k.members[1]
	eventually(k.t, "every process asks Redis again", func() bool {
		u := k.utter(user, false)
		persist(k.t, "send", func(context.Context) error { return k.try(u) })
		return user.lastSent().Delivered == nil
	})
	if err := user.Send(k.t.Context(), fields{"action": "typing", "conversationId": k.id, "state": "start"}); err != nil {
		k.t.Error(err)
	}
	agent.expect(protocol.EventTypingStart)
	k.reached()
}

// lastSent is the newest acknowledgement.
func (m *member) lastSent() (sent protocol.Sent) {
	for _, f := range m.Frames() {
		if f.Event == protocol.EventMessageSent {
			sent = data[protocol.Sent](m.t, f)
		}
	}
	return sent
}
