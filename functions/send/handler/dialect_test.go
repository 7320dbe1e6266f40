package handler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"aiwm-chat/local/cost"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

var dialects = map[string]chat.Dialect{"aiwm": chat.AIWM, "lean": chat.Lean}

func in(c chat.Connection, id chat.ConnectionID, d chat.Dialect) chat.Connection {
	c.ID, c.Dialect = id, d
	return c
}

// Who gets which frames. "!" stands for forYou.
func TestDialects(t *testing.T) {
	sender := map[string][]string{"aiwm": {"message:new user="}, "lean": nil}
	senders := map[string][]string{"aiwm": {"message:new user2="}, "lean": {"message:new user2="}} // its other device
	member := map[string][]string{"aiwm": {"message:new member="}, "lean": {"message:new member="}}
	agents := map[string][]string{
		"aiwm, in the room": {"message:new here=", "message:from-user here="},
		"lean, in the room": {"message:new! here="},
		"aiwm, elsewhere":   {"message:from-user away="},
		"lean, elsewhere":   {"message:from-user away="},
		"aiwm, both":        {"message:new here=", "message:from-user here=", "message:from-user away="},
		"lean, both":        {"message:new! here=", "message:from-user away="},
		"aiwm, none":        nil,
	}
	for s, senderGets := range sender {
		for s2, deviceGets := range senders {
			for m, memberGets := range member {
				for a, agentGets := range agents {
					t.Run(fmt.Sprint(s, "/", s2, "/", m, "/", a), func(t *testing.T) {
						w := newWorld()
						w.conversation.Participants = append(w.conversation.Participants, chat.Participant{Type: chat.User, ID: stranger.ID})
						w.now = w.conversation
						caller := in(userConnection, "user=", dialects[s])
						w.room = []chat.Connection{caller, in(userConnection, "user2=", dialects[s2]), in(strangerConnection, "member=", dialects[m])}
						w.agents = nil
						where := a[len("aiwm, "):]
						if where == "in the room" || where == "both" {
							c := in(agentConnection, "here=", dialects[a[:4]])
							w.room, w.agents = append(w.room, c), append(w.agents, c)
						}
						if where == "elsewhere" || where == "both" {
							w.agents = append(w.agents, in(agentConnection, "away=", dialects[a[:4]]))
						}
						if err := w.sendInput(t.Context(), caller, protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil {
							t.Fatal(err)
						}
						want := slices.Sorted(slices.Values(slices.Concat(senderGets, deviceGets, memberGets, agentGets)))
						if got := slices.Sorted(maps.Keys(w.delivered)); !slices.Equal(got, want) || len(w.posts) != len(want) {
							t.Errorf("delivered %v, want %v", got, want)
						}
						if len(w.acks) != 1 || (w.acks[0].AgentOnline == nil) != (s == "lean") || (w.count("AgentOnline") == 0) != (s == "lean") {
							t.Errorf("the acks are %+v, the steps %v", w.acks, w.steps)
						}
						encodedOnce(t, w)
					})
				}
			}
		}
	}
}

// encodedOnce checks that frames of the same content are the same bytes.
func encodedOnce(t *testing.T, w *world) {
	t.Helper()
	frames := map[string]map[*byte]bool{}
	for _, p := range w.posts {
		event, _ := eventOf(p.Frame)
		if frames[event] == nil {
			frames[event] = map[*byte]bool{}
		}
		frames[event][&p.Frame[0]] = true
	}
	for event, encoded := range frames {
		if len(encoded) != 1 {
			t.Errorf("%s is encoded %d times", event, len(encoded))
		}
	}
}

func TestEachFrameIsEncodedOnce(t *testing.T) {
	w := newWorld()
	w.room, w.agents = many(40), nil
	for i := range w.room {
		w.room[i].Dialect = []chat.Dialect{chat.AIWM, chat.Lean}[i%2]
	}
	for i := range 20 {
		c := in(agentConnection, chat.ConnectionID(fmt.Sprintf("a%02d=", i)), []chat.Dialect{chat.AIWM, chat.Lean}[i%2])
		if w.agents = append(w.agents, c); i < 10 {
			w.room = append(w.room, c)
		}
	}
	if err := w.send(t.Context(), "m1", "hello"); err != nil {
		t.Fatal(err)
	}
	if want := 40 + 1 + 10 + 5 + 10; len(w.posts) != want { // the room, the sender, agents in it: each, and those of aiwm twice, and elsewhere
		t.Errorf("%d posts, want %d", len(w.posts), want)
	}
	encodedOnce(t, w)
}

// An agent writes, in lean: its own connection has the reply, its others are
// members like everybody.
func TestAgentInLean(t *testing.T) {
	w := newWorld()
	caller := in(agentConnection, "agent=", chat.Lean)
	w.agents = []chat.Connection{caller, in(agentConnection, "agent2=", chat.Lean), in(agentConnection, "away=", chat.Lean)}
	w.room = []chat.Connection{in(userConnection, "user=", chat.Lean), w.agents[0], w.agents[1]}
	if err := w.sendInput(t.Context(), caller, protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(w.delivered)), []string{"message:new agent2=", "message:new user="}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

// In lean the caller's connection gets its reply only, in the room or not, and
// the message itself when sweep delivers it.
func TestSenderInLean(t *testing.T) {
	w := newWorld()
	caller := in(userConnection, "user=", chat.Lean)
	w.room = w.room[1:]
	w.sendInput(t.Context(), caller, protocol.MessageInput{ConversationID: "c1", Content: "hello"})
	if len(w.delivered["message:new user="]) != 0 || len(w.acks) != 1 {
		t.Errorf("delivered %v", w.delivered)
	}
	w = newWorld()
	w.room[0] = caller
	w.fail["Audience"] = down
	w.sendInput(t.Context(), caller, protocol.MessageInput{ConversationID: "c1", Content: "hello"})
	clear(w.fail)
	w.sweep(t.Context())
	if len(w.delivered["message:new user="]) != 1 {
		t.Errorf("by sweep: delivered %v", w.delivered)
	}
}

// What API Gateway bills of a user's message to an agent.
func TestBilledFrames(t *testing.T) {
	for _, name := range []string{"aiwm", "lean"} {
		want := cost.Message(dialects[name]).Frames
		w := newWorld()
		w.fill(1, time.Now())
		caller := in(userConnection, "user=", dialects[name])
		w.agents = []chat.Connection{in(agentConnection, "agent=", dialects[name])}
		w.room = []chat.Connection{caller, w.agents[0]}
		if err := w.sendInput(t.Context(), caller, protocol.MessageInput{ConversationID: "c1", Content: "hello"}); err != nil {
			t.Fatal(err)
		}
		if got := 1 + len(w.acks) + len(w.posts); got != want {
			t.Errorf("%s: %d frames, want %d: %v", name, got, want, w.delivered)
		}
	}
}
