package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"aiwm-chat/local/cost"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What one message costs: five operations of MongoDB and, with the limits that
// are the default, five commands of Redis, four in lean.
func TestCommandsOfASend(t *testing.T) {
	t.Parallel()
	s, base, mongo, redis := startCounted(t, 1)
	messages := mongoOf(t, base)
	for _, tt := range []struct {
		name    string
		connect func(*actor) *actor
		dialect chat.Dialect
	}{
		{"aiwm", (*actor).connect, chat.AIWM},
		{"lean", (*actor).connectLean, chat.Lean},
	} {
		wantRedis, wantMongo := cost.Commands(tt.dialect)
		user, agent := tt.connect(newUser(t, s)), tt.connect(newAgent(t, s))
		id := user.open(agent)
		user.join(id)
		agent.join(id)
		user.say(id, "the first finds a connection of the driver")
		agent.expect(protocol.EventMessageNew)
		settled := func() {
			eventually(t, "the send is done", func() bool { return due(t, messages, id) == 0 })
			time.Sleep(quiet)
		}
		settled()
		mongo.take()
		redis.take()
		user.say(id, "the second is counted")
		settled()
		if got := mongo.take(); !same(got, wantMongo) {
			t.Errorf("%s: MongoDB did %q, want %q", tt.name, got, wantMongo)
		}
		got := redis.take()
		for i, command := range got {
			got[i] = short(command, user.principal, agent.principal, id)
		}
		if !same(got, wantRedis) {
			t.Errorf("%s: Redis did %q, want %q", tt.name, got, wantRedis)
		}
	}
}

func same(got, want []string) bool {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

// short puts the kind of a key in its place.
func short(command string, user, agent chat.Principal, id chat.ConversationID) string {
	verb, key, _ := strings.Cut(command, " ")
	for of, kind := range map[string]string{
		principalKey(user) + ":rate:send": "rate", principalKey(agent): "agent", roomKey(id): "room",
		"conversation:{" + string(id) + "}:budget": "budget",
	} {
		if key == of {
			return verb + " " + kind
		}
	}
	return command
}

// G5 without Redis: writing and reading go on, what is live does not, and what
// was said meanwhile is delivered when Redis is back.
func TestWithoutRedis(t *testing.T) {
	mini := miniredis.NewMiniRedis()
	if err := mini.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mini.Close)
	o := crowd(t)
	o.TimeScale = 15 // a sweep every four seconds; ten minutes of idle time are forty
	o.Getenv = func(name string) string {
		if strings.HasPrefix(name, "LIMIT_") && name != "LIMIT_PINGS" {
			return ""
		}
		return set(map[string]string{"REDIS_ADDR": mini.Addr()})(name)
	}
	s := start(t, o) // it ends before Redis
	user, agent, id := talk(t, s)
	user.say(id, "before")
	agent.expect(protocol.EventMessageNew)
	agent.expect(protocol.EventMessageFromUser)
	mini.Close()

	away := func(sent protocol.Sent, seq int64) {
		t.Helper()
		if sent.Seq != seq || sent.Delivered == nil || *sent.Delivered || sent.Resync {
			t.Errorf("without Redis a message is acknowledged with %+v", sent)
		}
	}
	away(user.say(id, "over WebSocket"), 2)
	away(user.postMessage(string(id), "over REST", "k"), 3)
	if again := user.postMessage(string(id), "over REST", "k"); !again.Duplicate || again.Seq != 3 {
		t.Errorf("the repeat got %+v", again)
	}
	away(agent.say(id, "from the agent"), 4)
	var page protocol.MessagePage
	user.call(http.MethodGet, "/messages?afterSeq=0&conversationId="+string(id), nil, &page)
	if len(page.Data) != 4 {
		t.Errorf("the history has %d messages", len(page.Data))
	}
	var c protocol.Conversation
	user.call(http.MethodGet, "/conversations/"+string(id), nil, &c)
	user.call(http.MethodPut, "/conversations/"+string(id), fields{"title": "renamed"}, nil)
	user.open(agent)
	if err := user.try(http.MethodGet, "/presence?conversationId="+string(id), nil, nil); code(t, err) != chat.Unavailable {
		t.Errorf("GET /presence got %v", err)
	}
	if _, err := user.ask("join", fields{"conversationId": id}); code(t, err) != chat.Unavailable {
		t.Errorf("join got %v", err)
	}
	if _, err := user.ask("typing", fields{"conversationId": id, "state": "start"}); code(t, err) != chat.Unavailable {
		t.Errorf("typing got %v", err)
	}
	if _, err := user.ask("ping", nil); code(t, err) != chat.Unavailable {
		t.Errorf("ping got %v", err)
	}
	if status := user.handshake(); status != http.StatusServiceUnavailable {
		t.Errorf("connect got %d", status)
	}

	if err := mini.Restart(); err != nil {
		t.Fatal(err)
	}
	// The client of Redis notices up to a second later that it is back.
	eventually(t, "Redis is reached again", func() bool { _, err := agent.ask("ping", nil); return err == nil })
	if got := heads(agent.ping()); got[id] != 4 {
		t.Errorf("the pong has %v", got)
	}
	messages := mongoOf(t, s)
	eventually(t, "what was said is delivered", func() bool {
		hasten(t, messages, id) // a sweep may have met the few seconds in which Redis is not asked
		agent.must("ping", nil)
		user.must("ping", nil)
		time.Sleep(quiet)
		got := map[int64]bool{}
		for _, f := range agent.Frames() {
			for _, m := range messagesOf(t, f) {
				got[m.Seq] = true
			}
		}
		return len(got) == 4
	})
	eventually(t, "every process asks Redis again", func() bool {
		time.Sleep(time.Second) // within the limit of messages
		return user.say(id, "after").Delivered == nil
	})
}
