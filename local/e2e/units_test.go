package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiwm-chat/local/cost"
	"aiwm-chat/shared/protocol"
)

// What `local cost` reckons with besides a message: a connection, a ping, and a sweep
// that finds nothing.
func TestUnitsOfASession(t *testing.T) {
	t.Parallel()
	s, _, mongo, redis := startCounted(t, 60) // a sweep each second
	eventually(t, "the first sweep", func() bool { return len(redis.take()) > 0 })
	time.Sleep(quiet)
	redis.take()
	mongo.take()
	var did, asked []string
	eventually(t, "three sweeps", func() bool {
		did, asked = append(did, mongo.take()...), append(asked, redis.take()...)
		return len(asked) >= 3*cost.Sweep().Redis
	})
	if n, others := withoutSweeps(asked); n < 2 || len(others) > 0 {
		t.Errorf("sweeps ask Redis %q", asked)
	}
	if n, others := withoutSweeps(did); n < 2 || len(others) > 1 { // one may be half done
		t.Errorf("sweeps ask MongoDB %q", did)
	}

	user, agent := newUser(t, s).connect(), newAgent(t, s).connect()
	id := user.open(agent)
	user.join(id)
	agent.join(id)
	user.say(id, "the conversation has a message")
	agent.expect(protocol.EventMessageNew)
	user.Close()
	agent.expect(protocol.EventUserLeft)
	time.Sleep(10 * quiet)

	for _, tt := range []struct {
		name string
		want cost.Units
		do   func() int // the frames that the agent does not get
	}{
		{"a session", cost.Session(), func() int {
			user = user.connect()
			user.join(id)
			time.Sleep(10 * quiet)
			user.Close()
			return len(user.Frames()) + 1
		}},
		{"a ping", cost.Ping(), func() int { agent.ping(); return 1 }},
	} {
		// A sweep may be half done when it is looked at: then once more.
		var wrong string
		for range 4 {
			redis.take()
			mongo.take()
			before := len(agent.Frames())
			frames := tt.do()
			time.Sleep(10 * quiet)
			frames += len(agent.Frames()) - before
			_, asked := withoutSweeps(redis.take())
			_, did := withoutSweeps(mongo.take())
			if frames == tt.want.Frames && len(asked) == tt.want.Redis && len(did) == tt.want.Mongo {
				wrong = ""
				break
			}
			wrong = fmt.Sprintf("%d frames, %d of Redis %q, %d of MongoDB %q", frames, len(asked), asked, len(did), did)
		}
		if wrong != "" {
			t.Errorf("%s has %s, want %+v", tt.name, wrong, tt.want)
		}
	}
}

// withoutSweeps takes what sweeps do out of what was done: each asks for agents, and
// for messages that are due.
func withoutSweeps(commands []string) (sweeps int, others []string) {
	messages := 0
	for _, c := range commands {
		switch c {
		case "zremrangebyscore users:online", "zrangebyscore streams", "find runs":
		case "zremrangebyscore agents:online", "find agents":
			sweeps++
		case "find messages":
			messages++
		default:
			others = append(others, c)
		}
	}
	if slices.Contains(commands, "find agents") || messages > 0 {
		for range messages - sweeps {
			others = append(others, "find messages")
		}
	}
	return sweeps, others
}
