package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

func signalOf(id chat.ConversationID, call, kind, party string) fields {
	return fields{"conversationId": id, "callId": call, "kind": kind, "partyId": party}
}

// signals says something in a call, and returns how far that is then.
func (a *actor) signals(in fields) protocol.CallState {
	a.t.Helper()
	f := a.must("signal", in)
	return data[protocol.CallState](a.t, f)
}

// hearsSignal waits for what another one says in a call.
func (a *actor) hearsSignal(kind chat.SignalKind) protocol.CallSignal {
	a.t.Helper()
	for {
		if s := data[protocol.CallSignal](a.t, a.expect(protocol.EventCallSignal)); s.Kind == kind {
			return s
		}
	}
}

// ofCall are the messages about a call.
func (a *actor) ofCall(id chat.ConversationID, call string) (all []protocol.Message) {
	a.t.Helper()
	var page protocol.MessagePage
	a.call(http.MethodGet, "/messages?limit=100&conversationId="+string(id), nil, &page)
	for _, m := range page.Data {
		if string(m.ClientMessageID) == "call:"+call {
			all = append(all, m)
		}
	}
	return all
}

// Two people ring, talk and hang up, wherever they are: neither has joined. Who calls in the
// same moment is in the call with the smaller id. In the end the log says of each call, once, how
// it went, and of what they said to set it up nothing.
func TestCall(t *testing.T) {
	t.Parallel()
	alice, bob := newUser(t, shared), newUser(t, shared)
	agent := newAgent(t, shared)
	id := alice.open(agent)
	alice.add(bob, id)
	alice.connect()
	bob.connect()
	tablet := bob.device()

	invite := signalOf(id, "k2", "invite", "a1")
	invite["data"] = fields{"offer": fields{"sdp": "v=0 never-stored"}}
	if got := alice.signals(invite); got.State != chat.CallRinging || got.CallID != "k2" {
		t.Errorf("it is %+v", got)
	}
	for _, device := range []*actor{bob, tablet} {
		if s := device.hearsSignal(chat.SignalInvite); s.From.ID != alice.principal.ID || s.PartyID != "a1" || string(s.Data) != `{"offer":{"sdp":"v=0 never-stored"}}` {
			t.Errorf("a device hears %+v", s)
		}
	}
	// Bob rings in the same moment: the smaller id goes on.
	if got := bob.signals(signalOf(id, "k1", "invite", "b1")); got.State != chat.CallRinging {
		t.Errorf("it is %+v", got)
	}
	alice.hearsSignal(chat.SignalInvite)
	if _, err := alice.ask("signal", signalOf(id, "k2", "candidates", "a1")); code(t, err) != chat.Conflict {
		t.Errorf("what gave way is %v", err)
	}
	if _, err := alice.ask("signal", signalOf(id, "k3", "invite", "a1")); code(t, err) != chat.Conflict {
		t.Errorf("a third one is %v", err)
	}
	if got := alice.signals(signalOf(id, "k1", "answer", "a1")); got.State != chat.CallActive {
		t.Errorf("it is %+v", got)
	}
	bob.hearsSignal(chat.SignalAnswer)
	if got := bob.signals(signalOf(id, "k1", "select", "b1")); got.State != chat.CallActive {
		t.Errorf("it is %+v", got)
	}
	to := signalOf(id, "k1", "candidates", "b1")
	to["to"] = fields{"type": "user", "id": alice.principal.ID}
	bob.signals(to)
	if s := alice.hearsSignal(chat.SignalCandidates); s.To == nil || s.To.ID != alice.principal.ID {
		t.Errorf("alice hears %+v", s)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := alice.signals(signalOf(id, "k1", "hangup", "a1")); got.State != chat.CallEnded || got.Outcome != chat.CallOver || got.DurationMs < 1000 {
		t.Errorf("it is %+v", got)
	}
	bob.hearsSignal(chat.SignalHangup)
	eventually(t, "the log has it", func() bool { return len(bob.ofCall(id, "k1")) == 1 })
	m := bob.ofCall(id, "k1")[0]
	if m.ParticipantType != chat.System || m.Role != chat.RoleSystem || m.Type != chat.TypeSystem || !strings.HasPrefix(m.Content, "Call ended after 0:0") {
		t.Errorf("it says %+v", m)
	}
	if n := len(bob.ofCall(id, "k2")); n != 0 {
		t.Errorf("what gave way has %d messages", n)
	}
	// Declined, and given up.
	alice.signals(signalOf(id, "k4", "invite", "a1"))
	if got := bob.signals(signalOf(id, "k4", "reject", "b1")); got.Outcome != chat.CallDeclined {
		t.Errorf("it is %+v", got)
	}
	alice.signals(signalOf(id, "k5", "invite", "a1"))
	if got := alice.signals(signalOf(id, "k5", "hangup", "a1")); got.Outcome != chat.CallMissed {
		t.Errorf("it is %+v", got)
	}
	for call, want := range map[string]string{"k4": "Call declined", "k5": "Missed call"} {
		eventually(t, want, func() bool {
			all := alice.ofCall(id, call)
			return len(all) == 1 && all[0].Content == want
		})
	}
	var page json.RawMessage
	if alice.call(http.MethodGet, "/messages?limit=100&conversationId="+string(id), nil, &page); strings.Contains(string(page), "never-stored") {
		t.Error("what was relayed is stored")
	}
}

// A call is of those who take part in the conversation, and only who is in it hangs it up.
func TestRightsOfCalls(t *testing.T) {
	t.Parallel()
	owner, guest, removed, stranger, agent, other := newUser(t, shared).connect(), newUser(t, shared).connect(), newUser(t, shared).connect(), newUser(t, shared).connect(), newAgent(t, shared).connect(), newAgent(t, shared).connect()
	foreigner := newActor(t, shared, chat.Principal{Type: chat.User, ID: chat.PrincipalID(unique("foreign")), OrgID: "other"}).connect()
	id := owner.open(agent)
	owner.add(guest, id)
	owner.add(removed, id)
	owner.call(http.MethodDelete, "/conversations/"+string(id)+"/participants/user/"+string(removed.principal.ID), nil, nil)
	owner.signals(signalOf(id, "k", "invite", "o1"))
	outside := who{"removed": removed, "a stranger": stranger, "another organisation": foreigner, "an agent elsewhere": other}
	kinds := []string{"invite", "ringing", "answer", "candidates", "select", "reject", "negotiate", "alive", "hangup"}
	for name, a := range outside {
		_, err := a.ask("signal", signalOf("nowhere", "k", "hangup", "o1"))
		missing := code(t, err)
		for _, kind := range kinds {
			if _, err := a.ask("signal", signalOf(id, "k", kind, "o1")); code(t, err) != chat.NotFound || missing != chat.NotFound {
				t.Errorf("%s: %s is %v", name, kind, err)
			}
		}
		a.expectNot(protocol.EventCallSignal)
	}
	for _, kind := range []string{"hangup", "candidates", "select", "negotiate", "alive"} {
		for name, a := range (who{"a guest": guest, "an agent": agent}) {
			if _, err := a.ask("signal", signalOf(id, "k", kind, "o1")); code(t, err) != chat.Forbidden {
				t.Errorf("%s: %s is %v", name, kind, err)
			}
		}
		if _, err := owner.ask("signal", signalOf(id, "k", kind, "o2")); code(t, err) != chat.Forbidden {
			t.Errorf("another device: %s is %v", kind, err)
		}
	}
	in := signalOf(id, "k", "candidates", "o1")
	in["to"] = fields{"type": "user", "id": stranger.principal.ID}
	if _, err := owner.ask("signal", in); code(t, err) != chat.ValidationFailed {
		t.Errorf("to a stranger: %v", err)
	}
	if got := guest.signals(signalOf(id, "k", "answer", "g1")); got.State != chat.CallActive {
		t.Errorf("nothing of that was refused: %+v", got)
	}
	owner.signals(signalOf(id, "k", "hangup", "o1"))
	var ice protocol.ICEServers
	if stranger.call(http.MethodGet, "/calls/ice", nil, &ice); len(ice.ICEServers) != 0 || ice.ExpiresAt == "" {
		t.Errorf("the servers are %+v", ice)
	}
}

func TestLimitOfSignals(t *testing.T) {
	t.Parallel()
	user, agent, id := limited(t, "LIMIT_SIGNALS", "1/min burst 2")
	user.connect()
	agent.connect()
	user.must("signal", signalOf(id, "k", "invite", "u1"))
	user.must("signal", signalOf(id, "k", "alive", "u1"))
	user.refusedFor("signal", signalOf(id, "k", "alive", "u1"))
	agent.must("signal", signalOf(id, "k", "answer", "a1"))
}

// A mortalCall is a call in a conversation of its own, of which a step dies.
type mortalCall struct{ id chat.ConversationID }

func (c *mortalCall) says(kind, party string) fields { return signalOf(c.id, "k", kind, party) }

func (c *mortalCall) open(k *killing) {
	everybodyIn(k)
	c.id = k.user.open(k.agent.actor)
	k.user.add(k.guest.actor, c.id)
}

// isSaid waits until nobody need look after the call, for which time goes by, and counts what
// the log says of it.
func (c *mortalCall) isSaid(k *killing) {
	k.t.Helper()
	key := "conversation:{" + string(c.id) + "}:call:k"
	eventually(k.t, "nothing is left to say", func() bool {
		left, err := k.redis.ZRange(k.t.Context(), "calls", 0, -1).Result()
		if err != nil || len(left) == 0 {
			return err == nil
		}
		for _, member := range left {
			k.redis.ZAddXX(k.t.Context(), "calls", redis.Z{Score: 1, Member: member})
		}
		if k.redis.HGet(k.t.Context(), key, "state").Val() == "r" {
			k.redis.HSet(k.t.Context(), key, "started", 1)
		}
		persist(k.t, "sweep", func(context.Context) error { return k.sweep() })
		return false
	})
	if said, begun := len(k.user.ofCall(c.id, "k")), k.redis.Exists(k.t.Context(), key).Val(); int64(said) != begun {
		k.t.Errorf("the call has %d messages, and %d are known", said, begun)
	}
}

// calling are the operations that begin and end a call. Whoever dies leaves it to who asks
// again, or to sweep: each call has one message in the end.
func calling() []operation {
	rung, over := &mortalCall{}, &mortalCall{}
	return []operation{{
		name: "signal invite", function: "SignalFunction", framed: true, scale: 1, prepare: rung.open,
		run: func(k *killing) { _, _ = k.user.ask("signal", rung.says("invite", "u1")) },
		heal: func(k *killing, repeats bool) {
			if repeats {
				k.user.insist("signal", rung.says("invite", "u1"))
			}
			rung.isSaid(k)
		},
	}, {
		name: "signal hangup", function: "SignalFunction", framed: true, scale: 1,
		prepare: func(k *killing) {
			over.open(k)
			k.user.insist("signal", over.says("invite", "u1"))
			k.guest.insist("signal", over.says("answer", "g1"))
		},
		run: func(k *killing) { _, _ = k.guest.ask("signal", over.says("hangup", "g1")) },
		heal: func(k *killing, repeats bool) {
			if _, err := k.guest.ask("signal", over.says("hangup", "g1")); repeats && err != nil && code(k.t, err) != chat.Conflict {
				k.t.Error(err)
			}
			over.isSaid(k)
		},
	}}
}
