package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aiwm-chat/local/client"
	"aiwm-chat/local/faults"
	"aiwm-chat/shared/chat"
	"aiwm-chat/shared/protocol"
)

// limited starts a server with one limit.
func limited(t *testing.T, name, limit string) (user, agent *actor, id chat.ConversationID) {
	t.Helper()
	o := options()
	o.Getenv = set(map[string]string{name: limit})
	s := start(t, o)
	user, agent = newUser(t, s), newAgent(t, s)
	return user, agent, user.open(agent)
}

// exhaust repeats an action until it is refused, and returns how often it was not, and for
// how long it is. On a machine that is busy a limit lets more through than its burst: time
// goes by, and who does not hear from Redis counts for itself.
func (a *actor) exhaust(action string, in fields) (n int, wait time.Duration) {
	a.t.Helper()
	for ; n < 30; n++ {
		if in["clientMessageId"] != nil {
			in["clientMessageId"] = unique("message")
		}
		ctx, cancel := context.WithTimeout(a.t.Context(), patience)
		if action == "typing" { // it has no reply but an error
			cancel()
			ctx, cancel = context.WithTimeout(a.t.Context(), 4*quiet)
		}
		_, err := a.Request(ctx, action, in)
		holdCode(action, err)
		over := ctx.Err() != nil
		cancel()
		if err != nil && !(action == "typing" && over) {
			return n, a.refused(action, err)
		}
	}
	a.t.Fatalf("%s has no limit", action)
	return n, wait
}

// refusedFor checks that an action is rate_limited and says for how long.
func (a *actor) refusedFor(action string, in fields) time.Duration {
	a.t.Helper()
	_, err := a.ask(action, in)
	return a.refused(action, err)
}

func (a *actor) refused(action string, err error) time.Duration {
	a.t.Helper()
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok || refusal.Code != chat.RateLimited || !refusal.Retryable {
		a.t.Fatalf("%s over its limit got %v", action, err)
	}
	ms, _ := refusal.Details["retryAfterMs"].(float64)
	if ms <= 0 || ms > 60_000 {
		a.t.Errorf("%s: the details are %v", action, refusal.Details)
	}
	return time.Duration(ms) * time.Millisecond
}

func TestLimitOfConnections(t *testing.T) {
	t.Parallel()
	user, _, id := limited(t, "LIMIT_USER_CONNECTIONS", "2")
	oldest, middle := user.device(), user.device()
	middle.join(id)
	newest := user.device()
	f := oldest.expect(protocol.EventError)
	if f.Error == nil || f.Error.Code != chat.TooManyConnections || f.Error.Retryable {
		t.Errorf("the oldest connection was told %+v", f)
	}
	select {
	case <-oldest.Done():
	case <-time.After(patience):
		t.Fatal("the oldest connection stays open")
	}
	newest.must("ping", nil)
	newest.say(id, "to the other device")
	middle.expect(protocol.EventMessageNew)

	_, agent, _ := limited(t, "LIMIT_AGENT_CONNECTIONS", "2")
	first := agent.device()
	agent.device()
	_, err := reach(t.Context(), agent.server.WebSocketURL(), agent.token)
	if refusal, ok := errors.AsType[*client.Error](err); !ok || refusal.Status != http.StatusTooManyRequests {
		t.Errorf("the third connection of the agent got %v", err)
	}
	first.must("ping", nil)
	first.Close()
	eventually(t, "there is room again", func() bool {
		c, err := reach(t.Context(), agent.server.WebSocketURL(), agent.token)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// An agent whose connections are gone, and whose $disconnects never came, is not
// refused for them.
func TestAnAgentIsNotLockedOutByConnectionsThatAreGone(t *testing.T) {
	t.Parallel()
	o := options()
	o.Getenv = set(map[string]string{"LIMIT_AGENT_CONNECTIONS": "2"})
	s := faulty(t, o, map[faults.Kind]float64{faults.DropDisconnect: 1})
	agent := newAgent(t, s)
	for range 2 {
		agent.device().Close()
	}
	eventually(t, "the gateway knows", func() bool { return s.Connections() == 0 })
	age(t, redisOf(t, s), agent.principal, 11*time.Second)
	c, err := reach(t.Context(), s.WebSocketURL(), agent.token)
	if err != nil {
		t.Fatalf("an agent without any connection is refused: %v", err)
	}
	c.Close()
}

// However many come at once, as many stay as may.
func TestManyConnectionsOfAUserAtOnce(t *testing.T) {
	const n, limit = 30, 5
	o := crowd(t)
	o.Getenv = set(map[string]string{"LIMIT_USER_CONNECTIONS": strconv.Itoa(limit)})
	s := start(t, o)
	user := newUser(t, s)
	var mu sync.Mutex
	var open []*client.Client
	each(n, n, func(int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if c, err := reach(ctx, s.WebSocketURL(), user.token); err == nil { // else it had to make room while it came
			mu.Lock()
			defer mu.Unlock()
			open = append(open, c)
			t.Cleanup(func() { c.Close() })
		}
	})
	eventually(t, "no more are left than may be", func() bool {
		left := 0
		for _, c := range open {
			select {
			case <-c.Done():
			default:
				left++
			}
		}
		return left <= limit
	})
	if n := s.Connections(); n != limit {
		t.Errorf("%d stay, want %d", n, limit)
	}
}

func TestLimitOfRooms(t *testing.T) {
	t.Parallel()
	user, agent, first := limited(t, "LIMIT_ROOMS", "2")
	user.connect()
	second, third := user.open(agent), user.open(agent)
	user.join(first)
	user.join(second)
	if _, err := user.ask("join", fields{"conversationId": third}); code(t, err) != chat.TooManyRooms {
		t.Errorf("the third room got %v", err)
	}
	agent.postMessage(string(third), "not for who was refused", "")
	user.expectNot(protocol.EventMessageNew)
	user.join(second) // again is no other
	user.device().join(third)
	user.must("leave", fields{"conversationId": first})
	user.join(third)
	if got := heads(user.ping()); len(got) != 2 {
		t.Errorf("the rooms are %v", got)
	}
}

func TestLimitOfMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		pick func(user, agent *actor) (limited, other *actor)
	}{
		{"LIMIT_USER_MESSAGES", func(user, agent *actor) (*actor, *actor) { return user, agent }},
		{"LIMIT_AGENT_MESSAGES", func(user, agent *actor) (*actor, *actor) { return agent, user }},
	} {
		user, agent, id := limited(t, tt.name, "20/min burst 3")
		a, other := tt.pick(user.connect(), agent.connect())
		in := fields{"conversationId": id, "content": "x", "clientMessageId": "first"}
		n, wait := a.exhaust("send", in)
		if n < 3 {
			t.Errorf("%s: refused after %d of 3", tt.name, n)
		}
		other.must("send", fields{"conversationId": id, "content": "x"})
		if wait > 3*time.Second {
			t.Errorf("%s: wait for %v", tt.name, wait)
		}
		time.Sleep(wait)
		if sent := data[protocol.Sent](t, a.must("send", in)); sent.Seq != int64(n)+2 || sent.Duplicate {
			t.Errorf("%s: after the wait: %+v", tt.name, sent)
		}
	}
}

func TestLimitsOfOneConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, action string }{{"LIMIT_JOINS", "join"}, {"LIMIT_TYPING", "typing"}, {"LIMIT_PINGS", "ping"}} {
		user, _, id := limited(t, tt.name, "1/min burst 3")
		user.connect()
		user.join(id)
		in := fields{"conversationId": id}
		n := 3 // within the burst
		switch tt.action {
		case "join":
			n = 2
		case "typing":
			in["state"] = "start"
		case "ping":
			in = nil
		}
		if got, _ := user.exhaust(tt.action, in); got < n {
			t.Errorf("%s: refused after %d of %d", tt.name, got, n)
		}
		if tt.action == "join" {
			user.refusedFor("leave", in)
		}
		device := user.device() // the limit is the connection's
		device.join(id)
		device.must("ping", nil)
		if got := heads(device.ping()); len(got) != 1 {
			t.Errorf("%s: another device is in %v", tt.name, got)
		}
	}
}

func TestLimitOfFanout(t *testing.T) {
	t.Parallel()
	user, agent, id := limited(t, "LIMIT_FANOUT", "1/s burst 4")
	other := user.open(agent)
	devices := []*actor{user.connect(), user.device(), user.device(), agent.connect()}
	for _, d := range devices {
		d.join(id)
	}
	in := fields{"conversationId": id, "content": "x", "clientMessageId": "first"}
	user.exhaust("send", in)             // the first is within the burst, and what it overdraws refuses the next
	_, wait := agent.exhaust("send", in) // it is the conversation's
	user.must("send", fields{"conversationId": other, "content": "another conversation"})
	time.Sleep(wait)
	user.insist("send", in)
}

func TestLimitsOfREST(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, body string }
	for _, tt := range []struct {
		name     string
		request  func(user, agent *actor, id chat.ConversationID) request
		used     int // by limited itself
		status   int
		spared   func(user *actor, id chat.ConversationID) request // what is not limited by it
		spareful int
	}{
		{"LIMIT_READS", func(_, _ *actor, id chat.ConversationID) request {
			return request{http.MethodGet, "/conversations/" + string(id), ""}
		}, 0, 200, func(user *actor, id chat.ConversationID) request {
			return request{http.MethodPut, "/conversations/" + string(id), `{"title":"t"}`}
		}, 200},
		{"LIMIT_WRITES", func(_, _ *actor, id chat.ConversationID) request {
			return request{http.MethodPut, "/conversations/" + string(id), `{"title":"t"}`}
		}, 1, 200, func(_ *actor, id chat.ConversationID) request {
			return request{http.MethodGet, "/conversations/" + string(id), ""}
		}, 200},
		{"LIMIT_CREATIONS", func(_, agent *actor, _ chat.ConversationID) request {
			return request{http.MethodPost, "/conversations", fmt.Sprintf(`{"title":"t","agentId":"%s"}`, agent.principal.ID)}
		}, 1, 201, func(_ *actor, id chat.ConversationID) request {
			return request{http.MethodPost, "/messages", fmt.Sprintf(`{"conversationId":"%s","content":"x"}`, id)}
		}, 201},
		{"LIMIT_ADDITIONS", func(user, _ *actor, id chat.ConversationID) request {
			return request{http.MethodPost, "/conversations/" + string(id) + "/participants", fmt.Sprintf(`{"type":"user","id":"%s"}`, unique("added"))}
		}, 0, 201, func(_ *actor, id chat.ConversationID) request {
			return request{http.MethodPut, "/conversations/" + string(id), `{"title":"t"}`}
		}, 200},
		{"LIMIT_SUMMARIES", func(_, _ *actor, id chat.ConversationID) request {
			return request{http.MethodPost, "/conversations/" + string(id) + "/summary", ""}
		}, 0, 200, func(_ *actor, id chat.ConversationID) request {
			return request{http.MethodGet, "/conversations/" + string(id), ""}
		}, 200},
	} {
		user, agent, id := limited(t, tt.name, "1/min burst 3")
		if tt.name == "LIMIT_SUMMARIES" {
			agent.postMessage(string(id), "something to sum up", "")
		}
		do := func(r request) (int, http.Header, []byte) {
			t.Helper()
			return user.exchange(r.method, r.path, r.body)
		}
		for range 3 - tt.used {
			if status, _, body := do(tt.request(user, agent, id)); status != tt.status {
				t.Errorf("%s: within the limit: %d %s", tt.name, status, body)
			}
		}
		status, header, body := do(tt.request(user, agent, id))
		after, err := strconv.Atoi(header.Get("Retry-After"))
		var problem protocol.Problem
		if json.Unmarshal(body, &problem) != nil || status != http.StatusTooManyRequests || problem.Code != chat.RateLimited || err != nil || after < 1 || after > 60 {
			t.Errorf("%s: over the limit: %d, Retry-After %q, %s", tt.name, status, header.Get("Retry-After"), body)
		}
		if status, _, body := do(tt.spared(user, id)); status != tt.spareful {
			t.Errorf("%s: something else got %d %s", tt.name, status, body)
		}
	}
}

// exchange is raw with the headers of the answer.
func (a *actor) exchange(method, path, body string) (int, http.Header, []byte) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.server.URL()+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	response, err := web.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, response.Header, b
}

// The defaults are no obstacle to people who talk.
func TestDefaultLimitsLetADialogueThrough(t *testing.T) {
	t.Parallel()
	o := options()
	o.Getenv = func(name string) string {
		if value := fromEnvironment(name); value != "0" {
			return value
		}
		return ""
	}
	user, agent, id := talk(t, start(t, o))
	for n := range 15 {
		for _, a := range []*actor{user, agent} {
			if err := a.Send(t.Context(), fields{"action": "typing", "conversationId": id, "state": "start"}); err != nil {
				t.Fatal(err)
			}
			a.say(id, fmt.Sprint("message ", n))
			a.must("ping", nil)
		}
		user.call(http.MethodGet, "/messages?conversationId="+string(id), nil, nil)
	}
	for _, a := range []*actor{user, agent} {
		for range 30 {
			a.expect(protocol.EventMessageNew)
		}
		if n := a.count(protocol.EventError); n != 0 {
			t.Errorf("%s got %d errors", a.principal, n)
		}
	}
}

// handshake tries to connect and returns the status.
func (a *actor) handshake() int {
	a.t.Helper()
	c, err := reach(a.t.Context(), a.server.WebSocketURL(), a.token)
	if err == nil {
		c.Close()
		return http.StatusSwitchingProtocols
	}
	if refusal, ok := errors.AsType[*client.Error](err); ok {
		return refusal.Status
	}
	a.t.Fatal(err)
	return 0
}
