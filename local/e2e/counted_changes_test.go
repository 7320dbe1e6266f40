package e2e_test

import (
	"testing"
	"time"

	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// What a change asks of the databases, whatever comes after it: a reaction two of MongoDB
// before its reply, and one to note that all is done.
func TestCommandsOfAChange(t *testing.T) {
	t.Parallel()
	s, base, mongo, redis := startCounted(t, 1)
	messages := mongoOf(t, base)
	user, agent := newUser(t, s).connectLean(), newAgent(t, s).connectLean()
	id := user.open(agent)
	user.join(id)
	agent.join(id)
	said := user.say(id, "hello").MessageID
	settled := func() {
		eventually(t, "nothing is due", func() bool { return due(t, messages, id) == 0 })
		time.Sleep(quiet)
	}
	on := func(key string, on bool) fields {
		return fields{"conversationId": id, "messageId": said, "key": key, "on": on}
	}
	agent.must("react", on("👎", true)) // a process of its own, with connections of its own
	edited := fields{"conversationId": id, "messageId": said, "content": "hello there", "edits": 0}
	for _, tt := range []struct {
		name, action string
		in           fields
		redis, mongo []string
	}{
		{"a reaction", "react", on("👍", true), []string{"eval reaction", "get budget", "eval room"},
			[]string{"find conversations", "findAndModify messages", "update messages"}},
		{"it is there", "react", on("👍", true), []string{"eval reaction", "get budget"},
			[]string{"find conversations", "findAndModify messages", "find messages"}},
		{"taken back", "react", on("👍", false), []string{"eval reaction", "get budget", "eval room"},
			[]string{"find conversations", "findAndModify messages", "update messages"}},
		{"an edit", "edit", edited, []string{"eval edit", "get budget", "eval room"},
			[]string{
				"find conversations", "findAndModify messages", "update conversations", "update conversations",
				"findAndModify conversations", "findAndModify conversations", "update search", "update messages", "find webhooks", // the last once in half a minute
			}},
		{"it says so", "edit", edited, []string{"eval edit", "get budget"}, []string{"find conversations", "findAndModify messages", "find messages"}},
		{"an edit for somebody", "edit", fields{"conversationId": id, "messageId": said, "content": "hello @there", "edits": 1, "mentions": []any{fields{"type": "agent", "id": agent.principal.ID}}},
			[]string{"eval edit", "get budget", "eval room", "eval room", "hgetall agent"},
			[]string{
				"find conversations", "find messages", "findAndModify messages", "update conversations", "update conversations",
				"findAndModify conversations", "findAndModify conversations", "find conversations", "update messages",
			}},
	} {
		settled()
		mongo.take()
		redis.take()
		user.must(tt.action, tt.in)
		settled()
		if got := mongo.take(); !same(got, tt.mongo) {
			t.Errorf("%s: MongoDB did %q, want %q", tt.name, got, tt.mongo)
		}
		got := redis.take()
		for i, command := range got {
			got[i] = short(command, user.principal, agent.principal, id)
			for _, use := range []chat.Use{chat.UseReaction, chat.UseEdit} {
				if command == "eval "+principalKey(user.principal)+":rate:"+string(use) {
					got[i] = "eval " + string(use)
				}
			}
		}
		if !same(got, tt.redis) {
			t.Errorf("%s: Redis did %q, want %q", tt.name, got, tt.redis)
		}
	}
	agent.expect(protocol.EventMessageUpdated)
}
