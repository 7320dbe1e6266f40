package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"aiwm-chat/local/client"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// operations are those whose functions are killed. A client repeats what it got no
// answer to; or it does not, and finds out by a ping what became of it, or the
// clock does what is left: repeats says which.
var operations = []operation{
	killedSend("send", "SendFunction", false),
	killedSend("POST message", "MessagesFunction", true),
	{
		name: "join", function: "JoinFunction", framed: true,
		prepare: func(k *killing) {
			everybodyIn(k)
			k.guest.insist("leave", fields{"conversationId": k.id})
			k.record.Leave(k.guest.link, k.id)
			k.guest.here = false
		},
		run: func(k *killing) {
			after := k.guest.has()
			k.record.Ask(k.guest.link, k.guest.principal, k.id)
			if _, err := k.guest.ask("join", fields{"conversationId": k.id, "afterSeq": after}); err == nil {
				k.record.Join(k.guest.link, k.guest.principal, k.id, after)
			}
		},
		heal: func(k *killing, repeats bool) {
			if repeats || !k.guest.isIn(k.id) {
				k.join(k.guest)
			} else {
				k.record.Join(k.guest.link, k.guest.principal, k.id, k.guest.has())
				k.guest.here = true
			}
			k.say(k.agent)
			k.theRoomHas(k.user, k.agent, k.guest)
		},
	},
	{
		name: "leave", function: "LeaveFunction", framed: true,
		prepare: everybodyIn,
		run:     func(k *killing) { _, _ = k.guest.ask("leave", fields{"conversationId": k.id}) },
		heal: func(k *killing, repeats bool) {
			if repeats || k.guest.isIn(k.id) {
				k.guest.insist("leave", fields{"conversationId": k.id})
			}
			k.record.Leave(k.guest.link, k.id)
			k.guest.here = false
			k.say(k.agent)
			k.theRoomHas(k.user, k.agent)
		},
	},
	{
		name: "disconnect", function: "DisconnectFunction",
		prepare: everybodyIn,
		run: func(k *killing) {
			k.close(k.agent)
		},
		heal: func(k *killing, repeats bool) {
			age(k.t, k.redis, k.agent.principal, 11*time.Second)
			k.say(k.user)
			k.theRoomHas(k.user, k.guest)
			k.gone(k.agent)
		},
	},
	{
		name: "removal", function: "ConversationsFunction",
		prepare: everybodyIn,
		run:     func(k *killing) { _ = k.remove(k.guest) },
		heal: func(k *killing, repeats bool) {
			removal := k.record.Remove(k.id, k.guest.principal)
			persist(k.t, "remove", func(context.Context) error { return k.remove(k.guest) })
			k.record.Removed(removal)
			k.guest.here = false
			k.say(k.agent)
			k.theRoomHas(k.user, k.agent)
			k.isOut(k.guest, k.id)
			k.record.Back(removal)
			k.user.add(k.guest.actor, k.id)
		},
	},
	killedDeletion(),
	killedWelcome(),
	{
		name: "sweep", function: "SweepFunction", also: []string{"SendFunction"},
		prepare: func(k *killing) {
			everybodyIn(k)
			committed := &death{step: "insert messages 0", late: true}
			k.mortals["SendFunction"].arm(committed)
			before := k.deaths()
			_ = k.try(k.utter(k.user, false))
			if !committed.awaits(patience) {
				k.t.Fatal("no message was committed")
			}
			k.mortals["SendFunction"].taken()
			k.drain(before)
		},
		run: func(k *killing) { _ = k.sweep() },
		heal: func(k *killing, _ bool) {
			eventually(k.t, "a sweep finds nothing", func() bool {
				if err := k.sweep(); err != nil {
					k.t.Error("sweep:", err)
				}
				return due(k.t, k.messages, k.id) == 0
			})
			k.reached()
		},
	},
	{
		name: "connect", function: "ConnectFunction",
		prepare: func(k *killing) {
			if k.guest.Client != nil {
				k.close(k.guest)
			}
			k.guest = &member{actor: newUser(k.t, k.server)} // for whom it is the first connection
			k.members[2] = k.guest
			k.record.Member(k.id, k.guest.principal)
			k.user.add(k.guest.actor, k.id)
			for _, m := range []*member{k.user, k.agent} {
				if m.Client == nil {
					k.open(m)
					k.join(m)
				}
			}
		},
		run: func(k *killing) {
			k.guest.link = unique("link")
			k.record.Open(k.guest.link, k.guest.principal)
			defer k.record.Close(k.guest.link)
			if c, err := reach(k.t.Context(), k.server.WebSocketURL(), k.guest.token); err == nil {
				c.Close()
			}
		},
		heal: func(k *killing, _ bool) {
			everybodyIn(k)
			k.say(k.agent)
		},
		after: func(k *killing) { // none of those that never opened counts
			k.close(k.guest)
			eventuallyWithin(k.t, "who has gone is offline", killedBounds.Presence, func() bool { return k.user.online(k.id) == 2 })
			k.theRoomHas(k.user, k.agent)
		},
	},
	{
		name: "ping", function: "DefaultFunction", framed: true,
		prepare: everybodyIn,
		run:     func(k *killing) { _, _ = k.guest.ask("ping", nil) },
		heal: func(k *killing, _ bool) {
			if !k.guest.isIn(k.id) {
				k.t.Error("a ping that died took it out of the room")
			}
			k.say(k.agent)
		},
	},
}

// killedDeletion deletes a conversation of its own each time.
func killedDeletion() operation {
	var id chat.ConversationID
	remove := func(k *killing) error { return k.user.try(http.MethodDelete, "/conversations/"+string(id), nil, nil) }
	return operation{
		name: "deletion", function: "ConversationsFunction",
		prepare: func(k *killing) {
			everybodyIn(k)
			id = k.user.open(k.agent.actor)
			for _, m := range []*member{k.user, k.agent} {
				m.insist("join", fields{"conversationId": id})
			}
		},
		run: func(k *killing) { _ = remove(k) },
		heal: func(k *killing, _ bool) {
			persist(k.t, "delete", func(context.Context) error { return remove(k) })
			if left := in(k.t, k.redis, id); len(left) != 0 {
				k.t.Errorf("in the deleted conversation are %v", left)
			}
			for _, m := range []*member{k.user, k.agent} {
				eventually(k.t, "it is told", func() bool {
					return slices.ContainsFunc(m.Frames(), func(f client.Frame) bool {
						return f.Event == protocol.EventConversationDeleted && strings.Contains(string(f.Data), string(id))
					})
				})
				k.isOut(m, id)
			}
		},
	}
}

// killedWelcome greets an agent for which a message is waiting. The queue brings
// the job again after two minutes, which are one second here. A connection that cannot be
// reached yet is posted to once more.
func killedWelcome() operation {
	return operation{
		name: "welcome", function: "WelcomeFunction", scale: 120, ticks: true,
		prepare: func(k *killing) {
			if !k.user.here {
				k.user.here = true
				persist(k.t, "send", func(context.Context) error { return k.try(k.utter(k.user, true)) })
			}
		},
		run: func(k *killing) { k.agent.Client = dial(k.t, k.server.WebSocketURL(), k.agent.token) },
		heal: func(k *killing, _ bool) {
			k.agent.expect(protocol.EventConnected)
			m := data[protocol.Message](k.t, k.agent.expect(protocol.EventMessageFromUser))
			if m.Seq != 1 {
				k.t.Errorf("waiting was seq %d", m.Seq)
			}
			k.agent.Close()
		},
	}
}

func killedSend(name, function string, rest bool) operation {
	var u *utterance
	return operation{
		name: name, function: function, framed: !rest, prepare: everybodyIn,
		run: func(k *killing) {
			u = k.utter(k.user, rest)
			_ = k.try(u)
		},
		heal: func(k *killing, repeats bool) {
			if repeats {
				persist(k.t, "repeat", func(context.Context) error { return k.try(u) })
			} else if err := k.sweep(); err != nil {
				k.t.Error("sweep:", err)
			}
			k.reached()
		},
	}
}

// isIn reports whether the pong has a room, and joins again what is ahead.
func (m *member) isIn(id chat.ConversationID) bool {
	m.t.Helper()
	pong := m.ping()
	head, in := heads(pong)[id]
	if in && head > m.has() {
		m.insist("join", fields{"conversationId": id, "afterSeq": m.has()})
	}
	return in
}

// theRoomHas waits until Redis has exactly these in the room.
func (k *killing) theRoomHas(members ...*member) {
	k.t.Helper()
	var want []string
	for _, m := range members {
		eventually(k.t, "it is greeted", func() bool { return m.count(protocol.EventConnected) > 0 })
		want = append(want, string(m.connectionID()))
	}
	slices.Sort(want)
	eventuallyWithin(k.t, fmt.Sprintf("the room has %q", want), killedBounds.Delivery, func() bool {
		var got []string
		for id := range in(k.t, k.redis, k.id) {
			got = append(got, id)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

// gone waits until a member counts as offline everywhere.
func (k *killing) gone(m *member) {
	k.t.Helper()
	eventuallyWithin(k.t, "REST says that it is offline", killedBounds.Presence, func() bool { return k.user.online(k.id) == 2 })
	agents := k.messages.Database().Collection("agents")
	eventuallyWithin(k.t, "its status is offline", killedBounds.Presence, func() bool {
		var a struct{ Status string }
		err := agents.FindOne(k.t.Context(), bson.M{"agentId": m.principal.ID}).Decode(&a)
		return err == nil && a.Status == "offline"
	})
	eventuallyWithin(k.t, "the others heard that it is offline", killedBounds.Presence, func() bool {
		return k.user.lastHeard(m.principal) == protocol.Offline
	})
}

// lastHeard is the latest status of a principal that a member was told.
func (a *actor) lastHeard(about chat.Principal) (status string) {
	at := ""
	for _, f := range a.Frames() {
		if f.Event != protocol.EventPresence {
			continue
		}
		p := data[protocol.Presence](a.t, f)
		for _, one := range append(p.More, p.Identity) {
			if one.ID == about.ID && p.At >= at {
				at, status = p.At, p.Status
			}
		}
	}
	return status
}

func (k *killing) remove(m *member) error {
	path := fmt.Sprintf("/conversations/%s/participants/%s/%s", k.id, m.principal.Type, m.principal.ID)
	return k.user.try(http.MethodDelete, path, nil, nil)
}

// isOut checks that a member may do nothing in a conversation.
func (k *killing) isOut(m *member, id chat.ConversationID) {
	k.t.Helper()
	for action, in := range map[string]fields{"send": {"content": "still"}, "typing": {"state": "start"}, "join": {}} {
		in["conversationId"] = id
		if _, err := m.ask(action, in); code(k.t, err) != chat.NotFound {
			k.t.Errorf("who is out tries to %s: %v", action, err)
		}
	}
}
