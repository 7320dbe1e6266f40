package handler_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// crowded returns a world in which others take part besides the user and the agent.
func crowded(others ...chat.PrincipalID) *world {
	w := newWorld()
	for _, id := range others {
		w.conversation.Participants = append(w.conversation.Participants, chat.Participant{Type: chat.User, ID: id})
		w.devices = append(w.devices, deviceOf(id))
	}
	w.now = w.conversation
	return w
}

func deviceOf(id chat.PrincipalID) chat.Connection {
	return chat.Connection{ID: chat.ConnectionID(id + "="), Principal: chat.Principal{Type: chat.User, ID: id, OrgID: "acme"}, ExpiresAt: time.Now().Add(time.Hour)}
}

func mentioning(ms ...protocol.Mention) protocol.MessageInput {
	return protocol.MessageInput{ConversationID: "c1", ClientMessageID: "m1", Content: "hello", Mentions: ms}
}

func mention(id chat.PrincipalID) protocol.Mention {
	return protocol.Mention{Type: chat.MentionUser, ID: id}
}

// told returns who got a notification how often.
func (w *world) told() map[string]int {
	all := map[string]int{}
	for _, c := range w.devices {
		if n := len(w.delivered[protocol.EventNotification+" "+string(c.ID)]); n > 0 {
			all[string(c.Principal.ID)] = n
		}
	}
	return all
}

func TestMentionedAreTold(t *testing.T) {
	everybody := protocol.Mention{Type: chat.Everybody}
	for name, tt := range map[string]struct {
		mentions []protocol.Mention
		set      func(w *world)
		want     map[string]int
	}{
		"one":                     {[]protocol.Mention{mention("bob")}, nil, map[string]int{"bob": 1}},
		"one, twice":              {[]protocol.Mention{mention("bob"), mention("bob")}, nil, map[string]int{"bob": 1}},
		"all":                     {[]protocol.Mention{everybody}, nil, map[string]int{"bob": 1, "cid": 1}},
		"oneself":                 {[]protocol.Mention{mention("u1")}, func(w *world) { w.devices = append(w.devices, userConnection) }, nil},
		"who is in the room":      {[]protocol.Mention{mention("bob"), mention("cid")}, func(w *world) { w.room = append(w.room, deviceOf("bob")) }, map[string]int{"cid": 1}},
		"removed meanwhile":       {[]protocol.Mention{mention("bob"), mention("cid")}, func(w *world) { w.now.Participants = w.now.Participants[:3] }, map[string]int{"bob": 1}},
		"nobody":                  {nil, nil, nil},
		"in what is deleted":      {[]protocol.Mention{everybody}, func(w *world) { w.fail["AnyConversation"] = chat.Errorf(chat.NotFound, "gone") }, nil},
		"who has no device":       {[]protocol.Mention{mention("bob")}, func(w *world) { w.devices = nil }, nil},
		"the agent, by a user":    {[]protocol.Mention{{Type: chat.MentionAgent, ID: agent.ID}}, nil, nil}, // it is in the room
		"all but one in the room": {[]protocol.Mention{everybody}, func(w *world) { w.room = append(w.room, deviceOf("cid")) }, map[string]int{"bob": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := crowded("bob", "cid")
			if tt.set != nil {
				tt.set(w)
			}
			if err := w.sendInput(t.Context(), userConnection, mentioning(tt.mentions...)); err != nil {
				t.Fatal(err)
			}
			if got := w.told(); !maps.Equal(got, tt.want) || w.due() != "" {
				t.Errorf("told %v, want %v; due %q", got, tt.want, w.due())
			}
			if n := w.count("AnyConversation") + w.count("Mentioned"); len(tt.mentions) == 0 && n > 0 {
				t.Errorf("%d steps for nobody", n)
			}
		})
	}
}

// A mention of somebody who takes no part is refused by its place, and changes nothing; the
// repeat of what was committed before they left is answered as ever.
func TestMentionOfAStranger(t *testing.T) {
	w := crowded("bob")
	in := mentioning(mention("bob"), mention("bob"), mention("eve"))
	if err := w.sendInput(t.Context(), userConnection, in); chat.CodeOf(err) != chat.ValidationFailed || w.details["mentions[2]"] == nil || len(w.details) != 1 || len(w.log) > 0 {
		t.Errorf("%v %v, %d messages", err, w.details, len(w.log))
	}
	if err := w.sendInput(t.Context(), userConnection, mentioning(mention("bob"))); err != nil {
		t.Fatal(err)
	}
	w.conversation.Participants = w.conversation.Participants[:2]
	w.now = w.conversation
	if err := w.sendInput(t.Context(), userConnection, mentioning(mention("bob"))); err != nil || len(w.acks) != 2 || !w.acks[1].Duplicate {
		t.Errorf("the repeat: %v, %+v", err, w.acks)
	}
	again := mentioning(mention("bob"))
	again.ClientMessageID = "m2"
	if err := w.sendInput(t.Context(), userConnection, again); chat.CodeOf(err) != chat.ValidationFailed || len(w.log) != 1 {
		t.Errorf("a new one: %v", err)
	}
}

// Who is not reached is told later, and nobody else again.
func TestMentionedAreToldLater(t *testing.T) {
	w := crowded("bob", "cid")
	w.unreachable["bob="] = true
	if err := w.sendInput(t.Context(), userConnection, mentioning(protocol.Mention{Type: chat.Everybody})); err != nil {
		t.Fatal(err)
	}
	if due := w.due(); due != "mention 1" || !maps.Equal(w.told(), map[string]int{"cid": 1}) {
		t.Fatalf("due %q, told %v", due, w.told())
	}
	delete(w.unreachable, "bob=")
	w.fail["Mentioned"] = down
	for range 2 {
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		delete(w.fail, "Mentioned")
	}
	if w.due() != "" || !maps.Equal(w.told(), map[string]int{"bob": 1, "cid": 1}) {
		t.Errorf("due %q, told %v", w.due(), w.told())
	}
}

// Who hangs for ever is given up.
func TestMentionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := crowded("bob")
		w.unreachable["bob="] = true
		if err := w.sendInput(t.Context(), userConnection, mentioning(mention("bob"))); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(time.Minute)
			if err := w.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if w.due() != "" || w.count("Deliver") > 1+chat.MaxDueTries {
			t.Errorf("due %q after %d deliveries", w.due(), w.count("Deliver"))
		}
	})
}

// Whoever dies after any step: everybody who is mentioned is told.
func TestMentionedAreToldWhoeverDies(t *testing.T) {
	died := 0
	for lives := range 20 {
		w := crowded("bob", "cid")
		w.mortal, w.lives = true, lives
		if err := w.sendInput(t.Context(), userConnection, mentioning(mention("bob"), mention("cid"))); err != nil || len(w.acks) == 0 {
			died++
		}
		w.mortal = false
		if len(w.log) == 0 {
			continue
		}
		if err := w.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(w.told())); !slices.Equal(got, []string{"bob", "cid"}) || w.due() != "" {
			t.Errorf("dead after %d steps: told %v, due %q", lives, got, w.due())
		}
	}
	if died == 0 {
		t.Error("nobody died")
	}
}

// A message tells of more people than its outbox names: all of them again.
func TestManyAreNotReached(t *testing.T) {
	var ids []chat.PrincipalID
	for i := range chat.MaxDueTo + 1 {
		ids = append(ids, chat.PrincipalID(fmt.Sprint("p", i)))
	}
	w := crowded(ids...)
	for _, id := range ids {
		w.unreachable[chat.ConnectionID(id+"=")] = true
	}
	if err := w.sendInput(t.Context(), userConnection, mentioning(protocol.Mention{Type: chat.Everybody})); err != nil {
		t.Fatal(err)
	}
	if n := w.log[0].Due.Notices; len(n.To) != 1 || n.To[0].Type != chat.Everybody {
		t.Errorf("to be told are %v", n)
	}
}
